r"""Self-gated units: x times a gate that opens with x.

:math:`x \cdot g(x)` with a sigmoid-like g is smooth, dips below zero on the left and tends to the identity on the
right. The forms below never multiply an infinite x by a gate that has underflowed, and compute the left tail from the
exponential, so that value and slope keep their digits until they leave the range of the dtype.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from math import inf

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, Pieces, activation, check_flag
from jaxacts._kernels import gelu as _gelu
from jaxacts._kernels import gelu_tanh as _gelu_tanh
from jaxacts._kernels import mish as _mish
from jaxacts._kernels import silu as _silu
from jaxacts._kernels.arithmetic.elementary import derivative
from jaxacts.activations._logistic import root_exp, sigmoid_slope

__all__ = ["gelu", "hard_silu", "hard_swish", "mish", "silu", "swish"]


Inner = Callable[[Array], tuple[Array, Array | float, Array | float]]
"""The argument y of a sigmoid gate, and its first two derivatives by x."""


def _root_exp(y: Array) -> Array:
    return root_exp(y, 2.0**60 if y.dtype == jnp.float64 else 2.0**29)  # the sigmoid of its logarithm rounds to 1


def _self_gated(inner: Inner, x: Array) -> Array:
    """x·σ(y) as x·u²/(1 + u²) with u = exp(y/2)."""
    x = _lowest(x)
    u = _root_exp(inner(x)[0])
    return x * (u / (1 + u * u)) * u


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _gated_slope(inner: Inner, x: Array) -> Array:
    """The slope of x·σ(y): σ(y)·(1 + x·y'·σ(-y)) as u²·(d + x·y')/d² with u = exp(y/2) and d = 1 + u²."""
    x = jnp.clip(x, -1e3, 1e3)
    y, steep, _ = inner(x)
    u = _root_exp(y)
    d = 1 + u * u
    return u / d * ((d + x * steep) / d) * u


@_gated_slope.defjvp
def _(inner: Inner, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    inside = jnp.clip(x, -1e3, 1e3)
    y, steep, curve = inner(inside)
    curvature = sigmoid_slope(y) * (2 * steep + inside * (curve - steep * steep * jnp.tanh(y / 2)))
    return _gated_slope(inner, x), curvature * t


def _lowest(x: Array) -> Array:
    """x with the least finite number for -inf, which times 0 is 0."""
    return jnp.maximum(x, float(jnp.finfo(x.dtype).min))


def _linear(x: Array) -> tuple[Array, float, float]:
    return x, 1.0, 0.0


@activation(
    slope=lambda x: _gated_slope(_linear, x),
    refined={"value": _silu.silu, "slope": _silu.silu_slope},
    facts=Facts(image=(-0.278464542761073795, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.09983932012886692),
)
def silu(x: Array) -> Array:
    r"""Sigmoid-weighted linear unit, also called swish.

    .. math::

        f(x) = x\,\sigma(x) = \frac{x}{1 + e^{-x}}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.2785, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -1.2785, the greatest slope 1.0998 at 2.3994. At -inf the value is 0 (NaN in
        jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.silu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.2689, 0.0, 0.7311]

    References:
        Elfwing et al. 2017, "Sigmoid-weighted linear units for neural network function approximation",
        https://arxiv.org/abs/1702.03118
    """
    return _self_gated(_linear, x)


swish = silu


def _gelu_facts(approximate: bool) -> Facts:
    least, steepest = (
        (-0.170040750571254051, 1.12899306865877177) if approximate else (-0.169971207479903662, 1.12890414518515479)
    )
    return Facts((least, inf), Line(0, 0), Line(1, 0), lipschitz=steepest)


_TAIL = 0.9942


def _erfc_ends(x: Array) -> float:
    """Where erfc underflows in float32; from there to -13.3, where gelu does, it is -φ(x)·(1 - 1/x² + ...)."""
    return -math.inf if x.dtype == jnp.float64 else -12.97


def _cubic(x: Array) -> tuple[Array, Array, Array]:
    linear, cube, square = _gelu_tanh.LINEAR, _gelu_tanh.CUBE, x * x
    return x * (linear + cube * square), linear + 3 * cube * square, 6 * cube * x


def _gelu_slope(x: Array, approximate: bool) -> Array:
    if approximate:
        return _gated_slope(_cubic, x)
    x = jnp.clip(x, -40, 40)
    half = jnp.exp(x * x / -4)
    steep = x * half * _gelu.DENSITY_AT_0 * half
    return jnp.where(x < _erfc_ends(x), _TAIL * steep, jax.lax.erfc(-math.sqrt(0.5) * x) / 2 + steep)


@activation(
    slope=_gelu_slope,
    refined={
        "value": lambda x, approximate: _gelu_tanh.gelu_tanh(x) if approximate else _gelu.gelu(x),
        "slope": lambda x, approximate: _gelu_tanh.gelu_tanh_slope(x) if approximate else _gelu.gelu_slope(x),
    },
    facts=_gelu_facts,
    static=("approximate",),
)
def gelu(x: Array, approximate: bool = True) -> Array:
    r"""Gaussian error linear unit: x times the probability that a standard normal variable is below x.

    .. math::

        f(x) = x\,\Phi(x) \quad\text{or}\quad
        \frac{x}{2} \left( 1 + \tanh\!\left( \sqrt{2/\pi}\,(x + 0.044715\,x^3) \right) \right)

    Args:
        x: array of any shape and real dtype.
        approximate: take the tanh form (the second); False takes the exact one.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.1701, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array, or ``approximate`` is not a bool (torch's ``"tanh"`` is True here).

    Note:
        **The default is the tanh form, as in jax.nn; torch and keras default to the exact one.** They differ by up to
        4.7e-4, so pass ``approximate=False`` for weights trained there. No kinks. The minimum is at -0.752.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.gelu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.1588, 0.0, 0.8412]
        >>> [round(y, 4) for y in jaxacts.gelu(jnp.array([-1.0, 0.0, 1.0]), approximate=False).tolist()]
        [-0.1587, 0.0, 0.8413]

    References:
        Hendrycks & Gimpel 2016, "Gaussian error linear units", https://arxiv.org/abs/1606.08415
    """
    check_flag("gelu", "approximate", approximate)
    if approximate:
        return _self_gated(_cubic, x)
    x = jnp.maximum(x, -40)
    half = jnp.exp(x * x / -4)
    tail = half * (-_TAIL * _gelu.DENSITY_AT_0) * half
    return jnp.where(x < _erfc_ends(x), tail, x / 2 * jax.lax.erfc(-math.sqrt(0.5) * x))


@derivative(_mish.curvature)
def _mish_slope(x: Array) -> Array:
    """With m = exp(x) and d = m·(m + 2) + 2: m·((m + 2)·d + 4x·(m + 1))/d²."""
    x = jnp.clip(x, -1e3, 1e3)
    u = root_exp(x, 2.0**15)
    m = u * u
    d = m * (m + 2) + 2
    return u * (((m + 2) * d + 4 * x * (m + 1)) / d / d) * u


@activation(
    slope=_mish_slope,
    refined={"value": _mish.mish, "slope": _mish.mish_slope},
    facts=Facts(image=(-0.308843413017250407, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.08849816125172786),
)
def mish(x: Array) -> Array:
    r"""Self-regularized unit: x gated by the tanh of its softplus.

    .. math::

        f(x) = x \tanh(\log(1 + e^x))

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.3089, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -1.1924. Computed as a rational function of one exponential instead of three
        transcendental functions. At -inf the value is 0 (NaN in jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.mish(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.3034, 0.0, 0.8651]

    References:
        Misra 2019, "Mish: a self regularized non-monotonic activation function", https://arxiv.org/abs/1908.08681
    """
    u = root_exp(x, 2.0**15)
    m = u * u  # tanh(log(1 + m)) = m·(m + 2)/(m·(m + 2) + 2)
    return _lowest(x) * (u * ((m + 2) / (m * (m + 2) + 2))) * u


@activation(
    slope=lambda x: Pieces((-3.0, 3.0), (0.0, (x + 1.5) / 3, 1.0), limits=((0.0, -0.5), (1.5, 1.0))),
    facts=Facts(image=(-0.375, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.5),
)
def hard_silu(x: Array) -> Array:
    r"""Piecewise quadratic silu, also called hard swish.

    .. math::

        f(x) = x \, \frac{\min(\max(x + 3, 0), 6)}{6}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-3/8, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kinks at -3 (slopes -1/2 and 0; 0 is taken) and 3 (slopes 3/2 and 1; 1 is taken), as in jax.nn. At -inf the
        value is 0 (NaN in jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.hard_silu(jnp.array([-4.0, -1.5, 4.0]))
        Array([-0.   , -0.375,  4.   ], dtype=float32)

    References:
        Howard et al. 2019, "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244
    """
    x = jnp.maximum(x, -3)
    share = jnp.where(x < -1.5, (x + 3) / 6, x / 6 + 0.5)
    return x * jnp.minimum(share, 1)


hard_swish = hard_silu
