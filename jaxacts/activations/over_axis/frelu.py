"""The greater of the input and a spatial condition."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_floating, down, up

__all__ = ["frelu"]


def _padded(x: Array, axis: int, before: int, after: int) -> Array:
    """With zeros on both sides; jnp.pad has no transpose in float64 while 64-bit types are off."""
    zeros = [jnp.zeros((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype) for length in (before, after)]
    return jnp.concatenate([zeros[0], x, zeros[1]], axis)


def _condition(x: Array, kernel: Array, bias: Array) -> Array:
    """The depthwise convolution with padding to the same shape, plus the bias, in the compute dtype.

    As a sum of shifted copies: one loop, where XLA's grouped convolution is several times slower on a CPU.
    """
    x, kernel, bias = (up(a, x.dtype) for a in (x, kernel, bias))
    sizes, first, terms = kernel.shape[:-2], x.ndim - kernel.ndim + 1, [bias]
    padded = x
    for axis, size in enumerate(sizes, first):
        padded = _padded(padded, axis, (size - 1) // 2, size // 2)
    for place in itertools.product(*map(range, sizes)):
        limits = [start + length for start, length in zip(place, x.shape[first:-1], strict=True)]
        window = (..., *map(slice, place, limits), slice(None))
        terms.append(padded[window] * kernel[(*place, 0)])
    return functools.reduce(jnp.add, terms)


_BLUR = np.float32(np.outer([1, 2, 1], [1, 2, 1]) / 16).reshape(3, 3, 1, 1)


@activation(parameters=("kernel", "bias"), typical={"kernel": _BLUR})
def frelu(x: Array, kernel: ArrayLike, bias: ArrayLike = 0.0) -> Array:
    r"""Funnel activation: the greater of each pixel and a learned condition on its surroundings.

    .. math::

        f(x)_{ijc} = \max\Bigl(x_{ijc},\; b_c + \sum_{u, v} k_{uvc}\, x_{i+u,\, j+v,\, c}\Bigr)

    Args:
        x: array of real dtype and shape ``(..., height, width, channels)``.
        kernel: the weights :math:`k` of the depthwise convolution, of shape ``(rows, columns, 1, channels)``, as in
            flax, or with a last axis of length 1 for all channels together; differentiable. A kernel with one spatial
            axis, or three, takes as many of ``x``.
        bias: the bias :math:`b`, one number, one for each channel, or any array that broadcasts to ``x``;
            differentiable.

    Returns:
        Array of the shape and dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: ``x`` has too few axes for the kernel, or ``kernel`` or ``bias`` do not fit its shape.

    Note:
        The surroundings are padded with zeros, and the odd row or column of a kernel of even size comes after the
        pixel, as with ``padding="SAME"`` in jax. Where both are equal the slope is that of the condition, so that a
        kernel of zeros gives :func:`relu`. The convolution is computed in float32 below 32 bits. The backward pass
        keeps a mask, and ``x`` if the kernel is trained. In the paper the kernel has 3 x 3 weights and is followed by
        a batch normalization, which can be folded into both arguments for evaluation. jax.nn, torch and keras do not
        have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> image = jnp.array([[1.0, -2.0, 4.0]]).reshape(1, 3, 1)
        >>> jaxacts.frelu(image, jnp.full((3, 3, 1, 1), 0.5)).ravel()
        Array([1. , 1.5, 4. ], dtype=float32)

    References:
        Ma et al. 2020, "Funnel activation for visual recognition", https://arxiv.org/abs/2007.11824
    """
    kernel, bias = (as_floating("frelu", n, v) for n, v in (("kernel", kernel), ("bias", bias)))
    _check_shapes(x, kernel, bias)
    wide = up(x, x.dtype)
    condition = jax.checkpoint(_condition, prevent_cse=False)(x, kernel, bias)
    return down(jnp.where((wide > condition) | (wide != wide), wide, condition), x.dtype)


def _check_shapes(x: Array, kernel: Array, bias: Array) -> None:
    if kernel.ndim < 3 or kernel.shape[-2] != 1:
        raise ValueError(
            f"frelu: kernel must have the shape (rows, columns, 1, channels), got {kernel.shape}; "
            f"a depthwise kernel has one input channel."
        )
    if x.ndim < kernel.ndim - 1:
        raise ValueError(
            f"frelu: x needs {kernel.ndim - 2} spatial axes and one of channels for a kernel of shape {kernel.shape}, "
            f"got shape {x.shape}; add axes of length 1."
        )
    channels = x.shape[-1]
    if kernel.shape[-1] not in (1, channels):
        raise ValueError(
            f"frelu: kernel must end in an axis of length 1 or {channels}, got shape {kernel.shape} for x of shape "
            f"{x.shape}; the last axis of x holds the channels."
        )
    if bias.ndim > x.ndim or any(b not in (1, n) for b, n in zip(bias.shape[::-1], x.shape[::-1], strict=False)):
        raise ValueError(
            f"frelu: bias must broadcast to the shape {x.shape} of x, got {bias.shape}; give one number, or one for "
            f"each channel."
        )
