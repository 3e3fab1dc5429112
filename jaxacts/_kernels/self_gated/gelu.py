"""x·Φ(x), its slope and its curvature, right in the left tail.

With R(a) = Φ(-a)·exp(a²/2) for a = |x|, which is smooth and falls like 1/a, every part of gelu is R or a polynomial
times exp(-a²/2). The exponential is taken of a square split into an exact part and a rest: a rounding of a²/2 near 80
would cost 40 units in the last place of the result. The slope changes its sign at -c, where R(c) = c·φ(0); on the left
it is c - a times a smooth function, so that it keeps its digits however small it is.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from ..arithmetic.coefficients import GELU_GATE, GELU_STEEPNESS, GELU_STEEPNESS_64, GELU_TAIL, GELU_TAIL_64
from ..arithmetic.double_word import two_square, two_words
from ..arithmetic.elementary import clipped_abs, derivative, finite
from ..arithmetic.exponential import Decay, exp_of_minus
from ..arithmetic.polynomial import polynomial, series_value

__all__ = ["DENSITY_AT_0", "density_ratio", "gelu", "gelu_slope", "slope_over_density", "tail_over_density"]

DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)
ROOT = (0.7517915246935645, -1.4956759177009883e-17)  # c, and what float64 leaves of it


def _clipped_abs(x: Array) -> Array:
    """|x|, at most where exp(-x²/2) is below the smallest number of the dtype."""
    return clipped_abs(x, 39.0 if x.dtype == jnp.float64 else 14.5)


def _bell(a: Array) -> Decay:
    """exp(-a²/2)."""
    hi, lo = two_square(a)
    return exp_of_minus(hi / 2, -lo / 2)


def _quotient(a: Array) -> Array:
    return (a - 1.5) * (1 / (a + 3))  # a quotient with several uses would get a loop of its own


def _mirrored_quotient(a: Array) -> Array:
    """The same, bit for bit, for the slope: a shared reciprocal would get a loop of its own too."""
    return (1.5 - a) * (1 / (-3 - a))


def tail_over_density(a: Array) -> tuple[Array, Array]:
    """a·R(a) for a >= 0.66, and what the rounding of the last sum has lost."""
    *coefficients, last = GELU_TAIL_64 if a.dtype == jnp.float64 else GELU_TAIL
    v = _quotient(a)
    steep = v * polynomial(coefficients, v)
    total = steep + last
    return total, (last - total) + steep


def gelu(x: Array) -> Array:
    """x·Φ(x), without derivative."""
    a = _clipped_abs(x)
    lost = _bell(a).multiply(*tail_over_density(a))
    return series_value(x, GELU_GATE, jnp.where(x < 0, -lost, x - lost), True)


def slope_over_density(a: Array) -> tuple[Array, Array]:
    """Twice the slope at -a over exp(-a²/2), as a sum of two words."""
    root, root_lo = two_words(ROOT, a.dtype)
    from_root = root - a
    g = polynomial(GELU_STEEPNESS_64 if a.dtype == jnp.float64 else GELU_STEEPNESS, _mirrored_quotient(a))
    # The low word of the root counts near it alone, where 1 + g is 2·φ(0)·(2 - c²).
    return from_root, from_root * g + root_lo * 2 * DENSITY_AT_0 * (2 - root * root)


@derivative(lambda x: _curvature(x))
def gelu_slope(x: Array) -> Array:
    """Φ(x) + x·φ(x)."""
    a = _clipped_abs(x)
    left = 0.5 * _bell(a).multiply(*slope_over_density(a))
    return jnp.where(x < 0, left, 1 - left)


def _curvature(x: Array) -> Array:
    """φ(x)·(2 - x²)."""
    a = _clipped_abs(x)
    return DENSITY_AT_0 * density_ratio(a) * (2 - a * a)


def _density_slope(x: Array) -> Array:
    return -finite(x) * density_ratio(x)


@derivative(_density_slope)
def density_ratio(x: Array) -> Array:
    """φ(x)/φ(0) = exp(-x²/2), whose square is right where it is itself normal."""
    return _bell(_clipped_abs(x)).value
