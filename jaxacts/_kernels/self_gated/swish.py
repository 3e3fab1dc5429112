"""x·σ(βx) and its derivatives for every β, with the product as a sum of two words."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.elementary import finite
from ..arithmetic.products import bump
from .blend import blend, blend_slope, logistic, words

__all__ = ["swish", "swish_by_beta", "swish_slope"]


def swish(x: Array, beta: Array) -> Array:
    """x·σ(z) for z = beta·x."""
    z, lo = words(x, beta)
    return blend(x, 0.0, 1.0, z, logistic(z, lo))


def swish_slope(x: Array, beta: Array) -> Array:
    """σ(z) + z·σ(z)·σ(-z)."""
    z, lo = words(x, beta)
    return blend_slope(0.0, 1.0, z, logistic(z, lo))


def swish_by_beta(x: Array, beta: Array) -> Array:
    """x²·σ(z)·σ(-z)."""
    x = finite(x)
    z, lo = words(x, beta)
    return bump(x, x, jnp.ones_like(x), z, logistic(z, lo).e)
