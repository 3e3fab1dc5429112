"""Kernels with the standard deviations that were found for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding

from jaxacts._trace.graph import Graph, Op
from jaxacts.initializers import _checks
from jaxacts.initializers._fans.fans import FAN
from jaxacts.initializers._models.found import Found
from jaxacts.initializers._variance import Distribution, Mode, of_variance

__all__ = ["Residual", "drawn", "is_identity", "is_orthogonal", "residual_factors", "root_mean_square"]

Residual: TypeAlias = Literal["depth_scaled", "layer_scaled", "zero"]


class _Addition(NamedTuple):
    """One residual addition: where its scan stands, or it itself, the step, and where it stands."""

    anchor: int
    step: int
    place: int


def residual_factors(graph: Graph, found: Mapping[int, Found], residual: Residual | None) -> dict[int, Any]:
    """The factor of each kernel that ends a residual branch: a number, or one for each step of a scan."""
    places = {id(op): i for i, op in enumerate(graph.ops)}

    def additions(op: Op) -> list[_Addition]:
        steps = math.prod(loop.length for loop in op.loops)
        place = places[id(op)]
        anchor = op.loops[0].number if op.loops else place
        return [_Addition(anchor, step, place) for step in range(steps)]

    ended = {index: sorted({a for op in one.branches for a in additions(op)}) for index, one in found.items()}
    order = {a: i for i, a in enumerate(sorted({a for some in ended.values() for a in some}), start=1)}
    factors = dict[int, Any]()
    for index, some in ended.items():
        if not some or residual is None:
            continue
        if residual != "layer_scaled":
            factors[index] = 0.0 if residual == "zero" else len(order) ** -0.5
            continue
        scales = np.array([(2 * math.ceil(order[a] / 2)) ** -0.5 for a in some])
        each = len(graph.stacked(found[index].use)) == 1 and len(found[index].use.op.loops) == 1
        factors[index] = scales if each else float(scales[0])
    return factors


def drawn(
    graph: Graph, found: Found, leaf: Any, key: Array, mode: Mode, distribution: Distribution, factor: Any
) -> tuple[Any, float]:
    """The new kernel, and the root mean square that its weights are meant to have."""
    fan = FAN[mode](found.use.fan_in, found.use.fan_out)
    gains = [part.gain for part in found.parts]
    if len(found.parts) == 1 and np.ndim(factor) == 0:
        variance: Any = (gains[0] / fan**0.5 * factor) ** 2
        mean = variance
    else:
        places = graph.matrices(found.use)
        columns = np.full(places.shape[-1], gains[0], np.float32)
        for part in found.parts if len(found.parts) > 1 else ():
            columns[slice(*(part.columns or ()))] = part.gain
        steps = np.reshape(factor, np.shape(factor) + (1,) * (places.ndim - np.ndim(factor)))
        variance = np.empty(leaf.size, np.float32)
        variance[places] = np.square(columns * steps) / fan
        variance = variance.reshape(leaf.shape)
        mean = float(variance.mean(dtype=np.float64))
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf, mean**0.5
    placement = getattr(leaf, "sharding", None)
    sharding = placement if isinstance(placement, NamedSharding) else None
    if "orthogonal" in found.notes:
        new = (_orthogonal(graph, found, leaf, key) * np.sqrt(variance)).astype(leaf.dtype)
        return (new if sharding is None else jax.device_put(new, sharding)), mean**0.5
    init = of_variance("match", variance, distribution)
    return init(key, leaf.shape, leaf.dtype, sharding), mean**0.5


def _orthogonal(graph: Graph, found: Found, leaf: Any, key: Array) -> Array:
    """The weights of a kernel whose matrices are orthogonal, with the mean square 1 in each."""
    blocks = _orthogonal_blocks(graph, found, leaf)
    flat = jnp.zeros(leaf.size, _checks.wide(leaf.dtype))
    for own, places in zip(jax.random.split(key, len(blocks)), blocks, strict=True):
        *stacked, rows, columns = places.shape
        matrices = jax.random.orthogonal(own, rows, tuple(stacked), flat.dtype, columns)
        flat = flat.at[places].set(matrices * max(rows, columns) ** 0.5)
    return flat.reshape(leaf.shape)


@jax.jit
def root_mean_square(leaf: Any) -> Array:
    """Of all weights, whatever their dtype."""
    return jnp.sqrt(jnp.mean(jnp.square(jnp.abs(leaf).astype(jnp.float32))))


def is_orthogonal(graph: Graph, found: Found, leaf: Any) -> bool:
    """Whether each matrix of a kernel has orthogonal columns, or rows, of one norm, by the first few of them."""
    known = not isinstance(leaf, jax.ShapeDtypeStruct) and np.ndim(leaf) > 1
    return known and bool(_orthogonal_blocks(graph, found, leaf))


def _orthogonal_blocks(graph: Graph, found: Found, leaf: Any) -> list[Any]:
    """The places of the matrices to draw, as :meth:`Graph.matrices` has them: one, those of gates, or squares in a row.

    None where the kernel is not orthogonal in any of these ways.
    """
    use = found.use
    if use.op.inputs[use.operand] in graph.kernels:
        whole = graph.matrices(use)
    elif leaf.ndim == 2:  # concatenated with others before the product
        whole = np.arange(leaf.size).reshape(leaf.shape)
    else:
        return []
    rows, columns = whole.shape[-2:]
    edges = sorted({c for part in found.parts for c in part.columns or ()})
    gates = [gate for gate in np.split(whole, edges, axis=-1) if gate.size]
    squares = np.split(whole, range(rows, columns, rows), axis=-1)
    flat = _indexable(leaf).reshape(-1)
    for way in (squares, gates):
        if all(_all_orthogonal(flat, places) for places in way):
            return way
    # Rows that run through all gates are not orthogonal once these have gains of their own, but those of a gate are.
    return gates if len(gates) > 1 and _all_orthogonal(flat, whole) else []


def _all_orthogonal(flat: Any, places: Any) -> bool:
    if min(places.shape[-2:]) < 4:
        return False
    tall = places if places.shape[-2] >= places.shape[-1] else places.swapaxes(-1, -2)
    some = np.asarray(flat[tall[..., :8]])
    some = some.astype(np.complex128 if np.iscomplexobj(some) else np.float64)
    product = some.conj().swapaxes(-1, -2) @ some
    count = product.shape[-1]
    size = np.trace(product, axis1=-2, axis2=-1).real[..., None, None] / count
    return bool((size > 0).all() and (np.abs(product - size * np.eye(count)) < 0.01 * size).all())


def is_identity(leaf: Any) -> bool:
    """Whether a square matrix is a multiple of the identity."""
    if isinstance(leaf, jax.ShapeDtypeStruct) or np.ndim(leaf) != 2 or leaf.shape[0] != leaf.shape[1]:
        return False
    leaf = _indexable(leaf)
    filled = np.asarray(leaf[0]) != 0
    if not filled[0] or filled[1:].any():
        return False
    return bool(jnp.all(leaf == leaf[0, 0] * jnp.eye(len(leaf), dtype=leaf.dtype)))


def _indexable(leaf: Any) -> Any:
    """On the host where the sharding is a part of the type: indexing would have to name that of its result."""
    sharding = getattr(leaf, "sharding", None)
    return np.asarray(leaf) if isinstance(sharding, NamedSharding) and sharding.mesh.explicit_axes else leaf
