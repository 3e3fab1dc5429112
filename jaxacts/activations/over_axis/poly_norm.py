"""A sum of powers, each brought to a mean square of 1."""

from __future__ import annotations

import functools
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_floating, as_mask, check_number, down, up
from jaxacts.activations.over_axis._axes import checked_axes, masked
from jaxacts.activations.over_axis._scaled import largest_magnitude, mean_over, power_of_two_scale

__all__ = ["poly_norm"]

Axes = tuple[int, ...]
Mask = Array | None


def _scale(x: Array, axes: Axes, mask: Mask) -> Array:
    """The largest magnitude of each row, or 1."""
    return jnp.maximum(largest_magnitude(x, axes, mask), 1)


def _divided(x: Array, scale: Array) -> Array:
    """x/scale, also where the reciprocal of the scale, which XLA may take, is too small for a normal number."""
    c = power_of_two_scale(scale)
    return x * c / (scale * c)


def _norms(x: Array, scale: Array, axes: Axes, mask: Mask, epsilon: float) -> list[tuple[Array, Array]]:
    """(power, root mean square) of x over its scale, for each power."""
    y, powers = _divided(masked(mask, x, 0), scale), []
    power, smallest = jnp.ones_like(y), jnp.full_like(scale, epsilon)
    for _ in range(3):
        power, smallest = power * y, _divided(_divided(smallest, scale), scale)
        powers.append((power, jnp.sqrt(mean_over(power * power, axes, mask) + smallest)))
    return powers


def _over(x: Array, root: Array) -> Array:
    return x / jnp.where(root == 0, 1, root)


def _weighted(weight: Array, bias: Array, terms: list[Array]) -> Array:
    first, second, third = terms
    return weight[0] * third + (weight[1] * second + (weight[2] * first + bias))


@functools.partial(jax.checkpoint, static_argnums=(0, 1), prevent_cse=False)
def _tangent(
    axes: Axes, epsilon: float, x: Array, weight: Array, mask: Mask, t: Array, of_weight: Array, of_bias: Array
) -> Array:
    """In the compute dtype, from x, which is kept."""
    wide = up(x, x.dtype)
    scale = _scale(wide, axes, mask)
    powers, step = _norms(wide, scale, axes, mask, epsilon), _divided(up(t, x.dtype), scale)
    values, moves = [], []
    below: Array | float = 1.0
    for i, (power, root) in enumerate(powers):
        value, move = _over(power, root), _over((i + 1) * below * step, root)
        values.append(value)
        moves.append(move - value * mean_over(value * move, axes, mask))
        below = power
    change = _weighted(weight, jnp.zeros_like(of_bias), moves) + _weighted(of_weight, of_bias, values)
    return down(masked(mask, change, 0), x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _poly_norm(axes: Axes, epsilon: float, x: Array, weight: Array, bias: Array, mask: Mask) -> Array:
    wide = up(x, x.dtype)
    powers = _norms(wide, _scale(wide, axes, mask), axes, mask, epsilon)
    return down(masked(mask, _weighted(weight, bias, [_over(*p) for p in powers]), 0), x.dtype)


@_poly_norm.defjvp
def _(axes: Axes, epsilon: float, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    x, weight, _, mask = primals
    return _poly_norm(axes, epsilon, *primals), _tangent(axes, epsilon, x, weight, mask, *tangents[:3])


@activation(
    static=("axis", "epsilon"),
    parameters=("weight", "bias"),
    typical={"weight": np.full(3, 1 / 3, np.float32)},
)
def poly_norm(
    x: Array,
    weight: ArrayLike,
    bias: ArrayLike = 0.0,
    axis: int | tuple[int, ...] | None = -1,
    where: ArrayLike | None = None,
    epsilon: float = 1e-6,
) -> Array:
    r"""Polynomial of degree 3 whose powers are normalized over an axis, with learned coefficients.

    .. math::

        f(x) = w_0\,N(x^3) + w_1\,N(x^2) + w_2\,N(x) + b, \qquad
        N(u) = \frac{u}{\sqrt{\operatorname{mean}(u^2) + \epsilon}}

    Args:
        x: array of any shape and real dtype.
        weight: the coefficients :math:`w` of the cube, the square and the first power, of shape ``(3,)``;
            differentiable.
        bias: the constant :math:`b`, one number; differentiable.
        axis: the axis or axes of the means; None for all.
        where: booleans that broadcast against ``x``: which elements take part.
        epsilon: the constant :math:`\epsilon \ge 0` under the root, a Python number.

    Returns:
        Array of the shape and dtype of ``x``. Elements that take no part are 0.

    Raises:
        TypeError: ``x``, ``weight`` or ``bias`` is complex or not an array, ``where`` is not boolean, or ``epsilon`` is
            not a number.
        ValueError: ``weight`` is not of shape ``(3,)`` or ``bias`` not one number, ``axis`` is out of range, ``where``
            does not broadcast to ``x``, or ``epsilon`` is negative.

    Note:
        The order of the coefficients is that of the authors' code and of Liger, the highest power first. The paper
        starts all three at 1/3 and the bias at 0, Liger at (0.3, 0.4, 0.3) and 0.1. Large inputs are divided by the
        largest of their row first, so that their powers do not overflow. A row with an infinite element is NaN. The
        backward pass keeps ``x``. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> y = jaxacts.poly_norm(jnp.array([3.0, -3.0]), weight=jnp.array([0.5, 0.25, 1.0]))
        >>> [round(v, 4) for v in y.tolist()]
        [1.75, -1.25]

    References:
        Zhuo et al. 2024, "Polynomial composition activations: unleashing the dynamics of large language models",
        https://arxiv.org/abs/2411.03884
    """
    check_number("poly_norm", "epsilon", epsilon, 0, inf, 1e-6)
    axes = checked_axes("poly_norm", axis, x.ndim)
    weights, constant = (up(as_floating("poly_norm", n, v), x.dtype) for n, v in (("weight", weight), ("bias", bias)))
    for argument, array, shape in (("weight", weights, (3,)), ("bias", constant, ())):
        if array.shape != shape:
            raise ValueError(
                f"poly_norm: {argument} must be of shape {shape}, got {array.shape}; map over several with jax.vmap."
            )
    return _poly_norm(axes, epsilon, x, weights, constant, as_mask("poly_norm", where, x))
