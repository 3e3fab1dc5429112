r"""Self-gated units: x times a gate that opens with x.

:math:`x \cdot g(x)` with a sigmoid-like g is smooth, dips below zero on the left and tends to the identity on the
right. The forms below never multiply an infinite x by a vanished gate, and compute the left tail from the
exponential, so that value and slope keep their digits until they leave the range of the dtype.
"""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, Pieces, activation, check_flag
from jaxacts._kernels import (
    MISH_GATE,
    MISH_ROOT,
    SILU_ROOT,
    about_root,
    bounded,
    cubic_gate,
    cubic_gate_slope,
    decay,
    derivative,
    exact_sum,
    gate_slope,
    gelu_curve,
    gelu_slope,
    less,
    near,
    polynomial,
    silu_curve,
    vanished,
    where,
)

__all__ = ["gelu", "hard_silu", "hard_swish", "mish", "silu", "swish"]


@derivative(lambda x: _silu_curvature(x))
def _silu_slope(x: Array) -> Array:
    a = bounded(x, vanished(x))
    left = gate_slope(a, 0.0, a)
    return about_root(x, SILU_ROOT, left, 1 - left)


def _silu_curvature(x: Array) -> Array:
    """σ(x)·σ(-x)·(2 - |x|·tanh(|x|/2)) with n = exp(-|x|)."""
    e, a = decay(x), bounded(x, vanished(x))
    n = e.value
    return e.times((2 - a) + n * (2 + a)) / ((1 + n) * jnp.square(1 + n))


@activation(
    slope=_silu_slope,
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
        TypeError: ``x`` is complex or no array.

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
    return silu_curve(x)


swish = silu


def _gelu_facts(approximate: bool) -> Facts:
    least, steepest = (
        (-0.170040750571254051, 1.12899306865877177) if approximate else (-0.169971207479903662, 1.12890414518515479)
    )
    return Facts((least, inf), Line(0, 0), Line(1, 0), lipschitz=steepest)


@activation(
    slope=lambda x, approximate: cubic_gate_slope(x) if approximate else gelu_slope(x),
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
        TypeError: ``x`` is complex or no array, or ``approximate`` is no bool (torch's ``"tanh"`` is True here).

    Note:
        **The default is the tanh form, as in jax.nn; torch and keras default to the exact one.** They differ by up to
        4.7e-4, so pass ``approximate=False`` for weights trained there. No kinks. The minimum is at -0.752. With its
        gradient the exact form costs no more than the other here, alone in float32 1.6 times as much.

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
    return cubic_gate(x) if approximate else gelu_curve(x)


def _mish_sum(x: Array, n: Array) -> Array:
    """The denominator of tanh(log(1 + m)) = (m² + 2m)/(m² + 2m + 2), with m = n on the left and 1/n on the right."""
    # Without fused multiply-add 1 + 2n(1 + n) has one rounding more, and the second derivative 1.3 units.
    return where(x < 0, 2 + n * (2 + n), 1 + (2 * n + 2 * n * n))


@derivative(lambda x: _mish_curvature(x))
def _mish_slope(x: Array) -> Array:
    """With n = exp(-|x|): n times a cubic in n less a correction on the left, 1 and a correction on the right."""
    e = decay(x)
    n, a = e.value, bounded(x, vanished(x))
    left, left_low = exact_sum(1 - a, n * (n * (1 + n / 4) + (1.5 - a)))
    left_low = left_low + e.lost(polynomial((0.75, 2, 1.5 - a), n))
    right = n * n * (4 * (1 + n) * (a - n) - 2)
    # 1 + m is (1 + n + n²/2)² on the left, (1 + 2n + 2n²)² on the right.
    m = n * where(x < 0, polynomial((0.25, 1, 2, 2), n), polynomial((4, 8, 8, 4), n))
    top = e.times(left, left_low)
    far = where(x < 0, top, 1.0) + where(x < 0, -top * m, right) / (1 + m)
    return about_root(x, MISH_ROOT, far, far)


def _mish_curvature(x: Array) -> Array:
    """With n = exp(-|x|): a cubic in n times 4n (4n² on the right) over the cube of the sum of the value."""
    e, a = decay(x), bounded(x, vanished(x))
    n = e.value
    left = x < 0
    rest = (where(left, 2.0, 4.0) + 2 * a, where(left, 6 + 3 * a, 8 + 2 * a), where(left, 8 - 2 * a, 6 - 3 * a))
    bracket = (where(left, 4.0, 2.0) - 2 * a) + n * polynomial(rest, n)
    below = _mish_sum(x, n)
    return e.times(where(left, 4.0, 4 * n) * bracket) / (below * jnp.square(below))


@activation(
    slope=_mish_slope,
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
        TypeError: ``x`` is complex or no array.

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
    e, a = decay(x), bounded(x, vanished(x))
    n = e.value
    passed, correction = less(a, where(x < 0, n * (1 + n), 2 * n * n) / _mish_sum(x, n))
    far = where(x < 0, -e.times(passed, correction), where(x > vanished(x), x, passed + correction))
    return near(x, MISH_GATE, far, times=True)


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
        TypeError: ``x`` is complex or no array.

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
    x = where(x < -3, -3.0, x)
    share = where(x < -1.5, (x + 3) / 6, x / 6 + 0.5)
    return x * where(share > 1, 1.0, share)


hard_swish = hard_silu
