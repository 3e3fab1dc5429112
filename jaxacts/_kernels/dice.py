"""dice and its derivatives, with z = (x - mean)/sqrt(variance + epsilon) carried to twice the precision.

Far from the mean an error of z is multiplied by z where exp(-|z|) is formed.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .arithmetic.double_word import opaque, two_prod, two_sum
from .arithmetic.elementary import finite, two_factors
from .arithmetic.exponential import Decay, decay_of_quotient, underflow
from .arithmetic.products import bump, multiply, product

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
    inside = ~((s == 0) | (jnp.abs(z) >= underflow(x)))  # also where one of them is NaN, so that the exponential is
    step, curve = (jnp.where(inside, v, 0) for v in (e.s, e.c))
    return z, s, Decay(jnp.where(inside, e.power, jnp.where(centred == 0, 1 / e.unit, 0)), step, curve, e.unit)


def _over(x: Array, s: Array, e: Decay) -> Array:
    """x/s, 0 where s or the exponential is."""
    return jnp.where((s == 0) | (e.power == 0), 0, x / s)


def dice(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """p·x + (1 - p)·alpha·x with p = σ(z), without derivative: one of the two lines, less the tail of the other.

    Halved where x is large, since alpha·x may overflow where (1 - p)·alpha·x does not.
    """
    z, _, e = _standardized(x, mean, variance, epsilon)
    unit = jnp.where(jnp.abs(x) > 1, 0.5, 1).astype(x.dtype)
    line = jnp.where(z < 0, jnp.where((alpha == 0) & jnp.isinf(x), 0, x * unit * alpha), x * unit)
    step = jnp.where(z < 0, 1 - alpha, alpha - 1)
    tail = product(e, *two_factors(finite(x), step, unit), 1 + e.value)
    return jnp.where(jnp.isinf(line), line, line + tail) / unit


def slope(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """p + (1 - p)·alpha + (1 - alpha)·x·p·(1 - p)/s, scaled by a power of two where alpha or x/s is large."""
    x = finite(x)
    z, s, e = _standardized(x, mean, variance, epsilon)
    n = e.value
    large = (jnp.abs(alpha) > 2.0**20) | (jnp.abs(_over(x, s, e)) > 2.0**60)
    unit = jnp.where(large, 2.0**-80, 1).astype(x.dtype)
    left, right = alpha * unit * (1 + n), unit * (1 + n)  # the bracket has a root on the left
    bracket = jnp.where(z < 0, right, left) + (1 - alpha) * _over(x * unit, s, e)
    return (jnp.where(z < 0, left, right) + multiply(e, finite(bracket))) / jnp.square(1 + n) / unit


def by_alpha(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """x·(1 - p)."""
    z, _, e = _standardized(x, mean, variance, epsilon)
    return jnp.where(z < 0, finite(x), multiply(e, finite(x))) / (1 + e.value)


def by_mean(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """(alpha - 1)·x·p·(1 - p)/s."""
    z, s, e = _standardized(x, mean, variance, epsilon)
    return bump(finite(x), jnp.broadcast_to(alpha - 1, x.shape), _over(jnp.ones_like(x), s, e), z, e)


def by_variance(x: Array, alpha: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """(alpha - 1)·x·z·p·(1 - p)/(2·s²)."""
    z, s, e = _standardized(x, mean, variance, epsilon)
    steep = two_factors(finite(x), jnp.broadcast_to(alpha - 1, x.shape), _over(jnp.ones_like(x), s, e))
    return bump(*steep, _over(jnp.clip(z, -1e4, 1e4), 2 * s, e), z, e)
