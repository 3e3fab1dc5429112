"""Softmax and its logarithm."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_mask, down, up
from jaxacts.activations.over_axis._axes import checked_axes, is_first_maximum, masked

__all__ = ["log_softmax", "softmax"]


def _exponentials(x: Array, axes: tuple[int, ...], mask: Array | None) -> tuple[Array, Array]:
    """x minus its maximum over the mask (where there is one), and the exponential of that (0 off the mask)."""
    largest = jnp.max(masked(mask, x, -jnp.inf), axes, keepdims=True, initial=-jnp.inf)
    if mask is not None:
        largest = jnp.where(mask.any(axes, keepdims=True), largest, 0)
    return x - largest, masked(mask, jnp.exp(x - largest), 0)


def _relative(t: Array, winner: Array, axes: tuple[int, ...]) -> Array:
    """t less its value at the winner: a constant is no change, and what is 0 there does not cancel."""
    return t - jnp.sum(jnp.where(winner, t, 0), axes, keepdims=True)


def _balanced(y: Array, winner: Array, axes: tuple[int, ...]) -> Array:
    """y, which sums to 0, with minus the sum of the others at the winner: 1 - p would have lost its digits there."""
    return jnp.where(winner, -jnp.sum(jnp.where(winner, 0, y), axes, keepdims=True), y)


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _softmax_tangent(axes: tuple[int, ...], p: Array, t: Array) -> Array:
    """(diag(p) - p·pᵀ)·t in the compute dtype; checkpointed, so that p is kept in its own dtype and nothing else."""
    wide, winner = up(p, p.dtype), is_first_maximum(p, axes)
    u = _relative(up(t, p.dtype), winner, axes)
    return down(_balanced(wide * (u - jnp.sum(wide * u, axes, keepdims=True)), winner, axes), p.dtype)


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _log_softmax_tangent(axes: tuple[int, ...], x: Array, mask: Array | None, t: Array) -> Array:
    """(1 - 1·pᵀ)·t in the compute dtype, from x, which is kept."""
    _, e = _exponentials(up(x, x.dtype), axes, mask)
    total, winner = jnp.sum(e, axes, keepdims=True), is_first_maximum(e, axes)
    u = _relative(up(t, x.dtype), winner, axes)
    mean = jnp.sum(e * u, axes, keepdims=True) / jnp.where(total == 0, 1, total)
    return down(masked(mask, u - mean, 0), x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _softmax(axes: tuple[int, ...], x: Array, mask: Array | None) -> Array:
    _, exponential = _exponentials(up(x, x.dtype), axes, mask)
    total = jnp.sum(exponential, axes, keepdims=True)
    return down(exponential / jnp.where(total == 0, 1, total), x.dtype)


@_softmax.defjvp
def _(axes: tuple[int, ...], primals: tuple[Array, Array | None], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    p = _softmax(axes, *primals)
    return p, _softmax_tangent(axes, p, tangents[0])


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _log_softmax(axes: tuple[int, ...], x: Array, mask: Array | None) -> Array:
    shifted, exponential = _exponentials(up(x, x.dtype), axes, mask)
    # The sum but for one maximum, which is exactly 1: log(1 + rest) keeps the digits that log(sum) has lost.
    at_maximum = exponential == 1
    rest = jnp.sum(jnp.where(at_maximum, 0, exponential), axes, keepdims=True)
    ties = jnp.sum(at_maximum, axes, keepdims=True, dtype=rest.dtype) - 1
    return down(masked(mask, shifted - jnp.log1p(rest + ties), -jnp.inf), x.dtype)


@_log_softmax.defjvp
def _(axes: tuple[int, ...], primals: tuple[Array, Array | None], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    return _log_softmax(axes, *primals), _log_softmax_tangent(axes, *primals, tangents[0])


@activation(static=("axis",))
def softmax(x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None) -> Array:
    r"""Normalized exponentials along an axis: probabilities from logits.

    .. math::

        f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Args:
        x: array of any shape and real dtype.
        axis: the axis or axes to sum over; None for all.
        where: booleans that broadcast against ``x``: which elements take part.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 1]`, with sum 1 along ``axis``. Elements that take no part
        are 0, and so is a row in which none does.

    Raises:
        TypeError: ``x`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, or ``where`` does not broadcast to ``x``.

    Note:
        The largest element is subtracted first, so nothing overflows. A row without any element to take part has
        gradient 0, not NaN. The backward pass keeps the result alone.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.softmax(jnp.array([0.0, 0.0, 100.0]), where=jnp.array([True, True, False]))
        Array([0.5, 0.5, 0. ], dtype=float32)

    References:
        Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs",
        https://doi.org/10.1007/978-3-642-76153-9_28
    """
    return _softmax(checked_axes("softmax", axis, x.ndim), x, as_mask("softmax", where, x))


@activation(static=("axis",))
def log_softmax(x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None) -> Array:
    r"""Logarithm of softmax, for cross-entropy.

    .. math::

        f(x)_i = x_i - \log \sum_j e^{x_j}

    Args:
        x: array of any shape and real dtype.
        axis: the axis or axes to sum over; None for all.
        where: booleans that broadcast against ``x``: which elements take part.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-\infty, 0]`. Elements that take no part are :math:`-\infty`.

    Raises:
        TypeError: ``x`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, or ``where`` does not broadcast to ``x``.

    Note:
        Finite where softmax itself underflows to 0, and exact near probability 1. The gradient is 0 for elements that
        take no part.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.log_softmax(jnp.array([0.0, 1000.0]))
        Array([-1000.,     0.], dtype=float32)

    References:
        Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs",
        https://doi.org/10.1007/978-3-642-76153-9_28
    """
    return _log_softmax(checked_axes("log_softmax", axis, x.ndim), x, as_mask("log_softmax", where, x))
