"""What belongs to a normalization and is not an activation: squares in a variance, its root, exponentials of a softmax.

Sums of squares become *moments*: what is computed of them alone, up to where they are spread over the elements again,
is the normalization's own. Means and maxima are values as others are, which an activation may follow.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxacts._trace.graph import PRODUCTS, Graph, Op
from jaxacts._trace.primitives import ELEMENTWISE, MOVES, REDUCES, SAME_PLACE, SUMS, WINDOWED
from jaxacts._trace.units.tree import Kind, Tree

__all__ = ["Normalizations"]

_ROOTS = frozenset(["sqrt", "rsqrt", "cbrt", "pow", "log"])
_POWERS = frozenset(["square", "integer_pow", "pow", "abs"])
_CUTS = frozenset(["max", "min", "clamp"])


class _Fate(NamedTuple):
    """What becomes of a value up to the next layers and reductions.

    ``met`` are the values that it meets after it has been spread over more elements, and ``divided`` those among them
    that it divides; ``root`` is whether a root, a logarithm or a division by it is on the way, ``layer`` whether a
    layer takes it.
    """

    met: set[int]
    divided: set[int]
    root: bool
    layer: bool


class _Uses(NamedTuple):
    """The sums and maxima that are taken of a value and its rearrangements, and whether that is all that it is for."""

    reduced: list[int]
    alone: bool


@dataclass
class Normalizations:
    """``axes`` has the axis of the units by value, ``consumers`` the operations that take a value."""

    graph: Graph
    tree: Tree
    axes: Mapping[int, int]
    consumers: Mapping[int, Sequence[Op]]
    moments: set[int] = field(default_factory=set[int])
    maxima: set[int] = field(default_factory=set[int])
    spread: set[int] = field(default_factory=set[int])

    def __post_init__(self) -> None:
        for op in self.graph.ops:
            varying = [v for v in op.inputs if v in self.graph.varying]
            if not varying or op.name in PRODUCTS:
                continue
            if op.name in REDUCES | WINDOWED:
                source = self._source(op.inputs[0])
                if source in self.moments or self._own(source):
                    self.moments.update(op.outputs)
                elif op.name == "reduce_max":
                    self.maxima.update(op.outputs)
                continue
            moments = self.moments.intersection(varying)
            summed = op.name in SUMS and not any(self._fewer(op, v) for v in moments)
            if moments and (summed or moments.issuperset(varying)):
                self.moments.update(op.outputs)
            if self.maxima.issuperset(varying):
                self.maxima.update(op.outputs)
            if self._grows(op) or self.spread.intersection(varying) & (self.moments | self.maxima):
                self.spread.update(op.outputs)

    def inside(self, value: int) -> int | None:
        """The value before a normalization takes powers or exponentials of it; None where that is not curved."""
        while self._own(value):
            value = self.tree.parent[self._curve(value)]
        return value if value in self.tree.curved else None

    def owns(self, start: int, end: int) -> bool:
        """Whether a function of a value is part of a normalization."""
        if start in self.moments:
            return bool(_ROOTS & self._steps(start, end)) or self._fate([self._curve(end)]).root
        outside = [op for op in self.consumers[end] if not self.tree.parent.keys() & set(op.outputs)]
        squared_mean = bool(outside) and all(self.moments.issuperset(op.outputs) for op in outside)
        return squared_mean and end not in self.graph.outputs

    def doubt(self, start: int, end: int) -> str:
        """Why it cannot be told whether a function is an activation, or nothing."""
        if start in self.moments:
            return "of a variance or norm"
        if self._steps(start, end) <= _ROOTS | _CUTS | {"div"} and self._fate([end]).met:
            return "may be the scale of a normalization"
        power = self._power(self._curve(end)) and self.tree.parent[self._curve(end)] == start
        uses = self._uses(end)
        return "may be the square in a norm" if power and uses.alone and not self._pooled(uses.reduced) else ""

    def _own(self, value: int) -> bool:
        """Whether the nonlinear step that a sum is taken of is there for that sum alone."""
        if value not in self.tree.curved:
            return False
        curve = self._curve(value)
        if self._exponential(curve):
            return True
        uses = self._uses(curve)
        if not self._power(curve) or not uses.alone:
            return False
        fate = self._fate(uses.reduced)
        lost = not fate.layer and not self._pooled(uses.reduced)
        return self._without(self.tree.parent[curve], self.graph.varying) or fate.root or lost

    def _exponential(self, value: int) -> bool:
        """Whether it is the exponential of a softmax: of what its maximum was taken from, or divided by its own sum."""
        op = self.graph.producer.get(value)
        if op is None or op.name != "exp":
            return False
        shifted = any(self._without(v, self.maxima) for v in self.tree.chain(value)[1:])
        return shifted or value in self._fate(self._uses(value).reduced).divided

    def _without(self, value: int, statistics: Collection[int]) -> bool:
        """Whether one of these, spread over the elements, is subtracted in a value."""
        op = self.graph.producer.get(value)
        return op is not None and op.name == "sub" and op.inputs[1] in statistics and self._fewer(op, op.inputs[1])

    def _pooled(self, values: Sequence[int]) -> bool:
        """Whether there still are units in what has been reduced."""
        return any(v in self.axes for v in values)

    def _curve(self, value: int) -> int:
        return next(v for v in self.tree.chain(value) if self.tree.kind[v] is Kind.CURVED)

    def _power(self, value: int) -> bool:
        op = self.graph.producer[value]
        return op.name in _POWERS or (op.name == "mul" and op.inputs[0] == op.inputs[1])

    def _steps(self, start: int, end: int) -> set[str]:
        """The names of the nonlinear steps."""
        chain = self.tree.chain(end)
        return {self.graph.producer[v].name for v in chain[: chain.index(start)] if self.tree.kind[v] is Kind.CURVED}

    def _source(self, value: int) -> int:
        """What a value is a rearrangement of."""
        while value not in self.tree.parent:
            op = self.graph.producer.get(value)
            varying = [v for v in op.inputs if v in self.graph.varying] if op and op.name in MOVES else []
            if len(varying) != 1:
                break
            value = varying[0]
        return value

    def _grows(self, op: Op) -> bool:
        return op.name == "broadcast_in_dim" and self._size(op.inputs[0]) < self._size(op.outputs[0])

    def _fewer(self, op: Op, value: int) -> bool:
        """Whether a value is spread over the elements of the result of an operation."""
        return value in self.spread or self._size(value) < self._size(op.outputs[0])

    def _size(self, value: int) -> int:
        return math.prod(self.graph.shapes[value])

    def _uses(self, value: int) -> _Uses:
        open_, seen, reduced, alone = [value], {value}, list[int](), True
        while open_:
            v = open_.pop()
            alone &= v not in self.graph.outputs
            for op in self.consumers[v]:
                if op.name in REDUCES | WINDOWED:
                    reduced += op.outputs
                elif (op.name in MOVES and not self._grows(op)) or op.outputs[0] in self.tree.parent:
                    new = [out for out in op.outputs if out not in seen]
                    open_ += new
                    seen.update(new)
                else:
                    alone = False
        return _Uses(reduced, alone and bool(reduced))

    def _fate(self, values: Sequence[int]) -> _Fate:
        open_, seen = [(v, False) for v in values], set(values)
        met, divided, root, layer = set[int](), set[int](), False, False
        while open_:
            v, spread = open_.pop()
            for op in self.consumers[v]:
                layer |= op.name in PRODUCTS
                if op.name not in ELEMENTWISE | SAME_PLACE | MOVES:
                    continue
                divisor = op.name == "div" and op.inputs[1] == v
                root |= op.name in _ROOTS or divisor or (op.name == "integer_pow" and op.params["y"] < 0)
                others = {u for u in op.inputs if u in self.graph.varying and u not in seen}
                if (spread or self._fewer(op, v)) and others and op.name not in MOVES:
                    met |= others
                    divided |= others if divisor else set()
                    continue
                open_ += [(out, spread or self._grows(op)) for out in op.outputs if out not in seen]
                seen.update(op.outputs)
        return _Fate(met, divided, root, layer)
