r"""Exponential units: smooth relatives of ReLU whose left side saturates or vanishes.

ELU and its scaled and continuously differentiable forms let the mean of a layer's outputs come near zero, which ReLU
cannot; softplus and squareplus are ReLU with the corner rounded. Slopes on the left are computed from the exponential
itself, never from the value plus a constant, so they keep every digit where the curve is already flat.
"""

from __future__ import annotations

from math import inf

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels import elu as _elu
from jaxacts._kernels import softplus as _softplus
from jaxacts._kernels import squareplus as _squareplus
from jaxacts._kernels.arithmetic.elementary import finite, negative_part
from jaxacts.activations._logistic import sigmoid

__all__ = ["celu", "elu", "selu", "softplus", "squareplus"]

# Exact fixed point (mean 0, variance 1) of Klambauer et al. 2017, equation 14, to float64.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_SELU_LEFT = _SELU_SCALE * _SELU_ALPHA
_SELU_LIMITS = ((_SELU_LEFT, _SELU_SCALE),)


def _elu_slope(x: Array, alpha: Array) -> Pieces:
    half = jnp.exp(negative_part(x) / 2)  # exp(x) itself may underflow where alpha·exp(x) does not
    return Pieces((0.0,), (alpha * half * half, 1.0), limits=((alpha, 1.0),))


