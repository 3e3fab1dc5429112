"""exp(-a), from which every smooth activation here is made.

XLA flushes numbers below the smallest normal one to zero, so x·exp(-|x|) would vanish while it is still a normal
number, and its exp loses up to one unit in the last place before the formula has begun. :class:`Decay` carries
exp(-a) as power·(1 - s + c)·unit instead: a product takes power and unit last, and what the sum loses when it is
rounded is at hand where a formula cancels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from .precision import coarse
from .selection import where
from .tools import derivative, exact_product, in_pairs

__all__ = [
    "EXP_FINE",
    "UNIT",
    "Decay",
    "bounded",
    "decay",
    "decay_of_quotient",
    "exp_of_minus",
    "expm1_negative",
    "magnitude",
    "power_and_rest",
    "vanished",
]


class Decay(NamedTuple):
    """The number power · (1 - s + c) · unit in [0, 1]; where few bits are kept, s and c are 0.0 and power has all."""

    power: Array
    s: Array | float
    c: Array | float
    unit: Array | np.float32

    @property
    def _sum(self) -> Array | float:
        return 1 + (self.c - self.s)

    @property
    def value(self) -> Array:
        return (self.power + self.power * (self.c - self.s)) * self.unit

    def lost(self, rate: Array | float = 1.0) -> ArrayLike:
        """What ``value`` lost when it was rounded, times the rate at which a formula changes with it."""
        if isinstance(self.s, float):
            return 0.0
        return self.power * (((1 - self._sum) - self.s) + self.c) * self.unit * rate

    def times(self, y: ArrayLike, low: ArrayLike = 0.0) -> Array:
        """The number times (y + low), rounded once, flushed only if the product is subnormal."""
        if isinstance(self.s, float):
            return self.power * (y + low) * self.unit
        if not isinstance(low, float):
            low = low + low * (self.c - self.s)
        return self.power * (y + (y * self.c + low - y * self.s)) * self.unit

    def changing(self, rate: Array) -> Decay:
        """The tangent of a number that changes at this relative rate."""
        return Decay(
            jnp.zeros_like(self.power), jnp.zeros_like(self.power), self._sum * rate, jnp.zeros_like(self.unit)
        )


@jax.custom_jvp
def magnitude(x: Array) -> Array:
    """|x| with derivative 1 at 0."""
    return jnp.abs(x)


@magnitude.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return magnitude(x), where(x < 0, -t, t)


def bounded(x: Array, largest: float) -> Array:
    """|x|, at most ``largest`` (NaN for NaN); derivative 1 at 0, and 0 from ``largest`` on."""
    a = magnitude(x)
    return where(a > largest, largest, a)


# float32: a = s + k·ln2 with |s| <= ln2/2 (and the low part of a), ln2 = _LN2 + _LN2_REST where k·_LN2 is exact.
_LN2, _LN2_REST = 0.693359375, -2.1219444005469057e-4
# q(s) in exp(-s) = 1 - s + s²·q(s), highest power first.
_EXP_32 = (  # error 0.052 units of 2^-24
    0.0013821201864629984,
    -0.008368666283786297,
    0.04166825860738754,
    -0.1666652113199234,
    0.4999999403953552,
)
EXP_FINE = (  # error 0.0016 units of 2^-24
    -0.00019740263815037906,
    0.0013935081660747528,
    -0.008333570323884487,
    0.041666463017463684,
    -0.1666666567325592,
    0.5,
)
_EXP_COARSE = (  # error 1.8 units of 2^-24
    -0.008312567137181759,
    0.041890207678079605,
    -0.16667114198207855,
    0.499992311000824,
)
# XLA turns (a·UNIT)·(b·UNIT) into (a·b)·UNIT², and UNIT³ may not vanish either.
ONE, UNIT = np.float32(1), np.float32(2.0**-40)
_VANISHED = 114.0  # exp(-114)/UNIT is a normal number
_TO_INTEGER = 1.5 * 2.0**23  # a sum with it is rounded to an integer, which shows in the lowest bits


def vanished(x: Array) -> float:
    """Where exp(-x) times any factor that comes with it here is below the smallest number of the dtype."""
    return 800.0 if x.dtype == jnp.float64 else _VANISHED


def _reduced(a: Array, low: ArrayLike, coefficients: tuple[float, ...] | None = None) -> tuple[Array, Array, Array]:
    """t, s and c with exp(-a + low) = 2^-k·(1 - s + c), |s| <= ln2/2 + |low| and c up to 0.07, with low 0.1.

    t is the sum whose lowest bits hold -k. k is C - (C - a·log2(e)), since XLA would simplify (a·log2(e) + C) - C.

    Error budget in units of 2^-24: 0.35 for the rounding of s, 0.05 for the polynomial (1.8 for the coarse one); with
    0.25 for the rounding of c - s that is 0.65, and 0.7 was measured. low, which comes late, does not delay k: it is
    0.01 at exp(-18), where the polynomial errs by 0.12 units, and 0.05 at exp(-80) of the exact gelu, by 1 unit.
    """
    t = _TO_INTEGER - a * math.log2(math.e)
    k = _TO_INTEGER - t
    rest = k * _LN2_REST
    s = (a - k * _LN2) - (rest if isinstance(low, float) else rest + low)  # a number is 0: three operations less
    return t, s, s * s * in_pairs(coefficients or (_EXP_COARSE if coarse() else _EXP_32), s)


def _power_of_two(t: Array, unit: Array | np.float32) -> Array:
    """2^-k·unit for a power of two, by bits; a conversion of k would be clamped and twice as slow."""
    bits = lax.bitcast_convert_type(t, jnp.int32) << 23
    return lax.bitcast_convert_type(bits + lax.bitcast_convert_type(unit, jnp.int32), jnp.float32)


def power_and_rest(
    a: Array,
    low: ArrayLike = 0.0,
    unit: Array | np.float32 = ONE,
    coefficients: tuple[float, ...] | None = None,
) -> tuple[Array, Array]:
    """p and r with unit·exp(-a + low) = p·(1 + r), p and unit powers of two and r in [-0.3, 0.42]; float32.

    1 ± p is exact as far as p counts beside 1, so 1 ± exp is rounded once as (1 ± p) ± p·r.
    """
    t, s, c = _reduced(a, low, coefficients)
    return _power_of_two(t, unit), c - s


def _exp_32(a: Array, low: ArrayLike) -> Decay:
    t, s, c = _reduced(a, low)
    return Decay(_power_of_two(t, 1 / UNIT), s, c, UNIT)


def _exp_64(a: Array, low: ArrayLike) -> Decay:
    """By XLA's exp; the shift of a large a is exact, so only the constant exp(-shift) is rounded."""
    far, zero = a > 512.0, jnp.zeros_like(a)
    power = jnp.exp(where(far, 256.0, 0.0) - a) * (1 + jnp.expm1(jnp.asarray(low, a.dtype)))
    return Decay(power, zero, zero, where(far, jnp.asarray(math.exp(-256), a.dtype), 1.0))


