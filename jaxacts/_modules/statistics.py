"""The running statistics of Dice."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import check_number, checked_axis, compute_dtype
from jaxacts._core.dtypes import as_floating

__all__ = ["batch_statistics", "check_statistics", "moved"]


def batch_statistics(module: str, axis: int | None, x: ArrayLike, axis_name: str | None) -> tuple[Array, Array]:
    """Mean and variance over all axes but ``axis`` and over the devices, in the compute dtype.

    The mean comes first and the variance is the mean square around it: never negative, right for a large mean too.
    """
    x = as_floating(module, "x", x)
    x = x.astype(compute_dtype(x.dtype))
    kept = None if axis is None else checked_axis(module, axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a != kept)

    def mean_of(values: Array) -> Array:
        local = jnp.mean(values, others, keepdims=True)
        return local if axis_name is None else jax.lax.pmean(local, axis_name)  # pyright: ignore[reportUnknownMemberType] (untyped there)

    mean = mean_of(x)
    variance = mean_of(jnp.square(x - mean))
    return jnp.squeeze(mean, others), jnp.squeeze(variance, others)


def moved(running: Array, batch: Array, momentum: float) -> Array:
    """The exponential moving average one step further, in the dtype that it has; no gradient flows into it."""
    return jax.lax.stop_gradient(momentum * running + (1 - momentum) * batch.astype(running.dtype))


def check_statistics(module: str, momentum: float, epsilon: float) -> None:
    """An error if either is not a number, or out of range."""
    check_number(module, "momentum", momentum, 0, 1, 0.99)
    check_number(module, "epsilon", epsilon, 0, math.inf, 1e-8)
