"""Error-free sums and products: numbers as unevaluated sums of two words, ``hi + lo``.

The classical algorithms (Dekker 1971, "A floating-point technique for extending the available precision",
https://doi.org/10.1007/BF01397083). Halves of a significand are cut by bits, so that it makes no difference whether XLA
contracts a product and a sum to a fused multiply-add.
"""

from __future__ import annotations

import struct

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import DTypeLike

__all__ = [
    "opaque",
    "product_error",
    "split",
    "split_constant",
    "two_prod",
    "two_square",
    "two_sum",
    "two_words",
]


def split(x: Array, fewer: int = 0) -> Array:
    """The upper half of the significand, ``fewer`` bits shorter; products of two such numbers are exact."""
    integer, dropped = (jnp.int64, 27) if x.dtype == jnp.float64 else (jnp.int32, 12)
    bits = lax.bitcast_convert_type(x, integer)
    return lax.bitcast_convert_type(bits & -(1 << dropped + fewer), x.dtype)


def two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """``(hi, lo)`` with ``hi = x + y`` rounded and ``hi + lo = x + y`` exactly. Constants must be opaque."""
    hi = x + y
    part = hi - x
    return hi, (x - (hi - part)) + (y - part)


def two_prod(x: Array, y: Array) -> tuple[Array, Array]:
    """``(hi, lo)`` with ``hi = x·y`` rounded and ``hi + lo = x·y`` to twice the working precision."""
    hi = x * y
    x_hi, y_hi = split(x), split(y)
    x_lo, y_lo = x - x_hi, y - y_hi
    return hi, ((x_hi * y_hi - hi) + x_hi * y_lo + x_lo * y_hi) + x_lo * y_lo


def product_error(x: Array, y: Array) -> Array:
    """What the rounded product x·y lacks, where it is a normal number and far from underflow; also for tiny x or y."""
    small = 2.0**-60
    unit = jnp.where(jnp.abs(x) < small, 1 / small, jnp.where(jnp.abs(y) < small, small, 1)).astype(x.dtype)
    return two_prod(x * unit, y * (1 / unit))[1]


def two_square(x: Array) -> tuple[Array, Array]:
    """``(hi, lo)`` with ``hi + lo = x²`` to twice the working precision, where hi is the exact square of a half."""
    hi = split(x)
    return hi * hi, (x - hi) * (x + hi)


def opaque(constant: float, like: Array) -> Array:
    """The constant as data (NaN where ``like`` is): XLA folds ``(x + C) - C`` into x, and the error with it."""
    return jnp.where(like != like, like, constant)


def two_words(number: tuple[float, float], dtype: DTypeLike) -> tuple[float, float]:
    """The number ``hi + lo``, with hi rounded to the dtype."""
    hi = float(np.asarray(number[0], dtype))
    return hi, (number[0] - hi) + number[1]


def split_constant(number: tuple[float, float], dtype: DTypeLike) -> tuple[float, float]:
    """The number ``hi + lo``, with hi cut to half the significand of the dtype."""
    dropped = 27 if dtype == jnp.float64 else 41
    bits = struct.unpack("<q", struct.pack("<d", number[0]))[0] >> dropped << dropped
    hi: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return hi, (number[0] - hi) + number[1]
