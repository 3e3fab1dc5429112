"""Gate and value: how they are packed, and their product, whose backward pass keeps the two and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import as_floating, check_flag, checked_axis, down, plain_form, up
from jaxacts._kernels.arithmetic.elementary import finite

__all__ = ["Form", "by_activation", "by_fixed_activation", "gate_and_value", "is_wide", "product", "product_of_open"]

Form: TypeAlias = Callable[..., Array]
"""A function of gate, value and parameters, all of the compute dtype."""


def gate_and_value(function: str, x: Array, value: Any, axis: int, interleaved: bool) -> tuple[Array, Array]:
    """The two as arrays of one shape."""
    check_flag(function, "interleaved", interleaved)
    if value is None:
        axis = checked_axis(function, axis, x.ndim)
        if x.shape[axis] % 2:
            raise ValueError(
                f"{function}: axis {axis} must have an even length to be split, got shape {x.shape}; "
                f"choose another axis, or pass gate and value apart."
            )
        if not interleaved:
            gate, value = jnp.split(x, 2, axis)
            return gate, value
        gate, value = (jax.lax.slice_in_dim(x, start, None, 2, axis) for start in (0, 1))
        return gate, value
    if interleaved:
        raise ValueError(f"{function}: interleaved concerns one array that is split; leave it out with a value.")
    value = as_floating(function, "value", value)
    try:
        shape = jnp.broadcast_shapes(x.shape, value.shape)
    except ValueError:
        raise ValueError(
            f"{function}: gate and value must broadcast together, got {x.shape} and {value.shape}; "
            f"give them the same shape."
        ) from None
    return jnp.broadcast_to(x, shape), jnp.broadcast_to(value, shape)


def is_wide(x: Array) -> bool:
    """Whether results have the precision of the arithmetic itself."""
    return jnp.finfo(x.dtype).bits >= 32


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _tangent(form: Form, primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> Array:
    """In the compute dtype; checkpointed, so that gate and value are kept in their own dtype."""
    dtype = primals[0].dtype
    at, along = (tuple(up(a, dtype) for a in arrays) for arrays in (primals, tangents))
    return down(jax.jvp(form, at, along)[1], dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def product(form: Form, gate: Array, value: Array, *parameters: Array) -> Array:
    """The form in the compute dtype, rounded once to the dtype of the gate."""
    return down(form(*(up(a, gate.dtype) for a in (gate, value, *parameters))), gate.dtype)


@product.defjvp
def _(form: Form, primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return product(form, *primals), _tangent(form, primals, tangents)


@jax.custom_jvp
def passed(factor: Array, value: Array) -> Array:
    """factor·value, where a factor of 0 lets nothing pass, not even an infinite value."""
    return factor * jnp.where(factor == 0, finite(value), value)


@passed.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    factor, value = primals
    return passed(factor, value), finite(value) * tangents[0] + factor * tangents[1]


def product_of_open(form: Form, gate: Array, value: Array) -> Array:
    """``product`` of a form that may hold arrays, by which it can be differentiated, too."""

    def rounded(gate: Array, value: Array) -> Array:
        return down(form(up(gate, gate.dtype), up(value, gate.dtype)), gate.dtype)

    return jax.checkpoint(rounded, prevent_cse=False)(gate, value)


def by_activation(activation: Callable[..., Array], wide: bool) -> Form:
    """The form activation(gate)·value; the refined form of the activation is for results that show the difference."""
    f = activation if wide else plain_form(activation)
    return lambda gate, value: passed(f(gate), value)


by_fixed_activation = functools.lru_cache(maxsize=256)(by_activation)
"""The same function for the same activation, so that what is made of it is traced once."""
