"""The logistic function."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.gate import SATURATED, clipped_below, gate

__all__ = ["sigmoid"]


def sigmoid(x: Array) -> Array:
    """1/(1 + exp(-x)), without derivative."""
    return jnp.where(x > SATURATED, 1.0, gate(x.dtype.type(1), clipped_below(x)))
