"""Axes, masks, ties and parameters of rows."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import as_floating, checked_axis

__all__ = ["below_maximum", "checked_axes", "is_first_maximum", "masked", "per_row"]


def checked_axes(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(checked_axis(function, a, ndim) for a in given)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{function}: axis must not name an axis twice, got {axis}; name each once.")
    return axes


def masked(mask: Array | None, x: Array, fill: float) -> Array:
    return x if mask is None else jnp.where(mask, x, fill)


def per_row(function: str, argument: str, value: object, x: Array, axes: tuple[int, ...]) -> Array:
    """One number for every row of ``x``, with axes of length 1 in the place of ``axes``, which may be left out."""
    array = as_floating(function, argument, value)
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    removed = tuple(n for a, n in enumerate(x.shape) if a not in axes)
    shape = kept if array.ndim == x.ndim else removed
    if len(shape) < array.ndim or any(n not in (1, m) for n, m in zip(array.shape[::-1], shape[::-1], strict=False)):
        raise ValueError(
            f"{function}: {argument} must broadcast to the shape {removed} of the rows of x, or to {kept}, "
            f"got {array.shape}; add axes of length 1, or give one number."
        )
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    return array if array.ndim == x.ndim else jnp.expand_dims(array, axes)


def below_maximum(
    x: Array, axes: tuple[int, ...], mask: Array | None, other: Array | None = None
) -> tuple[Array, Array]:
    """x minus the largest of its row (of ``other``, too), and that: 0 for all that are equally large, even if infinite.

    Rows without any number above -inf have their largest replaced by the lowest finite number.
    """
    lowest = float(jnp.finfo(x.dtype).min)
    largest = jnp.max(masked(mask, x, -jnp.inf), axes, keepdims=True, initial=lowest)
    if other is not None:
        largest = jnp.maximum(largest, other)
    return jnp.where(x == largest, 0, x - largest), largest


def is_first_maximum(x: Array, axes: tuple[int, ...], mask: Array | None = None) -> Array:
    """Whether an element is the first of the largest over the axes, or the first NaN, of those that take part."""
    sizes = [x.shape[a] for a in axes]
    places = [jax.lax.broadcasted_iota(jnp.int32, x.shape, a) * math.prod(sizes[i + 1 :]) for i, a in enumerate(axes)]
    place = functools.reduce(jnp.add, places, jnp.zeros(x.shape, jnp.int32))
    x = masked(mask, x, -jnp.inf)
    largest = masked(mask, (x == jnp.max(x, axes, keepdims=True, initial=-jnp.inf)) | (x != x), False)
    first = jnp.min(jnp.where(largest, place, math.prod(sizes)), axes, keepdims=True, initial=math.prod(sizes))
    return place == first
