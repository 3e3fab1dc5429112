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

__all__ = ["varying", "where"]

_where_p = Primitive("jaxacts_where")


def where(condition: Array, yes: ArrayLike, no: ArrayLike) -> Array:
    """``jnp.where`` for a condition of the shape of the result; numbers stay numbers."""
    weak = isinstance(yes, int | float) and isinstance(no, int | float)
    dtype = jnp.result_type(float) if weak else jnp.result_type(yes, no)
    cases = [lax.convert_element_type(v, dtype) if isinstance(v, Array) else np.asarray(v, dtype) for v in (yes, no)]
    shape = jnp.broadcast_shapes(*(np.shape(v) for v in (condition, *cases)))
    if np.shape(condition) != shape or any(v.shape not in ((), shape) for v in cases):
        return jnp.where(condition, *cases)
    return _where_p.bind(condition, *cases, weak=weak)


def _select(condition: Array, *cases: Array, weak: bool) -> Array:
    like = [c if c.shape == condition.shape else lax.full_like(condition, c, c.dtype) for c in cases]
    return lax.select(condition, *like)


def _abstract(condition: Any, yes: Any, no: Any, *, weak: bool) -> Any:
    widest = max((condition, yes, no), key=lambda a: len(varying(a)))
    return widest.update(shape=condition.shape, dtype=yes.dtype, weak_type=weak)


def varying(aval: Any) -> frozenset[Any]:
    """Inside ``shard_map``: the mesh axes over which a value of this type varies."""
    return aval.mat.varying if hasattr(aval, "mat") else aval.vma  # jax before 0.10 has the latter


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
