"""Products with an exponential that leave the range of the dtype only where the result does."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .elementary import finite, two_factors
from .exponential import Decay

__all__ = ["bump", "multiply", "product"]


def multiply(e: Decay, y: Array) -> Array:
    """e.multiply(y) for a y of any size, which must not overflow before the unit comes in."""
    large = jnp.abs(y) > 2.0**60
    if y.dtype == jnp.float64:
        return e.multiply(y)
    shifted = Decay(e.power, e.s, e.c, jnp.where(large, e.unit * 2.0**42, e.unit))
    return shifted.multiply(jnp.where(large, y * 2.0**-42, y))


def product(e: Decay, a: Array, b: Array, divisor: Array) -> Array:
    """e·a·b/divisor for |a| >= |b|; where a·b may leave the range of the dtype, b comes last."""
    y = a * b
    safe = (jnp.abs(y) > 2.0**-100) & (jnp.abs(y) < 2.0**100)
    return multiply(e, finite(jnp.where(safe, y, a))) / divisor * jnp.where(safe, 1, b)


@jax.custom_jvp
def bump(a: Array, b: Array, c: Array, z: Array, e: Decay) -> Array:
    """a·b·c·σ(z)·σ(-z). Its derivative by z is -tanh(z/2) times itself, which that of its formula loses near 0."""
    return product(e, *two_factors(a, b, c), jnp.square(1 + e.value))


@bump.defjvp
def _(primals: tuple[Array, Array, Array, Array, Decay], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    (a, b, c, z, e), (da, db, dc, dz, _) = primals, tangents
    out, one = bump(a, b, c, z, e), jnp.ones_like(z)
    linear = bump(one, b, c, z, e) * da + bump(a, one, c, z, e) * db + bump(a, b, one, z, e) * dc
    return out, linear - jnp.tanh(z / 2) * out * dz
