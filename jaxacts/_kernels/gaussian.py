"""exp(-x²) and its slope, with the square as a sum of two words: one rounding of it near 100 costs 50 ulp."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .arithmetic.double_word import two_square
from .arithmetic.elementary import clipped_abs, derivative
from .arithmetic.exponential import Decay, exp_of_minus

__all__ = ["gaussian", "gaussian_slope"]


def _clipped_abs(x: Array) -> Array:
    """|x|, at most where exp(-x²) is below the smallest number of the dtype."""
    return clipped_abs(x, 28.0 if x.dtype == jnp.float64 else 10.5)


def _bell(a: Array) -> Decay:
    hi, lo = two_square(a)
    return exp_of_minus(hi, -lo)


def gaussian(x: Array) -> Array:
    """exp(-x²), without derivative."""
    return _bell(_clipped_abs(x)).value


@derivative(lambda x: _curvature(x))
def gaussian_slope(x: Array) -> Array:
    """-2x·exp(-x²)."""
    a = _clipped_abs(x)
    return jnp.where(x < 0, 1, -1) * _bell(a).multiply(2 * a)


@derivative(lambda x: _third(x))
def _curvature(x: Array) -> Array:
    """(4x² - 2)·exp(-x²)."""
    a = _clipped_abs(x)
    return _bell(a).multiply(4 * a * a - 2)


def _third(x: Array) -> Array:
    """Each derivative from the two below, as Hermite's polynomials."""
    return -2 * jnp.clip(x, -40, 40) * _curvature(x) - 4 * gaussian_slope(x)
