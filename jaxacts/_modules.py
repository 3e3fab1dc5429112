"""What the linen and the nnx modules have in common: all but the place where the values are kept.

The functions that name a ``module`` do so for their error messages.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype  # pyright: ignore[reportUnknownVariableType] (untyped there)
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts._core import check_flag, check_number, checked_axis, checked_int, compute_dtype, entry_of
from jaxacts._core.dtypes import as_floating
from jaxacts._core.errors import check_domain
from jaxacts.activations import maxout, rrelu
from jaxacts.initializers import constant, lecun_normal

__all__ = [
    "Init",
    "Initial",
    "Shape",
    "along",
    "batch_statistics",
    "check_slopes",
    "check_statistics",
    "dense_maxout",
    "initializer",
    "maxout_init",
    "maxout_shapes",
    "moved",
    "random_slopes",
    "shape_along",
]

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


def shape_along(module: str, axis: int | None, x: ArrayLike) -> Shape:
    """The shape of a parameter with one value per entry of the axis, or of a shared one where that is None."""
    return () if axis is None else (jnp.shape(x)[checked_axis(module, axis, jnp.ndim(x))],)


def along(module: str, axis: int | None, value: Array, x: ArrayLike) -> Array:
    """A parameter of shape ``shape_along(module, axis, x)`` with the axes that make it broadcast against ``x``."""
    if axis is None:
        return value
    if value.shape != shape_along(module, axis, x):
        raise ValueError(
            f"{module}: built for {value.shape[0]} channels on axis {axis}, got an input of shape {jnp.shape(x)}; "
            f"build it with features={jnp.shape(x)[axis]}, or with the axis that holds the channels."
        )
    return jnp.expand_dims(value, tuple(range(1, jnp.ndim(x) - checked_axis(module, axis, jnp.ndim(x)))))


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


def check_slopes(module: str, lower: float, upper: float) -> None:
    """A ValueError if ``lower`` is above ``upper``, as far as they are numbers."""
    check_domain(module, entry_of(rrelu).domain, {"lower": lower, "upper": upper})


def random_slopes(
    module: str, x: ArrayLike, lower: float, upper: float, deterministic: bool, key: Callable[[], Array]
) -> Array:
    """RReLU with a key that is asked for only where slopes are drawn."""
    check_slopes(module, lower, upper)
    check_flag(module, "deterministic", deterministic)
    return rrelu(x, None if deterministic else key(), lower, upper, deterministic=deterministic)


def check_statistics(module: str, momentum: float, epsilon: float) -> None:
    """An error if either is not a number, or out of range."""
    check_number(module, "momentum", momentum, 0, 1, 0.99)
    check_number(module, "epsilon", epsilon, 0, math.inf, 1e-8)


def maxout_shapes(module: str, in_features: int, out_features: int, pieces: int) -> tuple[Shape, Shape]:
    """The shapes of kernel and bias."""
    for argument, size in (("input features", in_features), ("output features", out_features), ("pieces", pieces)):
        if checked_int(module, f"the number of {argument}", size) < 1:
            raise ValueError(f"{module}: the number of {argument} must be at least 1, got {size}; pass a positive int.")
    return (in_features, out_features * pieces), (out_features * pieces,)


def maxout_init(pieces: int) -> Init:
    """Gaussian, of the variance that keeps the second moment: 1/(fan_in E[max²]) for ``pieces`` unit normals."""
    return lecun_normal(gain=_second_moment_of_maximum(pieces) ** -0.5)


@functools.cache
def _second_moment_of_maximum(n: int) -> float:
    """E[max(z_1, ..., z_n)²] of independent unit normals, by the trapezoidal rule (exact to rounding for this one)."""
    step = 1 / 16
    z = np.arange(-12, 12 + step, step)
    below = np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in z])
    density = n * below ** (n - 1) * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float(np.sum(z**2 * density) * step)


def dense_maxout(
    module: str,
    x: ArrayLike,
    kernel: Array,
    bias: Array | None,
    pieces: int,
    dtype: DTypeLike | None,
    precision: jax.lax.PrecisionLike,
) -> Array:
    """A dense layer in the dtype that Flax's own would have, then the maximum over its pieces."""
    if jnp.shape(x)[-1:] != kernel.shape[:1]:
        raise ValueError(
            f"{module}: built for {kernel.shape[0]} input features, got an input of shape {jnp.shape(x)}; "
            f"build it with the length of the last axis."
        )
    x, kernel, bias = promote_dtype(x, kernel, bias, dtype=dtype)
    y = jnp.dot(x, kernel, precision=precision)
    return maxout(y if bias is None else y + bias, pieces=pieces)
