"""The checks on arguments: each says which function, which argument, what it got, and what to do."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import DTypeLike

from jaxacts._core.errors import unknown_name

__all__ = [
    "Axes",
    "DtypeError",
    "Multiplier",
    "Shape",
    "Values",
    "axes",
    "axis",
    "count",
    "default_dtype",
    "divides",
    "factor",
    "key",
    "known",
    "listed",
    "magnitude",
    "multiplier",
    "no_key",
    "number",
    "plain",
    "positive",
    "random_dtype",
    "representable",
    "sizes",
    "squared",
    "wide",
]


class DtypeError(TypeError, ValueError):
    """A dtype that cannot be drawn: jax's initializers raise a ValueError."""


Axes: TypeAlias = int | Sequence[int]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Values:
    """An array of numbers, traced or not, compared by identity: what holds it stays hashable."""

    array: Any


Multiplier: TypeAlias = float | complex | Values
"""What draws are multiplied by: a number, or an array of them."""


def multiplier(function: str, argument: str, value: Any) -> Multiplier:
    """``value`` as a finite number, real or complex, or an array of them, which may be traced."""
    if isinstance(value, Tracer) or not getattr(value, "is_fully_addressable", True):
        return Values(value)
    array = np.asarray(value)
    if not (jnp.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise TypeError(
            f"{function}: {argument} must be a number or an array of numbers, got {type(value).__name__}; "
            f"pass a Python float."
        )
    wide = array.astype(complex if np.iscomplexobj(array) else float)
    if not np.isfinite(wide).all():
        raise ValueError(f"{function}: {argument} must be finite, got {value}; pass a finite number.")
    return Values(wide) if wide.ndim else wide.item()


def plain(value: Multiplier) -> Any:
    """The number or the array itself."""
    return value.array if isinstance(value, Values) else value


def number(function: str, argument: str, value: Any, *, finite: bool = True) -> float:
    """``value`` as a float that is finite, or at least not NaN."""
    try:
        # A string of digits is a mistake, not a number.
        result = None if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError):
        result = None
    except OverflowError:
        result = math.inf
    if isinstance(value, Tracer):
        raise TypeError(
            f"{function}: {argument} must be a real number known when {function} is called, got a traced value; "
            f"pass a Python float, or call it outside of jit."
        )
    if result is None:
        raise TypeError(
            f"{function}: {argument} must be a real number, got {type(value).__name__}; pass a Python float."
        )
    if math.isnan(result) or (finite and math.isinf(result)):
        raise ValueError(f"{function}: {argument} must be finite, got {result}; pass a finite number.")
    return result


def magnitude(function: str, argument: str, value: object) -> float:
    """``value`` as a finite float that is not negative."""
    result = number(function, argument, value)
    if result < 0:
        raise ValueError(f"{function}: {argument} must not be negative, got {result}; pass 0 or a number above.")
    return result


def positive(function: str, argument: str, value: object) -> float:
    """``value`` as a finite float above 0."""
    result = number(function, argument, value)
    if result <= 0:
        raise ValueError(f"{function}: {argument} must be positive, got {result}; pass a number above 0.")
    return result


def squared(function: str, argument: str, value: float) -> float:
    """The square of ``value``, where it is finite."""
    result = value * value
    if not math.isfinite(result):
        raise ValueError(f"{function}: {argument} must have a finite square, got {value:g}; pass a smaller number.")
    return result


def factor(function: str, value: Any, stored: np.dtype[Any]) -> Any:
    """``value`` in the dtype of the draws, where ``stored`` can hold weights of that size."""
    if np.iscomplexobj(value) and not jnp.issubdtype(stored, np.complexfloating):
        raise TypeError(
            f"{function}: the factor of weights of {stored} must be real, got a complex one; pass dtype=jnp.complex64."
        )
    if isinstance(value, jax.Array):
        return value.astype(wide(stored))
    with np.errstate(over="ignore"):
        result = np.asarray(value).astype(wide(stored))
    if not np.all(np.abs(result) <= float(jnp.finfo(stored).max)):
        raise ValueError(
            f"{function}: the weights must be finite in {stored}, but are of the size of {np.max(np.abs(value)):g}; "
            f"pass a smaller scale or a wider dtype."
        )
    return result


