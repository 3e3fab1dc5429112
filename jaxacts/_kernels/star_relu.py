"""star_relu where its two terms cancel."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .arithmetic.double_word import two_prod

__all__ = ["star_relu"]


def star_relu(x: Array, scale: Array, bias: Array) -> Array:
    """s·max(x, 0)² + b, with the square in two words where b takes away more than half of it."""
    r = jnp.maximum(x, 0)
    y = jnp.where((scale == 0) & (r > 0), 0, scale * r * r) + bias
    steep, steep_lo = two_prod(jnp.broadcast_to(scale, r.shape), r)
    square, square_lo = two_prod(steep, r)
    return jnp.where(jnp.abs(y) < jnp.abs(bias) / 2, (square + bias) + (square_lo + steep_lo * r), y)
