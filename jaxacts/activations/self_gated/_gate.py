"""What the units with a sigmoid gate share."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts.activations._logistic import root_exp, sigmoid_slope

__all__ = ["gated_slope", "lowest", "self_gated"]


Inner = Callable[[Array], tuple[Array, Array | float, Array | float]]
"""The argument y of a sigmoid gate, and its first two derivatives by x."""


def _root_exp(y: Array) -> Array:
    return root_exp(y, 2.0**60 if y.dtype == jnp.float64 else 2.0**29)  # the sigmoid of its logarithm rounds to 1


def self_gated(inner: Inner, x: Array) -> Array:
    """x·σ(y) as x·u²/(1 + u²) with u = exp(y/2)."""
    x = lowest(x)
    u = _root_exp(inner(x)[0])
    return x * (u / (1 + u * u)) * u


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def gated_slope(inner: Inner, x: Array) -> Array:
    """The slope of x·σ(y): σ(y)·(1 + x·y'·σ(-y)) as u²·(d + x·y')/d² with u = exp(y/2) and d = 1 + u²."""
    x = jnp.clip(x, -1e3, 1e3)
    y, steep, _ = inner(x)
    u = _root_exp(y)
    d = 1 + u * u
    return u / d * ((d + x * steep) / d) * u


@gated_slope.defjvp
def _(inner: Inner, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    inside = jnp.clip(x, -1e3, 1e3)
    y, steep, curve = inner(inside)
    curvature = sigmoid_slope(y) * (2 * steep + inside * (curve - steep * steep * jnp.tanh(y / 2)))
    return gated_slope(inner, x), curvature * t


def lowest(x: Array) -> Array:
    """x with the least finite number for -inf, which times 0 is 0."""
    return jnp.maximum(x, float(jnp.finfo(x.dtype).min))
