"""Elementary functions with defined derivatives at 0 and at ±inf."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

__all__ = [
    "by_size",
    "clipped_abs",
    "derivative",
    "erf",
    "expm1",
    "finite",
    "gradient",
    "magnitude",
    "negative_part",
    "product",
    "quotient_factors",
    "square_times",
    "two_factors",
]


def derivative(slope: Callable[[Array], Array]) -> Callable[[Callable[[Array], Array]], Callable[[Array], Array]]:
    """Give a function of one array this derivative."""

    def decorate(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
        function = jax.custom_jvp(f)

        @function.defjvp
        def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
            (x,), (t,) = primals, tangents
            return function(x), slope(x) * t

        return function

    return decorate


@derivative(jnp.exp)
def expm1(x: Array) -> Array:
    """``jnp.expm1``, whose derivative keeps its digits where it is -1 itself."""
    return jnp.expm1(x)


def erf(x: Array) -> Array:
    """``jax.lax.erf`` with the limits ±1, which the XLA of jax 0.8 misses by 2⁻²²."""
    return jnp.where(x < -6, -1, jnp.where(x > 6, 1, jax.lax.erf(x)))


def gradient(*partials: Callable[..., Array]) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Give a function of several arrays these derivatives, each a function of all of them."""

    def decorate(f: Callable[..., Array]) -> Callable[..., Array]:
        function = jax.custom_jvp(f)

        @function.defjvp
        def _(primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            terms = (partial(*primals) * t for partial, t in zip(partials, tangents, strict=True))
            return function(*primals), functools.reduce(jnp.add, terms)

        return function

    return decorate


def magnitude(x: Array) -> Array:
    """``|x|`` with derivative 1 at 0; that of ``jnp.abs`` is 0 there, which spoils higher orders."""
    return jnp.where(x < 0, -x, x)


def negative_part(x: Array) -> Array:
    """``min(x, 0)`` with derivative 0 at 0, where ``jnp.minimum`` has 1/2; NaN stays NaN."""
    return jnp.where(x >= 0, 0, x)


def clipped_abs(x: Array, largest: float) -> Array:
    """``min(|x|, largest)``; derivative 1 at 0, and 0 from ``largest`` on."""
    a = magnitude(x)
    return jnp.where(a > largest, largest, a)


def finite(x: Array) -> Array:
    """``x`` with the largest finite numbers for ±inf, so that 0 times it is 0; NaN stays NaN."""
    least, largest = (jax.lax.full_like(x, v) for v in (jnp.finfo(x.dtype).min, jnp.finfo(x.dtype).max))
    return jax.lax.clamp(least, x, largest)  # both as weakly typed as x, and arrays, which Pallas needs


def two_factors(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """Two factors of a·b·c, the larger first, that leave the range of the dtype only where the product does."""
    a, b, c = by_size(a, b, c)
    large = jnp.abs(c) > 1
    return _larger_first(jnp.where(large, a, a * c), jnp.where(large, b * c, b))


def product(x: Array, a: Array, b: Array) -> Array:
    """a·b·x, which leaves the range of the dtype only where the product does; without derivative at a = 0 or b = 0."""
    root = jnp.sqrt(jnp.abs(a)) * jnp.sqrt(jnp.abs(b))
    return x * root * jnp.where((a < 0) == (b < 0), root, -root)


def quotient_factors(a: Array, b: Array) -> tuple[Array, Array]:
    """Two factors of a/b for positive a and b: the quotient and 1, or two of one size where it leaves the range."""
    quotient, root = a / b, jnp.sqrt(a) / jnp.sqrt(b)
    inside = (quotient > 2.0**-100) & (quotient < 2.0**100)
    return jnp.where(inside, quotient, root), jnp.where(inside, jnp.ones_like(root), root)


def square_times(root: Array, a: Array, b: Array, factor: float = 1.0) -> Array:
    """factor·a·b·root² for a root up to 1, which leaves the range of the dtype only where the product does.

    The maximum keeps XLA from squaring the root first where a and b are constants.
    """
    a, b = _larger_first(a, b)
    large = jnp.abs(b) > 1
    first = a * root * jnp.where(large, 1.0, b)
    first = first if factor == 1.0 else first * factor
    return jnp.maximum(first, float(jnp.finfo(root.dtype).min)) * (root * jnp.where(large, b, 1.0))


def by_size(a: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    """The three numbers, the largest in magnitude first."""
    a, b = _larger_first(a, b)
    b, c = _larger_first(b, c)
    return *_larger_first(a, b), c


def _larger_first(a: Array, b: Array) -> tuple[Array, Array]:
    swap = jnp.abs(a) < jnp.abs(b)
    return jnp.where(swap, b, a), jnp.where(swap, a, b)
