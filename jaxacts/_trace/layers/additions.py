"""Additions of outputs of layers: how many are added up, and which join a residual branch to its stream.

A branch is what is computed, by a layer and what is around it, from a value that the other operand of the addition
still is. It may be that value scaled, moved or pooled; or, where the branch has an activation, projected by one layer.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.primitives import KEEPS_ELEMENTS, SUMS, WINDOWED

__all__ = ["Additions"]

_PASSED = KEEPS_ELEMENTS | WINDOWED | SUMS | {"neg", "pad", "reduce_window_max", "rev", "slice"}


class Additions:
    """What a graph adds up; ``zero`` has the parameters that are all zero and stay so."""

    def __init__(self, graph: Graph, zero: frozenset[int] = frozenset()) -> None:
        self.graph, self.zero = graph, zero
        self.layers = {id(use.op): use for use in graph.uses()}
        self.places = {id(op): place for place, op in enumerate(graph.ops)}

    def terms(self, value: int) -> int | None:
        """How many outputs of layers this value is the sum of, where it is that and is used nowhere else."""
        if value not in self.graph.varying:
            return 0
        op = self.graph.producer.get(value)
        if op is None or (self.graph.used[value] > 1 and not self._only_sliced(value)):
            return None
        if layer := self.layers.get(id(op)):
            return 0 if self.graph.kernels.get(op.inputs[layer.operand]) in self.zero else 1
        if op.name in KEEPS_ELEMENTS or op.name in ("broadcast_in_dim", "slice", "split"):
            return self.terms(op.inputs[0])
        if op.name in SUMS:
            both = [self.terms(v) for v in op.inputs]
            return None if None in both else sum(n or 0 for n in both)
        if op.name in PRODUCTS or op.name in ("mul", "div"):
            factors = [v for v in op.inputs if v in self.graph.varying]
            return 0 if any(self.terms(v) == 0 for v in factors) else None
        return None

    def _only_sliced(self, value: int) -> bool:
        return all(op.name in ("slice", "split") for op in self.graph.ops if value in op.inputs)

    def joins(self, use: Use, value: int, other: int) -> bool:
        """Whether ``value``, made by this layer, is a branch that starts from what the other operand is."""
        data, place = use.op.inputs[1 - use.operand], self.places[id(use.op)]
        if any(data in self._reached([start], place) for start in self._starts(other)):
            return True
        if any(True for _ in self._starts(value)):
            return False
        own = {data, *self._starts(data)}
        return any(start not in own and data in self._reached([start], place) for start in self._projected(other))

    def independent(self, first: int, second: int) -> bool:
        """Whether neither of two sums of layers is computed from the layers of the other."""
        layers = [self._last_layers(v, straight=True) for v in (first, second)]
        return not any(
            use.op.inputs[1 - use.operand] in self._reached([u.output for u in above], self.places[id(use.op)])
            for above, below in (layers, layers[::-1])
            for use in below
        )

    def residual(self) -> Iterator[tuple[Op, list[Use]]]:
        """The additions of a branch to its stream, with the last layers of the branch."""
        for op in self.graph.ops:
            alike = len({self._size(v) for v in op.inputs}) == 1
            if op.name in ("add", "add_any") and alike and self.graph.varying.issuperset(op.inputs):
                for value, other in (op.inputs, op.inputs[::-1]):
                    stop = {*self._starts(other), *self._projected(other)}
                    last = self._last_layers(value, stop=stop) if stop else []
                    if ends := [use for use in last if self.joins(use, value, other)]:
                        yield op, ends
                        break

    def _reached(self, starts: Iterable[int], place: int) -> set[int]:
        """What is computed from these values by the operations before this place, within one step of a loop."""
        found = set(starts)
        producers = [self.graph.producer.get(v) for v in found]
        first = min((self.places[id(op)] if op else 0 for op in producers), default=place)
        for op in self.graph.ops[first:place]:
            if not found.isdisjoint(op.inputs):
                found.update(op.outputs)
        return found

    def _starts(self, value: int) -> Iterator[int]:
        """The values, used elsewhere too, that this one is but for scales, pooling and branches added to them."""
        open_, seen = [value], set[int]()
        while open_:
            value = open_.pop()
            if value in seen or value not in self.graph.varying:
                continue
            seen.add(value)
            op, shared = self.graph.producer.get(value), self.graph.used[value] > 1
            if shared:
                yield value
            if op is None or (shared and op.name in SUMS):
                continue
            if op.name == "split":
                yield op.inputs[0]
            elif op.name in _PASSED or self._scales(op) or self._copies(op):
                open_.extend(op.inputs)

    def _projected(self, value: int) -> Iterator[int]:
        """The values that the layers of a sum, normalized or not, are applied to."""
        for use in self._last_layers(value, straight=True):
            data = use.op.inputs[1 - use.operand]
            yield data
            yield from self._starts(data)

    def _last_layers(self, value: int, *, straight: bool = False, stop: Container[int] = ()) -> list[Use]:
        """The last layers on the ways to a value, with ``straight`` where sums and normalizations alone follow."""
        open_, seen, found = [value], set[int](), list[Use]()
        while open_:
            value = open_.pop()
            op = self.graph.producer.get(value)
            if value in seen or value in stop or op is None or value not in self.graph.varying:
                continue
            seen.add(value)
            if layer := self.layers.get(id(op)):
                found.append(layer)
            elif not straight or op.name in _PASSED or op.name == "split" or self._scales(op) or self._copies(op):
                open_.extend(op.inputs)
            elif op.name in ("mul", "div"):
                statistics = [v for v in op.inputs if self._spread(v, op)]
                open_.extend(v for v in op.inputs if statistics and v not in statistics)
        return found

    def _scales(self, op: Op) -> bool:
        """Whether the operation multiplies its data by what is not data."""
        return op.name in ("mul", "div") and sum(v in self.graph.varying for v in op.inputs) == 1

    def _copies(self, op: Op) -> bool:
        return op.name == "broadcast_in_dim" and self._size(op.inputs[0]) == self._size(op.outputs[0])

    def _spread(self, value: int, op: Op) -> bool:
        """Whether an operand is broadcast, as a statistic is, by the operation or before it."""
        if self._size(value) < self._size(op.outputs[0]):
            return True
        before = self.graph.producer.get(value)
        while before and before.name in KEEPS_ELEMENTS:
            before = self.graph.producer.get(before.inputs[0])
        return before is not None and before.name == "broadcast_in_dim"

    def _size(self, value: int) -> int:
        return math.prod(self.graph.shapes[value])
