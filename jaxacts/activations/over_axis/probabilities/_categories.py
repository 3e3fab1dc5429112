"""The softmax of logits, or one category with the gradient of that."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxacts.activations.over_axis._axes import is_first_maximum
from jaxacts.activations.over_axis.probabilities import _softmax

__all__ = ["categories"]


@jax.custom_jvp
def _straight_through(hard: Array, soft: Array) -> Array:
    """The first, with the derivative of the second."""
    return hard


@_straight_through.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    return _straight_through(*primals), tangents[1]


def categories(
    axes: tuple[int, ...], dtype: DTypeLike, logits: Array, temperature: Array, mask: Array | None, hard: bool
) -> Array:
    """The softmax of logits over a temperature; if ``hard``, 1 for the first of the largest, with that gradient."""
    soft, _ = _softmax.softmax(axes, dtype, logits / temperature, mask, None)
    if not hard:
        return soft
    first = is_first_maximum(jax.lax.stop_gradient(logits), axes, mask)
    return _straight_through((first & (logits > -jnp.inf)).astype(dtype), soft)
