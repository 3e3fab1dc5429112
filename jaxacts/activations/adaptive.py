r"""Activations that adapt to the distribution of their input."""

from __future__ import annotations

from math import inf, sqrt

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation, check_number
from jaxacts._kernels import (
    Decay,
    clip,
    decay_of_quotient,
    exact_product,
    exact_sum,
    finite,
    opaque,
    product,
    where,
)

__all__ = ["dice"]


def _standardized(x: Array, mean: ArrayLike, variance: ArrayLike, epsilon: float) -> tuple[Array, Array, Decay]:
    """z = (x - mean)/s with s = sqrt(variance + epsilon), then s, and exp(-|z|); z is 0 at the mean, even if s is 0.

    Difference, sum, root and quotient are all carried to twice the precision: far from the mean an error of z would be
    multiplied by z.
    """
    centred, centred_low = exact_sum(finite(x), jnp.broadcast_to(-jnp.asarray(mean, x.dtype), x.shape))
    v = jnp.broadcast_to(jnp.asarray(variance, x.dtype), x.shape)
    total, total_low = exact_sum(v, opaque(epsilon, v))
    s = jnp.sqrt(total)
    square, square_low = exact_product(s, s)
    s_low = where(s == 0, 0, (total - square - square_low + total_low) / (2 * s))
    z = where(centred == 0, 0, centred / s)
    e = decay_of_quotient(centred, s, centred_low, s_low)
    near = ~((s == 0) | (jnp.abs(z) >= 1e4))  # also where one of them is NaN, so that the exponential is
    step, curve = (v if isinstance(v, float) else where(near, v, 0) for v in (e.s, e.c))
    return z, s, Decay(where(near, e.power, where(centred == 0, 1 / e.unit, 0)), step, curve, e.unit)


def _upper_tail(x: Array, z: Array, e: Decay) -> Array:
    """x·σ(-z)."""
    return where(z < 0, finite(x), e.times(finite(x))) / (1 + e.value)


def _steepness(x: Array, s: Array, e: Decay) -> Array:
    """x·exp(-|z|)/s, 0 where s or the exponential is."""
    return e.times(where((s == 0) | (e.power == 0), 0, x / s))


def _bump(x: Array, s: Array, e: Decay) -> Array:
    """x·σ(z)·σ(-z)/s."""
    return _steepness(x, s, e) / jnp.square(1 + e.value)


def _by_x(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    x = finite(x)
    z, s, e = _standardized(x, mean, variance, epsilon)
    n = e.value
    left, right = alpha * (1 + n), 1 + n  # the bracket has a root on the left
    bracket = where(z < 0, right, left) + (1 - alpha) * where((s == 0) | (e.power == 0), 0, x / s)
    return (where(z < 0, left, right) + e.times(bracket)) / jnp.square(1 + n)


def _by_alpha(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    z, _, e = _standardized(x, mean, variance, epsilon)
    return _upper_tail(x, z, e)


def _by_mean(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    _, s, e = _standardized(x, mean, variance, epsilon)
    return (alpha - 1) * _bump(x, s, e)


def _by_variance(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    z, s, e = _standardized(x, mean, variance, epsilon)
    return where(s == 0, 0, (alpha - 1) * _bump(x * clip(z, -1e4, 1e4), s, e) / (2 * s))


def _facts(alpha: float, mean: float, variance: float, epsilon: float) -> Facts:
    # With mean 0 the slope is that of alpha·z + (1 - alpha)·silu(z), whose extremes are those of silu.
    slopes = [alpha + (1 - alpha) * s for s in (1.09983932012886692, -0.09983932012886692)]
    steepest = max(map(abs, slopes)) if mean == 0 else None
    lowest = -inf if alpha > 0 else -0.278464542761073795 * sqrt(variance + epsilon)
    image = (lowest, inf) if alpha > 0 or alpha == mean == 0 else None
    return Facts(image, Line(alpha, 0), Line(1, 0), steepest)


@activation(
    slope=_by_x,
    partials={"alpha": _by_alpha, "mean": _by_mean, "variance": _by_variance},
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
        alpha: the slope :math:`\alpha` far below the mean, broadcasts against ``x``; differentiable.
        mean: the mean :math:`\mu` of the inputs, per channel or one number; differentiable.
        variance: their variance :math:`v \ge 0`; differentiable.
        epsilon: the constant :math:`\epsilon \ge 0` under the root, a Python number.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or no array, or ``epsilon`` no number.
        ValueError: the shapes do not broadcast, or ``epsilon`` is negative.

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
    check_number("dice", "epsilon", epsilon, 0, inf, 1e-8)
    z, _, e = _standardized(x, mean, variance, epsilon)
    outer = where(z < 0, product(x, alpha), x)
    return outer + where(z < 0, 1 - alpha, alpha - 1) * e.times(finite(x)) / (1 + e.value)
