"""x·σ(βx)·v, with the digits of x·σ(βx) where that alone has left the range."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._kernels.arithmetic.double_word import two_prod
from jaxacts._kernels.arithmetic.elementary import finite, magnitude

__all__ = ["swish_times"]


def _root(y: Array, size: Array) -> tuple[Array, Array, Array]:
    """u = exp(-|y|/2), 1 + u², and the factor u or 1 of which the logistic function is the square over that sum."""
    u = jnp.exp(size * -0.5)
    return u, 1 + u * u, jnp.where(y < 0, u, 1)


def _corrected(y: Array, low: Array) -> Array:
    """What u has to be multiplied by for an argument y + low."""
    return 1 - jnp.where(jnp.abs(y) < 2e3, jnp.sign(y) * low / 2, 0)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def swish_times(exactly: bool, bounded: bool, x: Array, value: Array, beta: Array | None) -> Array:
    """β is 1 for None. ``exactly`` corrects the rounding of βx; a ``bounded`` value is not infinite."""
    x = jnp.maximum(x, float(jnp.finfo(x.dtype).min))
    y = x if beta is None else beta * x
    u, d, closing = _root(y, jnp.abs(y))
    if exactly and beta is not None:
        u = u * _corrected(y, two_prod(jnp.broadcast_to(beta, x.shape).astype(x.dtype), x)[1])
        closing = jnp.where(y < 0, u, 1)
    gate = x * closing / d
    return (value if bounded else jnp.where(gate == 0, finite(value), value)) * closing * gate


@swish_times.defjvp
def _(exactly: bool, bounded: bool, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    x, value, beta = primals
    inside, v = finite(x), finite(value)
    y = jnp.clip(inside if beta is None else beta * inside, -1e4, 1e4)  # exp(-5e3) is 0 in float64 too
    u, d, closing = _root(y, magnitude(y))
    by_x = v * closing * ((d + y * jnp.where(y < 0, 1, u * u)) / d * (closing / d))
    by_value = inside * closing / d * closing
    terms = by_x * tangents[0] + by_value * tangents[1]
    if beta is not None:
        steep = inside * u / d
        terms += v * steep * steep * tangents[2]
    return swish_times(exactly, bounded, *primals), terms
