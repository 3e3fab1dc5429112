"""Sparse relatives of softmax, which give exact zeros."""

from __future__ import annotations

from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_mask, up
from jaxacts.activations.over_axis._axes import checked_axes, per_row
from jaxacts.activations.over_axis.probabilities import _entmax

__all__ = ["entmax", "entmax15", "sparsemax"]


@activation(static=("axis",))
def sparsemax(x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None) -> Array:
    r"""Projection of the logits onto the probability simplex: softmax with exact zeros.

    .. math::

        f(x)_i = \max(x_i - \tau, 0), \qquad \tau \text{ such that } \sum_i f(x)_i = 1

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
        Piecewise linear. The gradient is that of the elements above 0, less their mean; the others have 0. The backward
        pass keeps the result alone. :math:`\tau` is found by Newton's method, without sorting: 2 to 10 passes over the
        row. Rows with infinite elements are as in :func:`softmax`. jax.nn and torch do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.sparsemax(jnp.array([1.0, 0.5, -2.0])).tolist()]
        [0.75, 0.25, 0.0]

    References:
        Martins & Astudillo 2016, "From softmax to sparsemax", https://arxiv.org/abs/1602.02068
    """
    axes = checked_axes("sparsemax", axis, x.ndim)
    return _entmax.entmax(axes, 1.0, x, as_mask("sparsemax", where, x))


@activation(static=("axis",))
def entmax15(x: Array, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None) -> Array:
    r"""Entmax at 1.5: between softmax and sparsemax, smooth and with exact zeros.

    .. math::

        f(x)_i = \max(x_i / 2 - \tau, 0)^2, \qquad \tau \text{ such that } \sum_i f(x)_i = 1

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
        The slope has no jumps. The backward pass keeps the result alone. :math:`\tau` is found by Newton's method,
        without sorting: 1 to 8 passes over the row. Rows with infinite elements are as in :func:`softmax`. jax.nn and
        torch do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.entmax15(jnp.array([1.0, 0.0, -2.0])).tolist()]
        [0.8307, 0.1693, 0.0]

    References:
        Peters et al. 2019, "Sparse sequence-to-sequence models", https://arxiv.org/abs/1905.05702
    """
    axes = checked_axes("entmax15", axis, x.ndim)
    return _entmax.entmax(axes, 0.5, x, as_mask("entmax15", where, x))


@activation(
    static=("axis",),
    parameters=("alpha",),
    typical={"alpha": 1.25},
    domain={"alpha >= 1": lambda alpha: alpha >= 1},
)
def entmax(
    x: Array, alpha: ArrayLike, axis: int | tuple[int, ...] | None = -1, where: ArrayLike | None = None
) -> Array:
    r"""Softmax that becomes sparse as its parameter grows, which can be learned.

    .. math::

        f(x)_i = \bigl[ (\alpha - 1)\,x_i - \tau \bigr]_+^{1/(\alpha - 1)}, \qquad
        \tau \text{ such that } \sum_i f(x)_i = 1

    Args:
        x: array of any shape and real dtype.
        alpha: the parameter :math:`\alpha \ge 1`, one number, or an array that broadcasts to the shape of ``x`` with
            ``axis`` of length 1, or without ``axis``; differentiable.
        axis: the axis or axes to sum over; None for all.
        where: booleans that broadcast against ``x``: which elements take part.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 1]`, with sum 1 along ``axis``. Elements that take no part
        are 0, and so is a row in which none does.

    Raises:
        TypeError: ``x`` or ``alpha`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, ``where`` or ``alpha`` does not broadcast, or ``alpha`` is a number
            below 1.

    Note:
        At 1 it is :func:`softmax`, at 1.5 :func:`entmax15`, at 2 :func:`sparsemax`, and the derivatives by ``x`` and by
        ``alpha`` are defined and accurate there, too. Above 2 the slope is infinite where an element leaves 0, and in
        the value only the :math:`(\alpha - 1)`-th part of the digits is left there. The backward pass keeps the result
        alone. The largest probability is found by Newton's method, without sorting: 2 to 10 passes over the row, each
        with two exponentials and a logarithm an element, for :math:`\alpha \le 2`, mostly 1 to 20 above. For a
        fixed 1.5 or 2 the functions of their own take less. jax.nn and torch do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> x = jnp.array([1.0, 0.0, -2.0])
        >>> for alpha in (1.0, 1.5, 2.0):
        ...     print([round(y, 4) for y in jaxacts.entmax(x, alpha).tolist()])
        [0.7054, 0.2595, 0.0351]
        [0.8307, 0.1693, 0.0]
        [1.0, 0.0, 0.0]

    References:
        Correia et al. 2019, "Adaptively sparse transformers", https://arxiv.org/abs/1909.00015
    """
    axes = checked_axes("entmax", axis, x.ndim)
    alpha = up(per_row("entmax", "alpha", alpha, x, axes), x.dtype)
    return _entmax.entmax_of(axes, x, alpha - 1, as_mask("entmax", where, x))
