"""ReLU with its corner rounded."""

from __future__ import annotations

from math import inf

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels import softplus as _softplus
from jaxacts._kernels import squareplus as _squareplus
from jaxacts.activations._logistic import sigmoid

__all__ = ["softplus", "squareplus"]


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
