"""v·σ(y) and its slope, which sigmoid, silu and the tanh form of gelu share."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from .elementary import magnitude
from .exponential import UNIT, exp_of_minus, power_and_rest

__all__ = ["SATURATED", "clipped_below", "gate", "gate_slope"]

SATURATED = 40.0  # σ(40) is 1, and the powers of two below are normal numbers


def clipped_below(y: Array) -> Array:
    """y, but not below where y·σ(y) has underflowed."""
    return jnp.maximum(y, -800.0 if y.dtype == jnp.float64 else -120.0)


def gate(v: Array | np.float32, y: Array, lo: Array | float = 0.0) -> Array:
    """v·σ(y + lo), without derivative, for y and v up to 40 and above -120; what lies beyond has to be selected away.

    With exp(-y) = p·(1 + r) and p a power of two the denominator is p + (1 + p·r), all in a small unit, since p may be
    2^173. Of its two sums, where p is near 1 each loses half a unit, else one of them little or nothing: 2 units in the
    last place with the quotient's.
    """
    if y.dtype == jnp.float64:
        e = exp_of_minus(magnitude(y), jnp.where(y < 0, 1.0, -1.0) * lo)
        return jnp.where(y < 0, e.multiply(v), v) / (1 + e.value)
    unit = np.float32(2.0**-60)
    p, r = power_and_rest(y, -lo, unit)
    return v / (p + (unit + p * r)) * unit


def gate_slope(y: Array, lo: Array | float, steep: Array, steep_lo: Array | float = 0.0) -> Array:
    """σ(-w)·(1 - z·σ(w)) for w = y + lo from 0 to where exp(-w) has underflowed and z = steep + steep_lo, without
    derivative.

    That is the slope of v·σ(w) at -v with z = v·w', and 1 less the slope at v. With n = exp(-w) = p·(1 + r) it is
    n·(1 + n - z)/(1 + n)², where 1 + n - z is summed as (1 + p - z) + p·r; the quotient is a number less a correction.
    """
    if y.dtype == jnp.float64:
        e = exp_of_minus(y, -jnp.asarray(lo, y.dtype))
        return e.multiply(1 + e.value - steep, -steep_lo) / jnp.square(1 + e.value)
    power, r = power_and_rest(y, -lo, 1 / UNIT)
    p = power * UNIT
    u = (1 + p - steep) + (p * r - steep_lo)
    n = p + p * r
    m = n * (2 + n)
    top = (u + u * r) * power
    return (top - top * (m / (1 + m))) * UNIT
