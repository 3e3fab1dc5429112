"""Packed parameters: each part along an axis from an initializer of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Shape
from jaxacts.initializers._composed.wrapped import Wrapped, checked
from jaxacts.initializers._protocol import Initializer

__all__ = ["blocks"]


@dataclass(frozen=True)
class _Blocks:
    axis: int
    inits: tuple[Initializer, ...]
    same_key: bool

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        (axis,) = _checks.axes("blocks", "axis", self.axis, shape)
        parts = len(self.inits)
        _checks.divides("blocks", "the number of initializers", parts, f"entries of axis {axis}", shape[axis])
        part = (*shape[:axis], shape[axis] // parts, *shape[axis + 1 :])
        keys = [key if self.same_key else jax.random.fold_in(key, i) for i in range(parts)]
        return jnp.concatenate([init(k, part, dtype) for init, k in zip(self.inits, keys, strict=True)], axis)


def blocks(axis: int, *inits: Initializer, same_key: bool = False, dtype: DTypeLike | None = None) -> Initializer:
    r"""Equal parts along one axis, each from an initializer of its own: the gates of a packed kernel or bias.

    .. math:: w = [\, w_1 \;|\; w_2 \;|\; \dots \;|\; w_k \,], \qquad w_i \sim \text{inits}_i

    Args:
        axis: the axis along which the parts lie side by side; negative ones count from the end.
        *inits: one initializer with jax's protocol for each part, in order. Each sees the shape of its part, so
            that its fans are those of a layer of its own.
        same_key: whether all parts are drawn with the same key, for parts that belong together, such as the input and
            forget biases of chrono; otherwise each has a key of its own.
        dtype: signed float or complex dtype of the parameter where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``. dtypes below 32 bits are drawn in float32 and rounded once.

    Raises:
        ValueError: no initializer; at the call, an axis that ``shape`` lacks, or whose size the number of parts does
            not divide.
        TypeError: an axis that is not an int, one of ``inits`` that is not an initializer.

    Note:
        An LSTM with a forget bias of 1 has ``blocks(-1, zeros, ones, zeros, zeros)`` for the order input, forget, cell,
        output (that of torch and keras; Flax's LSTM has input, cell, forget, output). jax.nn, torch and keras
        have no such function; keras has the argument ``unit_forget_bias``.

    Example:
        >>> import jax
        >>> from jaxacts.initializers import ones, zeros
        >>> blocks(-1, zeros, ones, zeros, zeros)(jax.random.key(0), (8,))
        Array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)

    References:
        Jozefowicz, Zaremba & Sutskever, "An empirical exploration of recurrent network architectures", 2015 (the
        forget bias of 1), https://proceedings.mlr.press/v37/jozefowicz15.html; Tallec & Ollivier, "Can recurrent neural
        networks warp time?", 2018, https://arxiv.org/abs/1804.11188
    """
    number = _checks.axis("blocks", "axis", axis)
    if not inits:
        raise ValueError("blocks: inits must be at least one initializer, got none; pass one for each part.")
    sample = _Blocks(number, tuple(checked("blocks", init, f"inits[{i}]") for i, init in enumerate(inits)), same_key)
    return Wrapped("blocks", sample, dtype)
