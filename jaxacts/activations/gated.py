r"""Gated linear units: one half of the features decides how much of the other half passes."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, checked_axis
from jaxacts._kernels import decay, finite, sigmoid, where

__all__ = ["glu"]


def _shifted(value: Array, gate: Array) -> tuple[Array, Array]:
    """A value and a gate of the same product where exp(gate) is too small for float32 but the product may not be."""
    far = gate < (-700.0 if gate.dtype == jnp.float64 else -90.0)
    return where(far, finite(value) * math.exp(-64), finite(value)), where(far, gate + 64, gate)


def _by_gate(value: Array, gate: Array) -> Array:
    value, gate = _shifted(value, gate)
    e = decay(gate)
    return e.times(value) / jnp.square(1 + e.value)


@activation(slope=lambda value, gate: sigmoid(gate), partials={"gate": _by_gate})
def _gated(value: Array, gate: ArrayLike) -> Array:
    """value · σ(gate), rounded once; the backward pass keeps one array for each of the two."""
    near, shifted = _shifted(value, jnp.broadcast_to(jnp.asarray(gate), value.shape))
    e = decay(shifted)
    passed = where(shifted < 0, e.times(near), near) / (1 + e.value)
    return where(jnp.isinf(value) & (shifted > -jnp.inf), value, passed)


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
        TypeError: ``x`` is complex or no array.
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
    return _gated(value, gate)
