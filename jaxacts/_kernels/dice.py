"""dice and its derivatives, with z = (x - mean)/sqrt(variance + epsilon) carried to twice the precision.

Far from the mean an error of z is multiplied by z where exp(-|z|) is formed.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .double_word import opaque, two_prod, two_sum
from .elementary import finite
from .exponential import Decay, decay_of_quotient

__all__ = ["by_alpha", "by_mean", "by_variance", "dice", "slope"]


def _standardized(x: Array, mean: Array, variance: Array, epsilon: float) -> tuple[Array, Array, Decay]:
    """z, then s = sqrt(variance + epsilon), and exp(-|z|); z is 0 at the mean, even if s is 0."""
    centred, centred_lo = two_sum(finite(x), -jnp.broadcast_to(mean, x.shape))
    v = jnp.broadcast_to(variance, x.shape)
    total, total_lo = two_sum(v, opaque(epsilon, v))
    s = jnp.sqrt(total)
    square, square_lo = two_prod(s, s)
    s_lo = jnp.where(s == 0, 0, (total - square - square_lo + total_lo) / (2 * s))
    z = jnp.where(centred == 0, 0, centred / s)
    e = decay_of_quotient(centred, s, centred_lo, s_lo)
    near = ~((s == 0) | (jnp.abs(z) >= 1e4))  # also where one of them is NaN, so that the exponential is
    step, curve = (jnp.where(near, v, 0) for v in (e.s, e.c))
    return z, s, Decay(jnp.where(near, e.power, jnp.where(centred == 0, 1 / e.unit, 0)), step, curve, e.unit)


def _times(e: Decay, y: Array) -> Array:
    """e.times(y) for a y of any size, which must not overflow before the unit comes in."""
    large = jnp.abs(y) > 2.0**60
    if y.dtype == jnp.float64:
        return e.times(y)
    shifted = Decay(e.power, e.s, e.c, jnp.where(large, e.unit * 2.0**42, e.unit))
    return shifted.times(jnp.where(large, y * 2.0**-42, y))


def _over(x: Array, s: Array, e: Decay) -> Array:
    """x/s, 0 where s or the exponential is."""
    return jnp.where((s == 0) | (e.power == 0), 0, x / s)


@jax.custom_jvp
def _bump(x: Array, z: Array, e: Decay) -> Array:
    """x·σ(z)·σ(-z). Its derivative by z is -tanh(z/2) times itself, which that of its formula loses near 0."""
    return _times(e, x) / jnp.square(1 + e.value)


@_bump.defjvp
def _(primals: tuple[Array, Array, Decay], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    (x, z, e), (dx, dz, _) = primals, tangents
    out = _bump(x, z, e)
    return out, _bump(jnp.ones_like(x), z, e) * dx - jnp.tanh(z / 2) * out * dz


def dice(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """p·x + (1 - p)·alpha·x with p = σ(z), without derivative: one of the two lines, less the tail of the other."""
    z, _, e = _standardized(x, mean, variance, epsilon)
    line = jnp.where(z < 0, jnp.where((alpha == 0) & jnp.isinf(x), 0, x * alpha), x)
    tail = _times(e, finite(x)) / (1 + e.value)
    return line + jnp.where(z < 0, 1 - alpha, alpha - 1) * tail


def slope(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """p + (1 - p)·alpha + (1 - alpha)·x·p·(1 - p)/s."""
    x = finite(x)
    z, s, e = _standardized(x, mean, variance, epsilon)
    n = e.value
    left, right = alpha * (1 + n), 1 + n  # the bracket has a root on the left
    bracket = jnp.where(z < 0, right, left) + (1 - alpha) * _over(x, s, e)
    return (jnp.where(z < 0, left, right) + _times(e, bracket)) / jnp.square(1 + n)


def by_alpha(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """x·(1 - p)."""
    z, _, e = _standardized(x, mean, variance, epsilon)
    return jnp.where(z < 0, finite(x), _times(e, finite(x))) / (1 + e.value)


def by_mean(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """(alpha - 1)·x·p·(1 - p)/s."""
    z, s, e = _standardized(x, mean, variance, epsilon)
    return (alpha - 1) * _bump(_over(finite(x), s, e), z, e)


def by_variance(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """(alpha - 1)·x·z·p·(1 - p)/(2·s²)."""
    z, s, e = _standardized(x, mean, variance, epsilon)
    near = jnp.clip(z, -1e4, 1e4)
    return jnp.where(s == 0, 0, (alpha - 1) * _bump(_over(finite(x), s, e) * near, z, e) / (2 * s))
