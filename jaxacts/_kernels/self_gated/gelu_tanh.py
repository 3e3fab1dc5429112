"""x·σ(y) with the cubic y = sqrt(8/pi)·(x + 0.044715·x³): the tanh form of gelu, its slope and its curvature.

y reaches 90 before the exponential underflows, where one rounding of y costs 45 units in the last place, so y is a sum
of two words. Every product that matters is one of two half significands, which is exact whether or not it is contracted
with the sum that follows.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from numpy.polynomial import Polynomial

from ..arithmetic.coefficients import GELU_TANH_ROOT
from ..arithmetic.double_word import split, split_constant
from ..arithmetic.elementary import clipped_abs, derivative
from ..arithmetic.exponential import Decay, exp_of_minus
from ..arithmetic.gate import gate, gate_slope
from ..arithmetic.polynomial import about_root, polynomial

__all__ = ["CUBE", "LINEAR", "gelu_tanh", "gelu_tanh_slope"]

LINEAR = math.sqrt(8 / math.pi)
CUBE = LINEAR * 0.044715
# What float64 leaves of both, from mpmath.
LINEAR_LO = -9.96930880911092e-17
CUBE_LO = -6.175149918155315e-19
_SHORT = 1.59375  # the first digits of the linear factor
_SHORT_LO = (LINEAR - _SHORT) + LINEAR_LO


def _underflow(x: Array) -> float:
    """Where exp(-y) underflows."""
    return 24.0 if x.dtype == jnp.float64 else 11.0


def _saturated(x: Array) -> float:
    """Where σ(y) is 1."""
    return 8.0 if x.dtype == jnp.float64 else 6.0


def _clipped_abs(x: Array) -> Array:
    return clipped_abs(x, _underflow(x))


def _lo(x: Array, h: Array, w: Array) -> Array:
    """y - h·w for halves h of x and w of linear + cube·h²; error 2^-28 in float32 for y up to 113."""
    cube, cube_lo = split_constant((CUBE, CUBE_LO), x.dtype)
    square = h * h
    upper = split(square)
    w_lo = ((_SHORT - w) + cube * upper) + (cube * (square - upper) + (cube_lo * square + _SHORT_LO))
    return h * w_lo + (x - h) * (LINEAR + 3 * CUBE * (h * x))


def _cubic(x: Array) -> tuple[Array, Array]:
    """y as an exact product h·w, from which the exponent is found early, and a rest.

    w is a little too large, so that the rest, between -1.2·2^-11·y and 2·2^-11·y, is as often negative as positive."""
    h = split(x)
    larger = 1 + 1.2 * 2.0 ** (-26 if x.dtype == jnp.float64 else -11)
    w = split(larger * LINEAR + larger * CUBE * (h * h))
    return h * w, _lo(x, h, w)


def _cubic_and_steepness(x: Array) -> tuple[Array, Array, Array, Array]:
    """y and x·y' = 3y - 2·linear·x as sums of two numbers each.

    w has so few digits that h·(3w - 2·linear) is exact too, and y is its plain value and what that lacks."""
    h = split(x)
    factor = LINEAR + CUBE * (h * h)
    y, w = x * factor, split(factor, 2)
    lo = _lo(x, h, w)
    return y, (h * w - y) + lo, h * (3 * w - 2 * _SHORT), 3 * lo - 2 * (_SHORT * (x - h) + _SHORT_LO * x)


def gelu_tanh(x: Array) -> Array:
    """x·σ(y(x)), without derivative."""
    v = jnp.maximum(x, -_underflow(x))
    return jnp.where(x > _saturated(x), x, gate(v, *_cubic(v)))


@derivative(lambda x: _curvature(x))
def gelu_tanh_slope(x: Array) -> Array:
    """σ(y) + x·y'·σ(y)·σ(-y)."""
    left = gate_slope(*_cubic_and_steepness(_clipped_abs(x)))
    return about_root(x, GELU_TANH_ROOT, jnp.where(x < 0, left, 1 - left))


def _curvature(x: Array) -> Array:
    """σ(y)·σ(-y)·(b - c·tanh(|y|/2)), where b = 2y' + x·y'' is even and c = |x|·y'² odd in |x|."""
    a, e = _clipped_abs(x), _decay(x)
    n = e.value
    lesser, greater = (polynomial(_about_one(s), a - 1) for s in (1, -1))
    return e.multiply(lesser + n * greater) / ((1 + n) * jnp.square(1 + n))


def _about_one(sign: int) -> list[float]:
    """b ∓ c as polynomials in a - 1, highest power first: those in a lose a digit where b and c are alike."""
    rising = 2 * LINEAR, -sign * LINEAR**2, 12 * CUBE, -6 * sign * LINEAR * CUBE, 0, -9 * sign * CUBE**2
    return Polynomial(rising)(Polynomial((1, 1))).coef[::-1].tolist()


@jax.custom_jvp
def _decay(x: Array) -> Decay:
    """exp(-|y(x)|)."""
    y, lo = _cubic(_clipped_abs(x))
    return exp_of_minus(y, -lo)


@_decay.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Decay, Decay]:
    (x,), (t,) = primals, tangents
    e = _decay(x)
    rate = (LINEAR + 3 * CUBE * jnp.square(_clipped_abs(x))) * jnp.where(x < 0, t, -t)
    return e, e.tangent(rate)