@jax.custom_jvp
def _exactly(a: Array, low: Array) -> Decay:
    return _exp_64(a, low) if a.dtype == jnp.float64 else _exp_32(a, low)


@_exactly.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Decay, Decay]:
    (a, low), (t, _) = primals, tangents
    out = _exactly(a, low)
    return out, out.changing(-t)


def exp_of_minus(a: Array, low: ArrayLike = 0.0) -> Decay:
    """exp(-a + low) for a from 0 to where it has vanished and a low small beside 1, without derivative by low."""
    e = _exactly(a, jnp.asarray(low, a.dtype))
    return Decay(e.power + e.power * (e.c - e.s), 0.0, 0.0, UNIT) if coarse() else e


def decay(x: Array) -> Decay:
    """exp(-|x|). Its derivative at 0 is taken from the right."""
    return exp_of_minus(bounded(x, vanished(x)))


def decay_of_quotient(x: Array, y: Array, x_low: ArrayLike = 0.0, y_low: ArrayLike = 0.0) -> Decay:
    """exp(-|(x + x_low)/(y + y_low)|) for y > 0, with all rounding errors of the quotient made good to first order."""
    q = x / y
    if coarse():
        return exp_of_minus(bounded(q, vanished(q)))
    back, back_low = exact_product(q, jnp.broadcast_to(y, q.shape))
    rest = (x - back) - back_low + (x_low - q * y_low)
    error = jax.lax.stop_gradient(where(jnp.abs(q) < 1e4, rest / y, 0.0))
    return exp_of_minus(bounded(q, vanished(q)), where(q < 0, error, -error))


@derivative(lambda x: where(x < 0, decay(x).value, 0.0))
def expm1_negative(x: Array) -> Array:
    """exp(x) - 1 for x < 0, and 0 from there on (NaN for NaN); error 1 unit in the last place."""
    if x.dtype == jnp.float64:
        return where(x >= 0, 0, jnp.expm1(x))
    # exp(-30) is lost beside 1; a coarse r would be too coarse by itself.
    p, r = power_and_rest(lax.clamp(np.float32(0), -x, np.float32(30)), coefficients=_EXP_32)
    return (p - 1) + p * r