@activation(
    slope=_elu_slope,
    partials={"alpha": lambda x, alpha: jnp.expm1(negative_part(x))},
    refined={"value": _elu.elu, "alpha": _elu.elu_by_alpha},
    facts=lambda alpha: Facts((min(-alpha, 0), inf), Line(0, -alpha), Line(1, 0), lipschitz=max(1.0, alpha, -alpha)),
)
def elu(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""Exponential linear unit: the identity to the right, a saturating exponential to the left.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: minus the limit at :math:`-\infty`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-\alpha, \infty)` for :math:`\alpha \ge 0`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        For :math:`\alpha \ne 1` a kink at 0, where the slope is the lesser of :math:`\alpha` and 1, and 0 for a
        negative :math:`\alpha` (always :math:`\alpha` in jax.nn and torch). The default 1 is that of the paper's
        experiments, jax, torch and keras.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.elu(jnp.array([-1.0, 0.0, 2.0])).tolist()]
        [-0.6321, 0.0, 2.0]

    References:
        Clevert et al. 2015, "Fast and accurate deep network learning by exponential linear units",
        https://arxiv.org/abs/1511.07289
    """
    return jnp.where(x > 0, x, alpha * jnp.expm1(x))


def _selu_slope(x: Array) -> Pieces:
    half = jnp.exp(negative_part(x) / 2)
    return Pieces((0.0,), (_SELU_LEFT * half * half, _SELU_SCALE), limits=_SELU_LIMITS)


@activation(
    slope=_selu_slope,
    refined={
        "value": lambda x: _elu.selu(x, _SELU_SCALE, _SELU_LEFT),
        "slope": lambda x: Pieces((0.0,), (_elu.selu_decay(x, _SELU_LEFT), _SELU_SCALE), limits=_SELU_LIMITS),
    },
    facts=Facts(
        image=(-_SELU_LEFT, inf),
        left=Line(0, -_SELU_LEFT),
        right=Line(_SELU_SCALE, 0),
        lipschitz=_SELU_LEFT,
    ),
)
def selu(x: Array) -> Array:
    r"""Scaled exponential linear unit: ELU with constants that keep mean 0 and variance 1 through the layers.

    .. math::

        f(x) = \lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}
        \qquad \alpha = 1.6732632423543772,\ \lambda = 1.0507009873554805

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-\lambda\alpha, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kink at 0, where the slope is :math:`\lambda` (:math:`\lambda\alpha` in jax.nn). Use it with
        :func:`jaxacts.initializers.lecun_normal`, for which the constants were derived.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.selu(jnp.array([-1.0, 1.0])).tolist()]
        [-1.1113, 1.0507]

    References:
        Klambauer et al. 2017, "Self-normalizing neural networks", https://arxiv.org/abs/1706.02515
    """
    return jnp.where(x > 0, _SELU_SCALE * x, _SELU_LEFT * jnp.expm1(x))


def _celu_slope(x: Array, alpha: Array) -> Pieces:
    return Pieces((0.0,), (jnp.exp(negative_part(finite(x)) / alpha), 1.0), limits=((1.0, 1.0),))


@activation(
    slope=_celu_slope,
    partials={"alpha": lambda x, alpha: _elu.celu_by_alpha(x, alpha, jnp.expm1)},
    refined={
        "value": _elu.celu,
        "slope": lambda x, alpha: Pieces((0.0,), (_elu.celu_decay(x, alpha), 1.0), limits=((1.0, 1.0),)),
        "alpha": _elu.celu_by_alpha,
    },
    facts=lambda alpha: Facts((-alpha, inf), Line(0, -alpha), Line(1, 0), lipschitz=1.0),
    domain={"alpha > 0": lambda alpha: alpha > 0},
)
def celu(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""Continuously differentiable exponential linear unit: ELU whose slope is 1 at 0 for every alpha.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ \alpha (e^{x/\alpha} - 1) & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: minus the limit at :math:`-\infty`, :math:`\alpha > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-\alpha, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``alpha`` is a number that is not positive.

    Note:
        No kinks. The default 1 is that of jax and torch, where it equals :func:`elu`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.celu(jnp.array([-2.0, 3.0]), 2.0).tolist()]
        [-1.2642, 3.0]

    References:
        Barron 2017, "Continuously differentiable exponential linear units", https://arxiv.org/abs/1704.07483
    """
    r = negative_part(x) / alpha  # near 0 it may underflow where alpha·expm1(r), which is x there, does not
    return jnp.where((x > 0) | (r > -1e-9), x, alpha * jnp.expm1(r))


@activation(
    slope=sigmoid,
    refined={"value": _softplus.softplus},
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
)
def softplus(x: Array) -> Array:
    r"""Smooth ReLU whose slope is the sigmoid.

    .. math::

        f(x) = \log(1 + e^x)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. Both tails keep every digit; torch switches to the identity above 20.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.softplus(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [0.3133, 0.6931, 1.3133]

    References:
        Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing",
        https://papers.nips.cc/paper/1920
    """
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


def _half_root(a: Array, b: Array) -> Array:
    """sqrt(a² + b/4) for a = |x|/2; beyond 2^63, where the square might overflow, a stands for it."""
    return jnp.maximum(a, jnp.sqrt(jnp.square(jnp.minimum(a, 2.0**63)) + b / 4))


@jax.custom_jvp
def _squareplus_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2 with r = sqrt(x² + b), on the left as b/(2r·(r + |x|))."""
    a, s = jnp.abs(x / 2), jnp.sqrt(b) / 2
    r = jnp.maximum(_half_root(a, b), float(jnp.finfo(a.dtype).tiny))
    tail = (s / (r + a)) * (s / r) / 2
    return jnp.where(x <= 0, tail, 1 - tail)


@_squareplus_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return _squareplus_slope(*primals), _squareplus.curvature(*primals, *tangents)


@activation(
    slope=_squareplus_slope,
    partials={"b": lambda x, b: 0.25 / _squareplus.root(x, b)},
    refined={"value": _squareplus.squareplus, "slope": _squareplus.squareplus_slope},
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
    domain={"b >= 0": lambda b: b >= 0},
)
def squareplus(x: Array, b: ArrayLike = 4) -> Array:
    r"""Algebraic softplus: a hyperbola, with no exponential to compute.

    .. math::

        f(x) = \tfrac12 \left( x + \sqrt{x^2 + b} \right)

    Args:
        x: array of any shape and real dtype.
        b: how round the corner is, :math:`b \ge 0`, broadcasts against ``x``; differentiable. In 16 bits 0 or from
            :math:`2^{-60}` to :math:`2^{100}`; beyond, results keep fewer digits.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(0, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``b`` is a negative number.

    Note:
        No kinks for :math:`b > 0`; for 0 it is ReLU, whose kink is not in the catalogue. The default 4 is that of jax;
        it gives the second derivative of softplus at 0.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.squareplus(jnp.array([-1.5, 0.0, 1.5]))
        Array([0.5, 1. , 2. ], dtype=float32)

    References:
        Barron 2021, "Squareplus: a softplus-like algebraic rectifier", https://arxiv.org/abs/2112.11687
    """
    b = jnp.asarray(b)
    a = jnp.abs(x / 2)
    total = _half_root(a, b) + a
    return jnp.where(x < 0, b / 4 / total, total)
