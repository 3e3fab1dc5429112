"""exp(-|y|) for the cubic y = sqrt(8/pi)·(x + 0.044715·x³) of the tanh form of gelu.

y reaches 90 before the exponential vanishes, where one rounding of y costs 45 units in the last place, so y is
carried as a sum of two floats.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .exponential import Decay, exp_of_minus
from .tools import clip, exact_product, exact_sum, opaque, where

__all__ = ["cubic_decay", "cubic_steepness"]

_LARGEST = 30.0  # y(30) = 1974, far below the least exponent of float64
_LINEAR = math.sqrt(8 / math.pi)
_CUBE = 0.044715
# What float64 leaves of sqrt(8/pi) and 0.044715, from mpmath; tests/numerics checks them.
_LINEAR_REST = -9.96930880911092e-17
_CUBE_REST = 2.1960211427085595e-18


def _constant(value: float, rest: float, like: Array) -> tuple[Array, Array]:
    """A constant as two floats of the dtype of ``like``."""
    high = float(np.asarray(value, like.dtype))
    return opaque(high, like), opaque((value - high) + rest, like)


def _cubic(a: Array) -> tuple[Array, Array]:
    """y(a) as a sum of two floats."""
    square, square_low = exact_product(a, a)
    cube, cube_rest = _constant(_CUBE, _CUBE_REST, a)
    term, term_low = exact_product(square, cube)
    term_low = term_low + square_low * cube + square * cube_rest
    total, total_low = exact_sum(term, opaque(1.0, a))
    total_low = total_low + term_low
    linear, linear_rest = _constant(_LINEAR, _LINEAR_REST, a)
    scaled, scaled_low = exact_product(a, linear)
    scaled_low = scaled_low + a * linear_rest
    y, y_low = exact_product(total, scaled)
    y_low = y_low + total * scaled_low + total_low * scaled
    return y, y_low


@jax.custom_jvp
def _scaled(x: Array) -> tuple[Array, Array]:
    y, y_low = _cubic(jnp.minimum(jnp.abs(x), _LARGEST))
    e = exp_of_minus(y).scaled(1 - y_low)
    return e.factor, e.unit


@_scaled.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    (x,), (t,) = primals, tangents
    factor, unit = _scaled(x)
    return (factor, unit), (where(x < 0, factor, -factor) * _cubic_slope(x) * t, jnp.zeros_like(unit))


def cubic_decay(x: Array) -> Decay:
    """exp(-|y(x)|). Its derivative at 0 is taken from the right."""
    return Decay(*_scaled(x))


def _cubic_slope(x: Array) -> Array:
    """y'(x), constant where exp(-|y|) has vanished."""
    return _LINEAR * (1 + 3 * _CUBE * jnp.square(clip(x, _LARGEST)))


def cubic_steepness(x: Array) -> Array:
    """x·y'(x), constant where exp(-|y|) has vanished."""
    return clip(x, _LARGEST) * _cubic_slope(x)
