"""A spline whose coefficients are learned."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, down, up
from jaxacts._core.dtypes import as_floating, broadcast
from jaxacts.activations.self_gated import silu

__all__ = ["spline"]


def _bump(u: Array) -> Array:
    """The cubic B-spline with knots -2, -1, 0, 1, 2."""
    a = jnp.where(u < 0, -u, u)
    tail = jnp.maximum(2 - a, 0)
    return jnp.where(a < 1, 2 / 3 + a * a * (a / 2 - 1), tail * tail * tail / 6)


def _value(grid: tuple[float, float], x: Array, coefficients: list[Array], scale: Array) -> Array:
    low, high = grid
    intervals = len(coefficients) - 3
    t = jnp.clip((x - low) * (intervals / (high - low)), -4, intervals + 4)  # no B-spline reaches so far
    terms = [c * _bump(t - (i - 1)) for i, c in enumerate(coefficients)]
    return sum(terms, jnp.where((scale == 0) & jnp.isinf(x), 0, scale * silu(x)))


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _tangent(grid: tuple[float, float], primals: Any, tangents: Any) -> Array:
    """Checkpointed, so that x is kept and nothing else."""
    narrow = primals[0].dtype
    primals, tangents = jax.tree.map(lambda v: up(v, narrow), (primals, tangents))
    return down(jax.jvp(functools.partial(_value, grid), primals, tangents)[1], narrow)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _spline(grid: tuple[float, float], x: Array, coefficients: list[Array], scale: Array) -> Array:
    return down(_value(grid, *jax.tree.map(lambda v: up(v, x.dtype), (x, coefficients, scale))), x.dtype)


@_spline.defjvp
def _(grid: tuple[float, float], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return _spline(grid, *primals), _tangent(grid, primals, tangents)


@activation(
    static=("grid",),
    parameters=("coefficients", "scale"),
    typical={"coefficients": (0.0, 0.25, -0.5, 0.5, 0.0, -0.25, 0.5, 0.0)},
)
def spline(
    x: Array,
    coefficients: Sequence[ArrayLike] | Array,
    scale: ArrayLike = 1.0,
    grid: tuple[float, float] = (-1.0, 1.0),
) -> Array:
    r"""Cubic spline with learned coefficients, beside SiLU (the edge of a Kolmogorov-Arnold network).

    .. math::

        f(x) = w\, x\, \sigma(x) + \sum_{i=1}^{G+3} c_i B_i(x)

    Args:
        x: array of any shape and real dtype.
        coefficients: the coefficients :math:`c_i` of the cubic B-splines on a uniform grid of :math:`G \ge 1`
            intervals: an array whose *first* axis has length G + 3, or a sequence of numbers or arrays. Each of them
            broadcasts against ``x``: the shape is ``(G + 3,)`` for all channels together and ``(G + 3, channels)`` for
            each of the last axis by itself. Differentiable.
        scale: the factor :math:`w` of SiLU, broadcasts against ``x``; differentiable.
        grid: where the first interval begins and the last one ends, Python numbers.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: there are fewer than four coefficients, ``grid`` does not increase, or the shapes do not broadcast.

    Note:
        No kinks: two derivatives are continuous. The B-splines reach up to three intervals beyond the grid; farther out
        there is SiLU alone. The paper has G = 5 on [-1, 1], starts with small random coefficients, and gives every edge
        of a layer a function of its own, where this is one function for each channel. The backward pass keeps ``x``,
        whatever G is. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.spline(jnp.array([-3.0, 0.0, 0.5]), coefficients=jnp.ones(8), scale=0.0).round(4)
        Array([0., 1., 1.], dtype=float32)

    References:
        Liu et al. 2024, "KAN: Kolmogorov-Arnold networks", https://arxiv.org/abs/2404.19756
    """
    values = [as_floating("spline", "coefficients", v) for v in coefficients]
    if len(values) < 4:
        raise ValueError(
            f"spline: needs at least 4 coefficients, got {len(values)}; give the intervals of the grid + 3."
        )
    if not grid[0] < grid[1]:
        raise ValueError(f"spline: grid must be (low, high) with low < high, got {grid}; swap them.")
    names = ("x", "scale", *(f"coefficients[{i}]" for i in range(len(values))))
    x, scale, *values = broadcast("spline", names, [x, as_floating("spline", "scale", scale), *values])
    return _spline((float(grid[0]), float(grid[1])), x, values, scale)
