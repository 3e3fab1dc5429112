"""exp(-a) with the digits that XLA's own exponential lacks.

XLA's exp is off by up to one unit in the last place before a formula has begun, and it flushes results below the
smallest normal number, so that x·exp(x) vanishes while it is still normal. :class:`Decay` carries exp(-a) as
power·(1 - s + c)·unit: a product takes the powers last, and what the sum loses in rounding is at hand where a formula
cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from .coefficients import EXP
from .double_word import two_prod
from .elementary import clipped_abs
from .polynomial import horner_pairs

__all__ = [
    "UNIT",
    "Decay",
    "decay",
    "decay_of_product",
    "decay_of_quotient",
    "exp_of_minus",
    "exp_words",
    "power_and_rest",
    "product_and_error",
    "underflow",
]


class Decay(NamedTuple):
    """The number power · (1 - s + c) · unit in [0, 1]."""

    power: Array
    s: Array
    c: Array
    unit: Array | np.float32

    @property
    def _sum(self) -> Array:
        return 1 + (self.c - self.s)

    @property
    def value(self) -> Array:
        """The number, rounded."""
        return (self.power + self.power * (self.c - self.s)) * self.unit

    def rounding_error(self, rate: Array | float = 1.0) -> Array:
        """What ``value`` lost when it was rounded, times the rate at which a formula changes with it."""
        return self.power * (((1 - self._sum) - self.s) + self.c) * self.unit * rate

    def multiply(self, y: ArrayLike, y_lo: ArrayLike = 0.0) -> Array:
        """The number times (y + y_lo), rounded once, flushed only where the product is subnormal."""
        if not isinstance(y_lo, float):
            y_lo = y_lo + y_lo * (self.c - self.s)
        return self.power * (y + (y * self.c + y_lo - y * self.s)) * self.unit

    def tangent(self, rate: Array) -> Decay:
        """The tangent of a number that changes at this relative rate."""
        zero = jnp.zeros_like(self.power)
        return Decay(zero, zero, self._sum * rate, jnp.zeros_like(self.unit))


# float32: a = s + k·ln2 with |s| <= ln2/2 (and the low word of a), ln2 = _LN2 + _LN2_LO where k·_LN2 is exact.
_LN2, _LN2_LO = 0.693359375, -2.1219444005469057e-4
# XLA turns (a·UNIT)·(b·UNIT) into (a·b)·UNIT², and UNIT³ may not underflow either.
ONE, UNIT = np.float32(1), np.float32(2.0**-40)
_TO_INTEGER = 1.5 * 2.0**23  # a sum with it is rounded to an integer, which shows in the lowest bits


def underflow(x: Array) -> float:
    """Where exp(-x) times any factor that comes with it here is below the smallest number of the dtype."""
    return 800.0 if x.dtype == jnp.float64 else 114.0


def _reduced(a: Array, lo: ArrayLike, coefficients: Sequence[float]) -> tuple[Array, Array, Array]:
    """t, s and c with exp(-a + lo) = 2^-k·(1 - s + c), |s| <= ln2/2 + |lo|, where the lowest bits of t hold -k.

    k is C - (C - a·log2(e)), since XLA would simplify (a·log2(e) + C) - C. In units of 2^-24 the rounding of s counts
    0.35, the polynomial 0.05 and the rounding of c - s 0.25.
    """
    t = _TO_INTEGER - a * math.log2(math.e)
    k = _TO_INTEGER - t
    rest = k * _LN2_LO
    s = (a - k * _LN2) - (rest if isinstance(lo, float) else rest + lo)
    return t, s, s * s * horner_pairs(coefficients, s)


def _reduction_error(a: Array) -> Array:
    """What the rounded s of exp(-a) lacks; 0 in float64."""
    if a.dtype == jnp.float64:
        return jnp.zeros_like(a)
    t, s, _ = _reduced(a, 0.0, EXP)
    k = _TO_INTEGER - t
    return ((a - k * _LN2) - s) - k * _LN2_LO


def _power_of_two(t: Array, unit: Array | np.float32) -> Array:
    """2^-k·unit for a power of two, by bits; a conversion of k would be clamped and twice as slow."""
    bits = lax.bitcast_convert_type(t, jnp.int32) << 23
    one = lax.bitcast_convert_type(unit, jnp.int32) if isinstance(unit, Array) else unit.view(np.int32)
    return lax.bitcast_convert_type(bits + one, jnp.float32)


def power_and_rest(
    a: Array, lo: ArrayLike = 0.0, unit: Array | np.float32 = ONE, coefficients: Sequence[float] = EXP
) -> tuple[Array, Array]:
    """p and r with unit·exp(-a + lo) = p·(1 + r), p and unit powers of two and r in [-0.3, 0.42]; float32.

    1 ± p is exact as far as p counts beside 1, so 1 ± exp is rounded once as (1 ± p) ± p·r.
    """
    t, s, c = _reduced(a, lo, coefficients)
    return _power_of_two(t, unit), c - s


def _exp_64(a: Array, lo: ArrayLike) -> Decay:
    """By XLA's exp; the shift of a large a is exact, so only the constant exp(-shift) is rounded."""
    far, zero = a > 512.0, jnp.zeros_like(a)
    power = jnp.exp(jnp.where(far, 256.0, 0.0) - a) * (1 + jnp.expm1(jnp.asarray(lo, a.dtype)))
    return Decay(power, zero, zero, jnp.where(far, jnp.asarray(math.exp(-256), a.dtype), 1.0))


