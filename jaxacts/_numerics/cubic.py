"""exp(-|y|) for the cubic y = sqrt(8/pi)·(x + 0.044715·x³) of the tanh form of gelu.

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
from .precision import coarse
from .selection import where
from .tools import exact_square, exact_sum, halves, leading, opaque

__all__ = ["cubic_complement", "cubic_decay"]

_LINEAR = math.sqrt(8 / math.pi)
_CUBE = _LINEAR * 0.044715
# What float64 leaves of both, from mpmath; tests/numerics checks them.
_LINEAR_REST = -9.96930880911092e-17
_CUBE_REST = -6.175149918155315e-19


def _bounded(x: Array) -> Array:
    """|x|, at most where exp(-y) has vanished."""
    return bounded(x, 24.0 if x.dtype == jnp.float64 else 12.0)


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


def cubic_decay(x: Array) -> Decay:
    """exp(-|y(x)|). Its derivative at 0 is taken from the right."""
    if coarse():
        a = _bounded(x)
        return exp_of_minus(a * (_LINEAR + _CUBE * (a * a)))
    return _decay(x)


@jax.custom_jvp
def _decay(x: Array) -> Decay:
    y, low = _cubic(_bounded(x), 1)
    return exp_of_minus(y, -low)


@_decay.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Decay, Decay]:
    (x,), (t,) = primals, tangents
    e = _decay(x)
    rate = (_LINEAR + 3 * _CUBE * jnp.square(_bounded(x))) * where(x < 0, t, -t)
    return e, Decay(e.factor * rate, jnp.zeros_like(e.unit), e.low * rate)


def cubic_complement(x: Array) -> tuple[Array, Array | float]:
    """1 - x·y'(x) as a sum of two numbers, constant where exp(-|y|) has vanished."""
    a = _bounded(x)
    if coarse():
        return 1 - a * (_LINEAR + 3 * _CUBE * (a * a)), 0.0
    high, low = _cubic(a, 3)
    rest, lost = exact_sum(opaque(1.0, a), -high)
    return rest, lost - low
