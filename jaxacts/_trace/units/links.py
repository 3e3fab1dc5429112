"""Which weights belong to a unit: those that lead to it, its bias and scale, and those that lead away from it.

Units are followed as numbers: an array of the shape of a value holds the unit of each element, and is rearranged as the
value is. A unit can be replaced where new incoming weights change nothing but its own result, and where a result of 0
adds 0 to the next layer, so that outgoing weights of 0 change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.primitives import ELEMENTWISE, MOVES, REDUCES, SAME_PLACE, SUMS, ZERO_AMONG_0, ZERO_AT_0
from jaxacts._trace.units.sites import Site

__all__ = ["Links", "links_of"]

Units: TypeAlias = NDArray[np.int32]
_LINEAR = SUMS | SAME_PLACE | MOVES | {"mul", "div", "neg"}
_REARRANGED = frozenset(
    ["reshape", "transpose", "squeeze", "expand_dims", "broadcast_in_dim", "slice", "rev", "sharding_constraint"]
)
_SAME = ELEMENTWISE | SAME_PLACE


@dataclass
class Links:
    """The units of each element of the parameters around one activation, -1 where there is none.

    ``incoming`` and ``outgoing`` are kernels, with the fan_in of the first; ``shifts`` and ``scales`` what is added and
    multiplied on the way to the activation. ``problem`` says why units cannot be replaced, and is empty otherwise.
    """

    incoming: dict[int, tuple[Units, float]] = field(default_factory=dict)
    outgoing: dict[int, Units] = field(default_factory=dict)
    shifts: dict[int, Units] = field(default_factory=dict)
    scales: dict[int, Units] = field(default_factory=dict)
    problem: str = ""


def links_of(graph: Graph, site: Site) -> Links:
    """The links of the units of one activation."""
    links = Links()
    start, end = site.values
    if start is None or graph.shapes[start] != graph.shapes[end]:
        links.problem = "the input of the activation is not known"
    elif site.steps or any(graph.calls[site.path[:d]].primitive.name == "scan" for d in range(1, len(site.path) + 1)):
        links.problem = "it is inside of a scan"
    else:
        live = graph.needed_for(graph.outputs)
        with jax.ensure_compile_time_eval():
            _incoming(graph, (start, end), site.axis, live, links)
            _outgoing(graph, end, site.axis, live, links)
        if not links.problem and not (links.incoming and links.outgoing):
            links.problem = "there is no kernel before it" if not links.incoming else "no kernel takes its result"
        linked = [*links.incoming, *links.outgoing, *links.shifts, *links.scales]
        if not links.problem and any(_times_used(graph, leaf, live) > 1 for leaf in linked):
            links.problem = "its parameters are used more than once"
    return links


def _along(shape: tuple[int, ...], axis: int) -> Units:
    """The index along one axis, as an array of this shape."""
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return np.broadcast_to(np.arange(shape[axis], dtype=np.int32).reshape(sizes), shape)


def _moved(graph: Graph, op: Op, known: dict[int, Units]) -> Units | None:
    """The units of the result of an operation, or None where they are mixed."""
    source = next(v for v in op.inputs if v in known)
    units, shape = known[source], graph.shapes[op.outputs[0]]
    if op.name in ("reduce_window_max", "reduce_window_sum"):
        names = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
        sizes = [op.params[name] for name in names]
        return np.asarray(jax.lax.reduce_window(jnp.asarray(units), jnp.int32(-1), jax.lax.max, *sizes))
    if op.name in REDUCES:
        axes = tuple(op.params["axes"])
        constant = all((units == units.take([0], axis=a)).all() for a in axes)
        return units.max(axes) if constant else None
    if op.name == "concatenate":
        parts = [known[v] if v in known else np.full(graph.shapes[v], -1, np.int32) for v in op.inputs]
        return np.concatenate(parts, op.params["dimension"])
    if op.name in _REARRANGED:
        return np.asarray(graph.run(op, [jnp.asarray(units)])[0])
    return units if op.name in _SAME and shape == units.shape else None


def _incoming(graph: Graph, values: tuple[int, int], axis: int, live: set[int], links: Links) -> None:
    start, end = values
    shape = graph.shapes[start]
    for use in graph.uses():
        columns = _columns(graph, use)
        if columns is None:
            continue
        known, ways = {use.output: columns}, dict[int, list[Op]]()
        ways[use.output] = []
        for op in graph.ops:
            sources = [v for v in op.inputs if v in known]
            if use.output in op.outputs or not sources or op.name not in _LINEAR or start in known:
                continue
            units = _moved(graph, op, known)
            if units is not None:
                known.update(dict.fromkeys(op.outputs, units))
                ways.update({v: [*ways[sources[0]], op] for v in op.outputs})
        if start not in known:
            continue
        links.problem = links.problem or _elsewhere(graph, use.output, columns, end, live)
        features = np.moveaxis(known[start], axis, -1).reshape(-1, shape[axis])[0]
        unit_of = np.full(int(columns.max()) + 1, -1, np.int32)
        unit_of[features[features >= 0]] = np.flatnonzero(features >= 0)
        places = graph.matrices(use)
        found = np.full(math.prod(graph.shapes[graph.leaves[use.leaf]]), -1, np.int32)
        found[places] = unit_of[np.arange(places.shape[0] * places.shape[2]).reshape(places.shape[0], 1, -1)]
        links.incoming[use.leaf] = found, use.fan_in
        for op in ways[start]:
            _beside(graph, op, known, unit_of, links)


def _elsewhere(graph: Graph, source: int, columns: Units, end: int, live: set[int]) -> str:
    """What else than a unit's own result its incoming weights would change, or nothing."""
    known, statistics, before = {source: columns}, set[int](), graph.needed_for([end])
    for op in graph.ops:
        sources = [v for v in op.inputs if v in known]
        if not sources or source in op.outputs or end in op.outputs or not live.intersection(op.outputs):
            continue
        units = _moved(graph, op, known)
        apart = op.name in _SAME | MOVES and all(v in statistics or v not in graph.varying for v in op.inputs)
        if (op.name in REDUCES and units is not None) or apart:
            # Such as the variance of a unit over the batch, and its running average.
            statistics.update(op.outputs)
        elif not before.intersection(op.outputs):
            return "what goes into the activation is used elsewhere too"
        if units is None and not (apart and not before.intersection(op.outputs)):
            return "its units are mixed before the activation"
        known.update(dict.fromkeys(op.outputs, columns if units is None else units))
    if any(v in known and v not in statistics for v in graph.outputs):
        return "the model returns what goes into the activation"
    return ""


