"""What an activation of a model is called: by its values where the catalogue has them, by its operations otherwise."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxacts._trace.graph import Graph, Op, Use
from jaxacts._trace.layers.follow import Signal, Trail
from jaxacts._trace.layers.recognize import agrees, recognized, same
from jaxacts._trace.primitives import MOVES
from jaxacts._trace.units.tree import Kind, Tree
from jaxacts.lookup import catalogue

__all__ = ["PLAIN", "Names"]

PLAIN = frozenset(["gelu (exact)", *catalogue()])
"""The names of functions that take nothing but z."""


@dataclass
class _Trail(Trail):
    """A trail that writes the parameters of the model, called ``paths``, by their names."""

    paths: Sequence[str] = ()

    def written(self, value: int) -> str:
        if not self.graph.origins.get(value):
            return super().written(value)
        if value in self.graph.leaves:
            return self.paths[self.graph.leaves.index(value)].rpartition("/")[2] or "parameter"
        op = self.graph.producer[value]
        parts = [self.written(v) for v in op.inputs if self.graph.origins.get(v)]
        if op.name in MOVES:
            return parts[0]
        name = next((n for n in op.scope if n in catalogue()), op.name)
        return f"{name}({', '.join(dict.fromkeys(parts))})"


@dataclass
class Names:
    """The functions from one value of a graph to another, and their names; ``dtypes`` has those of the values."""

    graph: Graph
    tree: Tree
    paths: Sequence[str]
    dtypes: Mapping[int, Any]
    known: dict[Any, tuple[Callable[..., Any] | None, str]] = field(
        default_factory=dict[Any, tuple[Callable[..., Any] | None, str]]
    )

    def trail(self, start: int) -> Trail:
        """The activation as an expression in its input."""
        op = self.graph.producer.get(start) or Op("input", None, {}, (), (start,), ())
        trail = _Trail(self.graph, Use(-1, 0, op, start, 0, 0), {}, paths=self.paths)
        for value in self.tree.parent:
            chain = self.tree.chain(value)
            if start in chain:
                linear = all(self.tree.kind[v] is not Kind.CURVED for v in chain[: chain.index(start)])
                trail.states[value] = Signal(value, start, linear)
        trail.states[start] = Signal(start, start)
        return trail

    def named(self, start: int, end: int) -> tuple[Callable[..., Any] | None, str]:
        """The function and its name; None for one that has parameters of the model in it."""
        trail = self.trail(start)
        key = self._written(end, start, {})
        if key in self.known:
            return self.known[key]
        signal = Signal(end, start, False)
        try:
            function = trail.function(signal)
            name = next((n for n, tolerance in self._suggested(end) if agrees(n, function, tolerance)), None)
            function, name = (_by_name(name), name) if name else recognized(trail, signal)
        except KeyError:  # a parameter, of which the graph knows the shape alone
            function, name = None, self._parametric(trail, signal)
        except (TypeError, ValueError):  # an array of numbers, such as a table
            function, name = None, self._called(end)
        if (called := name.removesuffix("(z)")) in PLAIN:
            name = called
        self.known[key] = function, name
        return function, name

    def _parametric(self, trail: Trail, signal: Signal) -> str:
        """The name of a function with parameters of the model in it: by the values that it has if these are 0.25."""
        some = {leaf: np.full(self.graph.shapes[leaf], 0.25, np.float32) for leaf in self.graph.leaves}
        trail.known.update(some)
        try:
            name = recognized(trail, signal)[1]
        except (TypeError, ValueError):
            return self._called(signal.expr)
        return name if name.removesuffix("(z)") in PLAIN else self._call(signal.expr) or name

    def _called(self, value: int) -> str:
        """The name of the call that computes a value."""
        return self._call(value) or "".join(self.graph.producer[value].scope[:1]) or "elementwise function"

    def _call(self, value: int) -> str:
        """The activation of the catalogue inside of which a value is computed, or nothing."""
        return next((name for name in self.graph.producer[value].scope if name in catalogue()), "")

    def _suggested(self, value: int) -> list[tuple[str, float]]:
        """Names to try first, with a tolerance: those of the calls, and in 16 bits what has rounded constants."""
        half = self.dtypes[value].itemsize < 4
        names = [name for name in self.graph.producer[value].scope if name in catalogue()]
        return [(name, 0.02 if half else 1e-4) for name in (*names, *(("gelu", "silu") if half else ()))]

    def unscaled(self, start: int, end: int) -> int:
        """The result without the numbers that it is scaled by, as before dropout, if that has a name or is the same."""
        function, name = self.named(start, end)
        bare = next(v for v in self.tree.chain(end) if self.tree.kind[v] is Kind.CURVED)
        if bare == end or name in PLAIN:
            return end
        inner, name = self.named(start, bare)
        if (
            function is not None
            and inner is not None
            and self.dtypes[bare] == self.dtypes[end]
            and same(function, inner)
        ):
            return bare
        return bare if name in PLAIN else end

    def _written(self, value: int, start: int, memo: dict[int, int]) -> tuple[Any, ...]:
        """The operations from one value to another, equal for equal functions."""
        found = list[Any]()

        def write(v: int) -> int:
            if v not in memo:
                op = None if v == start else self.graph.producer.get(v)
                if op is None:
                    if v in self.graph.leaves:
                        found.append(self.paths[self.graph.leaves.index(v)].rpartition("/")[2])
                    else:
                        known = self.graph.constants.get(v)
                        found.append("z" if v == start else known is not None and np.asarray(known).tobytes())
                else:
                    inputs = tuple(write(u) for u in op.inputs)
                    found.append((op.name, inputs, str({k: op.params[k] for k in op.params if k != "sharding"})))
                memo[v] = len(memo)
            return memo[v]

        write(value)
        return tuple(found)


def _by_name(name: str) -> Callable[..., Any]:
    entry = catalogue()[name]
    return functools.partial(entry.function, **entry.arguments())
