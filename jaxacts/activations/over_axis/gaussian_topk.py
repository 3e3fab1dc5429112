"""A threshold that a fixed share of normally distributed elements exceeds."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_mask, down, up
from jaxacts._kernels.arithmetic.elementary import derivative
from jaxacts.activations.over_axis._axes import checked_axes, masked, per_row
from jaxacts.activations.over_axis._scaled import largest_magnitude, mean_over, power_of_two_scale

__all__ = ["gaussian_topk"]

Axes = tuple[int, ...]


def _by_share(share: Array) -> Array:
    z = _quantile(share)
    return math.sqrt(2 * math.pi) * jnp.exp(z * z / 2)


@derivative(_by_share)
def _quantile(share: Array) -> Array:
    """The number that a standard normal variable is below with this probability."""
    return jax.scipy.special.ndtri(share)


def _standardized(x: Array, axes: Axes, mask: Array | None) -> tuple[Array, Array, Array]:
    """(x - mean)·c, the standard deviation times c, and c, a power of two for each row."""
    x = masked(mask, x, 0)
    c = power_of_two_scale(largest_magnitude(x, axes, mask))
    y = x * c
    centred = y - mean_over(y, axes, mask)
    return centred, jnp.sqrt(mean_over(centred * centred, axes, mask)), c


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _tangent(axes: Axes, x: Array, z: Array, mask: Array | None, t: Array, dz: Array) -> Array:
    """In the compute dtype, from x, which is kept."""
    centred, deviation, c = _standardized(up(x, x.dtype), axes, mask)
    t = up(t, x.dtype)
    unit = centred / jnp.where(deviation == 0, 1, deviation)
    by_x = t - mean_over(t, axes, mask) - z * mean_over(unit * t, axes, mask)
    passed = masked(mask, centred > z * deviation, False)
    return down(jnp.where(passed, by_x - deviation / c * dz, 0), x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _topk(axes: Axes, x: Array, z: Array, mask: Array | None) -> Array:
    centred, deviation, c = _standardized(up(x, x.dtype), axes, mask)
    above = centred - z * deviation
    return down(masked(mask, jnp.where(above > 0, above / c, above * 0), 0), x.dtype)


@_topk.defjvp
def _(axes: Axes, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return _topk(axes, *primals), _tangent(axes, *primals, *tangents[:2])


@activation(
    static=("axis",),
    parameters=("sparsity",),
    domain={"0 < sparsity < 1": lambda sparsity: (sparsity > 0) & (sparsity < 1)},
)
def gaussian_topk(
    x: Array,
    sparsity: ArrayLike = 0.95,
    axis: int | tuple[int, ...] | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""ReLU above a quantile of the row, which is taken to be normally distributed.

    .. math::

        f(x)_i = \max(x_i - \mu - \sigma\,\Phi^{-1}(p), 0)

    with the mean :math:`\mu` and the standard deviation :math:`\sigma` of the row.

    Args:
        x: array of any shape and real dtype.
        sparsity: the share :math:`0 < p < 1` of elements that become 0, one number, or an array that broadcasts to the
            shape of ``x`` with ``axis`` of length 1, or without ``axis``; differentiable.
        axis: the axis or axes of the mean and the deviation; None for all.
        where: booleans that broadcast against ``x``: which elements take part.

    Returns:
        Array of the shape and dtype of ``x``, not negative. Elements that take no part are 0.

    Raises:
        TypeError: ``x`` or ``sparsity`` is complex or not an array, or ``where`` is not boolean.
        ValueError: ``axis`` is out of range, ``where`` or ``sparsity`` does not broadcast, or ``sparsity`` is a number
            that is not between 0 and 1.

    Note:
        Kinks where an element reaches the threshold; the slope there is 0. The gradient goes through mean and
        deviation, as in Gemma 3n, which applies it to the gate of some layers before gelu, with the default 0.95. A row
        of equal elements gives zeros, with gradient 0. A row with an infinite element is NaN: it has no deviation. The
        backward pass keeps ``x``. jax.nn and torch do not have it.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> x = jax.random.normal(jax.random.key(0), (10_000,))
        >>> round(float((jaxacts.gaussian_topk(x) == 0).mean()), 2)
        0.95

    References:
        Google DeepMind 2025, "Gemma 3n", https://ai.google.dev/gemma/docs/gemma-3n
    """
    axes = checked_axes("gaussian_topk", axis, x.ndim)
    z = _quantile(up(per_row("gaussian_topk", "sparsity", sparsity, x, axes), x.dtype))
    return _topk(axes, x, z, as_mask("gaussian_topk", where, x))
