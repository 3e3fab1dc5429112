"""Which unit, or which column of a kernel, each element of a value belongs to.

Units are followed as numbers: an array of the shape of a value holds the unit of each element, -1 where it belongs to
none, and is rearranged as the value is.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxacts._trace.graph import Graph, Op, Use
from jaxacts._trace.primitives import ELEMENTWISE, REDUCES, SAME_PLACE

__all__ = ["REARRANGED", "SAME", "Units", "along", "columns_of", "moved", "owners"]

Units: TypeAlias = NDArray[np.int32]
REARRANGED = frozenset(
    ["reshape", "transpose", "squeeze", "expand_dims", "broadcast_in_dim", "slice", "rev", "sharding_constraint"]
)
"""The operations of one operand that can be applied to its units."""
SAME = ELEMENTWISE - {"bitcast_convert_type"} | SAME_PLACE
"""Those that give an element of the result for each element of their operands."""


def along(shape: tuple[int, ...], axis: int) -> Units:
    """The index along one axis, as an array of this shape."""
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis], dtype=np.int32).reshape(sizes), shape)


def owners(places: Units, units: Units, size: int) -> Units:
    """The unit that each of so many places serves, -1 where that is none or where there are several."""
    places, units = (array.ravel() for array in np.broadcast_arrays(places, units))
    places, units = places[places >= 0], units[places >= 0]
    found = np.full(size, -1, np.int32)
    found[places] = units
    found[places[found[places] != units]] = -1
    return found


def moved(graph: Graph, op: Op, known: dict[int, Units]) -> dict[int, Units] | None:
    """The units of the results of an operation, or None where they are mixed or cannot be followed."""
    if op.name == "split":
        ends = np.cumsum(op.params["sizes"])[:-1]
        return dict(zip(op.outputs, np.split(known[op.inputs[0]], ends, op.params["axis"]), strict=True))
    if len(op.outputs) != 1:
        return None
    units = _moved(graph, op, known)
    return None if units is None else {op.outputs[0]: units}


def _moved(graph: Graph, op: Op, known: dict[int, Units]) -> Units | None:
    parts = [known[v] for v in op.inputs if v in known]
    units, shape = parts[0], graph.shapes[op.outputs[0]]
    if op.name in ("reduce_window_max", "reduce_window_sum"):
        names = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
        sizes = [op.params[name] for name in names]
        highest = jnp.int32(np.iinfo(np.int32).max)
        low = np.asarray(jax.lax.reduce_window(jnp.asarray(units), highest, jax.lax.min, *sizes))
        high = np.asarray(jax.lax.reduce_window(jnp.asarray(units), jnp.int32(-1), jax.lax.max, *sizes))
        return high if (low == high).all() else None
    if op.name in REDUCES:
        axes = tuple(op.params["axes"])
        constant = all((units == units.take([0], axis=a)).all() for a in axes)
        return units.max(axes) if constant else None
    if op.name == "concatenate":
        whole = [known[v] if v in known else np.full(graph.shapes[v], -1, np.int32) for v in op.inputs]
        return np.concatenate(whole, op.params["dimension"])
    if op.name in REARRANGED:
        return np.asarray(graph.run(op, [jnp.asarray(units)])[0])
    if op.name not in SAME:
        return None
    units, *others = (np.broadcast_to(part, shape) for part in parts)
    return units if all(np.array_equal(units, other) for other in others) else None


def columns_of(graph: Graph, use: Use) -> Units | None:
    """The output of a layer by which of the columns of its kernel each element is, None for a part of a kernel."""
    shape, kernel = graph.shapes[use.output], use.op.inputs[use.operand]
    if kernel not in graph.kernels:
        return None
    if use.op.name == "conv_general_dilated":
        return along(shape, use.op.params["dimension_numbers"].out_spec[1])
    contracting, batch = (axes[use.operand] for axes in use.op.params["dimension_numbers"])
    own = len(graph.shapes[kernel]) - len(contracting) - len(batch)
    if not own:
        return None
    first = len(shape) - own if use.operand == 1 else len(batch)
    kept = [*range(len(batch)), *range(first, first + own)]
    sizes = [n if axis in kept else 1 for axis, n in enumerate(shape)]
    return np.broadcast_to(np.arange(math.prod(sizes), dtype=np.int32).reshape(sizes), shape)
