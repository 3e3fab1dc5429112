"""softplus."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .arithmetic.coefficients import LOG1P, SOFTPLUS
from .arithmetic.exponential import decay
from .arithmetic.polynomial import polynomial, series_value

__all__ = ["softplus"]


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) as max(x, 0) + log(1 + u) with u = exp(-|x|), without derivative."""
    e = decay(x)
    u = e.value
    if x.dtype == jnp.float64:
        return jnp.maximum(x, 0) + jnp.log1p(u)
    tail = u + (u * u * polynomial(LOG1P, u) + e.rounding_error(1 - u))
    return series_value(x, SOFTPLUS, jnp.maximum(x, 0) + tail)
