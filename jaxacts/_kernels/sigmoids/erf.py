"""exp(-u²/2), whose square is the slope of erf, at u = x·y + z."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.double_word import two_sum
from ..arithmetic.elementary import finite, gradient
from ..arithmetic.exponential import product_and_error
from ..self_gated.gelu import density_ratio

__all__ = ["affine", "bell_of_affine"]


def affine(x: Array, y: Array, z: Array) -> tuple[Array, Array]:
    """x·y + z as a sum of two words, without derivative."""
    p, error = product_and_error(x, y)
    p, z = jnp.broadcast_arrays(finite(p), z)
    total, rest = two_sum(p, z)
    total = finite(total)
    near = jnp.abs(total) < 1e4  # beyond, the sums may have overflowed
    u, low = two_sum(total, jnp.where(near, rest + error, 0))
    return u, jnp.where(near, low, 0)


def _by_sum(x: Array, y: Array, z: Array) -> Array:
    return -affine(x, y, z)[0] * bell_of_affine(x, y, z)


@gradient(lambda x, y, z: _by_sum(x, y, z) * y, lambda x, y, z: _by_sum(x, y, z) * x, _by_sum)
def bell_of_affine(x: Array, y: Array, z: Array) -> Array:
    """exp(-(x·y + z)²/2) for a finite x."""
    u, rest = affine(x, y, z)
    bell = density_ratio(u)
    return bell - bell * (u * rest)
