"""Kernels of square roots and reciprocals: the hyperbola behind squareplus and the slope of soft_sign."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .exponential import magnitude
from .selection import where

__all__ = ["hyperbola", "hyperbola_root", "hyperbola_slope", "inverse_square"]


@jax.custom_jvp
def inverse_square(a: Array) -> Array:
    """1/(1 + a)² for a >= 0, the sum of the square rounded once; it overflows only where the result vanishes."""
    return 1 / (1 + a * (2 + a))


@inverse_square.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (a,), (t,) = primals, tangents
    return inverse_square(a), -2 * inverse_square(a) / (1 + a) * t


def hyperbola_root(x: Array, b: Array) -> Array:
    """sqrt(x² + b); beyond 2^60 no b below 2^60 makes a difference, and x² may overflow."""
    a = magnitude(x)
    far = a > 2.0**60
    near = where(far, 0, a)
    return where(far, a, jnp.sqrt(near * near + b))


def hyperbola(x: Array, b: Array) -> Array:
    """(x + r)/2 with r = sqrt(x² + b): near 0 by r - sqrt(b) = x²/(r + sqrt(b)), else by r - |x| = b/(r + |x|).

    What that denominator lost on rounding is added to the quotient, as far as it counts: 1.0 of the 2.5 units in the
    last place that the left would have. b/d, of which only d varies, may be used more than once in one loop.
    """
    a, middle = magnitude(x), jnp.sqrt(b)
    close, far = a < 0.75 * middle, a > 2.0**60  # beyond, no b below 2^60 makes a difference, and x² may overflow
    shift, r = where(close, middle, a), where(far, 0, jnp.sqrt(a * a + _positive(b)))
    d = r + shift  # beyond, half of it
    q = b / d
    share = where(close, 0, q) + q / _positive(b) * where(close, a * a, q * where(far, 0, (d - r) - shift))
    return where(close, (middle + x) / 2, where(x < 0, 0, x)) + share * where(far, 0.25, 0.5)


def _positive(b: Array) -> Array:
    """b, or a number that counts beside no other where b is 0."""
    return b + float(jnp.finfo(b.dtype).tiny)


@jax.custom_jvp
def hyperbola_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2 with r = sqrt(s), s = x² + b, in the tails as b/(2·(s + r·|x|)) or 1 less that.

    What the sum has lost on rounding is added to the quotient, as in the value; it is 0 where x² overflows.
    """
    a = magnitude(x)
    square = a * a
    s = square + _positive(b)
    root = jnp.sqrt(s)
    rest = a * root
    total = s + rest
    q = b / total
    tail = where(a > 2.0 ** (jnp.finfo(x.dtype).maxexp // 2 - 1), 0, q + q / _positive(b) * (q * ((total - s) - rest)))
    return where(square < b / 4, (1 + x / root) / 2, where(x < 0, tail / 2, 1 - tail / 2))


@hyperbola_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, b), (t, s) = primals, tangents
    root = hyperbola_root(x, b)
    root = where(root == 0, 1, root)
    return hyperbola_slope(x, b), (b * t - 0.5 * x * s) / root / root / (2 * root)
