"""The one rounding at the end: from float32 to what the caller has, correct for every 16-bit input.

The arithmetic in float32 is within two or three units of its last place, which decides the rounding except for inputs
whose exact result lies that close to the middle between two 16-bit numbers. Those are few and known
(:mod:`jaxacts._numerics.hard_cases`); their result is moved off the middle, to the side on which the exact one lies.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import DTypeLike

from jaxacts._numerics import where
from jaxacts._numerics.hard_cases import Sides

__all__ = ["narrow", "settled"]

_STEP = 2.0**-20  # a few units in the last place of float32, far below half of one of float16


def settled(y: Array, x: Array, sides: Sides | None) -> Array:
    """``y`` moved away from or towards 0 by a few units in the last place where ``x`` is a hard case."""
    if sides is None:
        return y
    factor = 1.0
    for cases, step in zip(sides, (_STEP, -_STEP), strict=True):
        if cases:
            here = functools.reduce(operator.or_, (x == c for c in cases))
            factor = where(here, 1 + step, factor)
    return y * factor


def narrow(y: Array, dtype: DTypeLike) -> Array:
    """``y`` rounded to the nearest number of the dtype, ties to even."""
    if dtype == jnp.bfloat16 and y.dtype == jnp.float32:
        return _narrow_p.bind(y)
    return lax.convert_element_type(y, dtype)


def _convert(y: Array) -> Array:
    return lax.convert_element_type(y, jnp.bfloat16)


def _by_bits(y: Array) -> Array:
    """The same with integers, which XLA's CPU backend runs in two thirds of the time of its own conversion."""
    bits = lax.bitcast_convert_type(y, jnp.uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    rounded = where(y != y, np.uint32(0x7FC0), rounded)
    return lax.bitcast_convert_type(rounded.astype(jnp.uint16), jnp.bfloat16)


def _primitive(name: str, convert: Callable[[Array], Array], on_cpu: Callable[[Array], Array]) -> Primitive:
    p = Primitive(name)
    p.def_impl(jax.jit(convert))
    p.def_abstract_eval(lambda y: y.update(dtype=np.dtype(jnp.bfloat16), weak_type=False))
    ad.deflinear2(p, lambda ct, y: [lax.convert_element_type(ct, y.aval.dtype)])
    batching.defvectorized(p)
    mlir.register_lowering(p, mlir.lower_fun(convert, multiple_results=False))
    mlir.register_lowering(p, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    return p


_narrow_p = _primitive("jaxacts_narrow", _convert, _by_bits)
