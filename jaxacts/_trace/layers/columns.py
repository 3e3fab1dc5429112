"""Which of the outputs of a layer a value holds, and along which of its axes, through what moves elements."""

from __future__ import annotations

import itertools
import math
from typing import TypeAlias

import numpy as np

from jaxacts._trace.graph import Graph, Op, Use
from jaxacts._trace.layers.signals import Signal
from jaxacts._trace.primitives import KEEPS_ELEMENTS

__all__ = ["after_product", "moved", "over_positions"]

Shape: TypeAlias = tuple[int, ...]


def moved(graph: Graph, use: Use, op: Op, signal: Signal) -> list[Signal | None]:
    """The signal in each result of an operation that moves elements; None where none of it is of the layer."""
    if signal.columns is None:
        return [signal for _ in op.outputs]
    before, (first, last) = graph.shapes[op.inputs[0]], signal.columns
    place = len(before) + signal.axis
    if op.name == "slice" and (op.params["strides"] is None or op.params["strides"][place] == 1):
        cuts = [(first + op.params["start_indices"][place], first + op.params["limit_indices"][place])]
    elif op.name == "split" and op.params["axis"] == place:
        ends = np.cumsum([first, *op.params["sizes"]])
        cuts = [(int(a), int(b)) for a, b in itertools.pairwise(ends)]
    else:
        axis = _axis(op, place, before, graph.shapes[op.outputs[0]])
        columns = None if axis is None else signal.columns
        return [signal._replace(columns=columns, axis=axis or -1) for _ in op.outputs]
    # Of kernels side by side each makes some of the columns alone.
    low, high = use.columns or (first, last)
    own = [(max(low, a), min(high, b)) for a, b in cuts]
    return [signal._replace(columns=cut) if cut[0] < cut[1] else None for cut in own]


def _axis(op: Op, place: int, before: Shape, after: Shape) -> int | None:
    """Where the axis at this place is in the result, counted from the end, or None where it is not kept whole."""
    new: int | None = None
    if op.name == "transpose":
        new = op.params["permutation"].index(place)
    elif op.name == "broadcast_in_dim":
        new = op.params["broadcast_dimensions"][place]
    elif op.name in KEEPS_ELEMENTS:
        leading = math.prod(before[:place])
        new = next((i for i, n in enumerate(after) if n == before[place] and math.prod(after[:i]) == leading), None)
    elif op.name in ("carry", "pad", "split", "step_of", "steps"):
        new = place + len(after) - len(before)
    kept = new is not None and new >= 0 and after[new] == before[place]
    return new - len(after) if new is not None and kept else None


def over_positions(graph: Graph, op: Op, signal: Signal) -> bool:
    """Whether a reduction leaves the outputs of the layer as they are, each by itself."""
    return signal.columns is not None and len(graph.shapes[op.inputs[0]]) + signal.axis not in op.params["axes"]


def after_product(graph: Graph, op: Op, weights: int, signal: Signal) -> int | None:
    """Where the outputs of the layer are after a product with weights at this operand, or None where it mixes them."""
    if signal.columns is None or op.name != "dot_general":
        return None
    inputs, batch = (axes[1 - weights] for axes in op.params["dimension_numbers"])
    rank = len(graph.shapes[op.inputs[1 - weights]])
    free = [a for a in range(rank) if a not in (*inputs, *batch)]
    if rank + signal.axis not in free:
        return None
    behind = 0 if weights == 0 else len(graph.shapes[op.outputs[0]]) - len(batch) - len(free)
    return free.index(rank + signal.axis) - len(free) - behind
