"""Which weights belong to a unit: those that lead to it, its bias and scale, and those that lead away from it.

A unit can be replaced where new incoming weights change nothing but its own result, and where a result of 0 adds 0 to
the next layer, so that outgoing weights of 0 change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import jax
import numpy as np

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.primitives import MOVES, REDUCES, SAME_PLACE, SUMS, ZERO_AMONG_0, ZERO_AT_0
from jaxacts._trace.units.beside import factors, terms
from jaxacts._trace.units.follow import SAME, Units, along, columns_of, moved, owners
from jaxacts._trace.units.sites import Site

__all__ = ["Links", "links_of"]

_LINEAR = SUMS | SAME_PLACE | MOVES | {"mul", "div", "neg"}


@dataclass
class Links:
    """The units of each element of the parameters around one activation, -1 where there is none or are several.

    ``incoming`` and ``outgoing`` are kernels, with the fan_in of the first; ``shifts`` and ``scales`` what is added and
    multiplied on the way to the activation. ``problem`` says why units cannot be replaced, and is empty otherwise.
    """

    incoming: dict[int, tuple[Units, float]] = field(default_factory=dict)
    outgoing: dict[int, Units] = field(default_factory=dict)
    shifts: dict[int, Units] = field(default_factory=dict)
    scales: dict[int, Units] = field(default_factory=dict)
    problem: str = ""


def links_of(graph: Graph, site: Site, returned: Collection[int]) -> Links:
    """The links of the units of one activation; the outputs of the graph that are not ``returned`` are its state."""
    links = Links()
    start, end = site.values
    if start is None or graph.shapes[start] != graph.shapes[end]:
        links.problem = "the input of the activation is not known"
    elif site.steps or any(graph.calls[site.path[:d]].primitive.name == "scan" for d in range(1, len(site.path) + 1)):
        links.problem = "it is inside of a scan"
    else:
        flow = _Flow(graph, start, end, site.axis, graph.needed_for(graph.outputs), returned)
        with jax.ensure_compile_time_eval():
            flow.incoming(links)
            if not links.problem:
                flow.outgoing(links)
        linked = dict.fromkeys([*links.incoming, *links.outgoing, *links.shifts, *links.scales])
        links.problem = links.problem or next((p for leaf in linked if (p := flow.shared(leaf))), "")
    return links


@dataclass
class _Flow:
    """What goes into one activation, from ``start`` to ``end``, and what becomes of its result."""

    graph: Graph
    start: int
    end: int
    axis: int
    live: set[int]
    returned: Collection[int]

    def __post_init__(self) -> None:
        self.carried = {after for after, before in self.graph.loops if before in self.live}

    def incoming(self, links: Links) -> None:
        graph, start = self.graph, self.start
        units = along(graph.shapes[start], self.axis)
        between, owned, shared = dict[int, Units](), set[int](), False
        for use in graph.uses():
            columns = columns_of(graph, use)
            if columns is None:
                continue
            known, way = self._way(use, columns)
            if start not in known:
                continue
            # The last one stands for the elements that come from none of the columns.
            unit_of = np.append(owners(known[start], units, int(columns.max()) + 1), np.int32(-1))
            if (unit_of < 0).all():
                shared = True
                continue
            owned.update(unit_of.tolist())
            own = np.where(unit_of[columns] < 0, np.int32(-1), columns)
            links.problem = links.problem or self._elsewhere(use.output, own)
            places = graph.matrices(use)
            found = np.full(math.prod(graph.shapes[graph.leaves[use.leaf]]), -1, np.int32)
            found[places] = unit_of[np.arange(places.shape[0] * places.shape[2]).reshape(places.shape[0], 1, -1)]
            links.incoming[use.leaf] = found, use.fan_in
            for op in way:
                out = op.outputs[0]
                between[out] = np.maximum(between.get(out, np.int32(-1)), unit_of[known[out]])
        if not links.incoming:
            links.problem = "its units share weights of their kernel" if shared else self._no_kernel()
        elif not links.problem and not owned.issuperset(range(graph.shapes[start][self.axis])):
            links.problem = "some of its units have no weights of their own"
        elif not links.problem:
            self._beside(between, links)

    def _no_kernel(self) -> str:
        """Why no kernel before the activation is that of its units."""
        graph, needed = self.graph, self.graph.needed_for([self.start])
        use = max((use for use in graph.uses() if use.output in needed), key=lambda use: use.output, default=None)
        if use is None:
            computed = any(op.name in PRODUCTS and needed.intersection(op.outputs) for op in graph.ops)
            return "its kernel is not a parameter but computed" if computed else "there is no kernel before it"
        columns = columns_of(graph, use)
        if columns is None:
            return "its kernel is put together from several"
        known, _ = self._way(use, columns)
        steps = (op for op in graph.ops if known.keys() & set(op.inputs) and needed.intersection(op.outputs))
        last = next(op.name for op in steps if not known.keys() & set(op.outputs))
        return f"its units cannot be followed to a kernel ({last})"

    def _way(self, use: Use, columns: Units) -> tuple[dict[int, Units], list[Op]]:
        """The columns of the values between a layer and the activation, and the operations that lead there."""
        known, ways = {use.output: columns}, dict[int, list[Op]]()
        ways[use.output] = []
        for op in self.graph.ops:
            sources = [v for v in op.inputs if v in known]
            if use.output in op.outputs or not sources or op.name not in _LINEAR or self.start in known:
                continue
            units = moved(self.graph, op, known)
            if units is not None:
                known.update(units)
                ways.update({out: [*(o for v in sources for o in ways[v]), op] for out in op.outputs})
        return known, ways.get(self.start, [])

    def _beside(self, between: dict[int, Units], links: Links) -> None:
        """The biases and scales that the operations on the way add and multiply by."""
        graph = self.graph
        shifts, scales = dict[int, list[tuple[Units, Units]]](), dict[int, list[tuple[Units, Units]]]()
        for out, units in between.items():
            op = graph.producer[out]
            for value in (v for v in op.inputs if v not in graph.varying):
                if op.name in SUMS:
                    found = terms(graph, value)
                    if found is None:
                        links.problem = "its bias cannot be followed to a parameter"
                        return
                    for leaf, places in found:
                        shifts.setdefault(leaf, []).append((places, units))
                elif op.name in ("mul", "div"):
                    for leaf, places in factors(graph, value):
                        scales.setdefault(leaf, []).append((places, units))
        for group, pairs in ((links.shifts, shifts), (links.scales, scales)):
            for leaf, found in pairs.items():
                flat = [[part.ravel() for part in np.broadcast_arrays(*pair)] for pair in found]
                places, units = map(np.concatenate, zip(*flat, strict=True))
                group[leaf] = owners(places, units, math.prod(graph.shapes[graph.leaves[leaf]]))

    def _elsewhere(self, source: int, columns: Units) -> str:
        """What else than a unit's own result its incoming weights would change, or nothing."""
        graph = self.graph
        known, statistics, before = {source: columns}, set[int](), graph.needed_for([self.end])
        for op in graph.ops:
            sources = {v for v in op.inputs if v in known or v in statistics}
            if not sources or {source, self.end}.intersection(op.outputs) or not self.live.intersection(op.outputs):
                continue
            units = moved(graph, op, known) if sources <= known.keys() else None
            if units is not None and all((part < 0).all() for part in units.values()):
                continue
            apart = op.name in SAME | MOVES and all(v in statistics or v not in graph.varying for v in op.inputs)
            if (op.name in REDUCES and units is not None) or apart:
                # Such as the variance of a unit over the batch, and its running average.
                statistics.update(op.outputs)
            elif not before.intersection(op.outputs):
                return "what goes into the activation is used elsewhere too"
            if units is not None:
                known.update(units)
            elif before.intersection(op.outputs):
                return "its units are mixed before the activation"
        seen = statistics.union(known)
        if seen & self.carried:
            return "what goes into the activation goes from step to step of a scan"
        if any(v in seen - statistics for v in graph.outputs):
            return "the model returns what goes into the activation"
        if any(v in statistics for v in self.returned):
            return "the model returns statistics of what goes into the activation"
        return ""

    def shared(self, leaf: int) -> str:
        """What else than the activation the values of a parameter change, or nothing."""
        graph = self.graph
        derived, count = {graph.leaves[leaf]}, 0
        for op in graph.ops:
            if derived.intersection(op.inputs) and self.live.intersection(op.outputs):
                if graph.varying.intersection(op.outputs):
                    count += 1
                else:
                    derived.update(op.outputs)
        # The state of a model contains parameters that stay as they are, such as running means.
        own = {graph.leaves[leaf]}.difference(self.returned)
        if count > 1:
            return "its parameters are used more than once"
        return "the model returns what its parameters alone give" if derived.difference(own) & {*graph.outputs} else ""

    def outgoing(self, links: Links) -> None:
        graph, end = self.graph, self.end
        known, zeros = {end: along(graph.shapes[end], self.axis)}, {end}
        uses = {(use.op.outputs[0], use.operand): use for use in graph.uses()}
        for op in graph.ops:
            if end in op.outputs or not known.keys() & set(op.inputs) or not self.live.intersection(op.outputs):
                continue
            if op.name in PRODUCTS:
                _rows(graph, op, known, uses, links)
                if not all(v in zeros for v in op.inputs if v in known):
                    links.problem = "a result of 0 does not stay 0 on its way to the next kernel"
            elif op.name in SUMS and any(v in graph.varying and v not in known for v in op.inputs):
                links.problem = "it adds to a residual stream"
            elif (units := moved(graph, op, known)) is None:
                links.problem = f"its units cannot be followed to the next kernel ({op.name})"
            else:
                known.update(units)
                if _zero_at_zero(graph, op, known, zeros):
                    zeros.update(op.outputs)
            if links.problem:
                return
        if known.keys() & self.carried:
            links.problem = "it goes from step to step of a scan"
        elif any(v in known for v in graph.outputs):
            links.problem = "the model returns it"
        elif not links.outgoing:
            links.problem = "no kernel takes its result"


