"""The maximum over groups of features."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_mask, checked_axis, checked_int
from jaxacts.activations.over_axis._axes import is_first_maximum

__all__ = ["maxout"]


@activation(static=("pieces", "axis"), typical={"pieces": 2})
def maxout(x: Array, pieces: int, axis: int = -1, where: ArrayLike | None = None) -> Array:
    r"""Maximum over groups of neighbouring features: a convex piecewise linear function of learned pieces.

    .. math::

        f(x)_i = \max_{0 \le j < k} x_{ik + j}

    Args:
        x: array of any real dtype whose ``axis`` has a length divisible by ``pieces``.
        pieces: how many neighbours :math:`k \ge 1` compete for one output.
        axis: the axis that holds the pieces.
        where: booleans that broadcast against ``x``: which elements take part.

    Returns:
        Array of the dtype of ``x`` with ``axis`` shorter by the factor ``pieces``; 0 where no element of a group
        takes part.

    Raises:
        TypeError: ``x`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, ``pieces`` does not divide its length, or ``where`` does not broadcast.

    Note:
        The gradient goes to the first of the equal maxima, whole, where ``jnp.max`` splits it. With pieces
        :math:`(0, x)` it is ReLU, with :math:`(ax, x)` leaky ReLU, slope at 0 included.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.maxout(jnp.array([1.0, 2.0, 4.0, 3.0]), pieces=2)
        Array([2., 4.], dtype=float32)

    References:
        Goodfellow et al. 2013, "Maxout networks", https://arxiv.org/abs/1302.4389
    """
    axis = checked_axis("maxout", axis, x.ndim)
    length, pieces = x.shape[axis], checked_int("maxout", "pieces", pieces)
    if pieces < 1 or length % pieces:
        raise ValueError(
            f"maxout: pieces must be positive and divide the length {length} of axis {axis}, got {pieces}; "
            f"give the layer before it units * pieces features."
        )
    shape = (*x.shape[:axis], length // pieces, pieces, *x.shape[axis + 1 :])
    mask = as_mask("maxout", where, x)
    grouped, mask = x.reshape(shape), None if mask is None else mask.reshape(shape)
    first = is_first_maximum(jax.lax.stop_gradient(grouped), (axis + 1,), mask)
    return jnp.sum(jnp.where(first, grouped, 0), axis + 1)
