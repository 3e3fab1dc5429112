"""Softmax, its logarithm, and its mirror image."""

from __future__ import annotations

from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_mask, up
from jaxacts.activations.over_axis._axes import checked_axes, per_row
from jaxacts.activations.over_axis.probabilities import _softmax

__all__ = ["log_softmax", "softmax", "softmin"]


def _sink(function: str, sink: ArrayLike | None, x: Array, axes: tuple[int, ...]) -> Array | None:
    return None if sink is None else up(per_row(function, "sink", sink, x, axes), x.dtype)


@activation(static=("axis",), parameters=("sink",))
def softmax(
    x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None, sink: ArrayLike | None = None
) -> Array:
    r"""Normalized exponentials along an axis: probabilities from logits.

    .. math::

        f(x)_i = \frac{e^{x_i}}{e^s + \sum_j e^{x_j}}

    Args:
        x: array of any shape and real dtype.
        axis: the axis or axes to sum over; None for all.
        where: booleans that broadcast against ``x``: which elements take part.
        sink: one more logit :math:`s` for every row, that takes its share and is dropped: one number, or an array that
            broadcasts to the shape of ``x`` with ``axis`` of length 1, or without ``axis``; differentiable. None stands
            for :math:`-\infty`, the plain softmax.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 1]`, with sum 1 along ``axis`` (less with a ``sink``).
        Elements that take no part are 0, and so is a row in which none does.

    Raises:
        TypeError: ``x`` or ``sink`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, or ``where`` or ``sink`` does not broadcast.

    Note:
        The largest element is subtracted first, so nothing overflows. A row without any element to take part has
        gradient 0, not NaN; so has one of :math:`-\infty` alone, and those that are :math:`\infty` share a row among
        them (both are NaN in jax.nn and torch). The backward pass keeps the result alone, and with a sink one number
        a row. A learned sink of each head lets attention rest (gpt-oss); sink 0 gives "softmax1", or "softmax
        off by one". jax.nn and torch have no sink.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.softmax(jnp.array([0.0, 0.0, 100.0]), where=jnp.array([True, True, False]))
        Array([0.5, 0.5, 0. ], dtype=float32)
        >>> rows = jaxacts.softmax(jnp.array([[0.0, 0.0], [0.0, -100.0]]), sink=0.0)
        >>> [[round(y, 4) for y in row] for row in rows.tolist()]
        [[0.3333, 0.3333], [0.5, 0.0]]

    References:
        Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs",
        https://doi.org/10.1007/978-3-642-76153-9_28

        OpenAI 2025, "gpt-oss-120b & gpt-oss-20b model card", https://arxiv.org/abs/2508.10925

        Xiao et al. 2023, "Efficient streaming language models with attention sinks", https://arxiv.org/abs/2309.17453
    """
    axes = checked_axes("softmax", axis, x.ndim)
    return _softmax.softmax(axes, x.dtype, x, as_mask("softmax", where, x), _sink("softmax", sink, x, axes))[0]


@activation(static=("axis",), parameters=("sink",))
def log_softmax(
    x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None, sink: ArrayLike | None = None
) -> Array:
    r"""Logarithm of softmax, for cross-entropy.

    .. math::

        f(x)_i = x_i - \log \Bigl( e^s + \sum_j e^{x_j} \Bigr)

    Args:
        x: array of any shape and real dtype.
        axis: the axis or axes to sum over; None for all.
        where: booleans that broadcast against ``x``: which elements take part.
        sink: one more logit :math:`s` for every row, that takes its share and is dropped: one number, or an array that
            broadcasts to the shape of ``x`` with ``axis`` of length 1, or without ``axis``; differentiable. None stands
            for :math:`-\infty`, the plain logarithm of softmax.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-\infty, 0]`. Elements that take no part are :math:`-\infty`.

    Raises:
        TypeError: ``x`` or ``sink`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, or ``where`` or ``sink`` does not broadcast.

    Note:
        Finite where softmax itself underflows to 0, and exact near probability 1. The gradient is 0 for elements that
        take no part. Elements at :math:`\infty` share the row, and a row of :math:`-\infty` alone stays that.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.log_softmax(jnp.array([0.0, 1000.0]))
        Array([-1000.,     0.], dtype=float32)

    References:
        Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs",
        https://doi.org/10.1007/978-3-642-76153-9_28
    """
    axes = checked_axes("log_softmax", axis, x.ndim)
    return _softmax.log_softmax(axes, x, as_mask("log_softmax", where, x), _sink("log_softmax", sink, x, axes))


@activation(static=("axis",))
def softmin(x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None) -> Array:
    r"""Softmax of the negated input: the smallest element has the largest share.

    .. math::

        f(x)_i = \frac{e^{-x_i}}{\sum_j e^{-x_j}}

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
        Turns distances into weights. What is said of :func:`softmax` at infinities holds here with the signs exchanged.
        In torch it is ``torch.nn.functional.softmin(input, dim)``; jax.nn does not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.softmin(jnp.array([0.0, 0.0, 100.0]))
        Array([0.5, 0.5, 0. ], dtype=float32)

    References:
        Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs",
        https://doi.org/10.1007/978-3-642-76153-9_28
    """
    axes = checked_axes("softmin", axis, x.ndim)
    return _softmax.softmax(axes, x.dtype, -x, as_mask("softmin", where, x), None)[0]
