"""The maximum over groups of features."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import activation, checked_axis, checked_int
from jaxacts.activations.over_axis._axes import is_first_maximum

__all__ = ["maxout"]


@activation(static=("pieces", "axis"), typical={"pieces": 2})
def maxout(x: Array, pieces: int, axis: int = -1) -> Array:
    r"""Maximum over groups of neighbouring features: a convex piecewise linear function of learned pieces.

    .. math::

        f(x)_i = \max_{0 \le j < k} x_{ik + j}

    Args:
        x: array of any real dtype whose ``axis`` has a length divisible by ``pieces``.
        pieces: how many neighbours :math:`k \ge 1` compete for one output.
        axis: the axis that holds the pieces.

    Returns:
        Array of the dtype of ``x`` with ``axis`` shorter by the factor ``pieces``.

    Raises:
        TypeError: ``x`` is complex or not an array.
        ValueError: ``axis`` is out of range, or ``pieces`` does not divide its length.

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
    grouped = x.reshape(*x.shape[:axis], length // pieces, pieces, *x.shape[axis + 1 :])
    first = is_first_maximum(jax.lax.stop_gradient(grouped), (axis + 1,))
    return jnp.sum(jnp.where(first, grouped, 0), axis + 1)
