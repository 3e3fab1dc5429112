"""SwiGLU between bounds, for training in few bits."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, as_floating, up
from jaxacts.activations.gated._product import gate_and_value, is_wide, product
from jaxacts.activations.gated._swish import swish_times

__all__ = ["clamped_swiglu"]


def _bounded(gate: Array, value: Array, limit: Array, offset: Array) -> tuple[Array, Array]:
    """Gate and value with slope 0 at the bounds; NaN stays NaN."""
    gate = jnp.where(gate >= limit, limit, gate)
    return gate, jnp.where(value >= limit, limit, jnp.where(value <= -limit, -limit, value)) + offset


def _refined(gate: Array, value: Array, limit: Array, beta: Array, offset: Array) -> Array:
    return swish_times(True, True, *_bounded(gate, value, limit, offset), beta)


def _plain(gate: Array, value: Array, limit: Array, beta: Array, offset: Array) -> Array:
    return swish_times(False, True, *_bounded(gate, value, limit, offset), beta)


@activation(
    static=("axis", "interleaved"),
    parameters=("limit", "beta", "offset"),
    domain={"limit > 0": lambda limit: limit > 0},
)
def clamped_swiglu(
    x: Array,
    value: ArrayLike | None = None,
    limit: ArrayLike = 7.0,
    beta: ArrayLike = 1.702,
    offset: ArrayLike = 1.0,
    axis: int = -1,
    interleaved: bool = False,
) -> Array:
    r"""SwiGLU of a bounded gate and a bounded value.

    .. math::

        f(g, v) = g' \sigma(\beta g')\,(v' + c), \qquad g' = \min(g, L), \quad v' = \min(\max(v, -L), L)

    Args:
        x: array of any real dtype whose ``axis`` has an even length and holds gate and value; the gate alone where a
            value is given.
        value: array that broadcasts against the gate; None to split ``x``.
        axis: the axis to split in two; the gate is its first half.
        interleaved: gate and value alternate along ``axis``, the gate first.
        limit: the bound :math:`L > 0`, one number, or an array that broadcasts against the gate; differentiable.
        beta: the steepness :math:`\beta` of the gate, likewise; differentiable.
        offset: the constant :math:`c` that is added to the value, likewise; differentiable.

    Returns:
        Array of the dtype of ``x``: of the common shape of gate and value, or with ``axis`` half as long.

    Raises:
        TypeError: an argument is complex or not an array, or ``interleaved`` is not a bool.
        ValueError: ``axis`` is out of range or its length is odd, the shapes do not broadcast, ``limit`` is a number
            that is not positive, or there is a ``value`` for ``interleaved``.

    Note:
        Kinks where gate and value reach the bounds; the slope there is 0. The gate is not bounded below, where it
        closes by itself. The defaults are those of gpt-oss, which packs gate and value ``interleaved``; DeepSeek-V4 has
        ``limit=10, beta=1, offset=0`` and two arrays. The backward pass keeps gate and value. jax.nn and torch do not
        have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> gate, value = jnp.array([-50.0, 100.0]), jnp.array([1.0, 100.0])
        >>> [round(y, 3) for y in jaxacts.clamped_swiglu(gate, value).tolist()]
        [-0.0, 56.0]
        >>> [round(y, 3) for y in jaxacts.clamped_swiglu(gate, value, limit=10, beta=1, offset=0).tolist()]
        [-0.0, 99.995]

    References:
        OpenAI 2025, "gpt-oss-120b & gpt-oss-20b model card", https://arxiv.org/abs/2508.10925
    """
    gate, value = gate_and_value("clamped_swiglu", x, value, axis, interleaved)
    parameters = (("limit", limit), ("beta", beta), ("offset", offset))
    arrays = [up(as_floating("clamped_swiglu", n, p), x.dtype) for n, p in parameters]
    return product(_refined if is_wide(x) else _plain, gate, value, *arrays)