def _zero_at_zero(graph: Graph, op: Op, known: Collection[int], zeros: set[int]) -> bool:
    """Whether an operation gives 0 where these of its operands are 0, whatever the others are."""
    if op.name == "concatenate":
        return all(v in zeros for v in op.inputs if v in known)
    if op.name == "select_n":
        return all(v in zeros or _zero(graph, v) for v in op.inputs[1:])
    if op.name in ZERO_AMONG_0:
        return all(v in zeros or _zero(graph, v) for v in op.inputs)
    if not zeros.intersection(op.inputs) or (op.name == "div" and op.inputs[1] in zeros):
        return False
    return op.name in ZERO_AT_0 or op.name == "div" or (op.name == "integer_pow" and op.params["y"] > 0)


def _zero(graph: Graph, value: int) -> bool:
    """Whether it is a constant of zeros. Of what a scan gives, the graph knows one step alone."""
    if value in graph.varying or graph.origins.get(value):
        return False
    needed = graph.needed_for([value])
    if any(op.name in ("carry", "step_of", "steps") and needed.intersection(op.outputs) for op in graph.ops):
        return False
    return not np.any(np.asarray(graph.evaluate(value, {})))


def _rows(graph: Graph, op: Op, known: dict[int, Units], uses: dict[tuple[int, int], Use], links: Links) -> None:
    """The units of the rows of the kernel that an operation multiplies them by."""
    for operand, value in enumerate(op.inputs):
        if value not in known:
            continue
        use = uses.get((op.outputs[0], 1 - operand))
        if use is None or use.op.inputs[use.operand] not in graph.kernels:
            links.problem = "it goes into a product with other data"
            return
        if graph.stacked(use):
            links.problem = "the next kernel is inside of a scan"
            return
        if op.name == "conv_general_dilated":
            taken: Iterable[int] = [op.params["dimension_numbers"].lhs_spec[1]]
        else:
            taken = op.params["dimension_numbers"][0][operand]
        units = known[value]
        rows = np.moveaxis(units, list(taken), range(-len(list(taken)), 0))
        rows = rows.reshape(-1, math.prod(units.shape[a] for a in taken))
        if (rows != rows[0]).any():
            links.problem = "its units share weights of the next kernel"
            return
        flat, places = rows[0], graph.matrices(use)
        if op.name == "conv_general_dilated":
            groups = op.params["feature_group_count"]
            flat = flat.reshape(groups, -1).repeat(places.shape[1] // (len(flat) // groups), 1)
        found = np.full(math.prod(graph.shapes[graph.leaves[use.leaf]]), -1, np.int32)
        found[places] = flat.reshape(-1, places.shape[1], 1)
        links.outgoing[use.leaf] = found
