"""The gated linear unit with the logistic function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import activation, checked_axis, down, up
from jaxacts._kernels.arithmetic.elementary import finite
from jaxacts.activations._logistic import gated, root_of_slope, sigmoid

__all__ = ["glu"]


def _by_gate(value: Array, gate: Array) -> Array:
    """value·σ(gate)·σ(-gate)."""
    root = root_of_slope(gate)
    return finite(value) * root * root


@jax.custom_jvp
def _glu(value: Array, gate: Array) -> Array:
    """value·σ(gate), rounded once; the backward pass keeps one array for each of the two."""
    v, g = up(value, value.dtype), up(gate, value.dtype)
    return down(jnp.where(jnp.isinf(v) & (g > -jnp.inf), v, gated(finite(v), g)), value.dtype)


@_glu.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (value, gate), (dv, dg) = primals, tangents
    v, g = up(value, value.dtype), up(gate, value.dtype)
    by_value, by_gate = down(sigmoid(g), value.dtype), down(_by_gate(v, g), value.dtype)
    return _glu(value, gate), by_value * dv + by_gate * dg


@activation(static=("axis",))
def glu(x: Array, axis: int = -1) -> Array:
    r"""Gated linear unit: the first half of an axis times the sigmoid of the second.

    .. math::

        f([a, b]) = a \, \sigma(b)

    Args:
        x: array of any real dtype whose ``axis`` has an even length.
        axis: the axis to split in two.

    Returns:
        Array of the dtype of ``x`` with ``axis`` half as long.

    Raises:
        TypeError: ``x`` is complex or not an array.
        ValueError: ``axis`` is out of range or its length is odd.

    Note:
        No kinks. jax.nn has the same signature; in torch it is ``torch.nn.functional.glu(input, dim)``.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.glu(jnp.array([2.0, 4.0, 0.0, 0.0]))
        Array([1., 2.], dtype=float32)

    References:
        Dauphin et al. 2016, "Language modeling with gated convolutional networks", https://arxiv.org/abs/1612.08083
    """
    axis = checked_axis("glu", axis, x.ndim)
    if x.shape[axis] % 2:
        raise ValueError(
            f"glu: axis {axis} must have an even length, got shape {x.shape}; pad it or choose another axis."
        )
    value, gate = jnp.split(x, 2, axis)
    return _glu(value, gate)
