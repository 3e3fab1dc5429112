"""Initializers that do not draw: one value everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Shape
from jaxacts.initializers._protocol import Initializer, OutSharding, sharded

__all__ = ["constant", "ones", "zeros"]


@dataclass(frozen=True, eq=False)
class Constant:
    """Fills with one value; compared by identity, for the value may be an array."""

    function: str
    value: ArrayLike
    dtype: DTypeLike | None = None

    def __call__(
        self, key: Array | None, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Array:
        sizes = _checks.sizes(self.function, shape)
        stored = _checks.default_dtype(self.function, self.dtype if dtype is None else dtype)
        arrays = any(isinstance(leaf, Array) for leaf in jax.tree.leaves(self.value))
        given = jnp.asarray(self.value) if arrays else np.asarray(self.value)
        value = jnp.full(given.shape, given, stored)
        trailing = sizes[len(sizes) - value.ndim :] if value.ndim <= len(sizes) else None
        if trailing is None or any(n not in (1, m) for n, m in zip(value.shape, trailing, strict=True)):
            raise ValueError(
                f"{self.function}: value must broadcast to the shape {sizes}, got shape {value.shape}; "
                f"pass a number, or one value for each entry of the last axes."
            )
        return sharded(_Full(sizes), len(sizes), out_sharding, value)


@dataclass(frozen=True)
class _Full:
    shape: Shape

    def __call__(self, value: Array) -> Array:
        return jnp.broadcast_to(value, self.shape)


def constant(value: ArrayLike, dtype: DTypeLike | None = None) -> Initializer:
    r"""The same given value everywhere.

    .. math:: w = \text{value}

    Args:
        value: a number, or an array that broadcasts to the shape of the parameter.
        dtype: dtype of the parameter where the call names none; None is jax's default float, whatever value has.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which ignores the key.

    Raises:
        ValueError: at the call, a value that does not broadcast to ``shape``.
        TypeError: a value that is not a number or an array of numbers.

    Note:
        As in ``jax.nn.initializers``: a value that the dtype does not hold is converted as ``astype`` converts it, 300
        to 44 in int8. Equal weights stay equal under training: use it for biases and scales. ``constant(0.1)`` is the
        bias that keeps most relu units active at the start.

    Example:
        >>> constant(0.1)(None, (3,))
        Array([0.1, 0.1, 0.1], dtype=float32)

    References:
        Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 6.3.1 (0.1 for the biases of relu units),
        https://www.deeplearningbook.org
    """
    _checks.no_key("constant", value, "value")
    given: Any = value
    kinds = [getattr(leaf, "dtype", None) or np.asarray(leaf).dtype for leaf in jax.tree.leaves(given)]
    if given is None or not all(jnp.issubdtype(k, np.number) or k == np.bool_ for k in kinds):
        raise TypeError(
            f"constant: value must be a number or an array of numbers, got {value!r}; pass 0.1, or one value for each "
            f"entry of the last axes."
        )
    return Constant("constant", value, dtype)


def zeros(
    key: Array | None, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
) -> Array:
    r"""Zero everywhere: itself an initializer, to be passed without calling it.

    .. math:: w = 0

    Args:
        key: ignored; may be None.
        shape: any shape; an int is the shape of a vector.
        dtype: any dtype that holds it; None is jax's default float.
        out_sharding: how to spread the array over devices; None leaves it to jax.

    Returns:
        An array of ``shape`` and ``dtype``.

    Raises:
        TypeError: a shape that is not an int or a sequence of ints.

    Note:
        As in ``jax.nn.initializers``. The usual start of a bias; a weight matrix of zeros passes no gradient back.

    Example:
        >>> zeros(None, (3,))
        Array([0., 0., 0.], dtype=float32)

    References:
        Goodfellow, Bengio & Courville, "Deep Learning", 2016, section 8.4, https://www.deeplearningbook.org
    """
    return Constant("zeros", 0)(key, shape, dtype, out_sharding)


def ones(
    key: Array | None, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
) -> Array:
    r"""One everywhere: itself an initializer, to be passed without calling it.

    .. math:: w = 1

    Args:
        key: ignored; may be None.
        shape: any shape; an int is the shape of a vector.
        dtype: any dtype that holds it; None is jax's default float.
        out_sharding: how to spread the array over devices; None leaves it to jax.

    Returns:
        An array of ``shape`` and ``dtype``.

    Raises:
        TypeError: a shape that is not an int or a sequence of ints.

    Note:
        As in ``jax.nn.initializers``. The usual start of the scale of a normalization.

    Example:
        >>> ones(None, (3,))
        Array([1., 1., 1.], dtype=float32)

    References:
        Ioffe & Szegedy, "Batch normalization", 2015, https://arxiv.org/abs/1502.03167
    """
    return Constant("ones", 1)(key, shape, dtype, out_sharding)
