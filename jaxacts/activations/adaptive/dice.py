"""Dice, which takes mean and variance of the data."""

from __future__ import annotations

from math import inf, sqrt

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation, check_number
from jaxacts._kernels import dice as _dice
from jaxacts._kernels.arithmetic.elementary import finite, two_factors
from jaxacts.activations._logistic import gated, root_of_slope, sigmoid

__all__ = ["dice"]


def _z(x: Array, mean: ArrayLike, variance: ArrayLike, epsilon: float) -> tuple[Array, Array]:
    """(x - mean)/s and s = sqrt(variance + epsilon); at the mean 0, even if s is."""
    s = jnp.sqrt(variance + epsilon)
    return (x - mean) * (1 / jnp.maximum(s, float(jnp.finfo(x.dtype).tiny))), s


def _bump(a: Array, b: Array, c: Array, z: Array) -> Array:
    """a·b·c·p·(1 - p) with p = σ(z)."""
    (larger, smaller), root = two_factors(a, b, c), root_of_slope(z)
    return finite(larger) * root * finite(smaller) * root


def _over(x: Array | float, s: Array) -> Array:
    """x/s, or 0 for s = 0."""
    return jnp.where(s == 0, 0, x / s)


def _slope(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    x = finite(x)
    z, s = _z(x, mean, variance, epsilon)
    root = root_of_slope(z)
    return alpha + (1 - alpha) * (sigmoid(z) + x * root * _over(1.0, s) * root)


def _by_alpha(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    x = finite(x)
    return gated(x, -_z(x, mean, variance, epsilon)[0])


def _by_mean(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    x = finite(x)
    z, s = _z(x, mean, variance, epsilon)
    return _bump(alpha - 1, x, _over(1.0, s), z)


def _by_variance(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    x = finite(x)
    z, s = _z(x, mean, variance, epsilon)
    steep = two_factors(alpha - 1, x, _over(1.0, s))
    return _bump(*steep, _over(jnp.clip(z, -1e4, 1e4), 2 * s), z)


def _facts(alpha: float, mean: float, variance: float, epsilon: float) -> Facts:
    # With mean 0 the slope is that of alpha·z + (1 - alpha)·silu(z), whose extremes are those of silu.
    slopes = [alpha + (1 - alpha) * s for s in (1.09983932012886692, -0.09983932012886692)]
    steepest = max(map(abs, slopes)) if mean == 0 else None
    lowest = -inf if alpha > 0 else -0.278464542761073795 * sqrt(variance + epsilon)
    image = (lowest, inf) if alpha > 0 or alpha == mean == 0 else None
    return Facts(image, Line(alpha, 0), Line(1, 0), steepest)


@activation(
    slope=_slope,
    partials={"alpha": _by_alpha, "mean": _by_mean, "variance": _by_variance},
    refined={
        "value": _dice.dice,
        "slope": _dice.slope,
        "alpha": _dice.by_alpha,
        "mean": _dice.by_mean,
        "variance": _dice.by_variance,
    },
    facts=_facts,
    static=("epsilon",),
    typical={"alpha": 0.25, "mean": 0.0, "variance": 1.0},
)
def dice(x: Array, alpha: ArrayLike, mean: ArrayLike, variance: ArrayLike, epsilon: float = 1e-8) -> Array:
    r"""Data-adaptive PReLU: the corner sits at the mean of the data and is as soft as their spread.

    .. math::

        f(x) = p\,x + (1 - p)\,\alpha x, \qquad p = \sigma\!\left( \frac{x - \mu}{\sqrt{v + \epsilon}} \right)

    Args:
        x: array of any shape and real dtype.
        alpha: the slope :math:`\alpha` far below the mean, broadcasts against ``x``; differentiable. In 16 bits up to
            :math:`2^{14}` in magnitude; beyond, digits are lost.
        mean: the mean :math:`\mu` of the inputs, per channel or one number; differentiable.
        variance: their variance :math:`v \ge 0`; differentiable.
        epsilon: the constant :math:`\epsilon \ge 0` under the root, a Python number.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array, or ``epsilon`` is not a number.
        ValueError: the shapes do not broadcast, or ``epsilon`` is negative.

    Note:
        No kinks while :math:`v + \epsilon > 0`; with both 0 and a mean of 0 it is PReLU.
        The Flax modules keep the running statistics.
        The default 1e-8 is that of the paper.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.dice(jnp.array([-2.0, 2.0]), alpha=0.25, mean=0.0, variance=0.0)
        Array([-0.5,  2. ], dtype=float32)

    References:
        Zhou et al. 2017, "Deep interest network for click-through rate prediction", https://arxiv.org/abs/1706.06978
    """
    check_number("dice", "epsilon", epsilon, 0, inf, 1e-8)
    z, _ = _z(x, mean, variance, epsilon)
    share = alpha + (1 - jnp.asarray(alpha)) * jax.lax.logistic(z)
    return jnp.where(share == 0, 0, x * share)
