"""A model's computation as one flat list of operations, with the calls inside it unfolded.

Values are numbered. Each knows whether it depends on the data, and on which parameters; what depends on parameters and
constants alone can be evaluated. The body of a scan appears once, as one step: its carry loops back.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np

from jaxacts._trace.primitives import DRAWS, KEEPS_ELEMENTS, LOOPS, SAME_PLACE
from jaxacts._trace.replay import parts_of_scan

__all__ = ["PRODUCTS", "Graph", "Loop", "Op", "Path", "Use", "called", "graph_of"]

Path: TypeAlias = tuple[int, ...]


class Loop(NamedTuple):
    """A scan: its number and how many steps it has."""

    number: int
    length: int


class Op(NamedTuple):
    """One operation.

    ``scope`` holds the names of the jitted functions around it, and ``loops`` the scans, both outermost first.
    """

    name: str
    primitive: Any
    params: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scope: tuple[str, ...]
    loops: tuple[Loop, ...] = ()


class Use(NamedTuple):
    """A product or convolution of data with a parameter: which one, the operation, its output and fans.

    ``columns`` are those of the output, along its ``axis``, that the parameter makes: all of them where it is the
    whole kernel, some where several are concatenated. None where the outputs are not in order along one axis. The axis
    is counted from the end.
    """

    leaf: int
    operand: int
    op: Op
    output: int
    fan_in: float
    fan_out: float
    columns: tuple[int, int] | None = None
    axis: int = -1


@dataclass
class Graph:
    ops: list[Op] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    literals: set[int] = field(default_factory=set)
    loops: list[tuple[int, int]] = field(default_factory=list)
    leaves: tuple[int, ...] = ()
    data: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    # The program itself, each call inside it by the indices of the equations that lead there, and the values by such a
    # path and the variable of the program.
    program: Any = None
    calls: dict[Path, Any] = field(default_factory=dict)
    places: dict[tuple[Path, Any], int] = field(default_factory=dict)
    producer: dict[int, Op] = field(default_factory=dict)
    around: tuple[Loop, ...] = ()
    # How often each value is used, the end of the model and the next step of a loop included.
    used: Counter[int] = field(default_factory=Counter[int])
    # The data-dependent values; for the others the parameters they come from; those that are one parameter rearranged;
    # those that come from random bits.
    varying: set[int] = field(default_factory=set)
    origins: dict[int, frozenset[int]] = field(default_factory=dict)
    kernels: dict[int, int] = field(default_factory=dict)
    drawn: set[int] = field(default_factory=set)

    def value(self, shape: Sequence[int]) -> int:
        self.shapes.append(tuple(shape))
        return len(self.shapes) - 1

    def constant(self, array: Any, *, literal: bool) -> int:
        new = self.value(np.shape(array))
        self.constants[new] = array
        if literal:
            self.literals.add(new)
        return new

    def append(
        self, name: str, inputs: Sequence[int], shapes: Sequence[Sequence[int]], scope: tuple[str, ...], **more: Any
    ) -> tuple[int, ...]:
        outputs = tuple(self.value(shape) for shape in shapes)
        op = Op(name, more.get("primitive"), more.get("params", {}), tuple(inputs), outputs, scope, self.around)
        self.ops.append(op)
        self.producer.update(dict.fromkeys(outputs, op))
        return outputs

    def classify(self) -> None:
        self.varying = set(self.data)
        self.origins = {leaf: frozenset([i]) for i, leaf in enumerate(self.leaves)}
        self.kernels = {leaf: i for i, leaf in enumerate(self.leaves)}
        back = {after: before for before, after in self.loops}
        self.used = Counter([*(v for op in self.ops for v in op.inputs), *self.outputs, *back.values()])
        for _ in range(1 + len(self.loops)):
            for op in self.ops:
                inputs = [*op.inputs, *(back[v] for v in op.outputs if v in back)]
                if self.varying.intersection(inputs):
                    self.varying.update(op.outputs)
                elif op.name in DRAWS or self.drawn.intersection(inputs):
                    self.drawn.update(op.outputs)
                origins = frozenset[int]().union(*(self.origins.get(v, frozenset()) for v in inputs))
                self.origins.update(dict.fromkeys(op.outputs, origins))
                same_size = op.name == "broadcast_in_dim" and self._size(op.inputs[0]) == self._size(op.outputs[0])
                if (op.name in KEEPS_ELEMENTS or same_size or op.name == "step_of") and op.inputs[0] in self.kernels:
                    self.kernels[op.outputs[0]] = self.kernels[op.inputs[0]]

    def needed_for(self, values: Iterable[int]) -> set[int]:
        """These values and all that they are computed from."""
        found, back = set(values), defaultdict[int, set[int]](set)
        for after, before in self.loops:
            back[before].add(after)
        for _ in range(1 + len(self.loops)):
            size = len(found)
            for op in reversed(self.ops):
                if found.intersection(op.outputs):
                    found.update(op.inputs)
                    found.update(*(back[v] for v in op.outputs))
            if len(found) == size:
                break
        return found

    def _size(self, value: int) -> int:
        return math.prod(self.shapes[value])

    def uses(self) -> list[Use]:
        """Each product or convolution of data with a parameter, in the order of the computation."""
        return [use for op in self.ops if op.name in PRODUCTS for k in (0, 1) for use in self._uses(op, k)]

    def _uses(self, op: Op, operand: int) -> Iterator[Use]:
        value, other = op.inputs[operand], op.inputs[1 - operand]
        if value in self.varying or other not in self.varying:
            return
        axes = _output_axes(op, operand, self.shapes)
        start = 0
        # Kernels that are concatenated before their product are so many layers side by side.
        parts = [value] if value in self.kernels else self._concatenated(value, axes[0]) if axes else []
        for part in parts:
            shape = self.shapes[part]
            stop = start + shape[axes[0]] if axes else start
            fans = _FANS[op.name](op.params, operand, shape)
            if fans and part in self.kernels:
                fan_in, fan_out = fans
                columns, axis = ((start, stop), axes[1]) if axes else (None, -1)
                yield Use(self.kernels[part], operand, op, op.outputs[0], fan_in, fan_out, columns, axis)
            start = stop

    def _concatenated(self, value: int, axis: int) -> list[int]:
        """The values side by side along this axis of this one, or none."""
        op = self.producer.get(value)
        while op and op.name in SAME_PLACE:
            value = op.inputs[0]
            op = self.producer.get(value)
        return list(op.inputs) if op and op.name == "concatenate" and op.params["dimension"] == axis else []

    def evaluate(self, value: int, known: dict[int, Any]) -> Any:
        """The value of something that does not depend on the data, given that of the parameters."""
        if value not in known:
            if value in self.constants:
                known[value] = self.constants[value]
            else:
                op = self.producer[value]
                known.update(zip(op.outputs, self.run(op, [self.evaluate(v, known) for v in op.inputs]), strict=True))
        return known[value]

    def run(self, op: Op, inputs: list[Any]) -> list[Any]:
        if op.name == "step_of":
            return [inputs[0][0]]
        if op.primitive is None or op.name in ("pvary", "pbroadcast", "pcast"):  # these change the type in a shard_map
            return inputs[:1]
        out = op.primitive.bind(*inputs, **op.params)
        return list(out) if op.primitive.multiple_results else [out]

    def stacked(self, use: Use) -> list[int]:
        """Which of the loops around the use have a kernel for each step, counted from the outermost."""
        value, found = use.op.inputs[use.operand], list[int]()
        while value not in self.leaves:
            op = self.producer[value]
            if op.name == "step_of":
                found.insert(0, len(op.loops) - 1)
            value = op.inputs[0]
        return found

    def matrices(self, use: Use) -> Any:
        """The place in the flat parameter of each weight, as (*steps, independent matrices, inputs, outputs)."""
        places, steps = self._places(use.op.inputs[use.operand])
        params, own = use.op.params, range(places.ndim - steps)
        if use.op.name == "dot_general":
            inputs, batch = (axes[use.operand] for axes in params["dimension_numbers"])
            outputs = [a for a in own if a not in (*inputs, *batch)]
            groups = [batch, inputs, outputs]
        else:
            out, *inputs = params["dimension_numbers"].rhs_spec
            groups = [[], [out], inputs]
        sizes = [math.prod(places.shape[steps + a] for a in axes) for axes in groups]
        order = [*range(steps), *(steps + a for axes in groups for a in axes)]
        found = places.transpose(order).reshape(*places.shape[:steps], *sizes)
        if use.op.name == "dot_general":
            return found
        grouped = found.reshape(*places.shape[:steps], params["feature_group_count"], -1, sizes[2])
        return grouped.swapaxes(-1, -2)

    def _places(self, value: int) -> tuple[Any, int]:
        """The places, with an axis in front for each scan that has a kernel for each step, and the number of these."""
        if value in self.leaves:
            return np.arange(self._size(value)).reshape(self.shapes[value]), 0
        op = self.producer[value]
        inner, steps = self._places(op.inputs[0])
        if op.name == "step_of":
            return inner, steps + 1
        if op.name == "transpose":
            return inner.transpose(*range(steps), *(steps + a for a in op.params["permutation"])), steps
        return inner.reshape(*inner.shape[:steps], *self.shapes[value]), steps


def _output_axes(op: Op, operand: int, shapes: Sequence[tuple[int, ...]]) -> tuple[int, int] | None:
    """The axis of the kernel and, from the end, that of the result along which the outputs of the layer are."""
    numbers, rank = op.params["dimension_numbers"], len(shapes[op.outputs[0]])
    if op.name == "dot_general":
        inputs, batch = (axes[operand] for axes in numbers)
        own = [a for a in range(len(shapes[op.inputs[operand]])) if a not in (*inputs, *batch)]
        return (own[0], -1 if operand == 1 else len(batch) - rank) if len(own) == 1 else None
    plain = operand == 1 and op.params["feature_group_count"] == 1
    return (numbers.rhs_spec[0], numbers.out_spec[1] - rank) if plain else None


def _dot_fans(params: dict[str, Any], operand: int, shape: tuple[int, ...]) -> tuple[float, float]:
    contracting, batch = (axes[operand] for axes in params["dimension_numbers"])
    fan_in = math.prod(shape[a] for a in contracting)
    stacked = math.prod(shape[a] for a in batch)
    return fan_in, math.prod(shape) // (fan_in * stacked)


def _conv_fans(params: dict[str, Any], operand: int, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """On average over positions: a stride leaves out outputs, a dilated input is zero in between."""
    if operand == 0 or params["batch_group_count"] != 1:
        return None
    out, channels, *window = params["dimension_numbers"].rhs_spec
    size = math.prod(shape[a] for a in window)
    groups = params["feature_group_count"]
    fan_in = size * shape[channels] / math.prod(params["lhs_dilation"])
    return fan_in, size * shape[out] / groups / math.prod(params["window_strides"])


_FANS: dict[str, Callable[..., Any]] = {"dot_general": _dot_fans, "conv_general_dilated": _conv_fans}
PRODUCTS = frozenset(_FANS)


def graph_of(function: Callable[[list[Any], Any], Any], leaves: list[Any], sample: Any, *, into_scans: bool) -> Graph:
    """The graph of ``function(leaves, sample)``; with ``into_scans`` one that cannot be run, but followed."""
    closed = jax.make_jaxpr(function)(leaves, sample)
    graph = Graph(program=closed)
    inputs = [graph.value(v.aval.shape) for v in closed.jaxpr.invars]
    graph.leaves, graph.data = tuple(inputs[: len(leaves)]), tuple(inputs[len(leaves) :])
    graph.outputs = tuple(_unfold(graph, closed.jaxpr, closed.consts, inputs, (), into_scans, ()))
    graph.classify()
    return graph


def _unfold(
    graph: Graph,
    jaxpr: Any,
    consts: Sequence[Any],
    inputs: Sequence[int],
    scope: tuple[str, ...],
    into_scans: bool,
    path: Path,
) -> list[int]:
    known: dict[Any, int] = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= {v: graph.constant(c, literal=False) for v, c in zip(jaxpr.constvars, consts, strict=True)}

    def read(atom: Any) -> int:
        return graph.constant(atom.val, literal=True) if hasattr(atom, "val") else known[atom]

    for index, eqn in enumerate(jaxpr.eqns):
        name, operands = eqn.primitive.name, [read(v) for v in eqn.invars]
        inner = called(eqn)
        inside = (*path, index)
        shapes = [v.aval.shape for v in eqn.outvars]
        if inner is not None:
            here = (*scope, str(eqn.params["name"])) if "name" in eqn.params else scope
            graph.calls[inside] = eqn
            outputs = _unfold(graph, *inner, operands, here, into_scans, inside)
        elif name == "scan" and into_scans:
            graph.calls[inside] = eqn
            outputs = _one_step(graph, eqn, operands, scope, shapes, inside)
        else:
            outputs = graph.append(name, operands, shapes, scope, primitive=eqn.primitive, params=eqn.params)
        known.update(zip(eqn.outvars, outputs, strict=True))
    graph.places.update({(path, variable): value for variable, value in known.items()})
    return [read(v) for v in jaxpr.outvars]


def called(eqn: Any) -> tuple[Any, Sequence[Any]] | None:
    """The program that an operation only calls: jit, remat, a custom derivative."""
    if eqn.primitive.name in LOOPS:
        return None
    inner: Any = next((eqn.params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in eqn.params), None)
    jaxpr, consts = (inner.jaxpr, inner.consts) if hasattr(inner, "jaxpr") else (inner, ())
    fits = hasattr(jaxpr, "eqns") and len(jaxpr.invars) == len(eqn.invars) and len(jaxpr.outvars) == len(eqn.outvars)
    return (jaxpr, consts) if fits else None


def _one_step(
    graph: Graph, eqn: Any, operands: list[int], scope: tuple[str, ...], shapes: list[Any], path: Path
) -> list[int]:
    consts, carried = parts_of_scan(eqn)
    body = eqn.params["jaxpr"]
    inner_shapes = [v.aval.shape for v in body.jaxpr.invars]
    inputs = operands[:consts]
    outside = graph.around
    graph.around = (*outside, Loop(len(graph.ops), eqn.params["length"]))
    for i, (operand, shape) in enumerate(zip(operands[consts:], inner_shapes[consts:], strict=True)):
        inputs.extend(graph.append("carry" if i < carried else "step_of", [operand], [shape], scope))
    results = _unfold(graph, body.jaxpr, body.consts, inputs, scope, True, path)
    graph.loops.extend(zip(results[:carried], inputs[consts : consts + carried], strict=True))
    graph.around = outside
    return [
        graph.append("carry" if i < carried else "steps", [result], [shape], scope)[0]
        for i, (result, shape) in enumerate(zip(results, shapes, strict=True))
    ]
