r"""Activations that adapt to the distribution of their input."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._mechanism import Facts, Line, activation
from jaxacts._numerics import decay, finite, product, sigmoid, where

__all__ = ["dice"]


def _standardized(x: Array, mean: ArrayLike, variance: ArrayLike, epsilon: float) -> tuple[Array, Array]:
    """((x - mean)/s, s) with s = sqrt(variance + epsilon); 0 where x is the mean, even if s is 0."""
    s = jnp.sqrt(jnp.asarray(variance, x.dtype) + epsilon)
    centred = finite(x - mean)
    return where(centred == 0, 0, centred / s), s


def _upper_tail(x: Array, z: Array) -> Array:
    """x·σ(-z)."""
    e = decay(z)
    return where(z < 0, finite(x), e.times(finite(x))) / (1 + e.value)


def _bump(x: Array, z: Array, s: Array) -> Array:
    """x·σ(z)·σ(-z)/s, 0 where s is."""
    e = decay(z)
    return where(s == 0, 0, e.times(finite(x) / s) / jnp.square(1 + e.value))


def _by_x(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    z, s = _standardized(x, mean, variance, epsilon)
    return sigmoid(z) + alpha * sigmoid(-z) + (1 - alpha) * _bump(x, z, s)


def _by_alpha(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    return _upper_tail(x, _standardized(x, mean, variance, epsilon)[0])


def _by_mean(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    return (alpha - 1) * _bump(x, *_standardized(x, mean, variance, epsilon))


def _by_variance(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    z, s = _standardized(x, mean, variance, epsilon)
    return where(s == 0, 0, (alpha - 1) * _bump(x * jnp.clip(z, -1e4, 1e4), z, s) / (2 * s))


def _facts(alpha: float, mean: float, variance: float, epsilon: float) -> Facts:
    # With mean 0 the slope is that of alpha·z + (1 - alpha)·silu(z), whose extremes are those of silu.
    slopes = [alpha + (1 - alpha) * s for s in (1.09983932012886692, -0.09983932012886692)]
    steepest = max(map(abs, slopes)) if mean == 0 else None
    return Facts((-inf, inf), Line(alpha, 0), Line(1, 0), steepest)


@activation(
    slope=_by_x,
    partials={"alpha": _by_alpha, "mean": _by_mean, "variance": _by_variance},
    facts=_facts,
    static=("epsilon",),
    typical={"alpha": 0.25, "mean": 0.0, "variance": 1.0},
)
def dice(
    x: Array, alpha: ArrayLike, mean: ArrayLike, variance: ArrayLike, epsilon: float = 1e-8
) -> Array:
    r"""Data-adaptive PReLU: the corner sits at the mean of the data and is as soft as their spread.

    .. math::

        f(x) = p\,x + (1 - p)\,\alpha x, \qquad p = \sigma\!\left( \frac{x - \mu}{\sqrt{v + \epsilon}} \right)

    Args:
        x: array of any shape and real dtype.
        alpha: the slope :math:`\alpha` far below the mean, broadcasts against ``x``; differentiable.
        mean: the mean :math:`\mu` of the inputs, per channel or one number; differentiable.
        variance: their variance :math:`v \ge 0`; differentiable.
        epsilon: the constant :math:`\epsilon \ge 0` under the root, a Python number.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or no array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks while :math:`v + \epsilon > 0`; with both 0 it is PReLU. The Flax modules keep the running statistics.
        The default 1e-8 is that of the paper.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.dice(jnp.array([-2.0, 2.0]), alpha=0.25, mean=0.0, variance=0.0)
        Array([-0.5,  2. ], dtype=float32)

    References:
        Zhou et al. 2017, "Deep interest network for click-through rate prediction", https://arxiv.org/abs/1706.06978
    """
    z, _ = _standardized(x, mean, variance, epsilon)
    return where(z < 0, product(x, alpha), x) - (1 - alpha) * where(z < 0, -1, 1) * _upper_tail(x, jnp.abs(z))
