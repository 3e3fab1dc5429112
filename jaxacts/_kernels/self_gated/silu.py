"""silu and its slope."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.coefficients import SILU_ROOT
from ..arithmetic.elementary import clipped_abs, derivative
from ..arithmetic.exponential import decay, underflow
from ..arithmetic.gate import SATURATED, clipped_below, gate, gate_slope
from ..arithmetic.polynomial import about_root

__all__ = ["silu", "silu_slope"]


def silu(x: Array) -> Array:
    """x·σ(x), without derivative."""
    y = clipped_below(x)
    return jnp.where(x > SATURATED, x, gate(y, y))


@derivative(lambda x: _curvature(x))
def silu_slope(x: Array) -> Array:
    """σ(x)·(1 + x·σ(-x))."""
    a = clipped_abs(x, underflow(x))
    left = gate_slope(a, 0.0, a)
    return about_root(x, SILU_ROOT, jnp.where(x < 0, left, 1 - left))


def _curvature(x: Array) -> Array:
    """σ(x)·σ(-x)·(2 - |x|·tanh(|x|/2)) with n = exp(-|x|)."""
    e, a = decay(x), clipped_abs(x, underflow(x))
    n = e.value
    return e.multiply((2 - a) + n * (2 + a)) / ((1 + n) * jnp.square(1 + n))
