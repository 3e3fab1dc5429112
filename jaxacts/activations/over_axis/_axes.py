"""Axes, masks and ties."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import checked_axis

__all__ = ["checked_axes", "is_first_maximum", "masked"]


def checked_axes(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(checked_axis(function, a, ndim) for a in given)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{function}: axis must not name an axis twice, got {axis}; name each once.")
    return axes


def masked(mask: Array | None, x: Array, fill: float) -> Array:
    return x if mask is None else jnp.where(mask, x, fill)


def is_first_maximum(x: Array, axes: tuple[int, ...]) -> Array:
    """Whether an element is the first of the largest over the axes, or the first NaN."""
    sizes = [x.shape[a] for a in axes]
    places = [jax.lax.broadcasted_iota(jnp.int32, x.shape, a) * math.prod(sizes[i + 1 :]) for i, a in enumerate(axes)]
    place = functools.reduce(jnp.add, places, jnp.zeros(x.shape, jnp.int32))
    largest = (x == jnp.max(x, axes, keepdims=True, initial=-jnp.inf)) | (x != x)
    first = jnp.min(jnp.where(largest, place, math.prod(sizes)), axes, keepdims=True, initial=math.prod(sizes))
    return place == first
