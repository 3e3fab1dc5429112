"""Where a parameter starts, and how it broadcasts against the input.

The functions that name a ``module`` do so for their error messages.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts._core import checked_axis, checked_int
from jaxacts.initializers import constant

__all__ = ["Init", "Initial", "Shape", "along", "check_channels", "initializer", "shape_along"]

Shape: TypeAlias = tuple[int, ...]
Init: TypeAlias = Callable[..., Any]
"""``init(key, shape, dtype)``; Any, for Flax wraps the array where the initializer carries sharding metadata."""
Initial: TypeAlias = float | Init


def initializer(module: str, argument: str, initial: object, dtype: DTypeLike) -> Init:
    """``initial`` as an initializer of that dtype: itself, or the constant one for a number."""
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"{module}: param_dtype must be a floating dtype, got {jnp.dtype(dtype)}; pass jnp.float32.")
    if callable(initial):
        return initial
    if isinstance(initial, numbers.Real):
        return constant(float(initial))
    if isinstance(initial, Array) and initial.ndim == 0:
        return constant(initial)
    raise TypeError(
        f"{module}: {argument} must be a number or an initializer, got {type(initial).__name__}; "
        f"for given values pass jaxacts.initializers.constant(values)."
    )


def check_channels(module: str, features: int | None, axis: int | None) -> None:
    """An error if only one of ``features`` and ``axis`` is given, or ``features`` is not a positive int."""
    if (features is None) != (axis is None):
        raise ValueError(
            f"{module}: features and axis belong together, got features={features} and axis={axis}; "
            f"pass both for one value per channel, or None for both for one in all."
        )
    if features is not None and checked_int(module, "features", features) < 1:
        raise ValueError(
            f"{module}: features must be at least 1, got {features}; pass the length of axis {axis} of the input."
        )


def shape_along(module: str, axis: int | None, x: ArrayLike) -> Shape:
    """The shape of a parameter with one value per entry of the axis, or of a shared one where that is None."""
    return () if axis is None else (jnp.shape(x)[checked_axis(module, axis, jnp.ndim(x))],)


def along(module: str, axis: int | None, value: Array, x: ArrayLike) -> Array:
    """A parameter whose last axis has one value per entry of ``axis``, with the axes after it that ``x`` has.

    One that is shared (``axis`` is None) stays unchanged.
    """
    if axis is None:
        return value
    if value.shape[-1:] != shape_along(module, axis, x):
        raise ValueError(
            f"{module}: built for {value.shape[-1]} channels on axis {axis}, got an input of shape {jnp.shape(x)}; "
            f"build it with features={jnp.shape(x)[axis]}, or with the axis that holds the channels."
        )
    after = jnp.ndim(x) - 1 - checked_axis(module, axis, jnp.ndim(x))
    return value.reshape(*value.shape, *(1,) * after)
