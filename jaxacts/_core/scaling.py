"""``table[code] · t`` as one linear operation, so that its transpose keeps ``code``: one byte an element.

Written with ordinary selects, everything that does not depend on the tangent (the masks, the zeros, the NaN) would be
computed ahead and kept, 10 bytes an element for ReLU in float32. A primitive of its own keeps its inputs and nothing
else.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxacts._kernels import vary_alike

from .dtypes import compute_dtype, down, up

__all__ = ["scale"]

Table: TypeAlias = tuple[float | None, ...]
"""One entry a code: a number known when the program is built, or None for the next array operand."""

_scale_p = Primitive("jaxacts_scale")


def scale(code: Array, t: Array, table: Sequence[float | Array]) -> Array:
    """``table[code] · t`` in the dtype of ``t``; arrays in the table broadcast against ``t``."""
    static = tuple(None if isinstance(v, Array) else v for v in table)
    return _scale_p.bind(*vary_alike(code, t, *(v for v in table if isinstance(v, Array))), table=static)


def _filled(table: Table, entries: Sequence[Any]) -> list[Any]:
    left = iter(entries)
    return [next(left) if v is None else v for v in table]


def _times(t: Array, factor: float | Array) -> Array:
    """The bits of factor · t: selecting integers costs bfloat16 no conversions.

    NaN is set in the bits of t, so that all of t is loaded: under a mask that took XLA's CPU backend twice as long.
    """
    bits = jnp.dtype(f"uint{8 * t.dtype.itemsize}")
    number = factor if isinstance(factor, float) else None
    if number == 0.0:
        return jnp.zeros_like(t, bits)
    if number is not None and math.isnan(number):
        nan = lax.bitcast_convert_type(jnp.asarray(math.nan, t.dtype), bits)
        return jnp.full_like(t, nan, bits) if t.dtype.itemsize == 1 else nan | lax.bitcast_convert_type(t, bits)
    scaled = t if number == 1.0 else down(up(t, t.dtype) * factor, t.dtype)
    return lax.bitcast_convert_type(scaled, bits)


def _select(code: Array, t: Array, *entries: Array, table: Table) -> Array:
    first, *rest = (_times(t, factor) for factor in _filled(table, entries))
    for i, scaled in enumerate(rest, 1):
        first = jnp.where(code == i, scaled, first)
    return lax.bitcast_convert_type(first, t.dtype)


@functools.cache
def _compiled(table: Table) -> Callable[..., Array]:
    return jax.jit(functools.partial(_select, table=table))


def _jvp(primals: Sequence[Array], tangents: Sequence[Any], *, table: Table) -> tuple[Array, Any]:
    code, t, *entries = primals
    _, t_dot, *entries_dot = tangents
    out = _scale_p.bind(*primals, table=table)
    terms: list[Array] = []
    if not isinstance(t_dot, ad.Zero):
        terms.append(_scale_p.bind(code, t_dot, *entries, table=table))
    moving = [e for e in entries_dot if not isinstance(e, ad.Zero)]
    if moving:
        left = iter(entries_dot)
        rates = tuple(0.0 if v is not None or isinstance(next(left), ad.Zero) else None for v in table)
        terms.append(_scale_p.bind(code, t, *moving, table=rates))
    return out, functools.reduce(ad.add_jaxvals, terms) if terms else ad.Zero.from_primal_value(out)  # pyright: ignore[reportAttributeAccessIssue] (inherited)


def _transpose(ct: Any, code: Array, t: Any, *entries: Any, table: Table) -> list[Any]:
    if isinstance(ct, ad.Zero):
        return [None] * (2 + len(entries))
    if ad.is_undefined_primal(t):
        return [None, _scale_p.bind(code, ct, *entries, table=table), *[None] * len(entries)]
    product = up(ct, ct.dtype) * up(t, t.dtype)
    at = iter(i for i, v in enumerate(table) if v is None)
    return [None, None, *(_summed_like(jnp.where(code == next(at), product, 0), e.aval) for e in entries)]


def _summed_like(total: Array, aval: Any) -> Array:
    """The transpose of broadcasting an entry of this shape."""
    axes = tuple(i for i, n in enumerate((*aval.shape,) if aval.ndim else (1,) * total.ndim) if n == 1)
    return jnp.sum(total.astype(compute_dtype(total.dtype)), axes).reshape(aval.shape).astype(aval.dtype)


def _batch(args: Sequence[Array], dims: Sequence[Any], *, table: Table) -> tuple[Array, int]:
    size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
    rank = args[1].ndim + (dims[1] is None)

    def full(a: Array, d: int | None) -> Array:
        return jnp.broadcast_to(a, (size, *a.shape)) if d is None else jnp.moveaxis(a, d, 0)

    def aligned(a: Array, d: int | None) -> Array:
        if d is None:
            return a[None] if a.ndim else a
        a = jnp.moveaxis(a, d, 0)
        return a.reshape(a.shape[:1] + (1,) * (rank - a.ndim) + a.shape[1:])

    wide = [full(a, d) for a, d in zip(args[:2], dims[:2], strict=True)]
    small = [aligned(a, d) for a, d in zip(args[2:], dims[2:], strict=True)]
    return _scale_p.bind(*wide, *small, table=table), 0


_scale_p.def_impl(lambda *args, table: _compiled(table)(*args))
_scale_p.def_abstract_eval(lambda code, t, *entries, table: t.update(weak_type=False))
ad.primitive_jvps[_scale_p] = _jvp
ad.primitive_transposes[_scale_p] = _transpose
batching.primitive_batchers[_scale_p] = _batch
mlir.register_lowering(_scale_p, mlir.lower_fun(_select, multiple_results=False))
