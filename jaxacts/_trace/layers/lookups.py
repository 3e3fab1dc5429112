"""Products that look rows up in a table."""

from __future__ import annotations

import numpy as np

from jaxacts._trace.graph import Graph, Use
from jaxacts._trace.primitives import SAME_PLACE

__all__ = ["looks_up"]


def looks_up(graph: Graph, use: Use) -> bool:
    """Whether the use is a product with one-hot vectors: an index compared with numbers that are all different."""
    inputs = use.op.params["dimension_numbers"][0][1 - use.operand] if use.op.name == "dot_general" else ()
    if len(inputs) != 1:
        return False
    op = graph.producer.get(use.op.inputs[1 - use.operand])
    while op and op.name in SAME_PLACE:
        op = graph.producer.get(op.inputs[0])
    if not op or op.name != "eq":
        return False
    (axis,) = inputs
    fixed = [v for v in op.inputs if v not in graph.varying and not graph.origins.get(v)]
    index = [v for v in op.inputs if v in graph.varying and _same_along(graph, v, axis)]
    if not (fixed and index):
        return False
    numbers = np.asarray(graph.evaluate(fixed[0], {}))
    return numbers.size == graph.shapes[op.outputs[0]][axis] == len(np.unique(numbers))


def _same_along(graph: Graph, value: int, axis: int) -> bool:
    op = graph.producer.get(value)
    if op and op.name == "broadcast_in_dim" and graph.shapes[value][axis] > 1:
        before = dict(zip(op.params["broadcast_dimensions"], graph.shapes[op.inputs[0]], strict=True))
        return before.get(axis, 1) == 1
    return graph.shapes[value][axis] == 1
