"""Inputs of 16 bits at which float32 arithmetic does not decide the rounding.

Results are computed in float32, within a few units of its last place, and rounded once. That is right except where the
exact result lies almost in the middle between two 16-bit numbers. Those inputs are few and known
(:mod:`jaxacts._core.rounding.table`); their result is moved off the middle, to the side on which the exact one lies.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from .table import TABLE

__all__ = ["nudged", "partial_key"]


def partial_key(parameter: str) -> str:
    """What the derivative by this parameter is called beside "value" and "slope"."""
    return f"by {parameter}" if parameter in ("value", "slope") else parameter


def nudged(y: Array, x: Array, key: tuple[Any, ...], dtype: DTypeLike, exactly: bool) -> Array:
    """``y`` moved where ``x`` is in the table under this key, which holds for the default values of parameters.

    By about a quarter of its last place; by 2^-11 of it, which does no harm at other values, if there are parameters.
    """
    step = float(jnp.finfo(dtype).eps) / (4 if exactly else 2**11)
    for inputs, sign in zip(TABLE.get((*key, jnp.dtype(dtype).name), ()), (1, -1), strict=False):
        if inputs:
            here = functools.reduce(operator.or_, [x == v for v in inputs])
            y = y * jnp.where(here, y.dtype.type(1 + sign * step), y.dtype.type(1))
    return y
