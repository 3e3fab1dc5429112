"""x·σ(y) with the cubic y = sqrt(8/pi)·(x + 0.044715·x³): the tanh form of gelu, its slope and its curvature.

y reaches 90 before the exponential vanishes, where one rounding of y costs 45 units in the last place, so y is the sum
of an exact product and a small rest. Every product that matters is one of two half significands, which is exact whether
or not it is contracted with the sum that follows.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .exponential import Decay, bounded, exp_of_minus
from .logistic import gate, gate_slope
from .precision import coarse
from .selection import where
from .series import GELU_TANH_ROOT, near
from .tools import clip, exact_square, exact_sum, halves, leading, opaque

__all__ = ["cubic_gate", "cubic_gate_slope"]

_LINEAR = math.sqrt(8 / math.pi)
_CUBE = _LINEAR * 0.044715
# What float64 leaves of both, from mpmath; tests/numerics checks them.
_LINEAR_REST = -9.96930880911092e-17
_CUBE_REST = -6.175149918155315e-19


def _vanished(x: Array) -> float:
    """Where exp(-y) has vanished."""
    return 24.0 if x.dtype == jnp.float64 else 12.0


def _bounded(x: Array) -> Array:
    return bounded(x, _vanished(x))


def _cubic(a: Array, times: int) -> tuple[Array, Array]:
    """a·w with w = linear + times·cube·a², as (high, low) with high exact; error 2^-28 in float32 for y up to 131."""
    linear, linear_rest = halves(_LINEAR, _LINEAR_REST, a.dtype)
    cube, cube_rest = halves(times * _CUBE, times * _CUBE_REST, a.dtype)
    square = a * a
    upper = leading(square)
    exact, rest = exact_square(a)
    lower = (exact - upper) + rest
    w = leading(_LINEAR + times * _CUBE * square)
    w_rest = ((linear - w) + cube * upper) + (cube * lower + cube_rest * square + linear_rest)
    high = leading(a)
    return high * w, high * w_rest + (a - high) * (w + w_rest)


def _sum_at(x: Array) -> tuple[Array, Array | float]:
    """y(x) as a sum of two numbers."""
    return (x * (_LINEAR + _CUBE * (x * x)), 0.0) if coarse() else _cubic(x, 1)


def cubic_gate(x: Array) -> Array:
    """x·σ(y(x))."""
    vanished = _vanished(x)
    return gate(where(x < -vanished, -vanished, x), *_sum_at(clip(x, vanished)))


@jax.custom_jvp
def cubic_gate_slope(x: Array) -> Array:
    """σ(y) + x·y'·σ(y)·σ(-y)."""
    a = _bounded(x)
    (y, low), (complement, rest) = _sum_at(a), _complement(a)
    left = gate_slope(y, complement, low, rest)
    return near(x, GELU_TANH_ROOT, where(x < 0, left, 1 - left))


@cubic_gate_slope.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return cubic_gate_slope(x), _curvature(x) * t


def _complement(a: Array) -> tuple[Array, Array | None]:
    """1 - a·y'(a) as a sum of two numbers."""
    if coarse():
        return 1 - a * (_LINEAR + 3 * _CUBE * (a * a)), None
    high, low = _cubic(a, 3)
    rest, lost = exact_sum(opaque(1.0, a), -high)
    return rest, lost - low


def _curvature(x: Array) -> Array:
    """σ(y)·σ(-y)·(b - c·tanh(|y|/2)) with b = 2y' + x·y'' and c = |x|·y'²."""
    a, e = _bounded(x), _decay(x)
    n, rate = e.value, _LINEAR + 3 * _CUBE * (a * a)
    b, c = 2 * _LINEAR + 12 * _CUBE * (a * a), a * rate * rate
    return e.times((b - c) + n * (b + c)) / ((1 + n) * jnp.square(1 + n))


@jax.custom_jvp
def _decay(x: Array) -> Decay:
    """exp(-|y(x)|)."""
    y, low = _cubic(_bounded(x), 1)
    return exp_of_minus(y, -low)


@_decay.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Decay, Decay]:
    (x,), (t,) = primals, tangents
    e = _decay(x)
    rate = (_LINEAR + 3 * _CUBE * jnp.square(_bounded(x))) * where(x < 0, t, -t)
    return e, Decay(e.factor * rate, jnp.zeros_like(e.unit), e.low * rate)
