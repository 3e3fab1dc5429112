"""x·σ(1.702·x) and its slope, with the product as a sum of two words: far to the left its rounding costs 40 ulp."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from ..arithmetic.double_word import two_prod, two_words
from ..arithmetic.elementary import clipped_abs, derivative
from ..arithmetic.exponential import exp_of_minus, underflow
from ..arithmetic.gate import SATURATED, gate, gate_slope

__all__ = ["BETA", "quick_gelu", "quick_gelu_slope"]

BETA = 1.702
_BETA_LO = 4.263256414560601e-17  # what float64 leaves of it


def _scaled(x: Array) -> tuple[Array, Array]:
    """BETA·x, and what that lacks."""
    beta, beta_lo = two_words((BETA, _BETA_LO), x.dtype)
    return x * beta, lax.stop_gradient(two_prod(x, jnp.full_like(x, beta))[1] + x * beta_lo)


def quick_gelu(x: Array) -> Array:
    """x·σ(y) for y = BETA·x, without derivative."""
    largest = SATURATED / BETA
    v = jnp.clip(x, -underflow(x) / BETA, largest)
    return jnp.where(x > largest, x, gate(v, *_scaled(v)))


def _scaled_abs(x: Array) -> tuple[Array, Array]:
    return _scaled(clipped_abs(x, underflow(x) / BETA))


@derivative(lambda x: _curvature(x))
def quick_gelu_slope(x: Array) -> Array:
    """σ(y)·(1 + y·σ(-y))."""
    a, lo = _scaled_abs(x)
    left = gate_slope(a, lo, a, lo)
    return jnp.where(x < 0, left, 1 - left)


def _curvature(x: Array) -> Array:
    """BETA·σ(y)·σ(-y)·(2 - |y|·tanh(|y|/2)) with n = exp(-|y|)."""
    a, lo = _scaled_abs(x)
    e = exp_of_minus(a, -lo)
    n = e.value
    return BETA * e.multiply((2 - a) + n * (2 + a)) / ((1 + n) * jnp.square(1 + n))
