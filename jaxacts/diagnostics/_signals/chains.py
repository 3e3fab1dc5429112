"""How the activations of a model lead to one another: the kernels between two of them, where nothing else is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.primitives import ELEMENTWISE, KEEPS_ELEMENTS, SAME_PLACE, SUMS
from jaxacts._trace.units.sites import Site, over_layers

__all__ = ["Chains", "Kernel", "Link", "Step"]


class Step(NamedTuple):
    """An activation of the model, in one step of each scan over layers around it."""

    site: str
    at: tuple[int, ...]


class Kernel(NamedTuple):
    """The last kernel before an activation."""

    path: str
    fan_in: float
    std: float


class Link(NamedTuple):
    """What an activation takes its input from, through kernels and biases and nothing else: another activation.

    ``gain`` is the product of fan_in · std² over the kernels. With ``only`` all that the other activation does, it does
    through this one, which therefore gives it all of its gradient.
    """

    source: Step
    gain: float
    only: bool


class _Columns(NamedTuple):
    """Some columns of a value, along an axis counted from the end."""

    axis: int
    low: int
    high: int

    def overlap(self, use: Use) -> bool:
        """Whether any of them comes from a kernel."""
        if use.columns is None or use.axis != self.axis:
            return True
        return use.columns[0] < self.high and self.low < use.columns[1]


class _Scan(NamedTuple):
    """The first and the last index that a scan over layers comes by."""

    first: int
    last: int


@dataclass
class _Walk:
    """A way back through the graph: the values on it, and the step of each scan over layers at its end.

    Of the values some were carried over from the step before, and some out of the scan after its last step.
    """

    at: dict[int, int]
    values: list[int]
    uses: list[tuple[Use, float]]
    carried: set[int]
    carried_out: set[int]


@dataclass
class Chains:
    """Between the ``sites`` of a graph, whose parameters are ``leaves`` called ``paths``."""

    graph: Graph
    sites: Sequence[Site]
    leaves: Sequence[Any]
    paths: Sequence[str]

    def __post_init__(self) -> None:
        graph = self.graph
        self.live = graph.needed_for(graph.outputs)
        self.uses = defaultdict[int, list[Use]](list)
        for use in graph.uses():
            self.uses[use.output].append(use)
        self.consumers = defaultdict[int, list[Op]](list)
        for op in graph.ops:
            for v in dict.fromkeys(op.inputs):
                self.consumers[v].append(op)
        self.before = {carry: result for result, carry in graph.loops}
        self.after = defaultdict[int, list[int]](list)
        for result, carry in graph.loops:
            self.after[result].append(carry)
        self.ends = {site.values[1]: site for site in self.sites}
        self.scans = dict[int, _Scan]()
        self.loops = {site.name: self._loops(site) for site in self.sites}
        places = {v: i for i, op in enumerate(graph.ops) for v in op.outputs}
        self.places = {site.name: places[site.values[1]] for site in self.sites}
        self.stds = dict[tuple[int, int], Any]()

    def order(self, step: Step) -> tuple[int, ...]:
        """What to sort by for the order of the computation."""
        loops = zip(self.loops[step.site], step.at, strict=True)
        steps = [(loop, abs(i - self.scans[loop].first)) for loop, i in loops]
        return (*(number for pair in steps for number in pair), self.places[step.site])

    def into(self, site: Site, index: tuple[int, ...]) -> tuple[Kernel | None, Link | None]:
        """The last kernel before an activation in one step, and the activation that leads to it; None if not known."""
        assert site.values[0] is not None
        walk = _Walk(dict(zip(self.loops[site.name], index, strict=True)), [], [], set(), set())
        here = dict(walk.at)
        value: int | None = site.values[0]
        while value is not None and value not in self.ends:
            walk.values.append(value)
            value = self._back(value, walk)
        if walk.uses:
            use, std = walk.uses[0]
        else:
            use = self._feeding(site)
            if use is None:
                return None, None
            std = self._std(use, here)
        kernel = Kernel(self.paths[use.leaf], use.fan_in, std)
        if value is None or not walk.uses:
            return kernel, None
        source = self.ends[value]
        step = Step(source.name, tuple(walk.at[loop] for loop in self.loops[source.name]))
        walk.values.append(value)
        gain = float(np.prod([use.fan_in * std**2 for use, std in walk.uses]))
        return kernel, Link(step, gain, self._only(source, walk))

    def _feeding(self, site: Site) -> Use | None:
        """The kernel that the input of an activation comes from, through anything but other products and activations.

        Of several products that of the layer of the activation is meant, and of its kernels side by side the one that
        makes the columns that the activation takes.
        """
        assert site.values[0] is not None
        found, seen = list[Use](), set[tuple[int, _Columns | None]]()
        clear = True
        open_: list[tuple[int, _Columns | None]] = [(site.values[0], None)]
        while open_:
            value, columns = here = open_.pop()
            op = self.graph.producer.get(value)
            if here in seen or op is None or value in self.ends:
                continue
            seen.add(here)
            if op.name in PRODUCTS:
                uses = [use for use in self.uses[value] if columns is None or columns.overlap(use)]
                found += uses
                clear = clear and bool(uses)
                continue
            carried = [self.before[value]] if value in self.before else []
            for v in [*op.inputs, *carried]:
                if v in self.graph.varying:
                    open_.append((v, self._columns(op, value, v, columns)))
        own = [use for use in found if site.use is not None and use.op is site.use.op]
        if len(own) == 1:
            return own[0]
        return found[0] if len(found) == 1 and clear else None

    def _columns(self, op: Op, value: int, operand: int, columns: _Columns | None) -> _Columns | None:
        """Which columns of an operand the columns of a value come from, None for all."""
        shape, before = self.graph.shapes[value], self.graph.shapes[operand]
        if op.name == "slice" and columns is None:
            ends = zip(op.params["start_indices"], op.params["limit_indices"], before, strict=True)
            cut = [(axis, low, high) for axis, (low, high, size) in enumerate(ends) if high - low < size]
            return _Columns(cut[0][0] - len(before), *cut[0][1:]) if len(cut) == 1 else None
        if op.name == "split" and columns is None:
            axis, sizes, index = op.params["axis"], op.params["sizes"], op.outputs.index(value)
            low = sum(sizes[:index])
            return _Columns(axis - len(before), low, low + sizes[index])
        return columns if shape == before and op.name in ELEMENTWISE | SAME_PLACE else None

    def _loops(self, site: Site) -> list[int]:
        """The scans over layers around an activation, outermost first."""
        paths = [site.path[:depth] for depth in range(1, len(site.path) + 1)]
        scans = [path for path in paths if self.graph.calls[path].primitive.name == "scan"]
        found = list[int]()
        for path, loop in zip(scans, self.graph.producer[site.values[1]].loops, strict=True):
            if over_layers(self.graph, path):
                last = loop.length - 1
                self.scans[loop.number] = _Scan(last, 0) if self.graph.calls[path].params["reverse"] else _Scan(0, last)
                found.append(loop.number)
        return found

    def _back(self, value: int, walk: _Walk) -> int | None:
        """What a value has its elements, or the sums of them by a kernel, from; None where it is anything else."""
        op = self.graph.producer.get(value)
        if op is None:
            return None
        if op.name == "carry":
            return self._over(op, value, walk)
        if op.name in KEEPS_ELEMENTS:
            return op.inputs[op.outputs.index(value)]
        varying = [v for v in op.inputs if v in self.graph.varying]
        if len(varying) != 1 or self.graph.drawn.intersection(op.inputs):
            return None
        if len(self.uses[value]) == 1:
            (use,) = self.uses[value]
            walk.uses.append((use, self._std(use, walk.at)))
            return varying[0]
        return varying[0] if op.name in SUMS else None

    def _over(self, op: Op, value: int, walk: _Walk) -> int | None:
        """Back over the beginning of a step of a scan over layers, or over its end."""
        (source,) = op.inputs
        if value in self.before:
            loop = op.loops[-1].number
            if loop not in walk.at:
                return None
            scan, step = self.scans[loop], walk.at[loop]
            if step == scan.first:
                return source
            walk.at[loop] = step + (1 if scan.first > scan.last else -1)
            walk.carried.add(self.before[value])
            return self.before[value]
        inside = self.graph.producer[source].loops[len(op.loops) :] if source in self.graph.producer else ()
        loops = [loop.number for loop in inside]
        if len(loops) != 1 or loops[0] not in self.scans:
            return None
        walk.at[loops[0]] = self.scans[loops[0]].last
        walk.carried_out.add(source)
        return source

    def _only(self, source: Site, walk: _Walk) -> bool:
        """Whether nothing but the end of the walk takes anything from the input of the activation on."""
        region = {*walk.values[1:], *self._inside(source)}
        known = {*region, walk.values[0]}
        if region.intersection(self.graph.outputs):
            return False
        for value in region:
            taken = [op for op in self.consumers[value] if self.live.intersection(op.outputs)]
            if value in walk.carried:
                taken = [op for op in taken if op.name != "carry" or op.outputs[0] in self.before]
            if not all(known.issuperset(op.outputs) for op in taken):
                return False
            carries = self.live.intersection(self.after[value])
            if value not in walk.carried_out and len(carries) != (value in walk.carried):
                return False
        return True

    def _inside(self, site: Site) -> Iterable[int]:
        """The values of an activation, from its input to its result."""
        start, end = site.values
        found, open_ = {end}, [end]
        while open_:
            value = open_.pop()
            if value == start:
                continue
            op = self.graph.producer.get(value)
            new = [v for v in (op.inputs if op else ()) if v in self.graph.varying and v not in found]
            found.update(new)
            open_ += new
        return found

    def _std(self, use: Use, at: dict[int, int]) -> float:
        """The standard deviation of a kernel, that of these steps where a scan takes it apart.

        Over the steps of scans that are not around the activation it is a mean.
        """
        stacked = self.graph.stacked(use)
        key = use.leaf, use.output
        if key not in self.stds:
            kernel = np.asarray(self.leaves[use.leaf], float)
            self.stds[key] = kernel.ravel()[self.graph.matrices(use)].std((-3, -2, -1)) if stacked else kernel.std()
        steps = tuple(at.get(use.op.loops[i].number, slice(None)) for i in stacked)
        return float(np.mean(self.stds[key][steps]))
