"""The dense layer of Maxout."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype  # pyright: ignore[reportUnknownVariableType] (untyped there)
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts._core import checked_int
from jaxacts.activations import maxout
from jaxacts.initializers import lecun_normal

from .parameters import Init, Shape

__all__ = ["dense_maxout", "maxout_init", "maxout_shapes"]


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