def _times_used(graph: Graph, leaf: int, live: set[int]) -> int:
    """How many operations combine a parameter with data."""
    derived, count = {graph.leaves[leaf]}, 0
    for op in graph.ops:
        if derived.intersection(op.inputs) and live.intersection(op.outputs):
            if graph.varying.intersection(op.outputs):
                count += 1
            else:
                derived.update(op.outputs)
    return count


def _columns(graph: Graph, use: Use) -> Units | None:
    """The output of the layer by which of its columns each element is."""
    shape = graph.shapes[use.output]
    if use.op.name == "conv_general_dilated":
        return _along(shape, use.op.params["dimension_numbers"].out_spec[1])
    contracting, batch = (axes[use.operand] for axes in use.op.params["dimension_numbers"])
    if batch:
        return None
    kernel = len(graph.shapes[use.op.inputs[use.operand]]) - len(contracting)
    first = len(shape) - kernel if use.operand == 1 else 0
    sizes = shape[first : first + kernel]
    if not sizes:
        return None
    ids = np.arange(math.prod(sizes), dtype=np.int32).reshape(sizes)
    return np.broadcast_to(ids.reshape(*ids.shape, *[1] * (len(shape) - first - kernel)), shape)


def _beside(graph: Graph, op: Op, known: dict[int, Units], unit_of: Units, links: Links) -> None:
    """The bias or scale that an operation on the way adds or multiplies by."""
    for value in op.inputs:
        if value in known or value in graph.varying or not graph.origins.get(value):
            continue
        found = _places(graph, value)
        if found is None:
            continue
        leaf, places = found
        units = np.full(math.prod(graph.shapes[graph.leaves[leaf]]), -1, np.int32)
        both = np.broadcast_arrays(places, known[op.outputs[0]])
        units[both[0].ravel()] = unit_of[both[1].ravel()]
        (links.shifts if op.name in SUMS else links.scales)[leaf] = units