def wide(stored: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to draw in: at least 32 bits."""
    return stored if stored.itemsize >= 4 else np.dtype(np.float32)


def count(function: str, argument: str, value: Any, least: int = 1) -> int:
    """``value`` as an int of at least ``least``."""
    try:
        result = operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an int, got {value!r}; pass a whole number.") from None
    if result < least:
        raise ValueError(f"{function}: {argument} must be at least {least}, got {result}; pass {least} or more.")
    return result


def known(function: str, argument: str, value: object, names: Iterable[str], jaxs: str = "") -> None:
    """Refuses a ``value`` that is none of the ``names``; ``jaxs`` is what jax says of it."""
    if not (isinstance(value, str) and value in names):
        error = unknown_name(function, argument, value, names)
        raise ValueError(f"{error} ({jaxs}: {value})") if jaxs else error


def key(function: str, value: Any) -> None:
    """Refuses what is not one random key, typed or raw."""
    dtype, rank = getattr(value, "dtype", None), np.ndim(value) if hasattr(value, "shape") else 0
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if not (typed or (dtype == np.uint32 and rank)):
        got = type(value).__name__ if dtype is None else f"an array of {dtype}"
        raise TypeError(f"{function}: key must be a random key, got {got}; pass jax.random.key(0).")
    if rank > (0 if typed else 1):
        raise ValueError(
            f"{function}: key must be one random key, got an array of them, of shape {value.shape}; "
            f"use jax.vmap over the keys."
        )


def no_key(function: str, value: Any, needs: str = "") -> None:
    """Refuses a random ``value`` as the first argument of what makes an initializer, and ``needs`` such arguments."""
    dtype = getattr(value, "dtype", None)
    raw = isinstance(value, jax.Array) and dtype == np.uint32 and value.ndim == 1
    if raw or (dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)):
        made = f"{function}({needs})"
        raise TypeError(
            f"{function}: makes an initializer, which is what takes a key and a shape, got a random key; "
            f"call {made}(key, shape), or pass kernel_init={made}."
        )


def divides(function: str, argument: str, parts: int, axis: str, size: int) -> None:
    """Refuses ``parts`` that do not divide the ``size``."""
    if size % parts:
        raise ValueError(
            f"{function}: {argument} must divide the number of {axis}, got {parts} and {size}; "
            f"the axis holds those of all parts, one part after the other."
        )


def default_dtype(function: str, dtype: DTypeLike | None) -> np.dtype[Any]:
    """``dtype`` as jax has it with or without x64; None is the default float."""
    try:
        return jnp.result_type(float if dtype is None else dtype)
    except TypeError:
        raise TypeError(f"{function}: dtype must be a dtype, got {dtype!r}; pass jnp.float32 or 'float32'.") from None


def random_dtype(function: str, dtype: DTypeLike | None) -> np.dtype[Any]:
    """The dtype of the draws to return: one that holds both signs."""
    result = default_dtype(function, dtype)
    if not jnp.issubdtype(result, jnp.inexact) or result == jnp.float8_e8m0fnu:
        raise DtypeError(
            f"{function}: dtype must be a signed float or complex dtype, got {result}; draw in float32 and convert the "
            f"values yourself, or use zeros, ones or constant "
            f"(dtype argument to `{function}` must be a float or complex dtype, got {result})."
        )
    return result


def representable(function: str, argument: str, value: Any, stored: np.dtype[Any]) -> None:
    """Refuses numbers that ``stored`` would wrap, cut or make infinite."""
    if any(isinstance(x, Tracer) or not getattr(x, "is_fully_addressable", True) for x in jax.tree.leaves(value)):
        return
    given = np.asarray(value)
    with np.errstate(all="ignore"):
        kept = given.astype(stored)
        whole = not jnp.issubdtype(stored, jnp.inexact)
        lost = kept != given if whole else np.isfinite(given) & ~np.isfinite(kept)
    if np.any(lost):
        raise ValueError(
            f"{function}: {argument} must be what {stored} holds, got {given[lost].flat[0]}; "
            f"pass another dtype or round it yourself."
        )


def sizes(function: str, shape: Any) -> Shape:
    """``shape`` as a tuple of ints that are not negative; a bare int is the shape of a vector.

    The symbolic sizes of an exported function stay as they are.
    """
    try:
        result = tuple(_size(n) for n in shape) if np.iterable(shape) else (operator.index(shape),)
    except TypeError:
        raise TypeError(f"{function}: shape must be a sequence of ints, got {shape!r}; write (3, 4) or (3,).") from None
    if any(isinstance(n, int) and n < 0 for n in result):
        raise ValueError(f"{function}: shape must not have negative sizes, got {result}; give the size of each axis.")
    return result


def _size(value: Any) -> Any:
    return value if jax.export.is_symbolic_dim(value) else operator.index(value)


def axis(function: str, argument: str, value: Any) -> int:
    """``value`` as the number of one axis."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {argument} must be an int, got {value!r}; name one axis of the kernel.") from None


def listed(function: str, argument: str, value: Any) -> int | Shape:
    """``value`` as an int or a tuple of ints, so that equal initializers hash alike."""
    try:
        return tuple(operator.index(a) for a in value) if np.iterable(value) else operator.index(value)
    except TypeError:
        raise TypeError(
            f"{function}: {argument} must be an int or a tuple of ints, got {value!r}; number the axes of the kernel. "
            f"Anything else has a name, such as layer=Conv() or gain=2.0."
        ) from None


def axes(function: str, argument: str, value: Axes, shape: Shape) -> Shape:
    """``value`` as axes counted from 0, each an axis of ``shape``."""
    rank = len(shape)
    numbers = listed(function, argument, value)
    found = (numbers,) if isinstance(numbers, int) else numbers
    wrong = [a for a in found if not -rank <= a < rank]
    if wrong:
        raise ValueError(
            f"{function}: {argument} {wrong[0]} is out of range for shape {shape}, which has {rank} axes; "
            f"name axes of this kernel, or use zeros or normal for a bias."
        )
    return tuple(a % rank for a in found)
