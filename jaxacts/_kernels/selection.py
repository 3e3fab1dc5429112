"""``where`` as one operation that takes numbers as they are.

``jnp.where(mask, x, 0.0)`` makes an array of the zero first. Differentiating a ``scan``, JAX takes such arrays out of
the loop, and every iteration then reads them from memory: 11 arrays for silu. An operation of its own keeps the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike

__all__ = ["vary_alike", "where"]

_where_p = Primitive("jaxacts_where")


def where(condition: Array, yes: ArrayLike, no: ArrayLike) -> Array:
    """``jnp.where`` for a condition of the shape of the result; numbers stay numbers."""
    numbers = [v for v in (yes, no) if isinstance(v, int | float)]
    arrays = [v for v in (yes, no) if not isinstance(v, int | float | complex)]
    weak = all(jax.typeof(v).weak_type for v in arrays)
    dtype = _dtype_of(*numbers) if not arrays else arrays[0].dtype if numbers else jnp.result_type(*arrays)
    cases = [lax.convert_element_type(v, dtype) if isinstance(v, Array) else np.asarray(v, dtype) for v in (yes, no)]
    kind = jax.typeof(condition)
    if not all(v.shape == () or _alike(jax.typeof(v), kind) for v in cases):
        return jnp.where(condition, *cases)
    return _where_p.bind(*vary_alike(condition, *cases), weak=weak)


def _dtype_of(*numbers: float) -> Any:
    """Of numbers alone: that of float32 where it holds them, so that float64 does not come in by the back door."""
    return jnp.float32 if all(float(np.float32(v)) == v for v in numbers) else jnp.result_type(float)


def _alike(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.sharding == b.sharding


def vary_alike(*values: Any) -> list[Any]:
    """Inside ``shard_map``: the arrays marked as varying over every mesh axis that one of them varies over."""
    axes = [_varying(jax.typeof(v)) for v in values]
    missing = [tuple(frozenset().union(*axes) - own) for own in axes]
    return [lax.pcast(v, m, to="varying") if m else v for v, m in zip(values, missing, strict=True)]


def _varying(aval: Any) -> frozenset[Any]:
    return aval.mat.varying if hasattr(aval, "mat") else aval.vma  # jax before 0.10 has the latter


def _select(condition: Array, *cases: Array, weak: bool) -> Array:
    return lax.select(condition, *(_spread_like(c, condition) for c in cases))


def _spread_like(case: Array, condition: Array) -> Array:
    if case.shape == condition.shape:
        return case
    sharding = jax.typeof(condition).sharding
    explicit = any(axis is not None for axis in sharding.spec)
    return lax.broadcast_in_dim(case, condition.shape, (), out_sharding=sharding if explicit else None)


def _abstract(condition: Any, yes: Any, no: Any, *, weak: bool) -> Any:
    return condition.update(dtype=yes.dtype, weak_type=weak)


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, weak: bool) -> tuple[Array, Any]:
    condition, *cases = primals
    out = _where_p.bind(*primals, weak=weak)
    moving = tangents[1:]
    if all(isinstance(t, ad.Zero) for t in moving):
        return out, ad.Zero.from_primal_value(out)  # pyright: ignore[reportAttributeAccessIssue] (inherited)
    filled = [np.zeros((), c.dtype) if isinstance(t, ad.Zero) else t for c, t in zip(cases, moving, strict=True)]
    return out, _where_p.bind(condition, *filled, weak=weak)


def _transpose(ct: Any, condition: Array, *cases: Any, weak: bool) -> list[Any]:
    def share(case: Any, first: bool) -> Any:
        if not ad.is_undefined_primal(case) or isinstance(ct, ad.Zero):
            return None
        zero = np.zeros((), ct.dtype)
        part = _where_p.bind(condition, *((ct, zero) if first else (zero, ct)), weak=weak)
        return part if case.aval.shape == part.shape else part.sum()

    return [None, share(cases[0], True), share(cases[1], False)]


def _batch(args: Sequence[Any], dims: Sequence[Any], *, weak: bool) -> tuple[Array, int]:
    size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
    shape = (size, *np.delete(args[0].shape, [] if dims[0] is None else dims[0]))

    def moved(a: Any, d: int | None) -> Any:
        if d is None:
            return a if a.ndim == 0 and len(shape) > 1 else jnp.broadcast_to(a, shape)
        a = jnp.moveaxis(a, d, 0)
        return jnp.broadcast_to(a.reshape(a.shape + (1,) * (len(shape) - a.ndim)), shape)

    condition, *cases = (moved(a, d) for a, d in zip(args, dims, strict=True))
    return _where_p.bind(condition, *cases, weak=weak), 0


_where_p.def_impl(jax.jit(_select, static_argnames="weak"))
_where_p.def_abstract_eval(_abstract)
ad.primitive_jvps[_where_p] = _jvp
ad.primitive_transposes[_where_p] = _transpose
batching.primitive_batchers[_where_p] = _batch
mlir.register_lowering(_where_p, mlir.lower_fun(_select, multiple_results=False))
