"""squareplus, its slope and its partial derivative, for every x and b that are finite.

Squares are taken of numbers scaled by a power of two where they would overflow. What the rounding of a denominator
loses is made good in the quotient: where the denominator is just above a power of two, half a unit of it is a whole
unit of the result.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .elementary import finite, magnitude

__all__ = ["root", "squareplus", "squareplus_slope"]


def _scale(a: Array, b: Array) -> Array:
    """A power of two k with which (k·a)² + k²·b does not overflow."""
    exponent = jnp.finfo(a.dtype).maxexp // 2
    large = (a > 2.0 ** (exponent - 4)) | (b > 2.0 ** (2 * exponent - 8))
    return jnp.where(large, jnp.asarray(2.0 ** -(exponent + 2), a.dtype), 1)


def _quotient(y: Array, d: Array, lost: Array) -> Array:
    """y/(d - lost) for a small lost; 0/0 is 0."""
    d = jnp.where(d == 0, 1, d)
    q = y / d
    return q + q * (lost / d)


def root(x: Array, b: Array) -> Array:
    """sqrt(x² + b)."""
    a = magnitude(finite(x))
    k = _scale(a, b)
    return jnp.sqrt(jnp.square(a * k) + b * k * k) / k


def squareplus(x: Array, b: Array) -> Array:
    """(x + r)/2 with r = sqrt(x² + b), without derivative.

    Near 0 by r - sqrt(b) = x²/(r + sqrt(b)), else by r - |x| = b/(r + |x|).
    """
    a, middle = magnitude(finite(x)), jnp.sqrt(b)
    k = _scale(a, b)
    near = a < 0.75 * middle
    shift, r = k * jnp.where(near, middle, a), jnp.sqrt(jnp.square(a * k) + b * k * k)
    d = r + shift
    lost = jnp.where(near, 0, (d - r) - shift)
    share = _quotient(jnp.where(near, a * (a * k), b * k), d, lost)
    return jnp.where(near, (middle + x) / 2, jnp.where(x < 0, 0, x)) + share / 2


@jax.custom_jvp
def squareplus_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2 as b/(2·(r² + r·|x|)) on the left and 1 less that on the right; at 0 both are 1/2."""
    a = magnitude(finite(x))
    k = _scale(a, b)
    square = jnp.square(a * k) + b * k * k
    rest = a * k * jnp.sqrt(square)
    total = square + rest
    tail = _quotient(b * k, total, (total - square) - rest) * k / 2
    return jnp.where(x <= 0, tail, 1 - tail)


@squareplus_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    """(b·dx - x/2·db)/(2·r³), one factor 1/r at a time, since r³ may overflow."""
    (x, b), (dx, db) = primals, tangents
    r = root(x, b)
    inverse = 1 / jnp.where(r == 0, 1, r)
    return squareplus_slope(x, b), ((b * inverse) * dx - (x * inverse) / 2 * db) * inverse * (inverse / 2)
