"""The dtype rule: floating inputs keep their dtype, arithmetic below 32 bits runs in float32, one rounding at the end.

Integers and bools become the default float dtype; complex and non-arrays raise. Everything here runs while tracing, so
it costs nothing per call.
"""

from __future__ import annotations

import numbers
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

__all__ = [
    "as_array",
    "as_floating",
    "as_mask",
    "broadcast",
    "check_flag",
    "check_key",
    "check_number",
    "checked_axis",
    "checked_int",
    "compute_dtype",
    "down",
    "up",
]


_UNSUITABLE = {
    jnp.dtype(jnp.float8_e8m0fnu): "has neither sign nor zero",
    jnp.dtype(jnp.float4_e2m1fn): "XLA does not compute with",
}


def as_floating(function: str, argument: str, value: object) -> Array:
    """``value`` as a real floating array, or a TypeError that names the function and the argument."""
    array = as_array(function, argument, value)
    if array.dtype in _UNSUITABLE:
        raise TypeError(
            f"{function}: {argument} is of dtype {array.dtype}, which {_UNSUITABLE[array.dtype]}; use another."
        )
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array
    if jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == jnp.bool_:
        # Times 1.0 a Python integer stays weakly typed.
        return array * 1.0 if jax.typeof(array).weak_type else array.astype(jnp.result_type(float))
    remedy = f"apply {function} to the real and imaginary parts, or to the modulus"
    if not jnp.issubdtype(array.dtype, jnp.complexfloating):
        remedy = "convert it to a floating dtype"
    raise TypeError(f"{function}: {argument} must be real, got dtype {array.dtype}; {remedy}.")


def as_array(function: str, argument: str, value: Any) -> Array:
    """``value`` as an array, or an error that names function and argument if it is neither an array nor a number."""
    if not isinstance(value, Array | bool | int | float | complex) and not hasattr(value, "dtype"):
        raise TypeError(
            f"{function}: {argument} must be an array or a number, got {type(value).__name__}; "
            f"convert it with jnp.asarray first."
        )
    if isinstance(value, Array):
        return value  # jnp.asarray would make float32 of a float64 array while 64-bit types are off
    try:
        return jnp.asarray(value)
    except OverflowError:
        raise OverflowError(
            f"{function}: {argument} is too large for {jnp.result_type(int)}, got {value}; pass a float."
        ) from None
    except TypeError:
        kind = f"{type(value).__name__} of dtype {getattr(value, 'dtype', None)}"
        raise TypeError(
            f"{function}: {argument} must be numeric, got {kind}; convert it to a floating dtype first."
        ) from None


def compute_dtype(dtype: DTypeLike) -> DTypeLike:
    """The dtype in which arithmetic for ``dtype`` is done: float64 for itself, float32 for all that is narrower."""
    return jnp.float64 if dtype == jnp.float64 else jnp.float32


def up(value: Array, dtype: DTypeLike) -> Array:
    """``value`` in the compute dtype of ``dtype``; if that is its own, also as weakly typed as it is."""
    wide = compute_dtype(dtype)
    return value if value.dtype == wide else jax.lax.convert_element_type(value, wide)


def down(value: Array, dtype: DTypeLike) -> Array:
    """The one rounding: a result of the compute dtype in the dtype of the input."""
    return value if value.dtype == dtype else jax.lax.convert_element_type(value, dtype)


def broadcast(function: str, names: tuple[str, ...], arrays: list[Array]) -> list[Array]:
    """The first array broadcast to the common shape, the others with as many axes (of length 1) as it has."""
    try:
        shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError:
        shapes = ", ".join(f"{n}: {a.shape}" for n, a in zip(names, arrays, strict=True))
        raise ValueError(
            f"{function}: the arguments must broadcast together, got {shapes}; "
            f"give a parameter one value, or one per entry of the last axes of {names[0]} "
            f"(reshape it to (..., n, 1, 1) for an earlier axis)."
        ) from None
    first, *rest = arrays
    first = first if first.shape == shape else jnp.broadcast_to(first, shape)
    return [first, *(a.reshape((1,) * (len(shape) - a.ndim) + a.shape) if a.ndim else a for a in rest)]


def as_mask(function: str, value: object, x: Array) -> Array | None:
    """The argument ``where`` as booleans of the shape of ``x``, or None for all of it."""
    if value is None:
        return None
    mask = jnp.asarray(value)
    if mask.dtype != jnp.bool_:
        raise TypeError(f"{function}: where must be boolean, got dtype {mask.dtype}; compare it with 0 first.")
    try:
        return jnp.broadcast_to(mask, x.shape)
    except ValueError:
        raise ValueError(
            f"{function}: where must broadcast to the shape {x.shape} of x, got {mask.shape}; add axes of length 1."
        ) from None


def check_flag(function: str, argument: str, value: object) -> None:
    """A TypeError if ``value`` is not a bool."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{function}: {argument} must be True or False, got {value!r}; pass a Python bool.")


def check_key(function: str, key: Array) -> None:
    """An error if ``key`` is not one random key."""
    if not hasattr(key, "dtype"):
        raise TypeError(
            f"{function}: key must be a random key, got {type(key).__name__}; make one with jax.random.key(0)."
        )
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.dtype != jnp.uint32:
        raise TypeError(
            f"{function}: key must be a random key, got dtype {key.dtype}; make one with jax.random.key(0)."
        )
    if key.ndim != int(key.dtype == jnp.uint32):
        raise ValueError(
            f"{function}: key must be a single random key, got an array of keys of shape {key.shape}; "
            f"pass one of them, or jax.vmap over x and key."
        )


def check_number(function: str, argument: str, value: object, least: float, greatest: float, usual: float) -> None:
    """An error if ``value`` is not a number in this range; an array passes, since it may be traced."""
    if isinstance(value, Array):
        return
    if not isinstance(value, numbers.Real) or not least <= float(value) <= greatest:
        kind = ValueError if isinstance(value, numbers.Real) else TypeError
        raise kind(
            f"{function}: {argument} must be from {least} to {greatest}, got {value!r}; the usual value is {usual}."
        )


def checked_int(function: str, argument: str, value: object) -> int:
    """``value`` as a Python int, or a TypeError."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{function}: {argument} must be an integer, got {value!r}; pass a Python int.")


def checked_axis(function: str, axis: object, ndim: int) -> int:
    """``axis`` counted from the front, or an error."""
    axis = checked_int(function, "axis", axis)
    if ndim == 0:
        raise ValueError(
            f"{function}: x needs at least one axis, got a scalar; pass an array, and do not map over its only axis."
        )
    if not -ndim <= axis < ndim:
        raise ValueError(
            f"{function}: axis {axis} is out of range for an array of {ndim} axes; pass one of {-ndim} to {ndim - 1}."
        )
    return axis % ndim
