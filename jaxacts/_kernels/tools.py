"""Selections and products with defined derivatives, and error-free sums and products of two floats.

The latter give their plain result and 0.0 where a coarse one will do.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from .precision import coarse
from .selection import where

__all__ = [
    "clip",
    "derivative",
    "exact_product",
    "exact_square",
    "exact_sum",
    "finite",
    "halves",
    "in_pairs",
    "leading",
    "less",
    "negative_part",
    "opaque",
    "polynomial",
    "product",
    "rounded",
    "with_sign_of",
]


def derivative(slope: Callable[[Array], Array]) -> Callable[[Callable[[Array], Array]], Callable[[Array], Array]]:
    """A function with this derivative, which may be made of kernels that stand below it."""

    def decorate(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
        function = jax.custom_jvp(f)

        @function.defjvp
        def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
            (x,), (t,) = primals, tangents
            return function(x), slope(x) * t

        return function

    return decorate


def negative_part(x: Array) -> Array:
    """x where x < 0, else 0 (NaN for NaN): min(x, 0) with a derivative that is 0 at 0."""
    return where(x >= 0, 0.0, x)


def clip(x: Array, low: float, high: float) -> Array:
    """x between the two (NaN for NaN), with derivative 0 beyond. ``lax.clamp`` costs float16 twice the comparisons."""
    x = where(x > high, high, x)
    return where(x < low, low, x)


def finite(x: Array) -> Array:
    """x with the largest finite numbers for ±inf (NaN for NaN); one operation, which long formulas may use often."""
    largest = jnp.finfo(x.dtype).max
    return jax.lax.clamp(-largest, x, largest)


def product(x: Array, factor: ArrayLike) -> Array:
    """x · factor where a factor of 0 wins over an infinite x: the limit of x·g(x) with g that falls faster than 1/x."""
    return where(jnp.equal(factor, 0) & jnp.isinf(x), 0.0, x * factor)


def less(p: Array, share: Array) -> tuple[Array, Array | float]:
    """p·(1 - share) as p less a correction, for which the rounding of 1 - share counts for nothing: both summands."""
    return (p * (1 - share), 0.0) if coarse() else (p, -p * share)


def polynomial(coefficients: Sequence[Any], x: Array) -> Array:
    """The polynomial with these coefficients, highest power first; the last two steps, whose roundings count, are
    Horner's, and so are those before where they are few."""
    *head, first, last = coefficients
    if len(head) < 6:
        return functools.reduce(lambda total, c: total * x + c, coefficients)
    return (in_pairs(head, x) * x + first) * x + last


def in_pairs(coefficients: Sequence[Any], x: Array) -> Array:
    """The same two at a time, as p·x² + (a·x + b): a chain half as long, with two roundings of the size of the result.

    A loop of few iterations in flight takes as long as its longest chain.
    """
    odd, square = len(coefficients) % 2, x * x
    pairs = [a * x + b for a, b in zip(coefficients[odd::2], coefficients[odd + 1 :: 2], strict=True)]
    return functools.reduce(lambda total, pair: total * square + pair, [*coefficients[:odd], *pairs])


def opaque(constant: float, like: Array) -> Array:
    """The constant as data (NaN where ``like`` is): XLA would fold (x + C) - C into x, and the error with it."""
    return where(like != like, like, constant)


def leading(x: Array, less: int = 0) -> Array:
    """The upper half of the significand of x by its bits, so that products of two such numbers are exact."""
    integer, dropped = (jnp.int64, 27) if x.dtype == jnp.float64 else (jnp.int32, 12)
    bits = jax.lax.bitcast_convert_type(x, integer)
    return jax.lax.bitcast_convert_type(bits & -(1 << dropped + less), x.dtype)


def with_sign_of(x: Array, size: Array) -> Array:
    """The size >= 0 with the sign of x, -0.0 included, in float32."""
    sign, bits = (jax.lax.bitcast_convert_type(a, jnp.int32) for a in (x, size))
    return jax.lax.bitcast_convert_type(bits | (sign & np.int32(-(2**31))), jnp.float32)


def halves(constant: float, rest: float, dtype: DTypeLike) -> tuple[float, float]:
    """constant + rest as a number of half the significand, and what is left."""
    dropped = 27 if dtype == jnp.float64 else 41
    bits = struct.unpack("<q", struct.pack("<d", constant))[0] >> dropped << dropped
    high: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return high, (constant - high) + rest


def rounded(number: tuple[float, float], dtype: DTypeLike) -> tuple[float, float]:
    """The number as one of the dtype, and what is left."""
    high = float(np.asarray(number[0], dtype))
    return high, (number[0] - high) + number[1]


def exact_square(x: Array) -> tuple[Array, Array | float]:
    """(high, low) with high + low = x² to twice the working precision, high exact."""
    if coarse():
        return x * x, 0.0
    high = leading(x)
    low = x - high
    return high * high, low * (x + high)


def exact_product(x: Array, y: Array) -> tuple[Array, Array | float]:
    """(high, low) with high = x·y rounded and high + low = x·y to twice the working precision.

    The partial products of the halves are exact, so it makes no difference whether they are contracted with the sums.
    """
    if coarse():
        return x * y, 0.0
    high = x * y
    x_high, y_high = leading(x), leading(y)
    x_low, y_low = x - x_high, y - y_high
    return high, ((x_high * y_high - high) + x_high * y_low + x_low * y_high) + x_low * y_low


def exact_sum(x: Array, y: Array) -> tuple[Array, Array | float]:
    """(high, low) with high = x + y rounded and high + low = x + y exactly. Neither may be a constant, see opaque."""
    if coarse():
        return x + y, 0.0
    high = x + y
    part = high - x
    return high, (x - (high - part)) + (y - part)
