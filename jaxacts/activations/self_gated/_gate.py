"""What the units with a sigmoid gate share."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts.activations._logistic import sigmoid_slope

__all__ = [
    "SILU_LEAST",
    "SILU_STEEPEST",
    "gated_by",
    "gated_slope",
    "lowest",
    "self_gated",
    "silu_slope",
    "times_silu_slope",
]

SILU_LEAST = -0.278464542761073795
SILU_STEEPEST = 1.09983932012886692


Inner = Callable[[Array], tuple[Array, Array | float, Array | float]]
"""The argument y of a sigmoid gate, and its first two derivatives by x."""


def _bounded(u: Array) -> Array:
    """u, at most where the sigmoid of twice its logarithm rounds to 1."""
    return jnp.minimum(u, 2.0**60 if u.dtype == jnp.float64 else 2.0**29)


def self_gated(inner: Inner, x: Array) -> Array:
    """x·σ(y)."""
    x = lowest(x)
    return gated_by(x, jnp.exp(inner(x)[0] / 2))


def gated_by(x: Array, u: Array) -> Array:
    """x·σ(y) as x·u²/(1 + u²) with u = exp(y/2)."""
    u = _bounded(u)
    return x * (u / (1 + u * u)) * u


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def gated_slope(inner: Inner, x: Array) -> Array:
    """The slope of x·σ(y): σ(y)·(1 + x·y'·σ(-y)) as u²·(d + x·y')/d² with u = exp(y/2) and d = 1 + u²."""
    x = jnp.clip(x, -1e3, 1e3)
    y, steep, _ = inner(x)
    u = _bounded(jnp.exp(y / 2))
    d = 1 + u * u
    return u / d * ((d + x * steep) / d) * u


@gated_slope.defjvp
def _(inner: Inner, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    inside = jnp.clip(x, -1e3, 1e3)
    y, steep, curve = inner(inside)
    curvature = sigmoid_slope(y) * (2 * steep + inside * (curve - steep * steep * jnp.tanh(y / 2)))
    return gated_slope(inner, x), curvature * t


def _identity(y: Array) -> tuple[Array, float, float]:
    return y, 1.0, 0.0


def silu_slope(y: Array) -> Array:
    """σ(y) + y·σ(y)·σ(-y)."""
    return gated_slope(_identity, y)


def times_silu_slope(x: Array, y: Array) -> Array:
    """x times that, which may underflow where the product does not."""
    y = jnp.clip(y, -1e4, 1e4)  # exp(-5e3) is 0 in float64 too
    left = y < 0
    u = jnp.exp(jnp.where(left, y, -y) / 2)
    d = 1 + u * u
    factor = jnp.where(left, u, 1)
    return x * factor * ((d + y * jnp.where(left, 1, u * u)) / d / d) * factor


def lowest(x: Array) -> Array:
    """x with the least finite number for -inf, which times 0 is 0."""
    return jnp.maximum(x, float(jnp.finfo(x.dtype).min))
