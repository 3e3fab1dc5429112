"""What GumbelSoftmax gives where it draws nothing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import as_floating, down, up
from jaxacts.activations import softmax

__all__ = ["expected_categories"]


def expected_categories(x: ArrayLike, temperature: ArrayLike, axis: int | tuple[int, ...] | None, hard: bool) -> Array:
    """The softmax of logits over a temperature, or the most probable category, with the gradient of that."""
    logits = as_floating("GumbelSoftmax", "x", x)
    soft = down(softmax(up(logits, logits.dtype) / temperature, axis=axis), logits.dtype)
    if not hard:
        return soft
    largest = soft == jnp.max(soft, axis, keepdims=True)
    return largest / jnp.sum(largest, axis, keepdims=True, dtype=soft.dtype) + (soft - jax.lax.stop_gradient(soft))
