"""ReLU with its corner rounded."""

from __future__ import annotations

from math import inf

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.double_word import two_words
from jaxacts._kernels.arithmetic.elementary import derivative, finite
from jaxacts._kernels.exponentials import softplus as _softplus
from jaxacts.activations._logistic import sigmoid

__all__ = ["softplus", "sqrt_softplus", "squareplus"]


def _plain(x: Array) -> Array:
    return jnp.maximum(x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@activation(
    slope=lambda x, beta: sigmoid(beta * x),
    partials={"beta": _softplus.softplus_by_beta},
    refined={"value": _softplus.softplus_with_beta, "slope": _softplus.sigmoid},
    at_defaults={"value": _plain, "slope": sigmoid, "refined value": _softplus.softplus},
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
    domain={"beta > 0": lambda beta: beta > 0},
)
def softplus(x: Array, beta: ArrayLike = 1.0) -> Array:
    r"""Smooth ReLU whose slope is the sigmoid.

    .. math::

        f(x) = \frac{\log(1 + e^{\beta x})}{\beta}

    Args:
        x: array of any shape and real dtype.
        beta: how sharp the corner is, :math:`\beta > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(0, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``beta`` is a number that is not positive.

    Note:
        No kinks. Both tails keep every digit; torch switches to the identity where :math:`\beta x` is above 20. As
        ``beta`` grows it becomes ReLU. torch has ``beta``, jax.nn and keras do not; left at its default, it costs
        nothing.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.softplus(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [0.3133, 0.6931, 1.3133]
        >>> [round(y, 4) for y in jaxacts.softplus(jnp.array([-1.0, 0.0, 1.0]), beta=4.0).tolist()]
        [0.0045, 0.1733, 1.0045]

    References:
        Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing",
        https://papers.nips.cc/paper/1920
    """
    beta = jnp.asarray(beta)
    z = jnp.abs(beta * x)
    root = jnp.exp(z / -2)
    tail = jnp.where(z > _softplus.linear_from(x), root * (root / beta), jnp.log1p(root * root) / beta)
    return jnp.maximum(x, 0) + tail


_softplus_with_slope = derivative(sigmoid)(_plain)


def _before_tail(x: Array) -> Array:
    return jnp.where(x < -_softplus.linear_from(x), -_softplus.linear_from(x), x)


def _sqrt_softplus_curvature(x: Array) -> Array:
    """f'·(σ(-x) - σ(x)/(2f²))."""
    c = _before_tail(x)
    return _sqrt_softplus_slope(x) * (sigmoid(-c) - sigmoid(c) / (2 * _softplus_with_slope(c)))


@derivative(_sqrt_softplus_curvature)
def _sqrt_softplus_slope(x: Array) -> Array:
    """σ(x)/(2f), which is f/2 in the left tail."""
    c = _before_tail(x)
    return jnp.where(
        x < -_softplus.linear_from(x), jnp.exp(x / 2) / 2, sigmoid(c) / (2 * jnp.sqrt(_softplus_with_slope(c)))
    )


@activation(
    slope=_sqrt_softplus_slope,
    facts=Facts(image=(0, inf), left=Line(0, 0), lipschitz=0.31908634316947574),
)
def sqrt_softplus(x: Array) -> Array:
    r"""Square root of softplus: a positive score that grows like a root.

    .. math::

        f(x) = \sqrt{\log(1 + e^x)}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The greatest slope is 0.3191, at 0.9214. In the left tail it is :math:`e^{x/2}`, a normal number where
        softplus itself has vanished: automatic differentiation of the root of softplus gives NaN there, from -88
        on. It scores the experts in the router of DeepSeek-V4. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.sqrt_softplus(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [0.5597, 0.8326, 1.146]

    References:
        DeepSeek-AI, "DeepSeek-V4", https://huggingface.co/deepseek-ai
    """
    return jnp.where(x < -_softplus.linear_from(x), jnp.exp(x / 2), jnp.sqrt(_plain(x)))


LOG_2 = (0.6931471805599453, 2.3190468138462996e-17)  # and what float64 leaves of it


def _inverse_curvature(x: Array) -> Array:
    slope = _inverse_slope(x)
    return slope * jnp.exp(-x) * -slope


@derivative(_inverse_curvature)
def _inverse_slope(x: Array) -> Array:
    """1/(1 - exp(-x))."""
    return jnp.where(x < 0, jnp.nan, -1 / jnp.expm1(-x))


@activation(slope=_inverse_slope, facts=Facts(right=Line(1, 0)))
def softplus_inverse(x: Array) -> Array:
    r"""Inverse of softplus, for numbers that are stored before a softplus makes them positive.

    .. math::

        f(x) = \log(e^x - 1) = x + \log(1 - e^{-x}), \qquad x > 0

    Args:
        x: array of any shape and real dtype, :math:`x > 0`.

    Returns:
        Array of the shape and dtype of ``x``; -inf at 0 and NaN below.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Not an activation, so not in the catalogue: it gives the initial value of a parameter that is kept positive by
        softplus. No digits are lost at either end, nor at its root :math:`\log 2`, where both formulas above cancel.
        The slope is :math:`1/(1 - e^{-x})`. torch has none; TensorFlow Probability has it under this name.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> stored = jaxacts.softplus_inverse(jnp.array([0.5, 1.0, 3.0]))
        >>> [round(y, 4) for y in stored.tolist()]
        [-0.4328, 0.5413, 2.9489]
        >>> jaxacts.softplus(stored)
        Array([0.5, 1. , 3. ], dtype=float32)

    References:
        Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing",
        https://papers.nips.cc/paper/1920
    """
    log_2, rest = two_words(LOG_2, x.dtype)
    from_root = x - log_2
    near = jnp.log1p(2 * jnp.expm1(jnp.clip(from_root, -0.125, 0.125))) - 2 * rest
    return jnp.where(jnp.abs(from_root) < 0.125, near, x + jnp.log(-jnp.expm1(-x)))


def _half_root(a: Array, b: Array) -> Array:
    """sqrt(a² + b/4) for a = |x|/2, or a itself where its square might overflow."""
    largest = 2.0**511 if a.dtype == jnp.float64 else 2.0**63
    root = jnp.sqrt(jnp.square(jnp.minimum(a, largest)) + b / 4)
    return jnp.where(root < a, a, root)  # a maximum has another derivative where both are equal


def _halves(x: Array, b: Array) -> tuple[Array, Array, Array]:
    """|x|/2, sqrt(b)/2 and sqrt(x² + b)/2 > 0."""
    a, half_s = jnp.abs(x / 2), jnp.sqrt(b) / 2
    least = lax.stop_gradient(jnp.maximum(half_s, float(jnp.finfo(x.dtype).tiny)))
    half_r = _half_root(a, b)
    return a, half_s, jnp.where(half_r < least, least, half_r)


@jax.custom_jvp
def _squareplus_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2 with r = sqrt(x² + b), on the left as b/(2r·(r + |x|))."""
    a, half_s, half_r = _halves(x, b)
    tail = half_s / (half_r + a) * (half_s / half_r) / 2
    return jnp.where(x <= 0, tail, 1 - tail)


@_squareplus_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    """(b·dx - x/2·db)/(2r³), as products of quotients up to 1: XLA would join r·r·r."""
    (x, b), (dx, db) = primals, tangents
    _, half_s, half_r = _halves(x, b)
    curved, steep = half_s / half_r, jnp.clip(finite(x / 2) / half_r, -1, 1)
    by_x, by_b = curved * curved * (0.25 / half_r), steep * (0.0625 / half_r) / half_r
    return _squareplus_slope(x, b), by_x * dx - by_b * db


@activation(
    slope=_squareplus_slope,
    partials={"b": lambda x, b: 0.125 / _halves(x, b)[2]},
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
    domain={"b >= 0": lambda b: b >= 0},
)
def squareplus(x: Array, b: ArrayLike = 4) -> Array:
    r"""Algebraic softplus: a hyperbola, with no exponential to compute.

    .. math::

        f(x) = \tfrac12 \left( x + \sqrt{x^2 + b} \right)

    Args:
        x: array of any shape and real dtype.
        b: how round the corner is, :math:`b \ge 0`, broadcasts against ``x``; differentiable. 0 or from
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
    a, b = jnp.abs(x / 2), jnp.asarray(b)
    total = _half_root(a, b) + a
    return jnp.where(x < 0, b / 4 / total, total)
