"""The sine of a product, whose rounding counts where the product is large."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .arithmetic.double_word import product_error
from .arithmetic.elementary import finite

__all__ = ["wave"]


@jax.custom_jvp
def wave(x: Array, rate: Array) -> tuple[Array, Array]:
    """Sine and cosine of rate·x, where that overflows of the largest number."""
    x = finite(x)
    y = finite(rate * x)
    lo = product_error(x, jnp.broadcast_to(rate, x.shape))
    lo = jnp.where((jnp.abs(y) > 1e-3) & (jnp.abs(y) < float(jnp.finfo(y.dtype).max)), lo, 0)
    (s, c), (s_lo, c_lo) = ((jnp.sin(v), jnp.cos(v)) for v in (y, lo))
    return s * c_lo + c * s_lo, c * c_lo - s * s_lo


@wave.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    (x, rate), (dx, d_rate) = primals, tangents
    s, c = wave(x, rate)
    moved = rate * dx + x * d_rate
    return (s, c), (c * moved, -s * moved)
