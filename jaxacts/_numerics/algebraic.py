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
    """(x + r)/2 with r = sqrt(x² + b); near 0 as a correction of sqrt(b)/2, on the left as b/(r + |x|)/2.

    What the sum d = r + |x| and the root have lost shows in x² + b - (d - |x|)², which is added to d² in b·d/d². Root
    and quotient are used once: with two uses XLA would store them.
    """
    a, middle = magnitude(x), jnp.sqrt(b)
    close, far = a < middle / 2, a > 2.0**60  # beyond, no b below 2^60 makes a difference, and x² may overflow
    square, shift = where(far, 0, a * a), where(close, middle, a)
    s = square + b
    d = where(far, a, jnp.sqrt(s)) + shift
    root = d - shift
    below = d * d + where(close, 0, s - root * root)
    share = where(close, square, b) * where(far, 1, d) / where(far, d, below)
    return where(close, (middle + x) / 2, where(x < 0, 0, x)) + share / 2


@jax.custom_jvp
def hyperbola_slope(x: Array, b: Array) -> Array:
    """(1 + x/r)/2 with r = sqrt(s), s = x² + b, in the tails as b/(2(s + r|x|)) or 1 less that; an s of inf gives 0."""
    a = magnitude(x)
    square = a * a
    s = square + b
    near, root = square < b / 4, jnp.sqrt(s)
    ratio = where(s == 0, 0, where(near, x, b) / where(near, root, s + a * root)) / 2
    return where(near, 0.5, where(x < 0, 0.0, 1.0)) + where(near | (x < 0), ratio, -ratio)


@hyperbola_slope.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, b), (t, s) = primals, tangents
    root = hyperbola_root(x, b)
    root = where(root == 0, 1, root)
    return hyperbola_slope(x, b), (b * t - 0.5 * x * s) / root / root / (2 * root)
