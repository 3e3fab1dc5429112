"""x·σ(y) with the cubic y = sqrt(8/pi)·(x + 0.044715·x³): the tanh form of gelu, its slope and its curvature.

y reaches 90 before the exponential vanishes, where one rounding of y costs 45 units in the last place, so y is a sum of
two numbers. Every product that matters is one of two half significands, which is exact whether or not it is contracted
with the sum that follows.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from numpy.polynomial import Polynomial

from .exponential import Decay, bounded, exp_of_minus
from .logistic import gate, gate_slope
from .precision import coarse, short_range
from .selection import where
from .series import GELU_TANH_ROOT, about_root
from .tools import derivative, halves, leading, polynomial

__all__ = ["cubic_gate", "cubic_gate_slope"]

_LINEAR = math.sqrt(8 / math.pi)
_CUBE = _LINEAR * 0.044715
# What float64 leaves of both, from mpmath; tests/numerics checks them.
_LINEAR_REST = -9.96930880911092e-17
_CUBE_REST = -6.175149918155315e-19
_SHORT = 1.59375  # the first digits of the linear factor
_SHORT_REST = (_LINEAR - _SHORT) + _LINEAR_REST


def _vanished(x: Array) -> float:
    """Where exp(-y) has vanished for the dtype of the result."""
    return 24.0 if x.dtype == jnp.float64 else 9.0 if short_range() else 11.0


def _is_1(x: Array) -> float:
    """Where σ(y) is 1."""
    return 8.0 if x.dtype == jnp.float64 else 6.0


def _bounded(x: Array) -> Array:
    return bounded(x, _vanished(x))


def _low(x: Array, h: Array, w: Array) -> Array:
    """y - h·w for halves h of x and w of linear + cube·h²; error 2^-28 in float32 for y up to 113."""
    cube, cube_rest = halves(_CUBE, _CUBE_REST, x.dtype)
    square = h * h
    upper = leading(square)
    w_rest = ((_SHORT - w) + cube * upper) + (cube * (square - upper) + (cube_rest * square + _SHORT_REST))
    return h * w_rest + (x - h) * (_LINEAR + 3 * _CUBE * (h * x))


def _cubic(x: Array) -> tuple[Array, Array | float]:
    """y as an exact product h·w, from which the exponent is found early, and a rest.

    w is a little too large, so that the rest, between -1.2·2^-11·y and 2·2^-11·y, is as often negative as positive."""
    if coarse():
        return x * (_LINEAR + _CUBE * (x * x)), 0.0
    h = leading(x)
    larger = 1 + 1.2 * 2.0 ** (-26 if x.dtype == jnp.float64 else -11)
    w = leading(larger * _LINEAR + larger * _CUBE * (h * h))
    return h * w, _low(x, h, w)


def _cubic_and_steepness(x: Array) -> tuple[Array, Array | float, Array, Array | float]:
    """y and x·y' = 3y - 2·linear·x as sums of two numbers each.

    w has so few digits that h·(3w - 2·linear) is exact too, and y is its plain value and what that lacks."""
    if coarse():
        square = x * x
        return x * (_LINEAR + _CUBE * square), 0.0, x * (_LINEAR + 3 * _CUBE * square), 0.0
    h = leading(x)
    factor = _LINEAR + _CUBE * (h * h)
    y, w = x * factor, leading(factor, 2)
    low = _low(x, h, w)
    return y, (h * w - y) + low, h * (3 * w - 2 * _SHORT), 3 * low - 2 * (_SHORT * (x - h) + _SHORT_REST * x)


def cubic_gate(x: Array) -> Array:
    """x·σ(y(x))."""
    above = where(x < -_vanished(x), -_vanished(x), x)
    y, low = _cubic(above)
    return where(x > _is_1(x), x, gate(above, y, low))


@derivative(lambda x: _curvature(x))
def cubic_gate_slope(x: Array) -> Array:
    """σ(y) + x·y'·σ(y)·σ(-y)."""
    left = gate_slope(*_cubic_and_steepness(_bounded(x)))
    return about_root(x, GELU_TANH_ROOT, left, 1 - left)


def _curvature(x: Array) -> Array:
    """σ(y)·σ(-y)·(b - c·tanh(|y|/2)), where b = 2y' + x·y'' is even and c = |x|·y'² odd in |x|."""
    a, e = _bounded(x), _decay(x)
    n = e.value
    less, more = (polynomial(_about_one(s), a - 1) for s in (1, -1))
    return e.times(less + n * more) / ((1 + n) * jnp.square(1 + n))


def _about_one(sign: int) -> list[float]:
    """b ∓ c as polynomials in a - 1, highest power first: those in a lose a digit where b and c are alike."""
    lowest_first = 2 * _LINEAR, -sign * _LINEAR**2, 12 * _CUBE, -6 * sign * _LINEAR * _CUBE, 0, -9 * sign * _CUBE**2
    return Polynomial(lowest_first)(Polynomial((1, 1))).coef[::-1].tolist()


@jax.custom_jvp
def _decay(x: Array) -> Decay:
    """exp(-|y(x)|)."""
    y, low = _cubic(_bounded(x))
    return exp_of_minus(y, -low)


@_decay.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Decay, Decay]:
    (x,), (t,) = primals, tangents
    e = _decay(x)
    rate = (_LINEAR + 3 * _CUBE * jnp.square(_bounded(x))) * where(x < 0, t, -t)
    return e, e.changing(rate)
