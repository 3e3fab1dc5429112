"""What GumbelSoftmax gives where it draws nothing."""

from __future__ import annotations

from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import as_floating, as_mask, up
from jaxacts.activations.over_axis._axes import checked_axes, per_row
from jaxacts.activations.over_axis.probabilities._categories import categories

__all__ = ["expected_categories"]


def expected_categories(
    x: ArrayLike, temperature: ArrayLike, axis: int | tuple[int, ...] | None, hard: bool, where: ArrayLike | None
) -> Array:
    """What the function gives without noise: the softmax, or the most probable category with the gradient of that."""
    name, logits = "GumbelSoftmax", as_floating("GumbelSoftmax", "x", x)
    axes, mask = checked_axes(name, axis, logits.ndim), as_mask(name, where, logits)
    temperature = up(per_row(name, "temperature", temperature, logits, axes), logits.dtype)
    return categories(axes, logits.dtype, up(logits, logits.dtype), temperature, mask, hard)
