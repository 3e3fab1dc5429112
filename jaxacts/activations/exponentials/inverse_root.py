"""Algebraic units: a sigmoid and a relative of ELU made of an inverse square root."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels.arithmetic.elementary import gradient, negative_part

__all__ = ["isrlu", "isru"]


def _largest(x: Array) -> float:
    """Where 1 + z² has long been z², which does not overflow."""
    return float(jnp.finfo(x.dtype).max) ** 0.5 / 2


def _root(x: Array, alpha: Array) -> tuple[Array, Array]:
    """z = √α·x, but no further than its limit, and 1/√(1 + z²)."""
    largest = _largest(x)
    z = jnp.clip(jnp.sqrt(alpha) * x, -largest, largest)
    return z, 1 / jnp.sqrt(1 + z * z)


def _curvature(x: Array, alpha: Array) -> Array:
    """-3αx/(1 + αx²)^(5/2)."""
    z, inverse = _root(x, alpha)
    return -3 * jnp.sqrt(alpha) * (z * inverse) * jnp.square(inverse * inverse)


def _slope_by_alpha(x: Array, alpha: Array) -> Array:
    """-3x²/(2·(1 + αx²)^(5/2))."""
    y = _isru(x, alpha)
    return -1.5 * y * y * _slope(x, alpha)


@gradient(_curvature, _slope_by_alpha)
def _slope(x: Array, alpha: Array) -> Array:
    """1/(1 + αx²)^(3/2)."""
    _, inverse = _root(x, alpha)
    return inverse * inverse * inverse


def _by_alpha(x: Array, alpha: Array) -> Array:
    """-x³/(2·(1 + αx²)^(3/2))."""
    y = _isru(x, alpha)
    return y * y * y / -2


@gradient(_slope, _by_alpha)
def _isru(x: Array, alpha: Array) -> Array:
    """x/√(1 + αx²), and its limit where the square overflows."""
    root = jnp.sqrt(alpha)
    z = root * x
    return jnp.where(jnp.abs(z) > _largest(x), jnp.where(x < 0, -1 / root, 1 / root), x / jnp.sqrt(1 + z * z))


@activation(
    slope=_slope,
    partials={"alpha": _by_alpha},
    facts=lambda alpha: Facts(
        (-(alpha**-0.5), alpha**-0.5), Line(0, -(alpha**-0.5)), Line(0, alpha**-0.5), lipschitz=1.0
    ),
    domain={"alpha > 0": lambda alpha: alpha > 0},
)
def isru(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""Inverse square root unit: an algebraic sigmoid with slope 1 at 0.

    .. math::

        f(x) = \frac{x}{\sqrt{1 + \alpha x^2}}

    Args:
        x: array of any shape and real dtype.
        alpha: how early it saturates, :math:`\alpha > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-1/\sqrt\alpha, 1/\sqrt\alpha)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``alpha`` is a number that is not positive.

    Note:
        No kinks. The default 1 is that of the paper's experiments; the slope is :math:`(y/x)^3`. jax.nn, torch and
        keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.isru(jnp.array([-1.0, 0.0, 0.75])).tolist()]
        [-0.7071, 0.0, 0.6]

    References:
        Carlile et al. 2017, "Improving deep learning by inverse square root linear units (ISRLUs)",
        https://arxiv.org/abs/1710.09967
    """
    return _isru(x, jnp.asarray(alpha))


@activation(
    slope=lambda x, alpha: Pieces((0.0,), (_slope(negative_part(x), alpha), 1.0), limits=((1.0, 1.0),)),
    partials={"alpha": lambda x, alpha: _by_alpha(negative_part(x), alpha)},
    facts=lambda alpha: Facts((-(alpha**-0.5), inf), Line(0, -(alpha**-0.5)), Line(1, 0), lipschitz=1.0),
    domain={"alpha > 0": lambda alpha: alpha > 0},
)
def isrlu(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""Inverse square root linear unit: the identity to the right, an algebraic sigmoid to the left.

    .. math::

        f(x) = \begin{cases} x & x \ge 0 \\ \dfrac{x}{\sqrt{1 + \alpha x^2}} & x < 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: how early the left side saturates, :math:`\alpha > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-1/\sqrt\alpha, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``alpha`` is a number that is not positive.

    Note:
        No kinks: slope and curvature are continuous at 0. It is ELU without an exponential. The default 1 is that of
        the paper's experiments. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.isrlu(jnp.array([-0.75, 0.0, 2.0])).tolist()]
        [-0.6, 0.0, 2.0]

    References:
        Carlile et al. 2017, "Improving deep learning by inverse square root linear units (ISRLUs)",
        https://arxiv.org/abs/1710.09967
    """
    return jnp.where(x > 0, x, _isru(x, jnp.asarray(alpha)))
