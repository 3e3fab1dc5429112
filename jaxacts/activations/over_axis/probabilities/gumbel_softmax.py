"""Samples from the categorical distribution of logits, made differentiable."""

from __future__ import annotations

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_mask, check_flag, check_key, compute_dtype, up
from jaxacts.activations.over_axis._axes import checked_axes, per_row
from jaxacts.activations.over_axis.probabilities._categories import categories

__all__ = ["gumbel_softmax"]


@activation(
    static=("axis", "hard"),
    parameters=("temperature",),
    typical={"key": np.zeros(2, np.uint32)},
    domain={"temperature > 0": lambda temperature: temperature > 0},
)
def gumbel_softmax(
    x: Array,
    key: Array,
    temperature: ArrayLike = 1.0,
    axis: int | tuple[int, ...] | None = -1,
    where: ArrayLike | None = None,
    hard: bool = False,
) -> Array:
    r"""Softmax of logits with Gumbel noise: a relaxed sample of one of the categories.

    .. math::

        f(x)_i = \frac{e^{(x_i + g_i)/T}}{\sum_j e^{(x_j + g_j)/T}}, \qquad g_i \sim \mathrm{Gumbel}(0, 1)

    Args:
        x: array of any shape and real dtype: logits, not normalized.
        key: a JAX random key.
        temperature: the temperature :math:`T > 0`, one number, or an array that broadcasts to the shape of ``x`` with
            ``axis`` of length 1, or without ``axis``; differentiable.
        axis: the axis or axes of the categories; None for all.
        where: booleans that broadcast against ``x``: which elements take part.
        hard: return the category itself, as 1 among zeros, with the gradient of the relaxed sample (straight-through).

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 1]`, with sum 1 along ``axis``. Elements that take no part
        are 0, and so is a row in which none does.

    Raises:
        TypeError: ``x`` or ``temperature`` is complex or not an array, ``key`` is not a key, ``where`` is not boolean,
            or ``hard`` is not a bool.
        ValueError: ``axis`` is out of range, ``where`` or ``temperature`` does not broadcast, ``temperature`` is a
            number that is not positive, or there are several keys.

    Note:
        The largest of logits with Gumbel noise is a sample of their softmax, and as :math:`T \to 0` the relaxed sample
        becomes that. The hard sample has exactly one 1 in each row; the gradient is that of the soft one with the same
        key. In torch it is ``torch.nn.functional.gumbel_softmax``, whose ``tau`` is the temperature; jax.nn does not
        have it. The backward pass keeps the relaxed sample, and to differentiate by the temperature the noisy logits.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> logits = jnp.array([0.0, 1.0, 2.0])
        >>> bool(jnp.isclose(jaxacts.gumbel_softmax(logits, jax.random.key(0)).sum(), 1))
        True
        >>> jaxacts.gumbel_softmax(logits, jax.random.key(0), hard=True).max()
        Array(1., dtype=float32)

    References:
        Jang et al. 2016, "Categorical reparameterization with Gumbel-softmax", https://arxiv.org/abs/1611.01144

        Maddison et al. 2016, "The concrete distribution", https://arxiv.org/abs/1611.00712
    """
    check_flag("gumbel_softmax", "hard", hard)
    check_key("gumbel_softmax", key)
    axes, mask = checked_axes("gumbel_softmax", axis, x.ndim), as_mask("gumbel_softmax", where, x)
    temperature = up(per_row("gumbel_softmax", "temperature", temperature, x, axes), x.dtype)
    noisy = up(x, x.dtype) + jax.random.gumbel(key, x.shape, compute_dtype(x.dtype))
    return categories(axes, x.dtype, noisy, temperature, mask, hard)