@jax.custom_jvp
def _exponential(a: Array, lo: Array) -> Decay:
    if a.dtype == jnp.float64:
        return _exp_64(a, lo)
    t, s, c = _reduced(a, lo, EXP)
    return Decay(_power_of_two(t, 1 / UNIT), s, c, UNIT)


@_exponential.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Decay, Decay]:
    (a, lo), (t, _) = primals, tangents
    out = _exponential(a, lo)
    return out, out.tangent(-t)


def exp_of_minus(a: Array, lo: ArrayLike = 0.0) -> Decay:
    """exp(-a + lo) for a from 0 to ``underflow`` and a lo small beside 1, without derivative by lo."""
    return _exponential(a, jnp.asarray(lo, a.dtype))


def decay(x: Array) -> Decay:
    """exp(-|x|). Its derivative at 0 is taken from the right."""
    return exp_of_minus(clipped_abs(x, underflow(x)))


def exp_words(x: Array) -> tuple[Array, Array]:
    """exp(x), where it is neither large nor small, as a sum of two words, the second without derivative."""
    e = decay(x)
    n = e.value
    size = jnp.where(x < 0, n, 1 / n)
    back, back_lo = two_prod(size, n)
    lo = e.rounding_error() / n - _reduction_error(clipped_abs(x, underflow(x)))  # its share of n
    lo = jnp.where(x < 0, n * lo, size * (((1 - back) - back_lo) - lo))
    return size, lax.stop_gradient(lo)


def decay_of_quotient(x: Array, y: Array, x_lo: ArrayLike = 0.0, y_lo: ArrayLike = 0.0) -> Decay:
    """exp(-|(x + x_lo)/(y + y_lo)|) for y > 0, with all rounding errors of the quotient made good to first order."""
    q = x / y
    unit = jnp.where(y < 2.0**-60, 2.0**60, 1).astype(y.dtype)  # so that the errors are normal numbers
    large = y * unit
    back, back_lo = two_prod(q, jnp.broadcast_to(large, q.shape))
    rest = (x * unit - back) - back_lo + (x_lo - q * y_lo) * unit
    error = lax.stop_gradient(jnp.where(jnp.abs(q) < 1e4, rest / large, 0.0))
    return exp_of_minus(clipped_abs(q, underflow(q)), jnp.where(q < 0, error, -error))


def decay_of_product(x: Array, y: Array) -> Decay:
    """exp(-|x·y|) with the rounding error of the product made good to first order."""
    p, error = product_and_error(x, y)
    return exp_of_minus(clipped_abs(p, underflow(p)), jnp.where(p < 0, error, -error))


def product_and_error(x: Array, y: Array) -> tuple[Array, Array]:
    """x·y, and what its rounding has lost, without derivative; 0 where the product is beyond 10^4."""
    size = jnp.abs(y)
    unit = jnp.where(size > 2.0**60, 2.0**-60, jnp.where(size < 2.0**-60, 2.0**60, 1)).astype(y.dtype)
    _, error = two_prod(x * (1 / unit), y * unit)  # so that no half of a significand is subnormal
    p = x * y
    return p, lax.stop_gradient(jnp.where(jnp.abs(p) < 1e4, error, 0.0))
