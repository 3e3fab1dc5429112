"""squareplus, its slope and its partial derivative, for every x and b.

Both are scaled by powers of two so that b is near 1 and no square overflows or vanishes. What the rounding of a
denominator loses is made good in the quotient: where the denominator is just above a power of two, half a unit of it is
a whole unit of the result.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from .double_word import power_of_two
from .elementary import finite, magnitude

__all__ = ["curvature", "root", "squareplus", "squareplus_slope"]


def _scaled(x: Array, b: Array) -> tuple[Array, Array, Array, Array]:
    """k, k·|x|, k²·b and k²·(x² + b) for a power of two k that brings b between 1 and 4."""
    k = 1 / power_of_two(jnp.where(b == 0, 1, jnp.sqrt(b)))
    a, b = magnitude(finite(x)) * k, b * k * k
    return k, a, b, jnp.square(jnp.minimum(a, 2.0**60)) + b  # beyond, b makes no difference to the root


def _corrected(y: Array, d: Array, lost: Array) -> Array:
    """y/(d - lost) for a small lost. The selection keeps XLA from giving a quotient used twice a loop of its own."""
    q = jnp.where(d == 0, 0, y / d)
    return q + q * jnp.where(d == 0, 0, lost / d)


def root(x: Array, b: Array) -> Array:
    """sqrt(x² + b)."""
    k, _, _, square = _scaled(x, b)
    return jnp.maximum(magnitude(x), jnp.sqrt(square) / k)


def squareplus(x: Array, b: Array) -> Array:
    """(x + r)/2 with r = sqrt(x² + b), without derivative.

    Near 0 by r - sqrt(b) = x²/(r + sqrt(b)), else by r - |x| = b/(r + |x|).
    """
    k, a, b_near_1, square = _scaled(x, b)
    middle = jnp.sqrt(b_near_1)
    near, far = a < 0.75 * middle, a > 2.0**60
    shift, r = jnp.where(near, middle, a), jnp.where(far, 0, jnp.sqrt(square))
    d = r + shift
    lost = jnp.where(near | far, 0, (d - r) - shift)
    share = _corrected(jnp.where(near, a * a, b_near_1), d, lost) * (0.5 / k)
    line = jnp.where(near, (jnp.sqrt(b) + x) / 2, jnp.where(x < 0, 0, x))
    return line + jnp.where(far, share / 2, share)


@jax.custom_jvp
def squareplus_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2, on the left as b/(2·(r² + r·|x|)) and on the right as 1 less that; at 0 both are 1/2."""
    _, a, b, square = _scaled(x, b)
    rest = a * jnp.sqrt(square)
    total = square + rest
    inverse = 1 / jnp.where(a > 2.0**60, a, 1)
    tail = _corrected(b, total, (total - square) - rest) / 2
    tail = jnp.where(a > 2.0**60, b * inverse * inverse / 4, tail)
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
