"""Sums of powers over rows of any magnitude."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from jaxacts.activations.over_axis._axes import masked

__all__ = ["largest_magnitude", "mean_over", "power_of_two_scale"]


def mean_over(x: Array, axes: tuple[int, ...], mask: Array | None) -> Array:
    """The mean of the elements that take part; 0 where none does."""
    if mask is None:
        return jnp.mean(x, axes, keepdims=True)
    count = jnp.sum(mask, axes, keepdims=True, dtype=x.dtype)
    return jnp.sum(jnp.where(mask, x, 0), axes, keepdims=True) / jnp.maximum(count, 1)


def largest_magnitude(x: Array, axes: tuple[int, ...], mask: Array | None) -> Array:
    """Of each row, not differentiated: for a scale that the result does not depend on."""
    return lax.stop_gradient(jnp.max(jnp.abs(masked(mask, x, 0)), axes, keepdims=True, initial=0))


def power_of_two_scale(largest: Array) -> Array:
    """A power of two for each row that brings its squares and their sum into the range of the dtype."""
    edge, by = (2.0**400, 2.0**700) if largest.dtype == jnp.float64 else (2.0**40, 2.0**80)
    return jnp.where(largest > edge, 1 / by, jnp.where(largest < 1 / edge, by, 1)).astype(largest.dtype)
