"""squareplus, its slope and its partial derivative, for every x and b.

Squares are taken of numbers scaled by a power of two that brings b between 1 and 4, so that none leaves the range.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..arithmetic.double_word import power_of_two
from ..arithmetic.elementary import finite

__all__ = ["curvature", "root", "squareplus", "squareplus_slope"]


def root(x: Array, b: Array) -> Array:
    """sqrt(x² + b)."""
    k = 1 / power_of_two(jnp.where(b == 0, 1, jnp.sqrt(b)))
    a = jnp.abs(x)
    square = jnp.square(jnp.minimum(a * k, 2.0**60))  # beyond, b makes no difference
    return jnp.maximum(a, jnp.sqrt(square + b * k * k) * (1 / k))


def squareplus(x: Array, b: Array) -> Array:
    """(x + r)/2 with r = sqrt(x² + b), on the left as b/4 over (|x| + r)/2, without derivative."""
    s, half = jnp.sqrt(b) / 2, root(x, b) / 2 + jnp.abs(x) / 2
    return jnp.where(x < 0, s / half * s, half)


@jax.custom_jvp
def squareplus_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2, on the left as b/(2r·(r + |x|)) and on the right as 1 less that; at 0 both are 1/2."""
    s, r = jnp.sqrt(b), root(x, b)
    r = jnp.where(r == 0, 1, r)
    tail = jnp.minimum(s / (r + jnp.abs(x)), 1) * (s / r) / 2
    return jnp.where(x <= 0, tail, 1 - tail)


@squareplus_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return squareplus_slope(*primals), curvature(*primals, *tangents)


def curvature(x: Array, b: Array, dx: Array, db: Array) -> Array:
    """(b·dx - x/2·db)/(2·r³), the tangent of the slope, as products of quotients up to 1: XLA would join r·r·r."""
    r = root(x, b)
    r = jnp.where(r == 0, 1, r)
    curved, steep = jnp.minimum(jnp.sqrt(b) / r, 1), jnp.clip(finite(x) / r, -1, 1)
    by_x = curved * curved * (0.5 / r)
    by_b = steep * jnp.minimum(0.25 / r, float(jnp.finfo(x.dtype).max)) / r
    return by_x * dx - by_b * db
