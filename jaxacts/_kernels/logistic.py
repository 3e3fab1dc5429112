"""The logistic function, its integral and the hyperbolic tangent, right in both tails, from one exponential each."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array

from .exponential import EXP_FINE, UNIT, decay, exp_of_minus, magnitude, power_and_rest
from .precision import coarse, short_range
from .selection import where
from .series import SOFTPLUS, near
from .tools import derivative, less, polynomial, with_sign_of

__all__ = ["gate", "gate_slope", "sigmoid", "sigmoid_slope", "silu_curve", "softplus", "tanh", "tanh_slope"]


_TANH_IS_1 = 30.0  # that is 2·15
_IS_1 = 40.0  # σ(40) is 1, and the powers of two below are normal numbers


def _above(y: Array) -> Array:
    """y from where y·σ(y) has vanished."""
    least = -800.0 if y.dtype == jnp.float64 else -80.0 if short_range() else -120.0
    return where(y < least, least, y)


def gate(v: Array | np.float32, y: Array, low: Array | float = 0.0) -> Array:
    """v·σ(y + low), without derivative, for y and v up to 40 and above -120; beyond, it is to be selected away.

    A selection has to follow in any case: of a product of results XLA would collect the units, which overflow together.

    With exp(-y) = p·(1 + r) and p a power of two the denominator is p + (1 + p·r), all in a small unit, for p may be
    2^173. Its two sums lose half a unit each where p is near 1, else the first or the second loses little or nothing:
    2 units in the last place with the quotient's.
    """
    if y.dtype == jnp.float64:
        e = exp_of_minus(magnitude(y), where(y < 0, 1.0, -1.0) * low)
        return where(y < 0, e.times(v), v) / (1 + e.value)
    unit = np.float32(1 if short_range() else 2.0**-60)
    p, r = power_and_rest(y, -low, unit)
    return v / (p + (unit + p * r)) * unit


def silu_curve(x: Array) -> Array:
    """x·σ(x), without derivative."""
    y = _above(x)
    return where(x > _IS_1, x, gate(y, y))


def gate_slope(y: Array, low: Array | float, steep: Array, steep_low: Array | float = 0.0) -> Array:
    """σ(-w)·(1 - z·σ(w)) for w = y + low from 0 to where exp(-w) has vanished and z = steep + steep_low, without
    derivative.

    That is the slope of v·σ(w) at -v with z = v·w', and 1 less the slope at v. With n = exp(-w) = p·(1 + r) it is
    n·(1 + n - z)/(1 + n)², where 1 + n - z is summed as (1 + p - z) + p·r; the quotient is a number less a correction.
    """
    if y.dtype == jnp.float64:
        e = exp_of_minus(y, -jnp.asarray(low, y.dtype))
        return e.times(1 + e.value - steep, -steep_low) / jnp.square(1 + e.value)
    power, r = power_and_rest(y, -low, 1 / UNIT)
    p = power * UNIT
    u = (1 + p - steep) + (p * r - steep_low)
    n = p + p * r
    m = n * (2 + n)
    alone, correction = less((u + u * r) * power, m / (1 + m))
    return (alone + correction) * UNIT


@derivative(lambda x: sigmoid_slope(x))
def sigmoid(x: Array) -> Array:
    """1/(1 + exp(-x))."""
    return where(x > _IS_1, 1.0, gate(x.dtype.type(1), _above(x)))


def _sigmoid_curvature(x: Array) -> Array:
    return -tanh(x / 2) * sigmoid_slope(x)


@derivative(_sigmoid_curvature)
def sigmoid_slope(x: Array) -> Array:
    """σ(x)·σ(-x) as n/(1 + n)² with n = exp(-|x|): y·(1 - y) would lose every digit where y rounds to 1."""
    n = decay(x).value
    return n / (1 + n * (2 + n))


# Q(u) in log(1 + u) = u + u²·Q(u) on [0, 1], highest power first; error 0.09 units in the last place.
_LOG1P_32 = (  # error 0.089 units of 2^-24
    -0.0033248532563447952,
    0.020234934985637665,
    -0.05772502347826958,
    0.1068713515996933,
    -0.15359610319137573,
    0.1969701051712036,
    -0.24958939850330353,
    0.3333055078983307,
    -0.49999934434890747,
)


@derivative(lambda x: sigmoid(x))
def softplus(x: Array) -> Array:
    """log(1 + exp(x)) as max(x, 0) + log(1 + u) with u = exp(-|x|)."""
    e = decay(x)
    u = e.value
    double = x.dtype == jnp.float64
    tail = jnp.log1p(u) if double else u + (u * u * polynomial(_LOG1P_32, u) + e.lost(1 - u))
    return near(x, SOFTPLUS, where(x <= 0, 0.0, x) + tail)


@derivative(lambda x: tanh_slope(x))
def tanh(x: Array) -> Array:
    """(1 - u)/(1 + u) with u = exp(-2|x|) = p·(1 + r), where 1 - p and 1 + p are exact, so that each is rounded once.

    Near 0 that is -r/(2 + r), for which r needs one coefficient more. XLA's is off by 6 units in the last place of
    float64 where it nears 1, and by 5 of float32.
    """
    a = 2 * magnitude(x)
    if x.dtype == jnp.float64:
        m = jnp.expm1(-a)
        return jnp.copysign(m / (2 + m), x)
    a = where(a > _TANH_IS_1, _TANH_IS_1, a)
    p, r = power_and_rest(a, coefficients=None if coarse() else EXP_FINE)
    return with_sign_of(x, ((1 - p) - p * r) / ((1 + p) + p * r))


def _tanh_curvature(x: Array) -> Array:
    return -2 * tanh(x) * tanh_slope(x)


@derivative(_tanh_curvature)
def tanh_slope(x: Array) -> Array:
    """1/cosh²(x) as 4u/(1 + u)² with u = exp(-2|x|): 1 - tanh² would lose every digit of the tails."""
    u = decay(2 * x).value
    return 4 * u / (1 + u * (2 + u))