def _places(graph: Graph, value: int) -> tuple[int, Units] | None:
    """The parameter that a value without data is spread from, and the place in it of each element."""
    if value in graph.leaves:
        size = math.prod(graph.shapes[value])
        return graph.leaves.index(value), np.arange(size, dtype=np.int32).reshape(graph.shapes[value])
    op = graph.producer.get(value)
    if op is None or op.name not in _LINEAR:
        return None
    inner = next((found for v in op.inputs if graph.origins.get(v) and (found := _places(graph, v))), None)
    if inner is None:
        return None
    leaf, places = inner
    if op.name in SUMS | {"mul", "div", "neg"}:
        return leaf, places
    return leaf, np.asarray(graph.run(op, [jnp.asarray(places)])[0]) if op.name in MOVES - SAME_PLACE else places


def _outgoing(graph: Graph, end: int, axis: int, live: set[int], links: Links) -> None:
    known, zeros = {end: _along(graph.shapes[end], axis)}, {end}
    uses = {(use.op.outputs[0], use.operand): use for use in graph.uses()}
    for op in graph.ops:
        if end in op.outputs or not known.keys() & set(op.inputs) or not live.intersection(op.outputs):
            continue
        if op.name in PRODUCTS:
            _rows(graph, op, known, uses, links)
            if not all(v in zeros for v in op.inputs if v in known):
                links.problem = "a result of 0 does not stay 0 on its way to the next kernel"
        elif op.name in SUMS and any(v in graph.varying and v not in known for v in op.inputs):
            links.problem = "it adds to a residual stream"
        elif (units := _moved(graph, op, known)) is None:
            links.problem = f"its units cannot be followed to the next kernel ({op.name})"
        else:
            known.update(dict.fromkeys(op.outputs, units))
            if _zero_at_zero(graph, op, zeros):
                zeros.update(op.outputs)
        if links.problem:
            return
    if any(v in known for v in graph.outputs):
        links.problem = "the model returns it"


def _zero_at_zero(graph: Graph, op: Op, zeros: set[int]) -> bool:
    """Whether an operation gives 0 where these of its operands are 0, whatever the others are."""
    if op.name == "select_n":
        return all(v in zeros or _zero(graph, v) for v in op.inputs[1:])
    if op.name in ZERO_AMONG_0:
        return all(v in zeros or _zero(graph, v) for v in op.inputs)
    if not zeros.intersection(op.inputs) or (op.name == "div" and op.inputs[1] in zeros):
        return False
    return op.name in ZERO_AT_0 or op.name == "div" or (op.name == "integer_pow" and op.params["y"] > 0)


def _zero(graph: Graph, value: int) -> bool:
    constant = value not in graph.varying and value not in graph.drawn and not graph.origins.get(value)
    return constant and not np.any(np.asarray(graph.evaluate(value, {})))


def _rows(graph: Graph, op: Op, known: dict[int, Units], uses: dict[tuple[int, int], Use], links: Links) -> None:
    for operand, value in enumerate(op.inputs):
        if value not in known:
            continue
        use = uses.get((op.outputs[0], 1 - operand))
        if use is None:
            links.problem = "it goes into a product with other data"
            return
        if op.name == "conv_general_dilated":
            taken: Iterable[int] = [op.params["dimension_numbers"].lhs_spec[1]]
        else:
            taken = op.params["dimension_numbers"][0][operand]
        units = known[value]
        rows = np.moveaxis(units, list(taken), range(-len(list(taken)), 0))
        flat = rows.reshape(-1, math.prod(units.shape[a] for a in taken))[0]
        places = graph.matrices(use)
        if op.name == "conv_general_dilated":
            groups = op.params["feature_group_count"]
            flat = flat.reshape(groups, -1).repeat(places.shape[1] // (len(flat) // groups), 1)
        found = np.full(math.prod(graph.shapes[graph.leaves[use.leaf]]), -1, np.int32)
        found[places] = flat.reshape(-1, places.shape[1], 1)
        links.outgoing[use.leaf] = found
