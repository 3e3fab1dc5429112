"""Where a model applies activations: elementwise functions f(z) of one value, found by what they compute.

Each value that an elementwise operation computes has a parent, the nearest value that alone determines it, as ``z``
does for ``z * sigmoid(z)``. A chain of parents that is not linear is an activation; it begins at the last value before
the first nonlinear step and ends where another operation takes its result.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxacts._trace.graph import Graph, Op, Path, Use
from jaxacts._trace.layers.recognize import linear
from jaxacts._trace.primitives import MOVES, REDUCES, WINDOWED
from jaxacts._trace.replay import parts_of_scan
from jaxacts._trace.units.axes import unit_axes
from jaxacts._trace.units.names import PLAIN, Names
from jaxacts._trace.units.normalizations import Normalizations
from jaxacts._trace.units.tree import Kind, Tree
from jaxacts.lookup import catalogue

__all__ = ["TAP", "Site", "Sites", "sites_of"]

TAP = "jaxacts.tap:"
"""What the names of values begin with that the user has marked."""

_OPAQUE = frozenset(
    ["while", "cond", "shard_map", "pallas_call", "pure_callback", "io_callback", "custom_partitioning", "ffi_call"]
)


class Site(NamedTuple):
    """An activation: its input ``before`` (None if only the result is known) and its result ``after``.

    ``path`` leads to the program that has both as the variables ``before`` and ``after``; ``use`` is the last layer
    before it, ``leaf`` the parameter of that. ``function`` is None where parameters of the model are part of it.
    ``steps`` are the lengths of the loops around it of which each step has parameters of its own.
    """

    name: str
    activation: str
    function: Callable[..., Any] | None
    path: Path
    before: Any
    after: Any
    axis: int
    values: tuple[int | None, int]
    use: Use | None
    steps: tuple[int, ...]


class Sites(NamedTuple):
    """The activations in the order of the computation, and what could not be followed, with the reason."""

    found: tuple[Site, ...]
    unfollowed: tuple[str, ...]


@dataclass
class _Search:
    graph: Graph
    paths: Sequence[str]

    def __post_init__(self) -> None:
        graph = self.graph
        self.tree = Tree(graph, {}, {}, set())
        self.consumers: dict[int, list[Op]] = defaultdict(list)
        self.uses = {use.output: use for use in graph.uses()}
        self.axes = unit_axes(graph)
        self.at: dict[int, list[tuple[Path, Any]]] = defaultdict(list)
        for (path, variable), value in graph.places.items():
            self.at[value].append((path, variable))
        self.live = graph.needed_for(graph.outputs)
        for op in graph.ops:
            if self.live.intersection(op.outputs):
                for v in op.inputs:
                    self.consumers[v].append(op)
                self.tree.grow(op)
        dtypes = {value: places[0][1].aval.dtype for value, places in self.at.items()}
        self.names = Names(graph, self.tree, self.paths, dtypes)
        self.normalizations = Normalizations(graph, self.tree, self.axes, self.consumers)

    def ends(self) -> dict[int, int]:
        """The result of each activation and its input."""
        found = dict[int, int]()
        for value in sorted(self.tree.curved & self.live):
            inner = self.normalizations.inside(value) if self._left(value) else None
            if inner is None:
                continue
            chain = self._trimmed(inner)
            end = chain[0]
            start = self._start(chain)
            if not self.normalizations.owns(start, end):
                found.setdefault(end, start)
        # 1 - sigmoid(z) is not an activation of its own beside sigmoid(z).
        return {end: start for end, start in found.items() if not self._follows(end, found)}

    def _left(self, value: int) -> bool:
        """Whether something outside of the elementwise function takes the value."""
        if value in self.graph.outputs:
            return True
        return any(out not in self.tree.parent for op in self.consumers[value] for out in op.outputs)

    def _trimmed(self, value: int) -> list[int]:
        """The chain of parents without the scales and shifts by arrays that come after the last nonlinear step."""
        chain = self.tree.chain(value)
        curve = next(i for i, v in enumerate(chain) if self.tree.kind[v] is Kind.CURVED)
        affine = [i for i in range(curve) if self.tree.kind[chain[i]] is Kind.AFFINE]
        return chain[affine[-1] + 1 :] if affine else chain

    def _start(self, chain: list[int]) -> int:
        """The last value before the first nonlinear step, and before the numbers that it is scaled by there.

        The number that makes a mean of a sum stays with it.
        """
        first = max(i for i, v in enumerate(chain) if self.tree.kind.get(v) is Kind.CURVED)
        start = first + 1
        while start + 1 < len(chain) and self.tree.kind[chain[start]] is Kind.SCALED:
            if self._mean(chain[start]):
                break
            start += 1
        return chain[start]

    def _mean(self, value: int) -> bool:
        """Whether it is a sum divided by the number of its terms."""
        graph, op = self.graph, self.graph.producer[value]
        if op.name != "div" or op.inputs[1] in graph.varying or graph.origins.get(op.inputs[1]):
            return False
        reduced = graph.producer.get(op.inputs[0])
        while reduced is not None and reduced.name in MOVES:
            reduced = graph.producer.get(reduced.inputs[0])
        if reduced is None or reduced.name not in ("reduce_sum", "reduce_window_sum"):
            return False
        before, after = (math.prod(graph.shapes[v]) for v in (reduced.inputs[0], reduced.outputs[0]))
        count = math.prod(reduced.params["window_dimensions"]) if reduced.name in WINDOWED else before / after
        with jax.ensure_compile_time_eval():
            return bool(np.all(np.asarray(graph.evaluate(op.inputs[1], {})) == count))

    def _follows(self, end: int, found: dict[int, int]) -> bool:
        for value in self.tree.chain(end):
            if value != end and value in found:
                return True
            if self.tree.kind.get(value) is Kind.CURVED:
                return False
        return False

    def layer(self, value: int) -> Use | None:
        """The last layer before a value."""
        open_, seen, found = [value], {value}, list[Use]()
        back = defaultdict[int, list[int]](list)
        for after, before in self.graph.loops:
            back[before].append(after)
        while open_:
            v = open_.pop()
            if v in self.uses:
                found.append(self.uses[v])
                continue
            op = self.graph.producer.get(v)
            new = [u for u in (*(op.inputs if op else ()), *back[v]) if u not in seen and u in self.graph.varying]
            open_ += new
            seen.update(new)
        return max(found, key=lambda use: use.output, default=None)

    def place(self, start: int | None, end: int) -> tuple[Path, Any, Any]:
        """The outermost program that has both values as variables, or at least the second."""
        ends = dict(self.at[end])
        starts = dict(self.at[start]) if start is not None else {}
        path = min(ends.keys() & starts.keys() or ends.keys(), key=len)
        return path, starts.get(path), ends[path]

    def around(self, path: Path) -> list[Any]:
        """The calls around a program, outermost first."""
        return [self.graph.calls[path[:depth]] for depth in range(1, len(path) + 1)]

    def steps(self, path: Path) -> tuple[int, ...]:
        """The lengths of the loops over layers: those that have parameters of their own in each step."""
        return tuple(
            eqn.params["length"]
            for depth, eqn in enumerate(self.around(path), 1)
            if eqn.primitive.name == "scan" and over_layers(self.graph, path[:depth])
        )


def over_layers(graph: Graph, path: Path) -> bool:
    """Whether the scan at this path takes parameters apart, so that each step is a layer of its own."""
    eqn = graph.calls[path]
    scanned = eqn.invars[sum(parts_of_scan(eqn)) :]
    values = (graph.places.get((path[:-1], v)) for v in scanned if not hasattr(v, "val"))
    return any(
        v is not None and v not in graph.varying and graph.origins.get(v) and len(graph.shapes[v]) > 1 for v in values
    )


def sites_of(graph: Graph, paths: Sequence[str]) -> Sites:
    """The activations of a model whose parameters are named ``paths``."""
    search = _Search(graph, paths)
    found, unfollowed = list[Site](), dict[str, None]()
    calls = _calls(search)
    curves = {
        end: start
        for end, start in search.ends().items()
        if not any(search.place(start, end)[0][: len(call)] == call for call in calls)
    }
    curves = {search.names.unscaled(start, end): start for end, start in curves.items()}
    results = {v: name for v, name in calls.values() if name not in ("softmax", "log_softmax")}
    tapped = {op.outputs[0]: name for op in graph.ops if (name := _tap(op))}
    for end in sorted({*curves, *results, *tapped}):
        start = curves.get(end)
        path, before, after = search.place(start, end)
        if not jnp.issubdtype(after.aval.dtype, jnp.floating):
            if end in tapped:
                unfollowed[f"{tapped[end]} (a tap needs an array of floats)"] = None
            continue
        use, function, doubt = search.layer(end), None, ""
        if start is None:
            activation = tapped.get(end) or results[end]
        else:
            function, activation = search.names.named(start, end)
            if activation not in PLAIN or activation == "abs":
                # What is computed of the data alone is a feature, such as the encoding of a position.
                if (use is None and not graph.origins.get(start)) or (function and linear(function)):
                    continue
                doubt = "" if end in tapped else search.normalizations.doubt(start, end)
            elif end not in tapped and start in search.normalizations.moments:
                doubt = search.normalizations.doubt(start, end)
            doubt = doubt and f"{activation} {doubt}"
        name = tapped.get(end) or (_layer(paths[use.leaf]) if use else "") or activation
        if not after.aval.shape:
            doubt = "a single number"
        if any(eqn.primitive.name == "shard_map" for eqn in search.around(path)):
            doubt = "inside shard_map"
        if doubt:
            unfollowed[f"{name} ({doubt})"] = None
            continue
        axis = search.axes.get(end, len(after.aval.shape) - 1)
        steps, values = search.steps(path), (start, end)
        found.append(Site(name, activation, function, path, before, after, axis, values, use, steps))
    for op in graph.ops:
        if _opaque(op) and graph.varying.intersection(op.inputs) and search.live.intersection(op.outputs):
            unfollowed[" in ".join([op.name, *op.scope[-1:]])] = None
    return Sites(tuple(_unique(found)), tuple(unfollowed))


def _calls(search: _Search) -> dict[Path, tuple[int, str]]:
    """The calls of activations of the catalogue that are not functions of one value alone: results and names."""
    found = dict[Path, tuple[int, str]]()
    for path, eqn in search.graph.calls.items():
        name = str(eqn.params.get("name", ""))
        # Flax traces its scans once for the shapes alone, which leaves calls without results.
        if name not in catalogue() or not eqn.outvars or any(path[: len(outer)] == outer for outer in found):
            continue
        value = search.graph.places.get((path[:-1], eqn.outvars[0]))
        if value is not None and value in search.live & search.graph.varying and value not in search.tree.curved:
            found[path] = value, name
    return found


def _opaque(op: Op) -> bool:
    """Whether an operation is a program of its own that the graph does not unfold."""
    inner = jax.tree.leaves([v for k, v in op.params.items() if k != "update_jaxpr"])
    return op.name in _OPAQUE or (op.name not in REDUCES and any(isinstance(p, ClosedJaxpr | Jaxpr) for p in inner))


def _tap(op: Op) -> str | None:
    """The name that the user has given to a value."""
    name = str(op.params["name"]) if op.name == "name" else ""
    return name.removeprefix(TAP) if name.startswith(TAP) else None


def _layer(path: str) -> str:
    return path.rpartition("/")[0] or path


def _unique(sites: list[Site]) -> list[Site]:
    """With the activation and a number after the names that several have."""
    count = defaultdict[str, int](int)
    for site in sites:
        count[site.name] += 1
    numbered, given = list[Site](), defaultdict[str, int](int)
    for site in sites:
        own = count[site.name] == 1 or site.name == site.activation
        name = site.name if own else f"{site.name}.{site.activation}"
        given[name] += 1
        numbered.append(site._replace(name=name if given[name] == 1 else f"{name}.{given[name]}"))
    return numbered
