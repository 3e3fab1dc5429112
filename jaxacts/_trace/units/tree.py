"""The values of a graph that elementwise operations compute, each under the nearest value that alone determines it."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxacts._trace.graph import Graph, Op
from jaxacts._trace.primitives import ELEMENTWISE, SAME_PLACE, SUMS

__all__ = ["Kind", "Tree"]


class Kind(enum.Enum):
    """How a value follows from its parent: by a number times it plus a number, by arrays so, or not linearly."""

    SCALED = enum.auto()
    AFFINE = enum.auto()
    CURVED = enum.auto()


@dataclass
class Tree:
    """The parents of the values, and how each follows from its own."""

    graph: Graph
    parent: dict[int, int]
    kind: dict[int, Kind]
    curved: set[int]

    def chain(self, value: int) -> list[int]:
        """The value, its parent, the parent of that, ..."""
        found = [value]
        while found[-1] in self.parent:
            found.append(self.parent[found[-1]])
        return found

    def common(self, values: Sequence[int]) -> int | None:
        """The nearest value that determines all of these."""
        first, *others = (self.chain(v) for v in values)
        shared = set(first).intersection(*others)
        return next((v for v in first if v in shared), None)

    def grow(self, op: Op) -> None:
        varying = [v for v in dict.fromkeys(op.inputs) if v in self.graph.varying]
        if not varying or op.name not in ELEMENTWISE | SAME_PLACE:
            return
        if op.name == "select_n" and self._mask(op.inputs[0]):
            return
        top = self.common(varying)
        if top is None:
            return
        (out,) = op.outputs
        self.parent[out] = top
        self.kind[out] = kind = self._kind(op, varying, top)
        if kind is Kind.CURVED or top in self.curved:
            self.curved.add(out)

    def _mask(self, value: int) -> bool:
        """Whether it is an array without data, such as the mask of dropout, and not one decision on a parameter."""
        return value not in self.graph.varying and math.prod(self.graph.shapes[value]) > 1

    def _kind(self, op: Op, varying: list[int], top: int) -> Kind:
        if op.name in SAME_PLACE:
            return Kind.SCALED
        between = {self.kind[v] for start in varying for v in self.chain(start) if v != top and v in self.kind}
        if len(varying) > 1:
            linear = op.name in SUMS and all(self._linear(v, top) for v in varying)
            return Kind.CURVED if not linear else Kind.AFFINE if Kind.AFFINE in between else Kind.SCALED
        others = [v for v in op.inputs if v != varying[0]]
        divided = op.name == "div" and op.inputs[0] == varying[0]
        if not (op.name in SUMS or op.name == "neg" or divided or (op.name == "mul" and others)):
            return Kind.CURVED
        spread = op.name in SUMS and any(self.graph.origins.get(v) for v in others)
        return Kind.AFFINE if spread or not all(map(self._single, others)) else Kind.SCALED

    def _linear(self, value: int, top: int) -> bool:
        chain = self.chain(value)
        return all(self.kind[v] is not Kind.CURVED for v in chain[: chain.index(top)])

    def _single(self, value: int) -> bool:
        """Whether a value without data is one number, spread over an array or not."""
        while math.prod(self.graph.shapes[value]) > 1:
            op = self.graph.producer.get(value)
            if op is None or op.name not in ("broadcast_in_dim", "reshape", "convert_element_type", "mul"):
                return False
            value = op.inputs[0]
        return True
