"""The one rounding at the end: from float32 to what the caller has, correct for every 16-bit input.

The arithmetic in float32 is within a few units of its last place, which decides the rounding except for inputs
whose exact result lies that close to the middle between two 16-bit numbers. Those are few and known
(:mod:`jaxacts._kernels.hard_cases`); their result is moved off the middle, to the side on which the exact one lies.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike, DTypeLike

from jaxacts._kernels import vary_alike, where
from jaxacts._kernels.hard_cases import Ranges, Sides

__all__ = ["narrow", "settled", "times"]


def step(dtype: DTypeLike) -> float:
    """How far results move: more than the arithmetic in float32 errs, far less than half a unit of the dtype."""
    return 2.0**-13 if jnp.dtype(dtype) == jnp.bfloat16 else 2.0**-21


def settled(y: Array, x: Array, sides: Sides | None, dtype: DTypeLike) -> Array:
    """``y`` moved away from or towards 0 where ``x`` is a hard case of a result of this dtype."""
    if sides is None:
        return y
    factor: ArrayLike = y.dtype.type(1)
    for ranges, move in zip(sides, (step(dtype), -step(dtype)), strict=True):
        if ranges:
            factor = where(functools.reduce(operator.or_, _within(x, ranges)), y.dtype.type(1 + move), factor)
    return y * factor


def _within(x: Array, ranges: Ranges) -> Iterator[Array]:
    """Where ``x`` lies in each of the ranges; one comparison does for a range and its mirror image."""
    for low, high in ranges:
        mirrored = low != -high and (-high, -low) in ranges
        if low > 0 or not mirrored:
            v = jnp.abs(x) if mirrored else x
            yield v == low if low == high else (v >= low) & (v <= high)


def narrow(y: Array, dtype: DTypeLike) -> Array:
    """``y`` rounded to the nearest number of the dtype, ties to even."""
    if dtype == jnp.bfloat16 and y.dtype == jnp.float32:
        return _narrow_p.bind(y)
    return lax.convert_element_type(y, dtype)


def times(slope: Array, tangent: Array) -> Array:
    """``slope · tangent`` rounded once; its transposes keep the other factor and nothing else."""
    a, b = jax.typeof(slope), jax.typeof(tangent)
    if a.dtype == jnp.bfloat16 == b.dtype and a.shape == b.shape and a.sharding == b.sharding:
        return _times_p.bind(*vary_alike(slope, tangent))
    return slope * tangent


def _wide(y: Array) -> Array:
    return lax.convert_element_type(y, jnp.float32)


def _convert(y: Array) -> Array:
    return lax.convert_element_type(y, jnp.bfloat16)


def _by_bits(y: Array) -> Array:
    """The same with integers, which XLA's CPU backend runs in two thirds of the time of its own conversion."""
    y = lax.reduce_precision(y, 8, 23)  # the same y: without it a quotient, used twice, gets a loop of its own
    bits = lax.bitcast_convert_type(y, jnp.uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    rounded = where(y != y, np.uint32(0x7FC0), rounded)
    return lax.bitcast_convert_type(rounded.astype(jnp.uint16), jnp.bfloat16)


def _primitive(name: str, anywhere: Callable[..., Array], on_cpu: Callable[..., Array]) -> Primitive:
    """An operation with a bfloat16 result that has other code on CPU."""
    p = Primitive(name)
    p.def_impl(jax.jit(anywhere))
    p.def_abstract_eval(lambda y, *_: y.update(dtype=np.dtype(jnp.bfloat16), weak_type=False))
    mlir.register_lowering(p, mlir.lower_fun(anywhere, multiple_results=False))
    mlir.register_lowering(p, mlir.lower_fun(on_cpu, multiple_results=False), platform="cpu")
    return p


def _batch(args: Sequence[Array], dims: Sequence[int | None]) -> tuple[Array, int]:
    size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)

    def full(a: Array, d: int | None) -> Array:
        return jnp.broadcast_to(a, (size, *a.shape)) if d is None else jnp.moveaxis(a, d, 0)

    return _times_p.bind(*(full(a, d) for a, d in zip(args, dims, strict=True))), 0


_narrow_p = _primitive("jaxacts_narrow", _convert, _by_bits)
ad.deflinear2(_narrow_p, lambda ct, y: [lax.convert_element_type(ct, y.aval.dtype)])
batching.defvectorized(_narrow_p)

_times_p = _primitive("jaxacts_times", lax.mul, lambda s, t: _by_bits(_wide(s) * _wide(t)))
ad.defbilinear(_times_p, lambda ct, _, t: times(ct, t), lambda ct, s, _: times(s, ct))
batching.primitive_batchers[_times_p] = _batch
