"""Which axis of each value holds the units: the outputs of the layer that it comes from."""

from __future__ import annotations

import math

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.primitives import REDUCES

__all__ = ["output_axis", "unit_axes"]


def output_axis(graph: Graph, use: Use) -> int | None:
    """The axis of the output of a layer that its units are along."""
    params = use.op.params
    if use.op.name == "conv_general_dilated":
        return int(params["dimension_numbers"].out_spec[1])
    contracting, batch = (axes[use.operand] for axes in params["dimension_numbers"])
    shapes = [graph.shapes[v] for v in use.op.inputs]
    if len(shapes[use.operand]) == len(contracting) + len(batch):
        return None
    if use.operand == 1:
        return len(graph.shapes[use.output]) - 1
    return len(shapes[0]) - len(contracting) - 1


def unit_axes(graph: Graph) -> dict[int, int]:
    """The axis by value, for those that come from a layer and whose units have not been mixed since."""
    axes: dict[int, int] = {}
    for use in graph.uses():
        axis = output_axis(graph, use)
        if axis is not None:
            axes[use.output] = axis
    for op in graph.ops:
        source = next((v for v in op.inputs if v in axes and v in graph.varying), None)
        if source is None or op.name in PRODUCTS:
            continue
        for out in op.outputs:
            axis = _moved(op, axes[source], graph.shapes[source], graph.shapes[out])
            if axis is not None:
                axes.setdefault(out, axis)
    return axes


def _moved(op: Op, axis: int, before: tuple[int, ...], after: tuple[int, ...]) -> int | None:
    params = op.params
    if op.name == "transpose":
        return list(params["permutation"]).index(axis)
    if op.name in ("reshape", "squeeze", "expand_dims"):
        inner = math.prod(before[axis + 1 :])
        fits = (i for i, n in enumerate(after) if n == before[axis] and math.prod(after[i + 1 :]) == inner)
        return next(fits, None)
    if op.name == "broadcast_in_dim":
        return int(params["broadcast_dimensions"][axis])
    if op.name in REDUCES:
        return None if axis in params["axes"] else axis - sum(a < axis for a in params["axes"])
    if op.name in ("steps", "step_of"):
        moved = axis + len(after) - len(before)
        return moved if moved >= 0 else None
    return axis if len(before) == len(after) else None
