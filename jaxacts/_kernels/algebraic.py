"""Kernels of square roots and reciprocals: the hyperbola behind squareplus and the slope of soft_sign."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .exponential import magnitude
from .precision import coarse
from .selection import where
from .tools import derivative, finite

__all__ = ["hyperbola", "hyperbola_root", "hyperbola_slope", "inverse_square"]


def _inverse_cube(a: Array) -> Array:
    return -2 * inverse_square(a) / (1 + a)


@derivative(_inverse_cube)
def inverse_square(a: Array) -> Array:
    """1/(1 + a)² for a >= 0, the sum of the square rounded once; it overflows only where the result vanishes."""
    return 1 / (1 + a * (2 + a))


def hyperbola_root(x: Array, b: Array) -> Array:
    """sqrt(x² + b); beyond 2^60 no b below 2^60 makes a difference, and x² may overflow."""
    a = magnitude(x)
    far = a > 2.0**60
    near = where(far, 0, a)
    return where(far, a, jnp.sqrt(near * near + b))


def hyperbola(x: Array, b: Array) -> Array:
    """(x + r)/2 with r = sqrt(x² + b): near 0 by r - sqrt(b) = x²/(r + sqrt(b)), else by r - |x| = b/(r + |x|).

    What the rounding of that denominator d loses is made good in the quotient: where d is just above a power of two,
    half a unit of it is a whole unit of the result. The quotient may have three uses in one loop, since only d varies.
    Below 24 bits (|x| + r)/2 will do, and on the left b/4 over it.
    """
    a, middle = magnitude(x), jnp.sqrt(b)
    close, far = a < 0.75 * middle, a > 2.0**60  # far out no b below 2^60 makes a difference, and x² may overflow
    if coarse():
        half = 0.5 * (a + jnp.sqrt(jnp.square(where(far, 0, a)) + b))
        half = where(half < a, a, half)  # far out, and where the square vanishes
        return where(x < 0, 0.25 * (b / half), half)
    shift, r = where(close, middle, a), where(far, 0, jnp.sqrt(a * a + _positive(b)))
    d = r + shift  # far out |x| instead of 2|x|, hence the quarter
    q, lost = b / d, where(far, 0, (d - r) - shift)
    share = where(close, 0, q) + q * (where(close, a * a, q * lost) / _positive(b))
    return where(close, (middle + x) / 2, where(x < 0, 0, x)) + share * where(far, 0.25, 0.5)


def _positive(b: Array) -> Array:
    """b, or the smallest number where b is 0."""
    return jnp.where(b == 0, jnp.finfo(b.dtype).tiny, b)


def _overflow(x: Array) -> float:
    """Beyond this the sum of two squares of such numbers may overflow."""
    return 2.0 ** (jnp.finfo(x.dtype).maxexp // 2 - 1)


@jax.custom_jvp
def hyperbola_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2 with r = sqrt(s), s = x² + b, as b/(2·(s + r·|x|)) on the left and 1 less that on the right.

    At 0 both are 1/2, and for b = 0 the left one is the least slope.

    What the rounding of that sum loses is made good in the quotient, as in the value, where it does not overflow.
    """
    a = magnitude(x)
    s = _positive(b) - (-a) * a  # the sum of the value, said otherwise: a root in both would get a loop of its own
    rest = a * jnp.sqrt(s)
    total = s + rest
    if coarse():
        tail = 0.5 * (b / total)
        return where(x <= 0, tail, 1 - tail)
    q, lost = b / total, where(a > _overflow(x), 0, (total - s) - rest)
    tail = q + q * (q * lost / _positive(b))
    return where(x <= 0, 0.0, 1.0) + tail * where(x <= 0, 0.5, -0.5)


@hyperbola_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, b), (t, s) = primals, tangents
    root = hyperbola_root(x, b)
    root = where(root == 0, 1, root)
    return hyperbola_slope(x, b), (b * t - 0.5 * finite(x) * s) / root / root / (2 * root)
