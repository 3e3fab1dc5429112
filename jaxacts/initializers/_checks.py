"""The checks on arguments: each says which function, which argument, what came, and what to do."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

__all__ = [
    "Axes",
    "Shape",
    "axes",
    "count",
    "default_dtype",
    "divides",
    "hashable",
    "magnitude",
    "nonempty",
    "number",
    "random_dtype",
    "sizes",
]

Axes: TypeAlias = int | Sequence[int]
Shape: TypeAlias = tuple[int, ...]


def number(function: str, argument: str, value: Any) -> float:
    """``value`` as a finite float."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"{function}: {argument} must be a real number known when the initializer is built, "
            f"got {type(value).__name__}; pass a Python float."
        ) from None
    if not math.isfinite(result):
        raise ValueError(f"{function}: {argument} must be finite, got {result}; pass a finite number.")
    return result


def magnitude(function: str, argument: str, value: object) -> float:
    """``value`` as a finite float that is not negative."""
    result = number(function, argument, value)
    if result < 0:
        raise ValueError(
            f"{function}: {argument} must not be negative, got {result}; pass {-result} "
            f"(the draws are scaled by it, so a sign would only be lost or mirror them)."
        )
    return result


def count(function: str, argument: str, value: Any) -> int:
    """``value`` as an int of at least 1."""
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an int, got {value!r}; pass a whole number.") from None
    if result < 1:
        raise ValueError(f"{function}: {argument} must be at least 1, got {result}; 1 is the default.")
    return result


def divides(function: str, argument: str, parts: int, axis: str, size: int) -> None:
    """Refuses ``parts`` that do not divide the ``size``."""
    if size % parts:
        raise ValueError(
            f"{function}: {argument} must divide the number of {axis}, got {parts} and {size}; "
            f"the axis holds those of all parts, one part after the other."
        )


def default_dtype(dtype: DTypeLike | None) -> np.dtype[Any]:
    """``dtype`` as jax has it with or without x64; None is the default float."""
    return jnp.result_type(float if dtype is None else dtype)


def random_dtype(function: str, dtype: DTypeLike | None) -> np.dtype[Any]:
    """The dtype of the draws to return: one that holds both signs."""
    result = default_dtype(dtype)
    if not jnp.issubdtype(result, jnp.inexact) or result == jnp.float8_e8m0fnu:
        raise TypeError(
            f"{function}: dtype must be a signed float or complex dtype, got {result}; "
            f"draw in float32 and convert the values yourself, or use zeros, ones or constant."
        )
    return result


def sizes(function: str, shape: Any) -> Shape:
    """``shape`` as a tuple of ints that are not negative."""
    try:
        result = tuple(operator.index(n) for n in shape)
    except TypeError:
        raise TypeError(f"{function}: shape must be a sequence of ints, got {shape!r}; write (3, 4) or (3,).") from None
    if min(result, default=0) < 0:
        raise ValueError(f"{function}: shape must not have negative sizes, got {result}; give the size of each axis.")
    return result


def nonempty(function: str, shape: Shape) -> None:
    """Refuses a kernel that has an axis of size zero."""
    if 0 in shape:
        raise ValueError(
            f"{function}: a kernel with an axis of size zero has no fan, got shape {shape}; "
            f"use zeros for an empty parameter."
        )


def hashable(value: Axes) -> int | Shape:
    """``value`` with a tuple for a list, so that equal initializers hash alike."""
    return value if isinstance(value, int) else tuple(value)


def axes(function: str, argument: str, value: Axes, shape: Shape) -> Shape:
    """``value`` as axes counted from 0, each an axis of ``shape``."""
    rank = len(shape)
    listed = (value,) if isinstance(value, int) else tuple(value)
    wrong = [a for a in listed if not -rank <= a < rank]
    if wrong:
        raise ValueError(
            f"{function}: {argument} {wrong[0]} is out of range for shape {shape}, which has {rank} axes; "
            f"name axes of this kernel, or use zeros or normal for a bias."
        )
    return tuple(a % rank for a in listed)
