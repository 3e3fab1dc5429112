"""The sine of a product, whose rounding counts where the product is large."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .arithmetic.double_word import two_prod
from .arithmetic.elementary import finite

__all__ = ["wave"]


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def wave(x: Array, rate: Array, order: int = 0) -> Array:
    """The derivative of this order of sin(rate·x) by its argument; that at the largest number where it overflows."""
    x = finite(x)
    y = finite(rate * x)
    _, lo = two_prod(x, jnp.broadcast_to(rate, x.shape))
    lo = jnp.where(jnp.abs(y) < float(jnp.finfo(y.dtype).max), lo, 0)
    sine, cosine = (jnp.sin(y), jnp.cos(y)) if order % 2 == 0 else (jnp.cos(y), -jnp.sin(y))
    found = sine * jnp.cos(lo) + cosine * jnp.sin(lo)
    return found if order % 4 < 2 else -found


@wave.defjvp
def _(order: int, primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, rate), (dx, d_rate) = primals, tangents
    return wave(x, rate, order), wave(x, rate, order + 1) * (rate * dx + x * d_rate)
