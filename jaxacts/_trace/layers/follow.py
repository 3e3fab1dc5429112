"""What becomes of the output of a layer: the operations it meets, up to an activation or the next layer.

The output z of one product or convolution is followed through the graph. Biases, reshapes, pooling, masks, sums over an
axis or over neighbours, normalizations and residual additions let it pass; what is elementwise and not linear becomes
part of an expression f(z); a product with weights or with another layer's signal, or the end of the model, ends it.
Anything else is reported.

After a residual addition, a normalization or a scaling by values that differ, z stands for what has come out of it:
factors before it are there on purpose, and no activation behind it undoes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.layers.signals import GATES, INSIDE, MAXOUT, Signal, Statistic
from jaxacts._trace.primitives import ELEMENTWISE, KEEPS_ELEMENTS, MOVES, REDUCES, SAME_PLACE, SCATTERS, SUMS, WINDOWED
from jaxacts.lookup import catalogue

__all__ = ["Signal", "Trail", "follow"]


@dataclass
class Trail:
    """Where the output of one layer goes: the signals at which it ends, what is unclear, and what lay on the way."""

    graph: Graph
    use: Use
    known: dict[int, Any]
    ends: list[Signal] = field(default_factory=list)
    unclear: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    states: dict[int, Signal | Statistic] = field(default_factory=dict)
    gated: bool = False
    # The activation of the gate, where a function of the catalogue splits the output into a gate and its values.
    gate: str = ""
    # The residual additions whose branch the layer ends, and the values that a residual sum has become.
    branches: dict[int, Op] = field(default_factory=dict)
    streams: set[int] = field(default_factory=set[int])

    def function(self, signal: Signal) -> Callable[[Array], Array]:
        """The signal as a function of z."""

        def apply(z: Array) -> Array:
            x = z.astype(jnp.float32)  # the exponentials of this package work on its bits
            return jnp.broadcast_to(self._evaluate(signal.expr, {self.base(signal): x}, x), z.shape).astype(z.dtype)

        return apply

    def base(self, signal: Signal) -> int:
        """The value that stands for z in the signal."""
        return self.use.output if signal.base < 0 else signal.base

    def _evaluate(self, expr: int, memo: dict[int, Array], z: Array) -> Array:
        if expr not in memo:
            op = self.graph.producer[expr]
            inputs: list[Any] = []
            for v in op.inputs:
                state = self.states.get(v)
                if state := state.own if isinstance(state, Statistic) else state:
                    inputs.append(self._evaluate(state.expr, memo, z))
                else:
                    number = jnp.asarray(self.uniform(v))
                    wide = jnp.issubdtype(number.dtype, jnp.floating)
                    inputs.append(jnp.broadcast_to(number.astype(z.dtype) if wide else number, z.shape))
            if op.name == "convert_element_type":
                new = op.params["new_dtype"]
                memo[expr] = inputs[0].astype(z.dtype if jnp.issubdtype(new, jnp.floating) else new)
            else:
                memo[expr] = self.graph.run(op, inputs)[0]
        return memo[expr]

    def uniform(self, value: int) -> Any:
        """The one number that a value without data consists of, or None."""
        array = self._fixed(value)
        return array.flat[0] if array is not None and array.size and (array == array.flat[0]).all() else None

    def _fixed(self, value: int) -> Any:
        """A value without data as an array, or None where it has data or a parameter is known by its shape alone."""
        origins = self.graph.origins.get(value, ())
        abstract = any(isinstance(self.known[self.graph.leaves[i]], jax.ShapeDtypeStruct) for i in origins)
        if value in self.graph.varying or abstract:
            return None
        with jax.ensure_compile_time_eval():
            return np.asarray(self.graph.evaluate(value, self.known))

    def end(self, signal: Signal) -> None:
        if signal.spoiled:
            self.unclear[f"is multiplied by another signal, or by values that differ, before {signal.spoiled}"] = None
        factor = self._factor(signal) if signal.linear else signal.factor
        if factor != 1:
            self.notes[f"×{factor:.4g}"] = None
        if signal.terms > 1:
            self.notes[f"sum of {signal.terms}"] = None
        if signal.summed and not signal.linear:
            self.notes["summed"] = None

        for i, other in enumerate(self.ends):
            both = other.linear and signal.linear and other.columns == signal.columns
            if both or other.expr == signal.expr:
                self.ends[i] = max(other, signal, key=lambda s: s.terms)
                return
        self.ends.append(signal)

    def _factor(self, signal: Signal) -> float:
        """By what a signal without an activation has been multiplied."""
        if signal.expr == self.base(signal):
            return signal.factor
        apply = self.function(signal)
        with jax.ensure_compile_time_eval():
            return signal.factor * float((apply(jnp.ones(1)) - apply(jnp.zeros(1)))[0])

    def _anew(self, signal: Signal, value: int, **changes: Any) -> Signal:
        """A linear signal of which ``value`` stands for z from here on."""
        return signal._replace(
            **{"expr": value, "part": value, "base": value, "factor": self._factor(signal)} | changes
        )

    def refuse(self, op: Op, reason: str) -> None:
        """With the reason, in which ``{}`` stands for where the operation is found."""
        if (place := self._place(op)) in GATES:
            self.gate = GATES[place]
        else:
            self.unclear[INSIDE.get(place, reason.format(place))] = None

    def _place(self, op: Op) -> str:
        """The activation of the catalogue that the operation is a part of, or its own name."""
        return next((n for n in op.scope if n not in self.use.op.scope and n in catalogue()), op.name)

    def reach(self, value: int) -> None:
        """The value goes into a layer or out of the model."""
        state = self.states[value]
        if isinstance(state, Signal):
            self.end(state)
        elif state.maximum and state.of.linear:
            self.unclear[f"goes into a maximum over an axis (reduce_max), which may be pooling or {MAXOUT}"] = None
        else:
            self.end(state.own or state.of)

    def step(self, op: Op) -> None:
        signals = {v: s for v in op.inputs if isinstance(s := self.states.get(v), Signal)}
        statistics = {v: s for v in op.inputs if isinstance(s := self.states.get(v), Statistic)}
        if not signals and not statistics:
            return
        if op.name in PRODUCTS:
            self._product(op, signals, statistics)
        elif self._draws(op, signals):
            self.refuse(op, "meets random numbers: switch dropout off, by deterministic=True or model.eval()")
        elif op.name in WINDOWED:
            self._windowed(op, signals, statistics)
        elif op.name in SCATTERS and op.inputs[-1] in signals:
            self._windowed(op, {op.inputs[-1]: signals[op.inputs[-1]]}, {})
        elif op.name in MOVES:
            self._move(op, signals, statistics)
        elif op.name in REDUCES:
            self._reduce(op, signals, statistics)
        elif op.name in ELEMENTWISE:
            self._elementwise(op, signals, statistics)
        else:
            for signal in signals.values():
                if signal.linear:
                    self.refuse(op, "goes into {}, which is neither elementwise nor a layer")
                else:
                    self.end(signal)

    def _draws(self, op: Op, signals: dict[int, Signal]) -> bool:
        """Whether the signals meet random numbers, but for noise that is added, or scaled by what they have become."""
        scales = op.name == "mul" and not any(s.linear for s in signals.values()) and self._place(op) not in INSIDE
        return bool(signals and op.name not in SUMS and self.graph.drawn.intersection(op.inputs)) and not scales

    def _product(self, op: Op, signals: dict[int, Signal], statistics: dict[int, Statistic]) -> None:
        """With weights or the signal of another layer it ends here; data alone, such as an adjacency matrix, sum."""
        others = [v for v in op.inputs if v not in signals]
        if op.name == "dot_general" and len(signals) == 1 and not any(self.graph.origins.get(v) for v in others):
            self._windowed(op, signals, {})
            return
        for v in (*signals, *statistics):
            self.reach(v)

    def _reduce(self, op: Op, signals: dict[int, Signal], statistics: dict[int, Statistic]) -> None:
        first = next(iter(signals.values()), None) or next(iter(statistics.values())).own
        if first is None:
            self._put(op, next(iter(statistics.values())))
            return
        own = None
        if first.linear and op.name == "reduce_sum":
            whole = len(self.graph.shapes[op.inputs[0]]) - 1 not in op.params["axes"]
            columns = first.columns if whole else None
            own = self._anew(first, op.outputs[0], summed=True, columns=columns)
        self._put(op, Statistic(first, op.name == "reduce_max", own))

    def _elementwise(self, op: Op, signals: dict[int, Signal], statistics: dict[int, Statistic]) -> None:
        others = any(v in self.graph.varying and v not in {**signals, **statistics} for v in op.inputs)
        if not signals:
            self._statistics(op, statistics, others)
        elif op.name == "select_n" and op.inputs[0] not in {**signals, **statistics} and self._masks(op, signals):
            self.notes["masked"] = None
            self._put(op, next(iter(signals.values())))
        elif statistics:
            self._normalized(op, next(iter(signals.values())), next(iter(statistics.values())))
        else:
            self._put(op, self._meets(op, signals) if others else self._computes(op, signals))

    def _statistics(self, op: Op, statistics: dict[int, Statistic], others: bool) -> None:
        """The rest of a normalization, or what a model computes of a mean."""
        first, *_, last = [*statistics.values()] * 2
        if first.own and first.own.linear and last is not first and last.of.base == first.own.base:
            return self._normalized(op, first.own, last)  # a mean, normalized by its own statistics
        own = {v: s.own for v, s in statistics.items() if s.own}
        alone = len(own) == len(statistics) and len({s.base for s in own.values()}) == 1
        if others and not (alone and op.name in SUMS):
            return None  # the rest of a normalization of a signal that has ended
        if not alone:
            return self._put(op, first._replace(own=None))
        new = self._meets(op, own) if others else self._computes(op, own)
        return self._put(op, first._replace(own=new) if new else None)

    def _put(self, op: Op, state: Signal | Statistic | None) -> None:
        if state is not None:
            for v in op.outputs:
                if v != self.use.output:
                    self.states[v] = state

    def _masks(self, op: Op, signals: dict[int, Signal]) -> bool:
        return len(signals) == 1 and not all(v in signals for v in op.inputs[1:])

    def _move(self, op: Op, signals: dict[int, Signal], statistics: dict[int, Statistic]) -> None:
        if not signals:
            self._put(op, next(iter(statistics.values())))
            return
        first = next(iter(signals.values()))
        if any(s.expr != first.expr for s in signals.values()):
            for signal in signals.values():
                self.end(signal)
            return
        for v, columns in zip(op.outputs, self._columns(op, first), strict=True):
            if columns == ():
                continue
            if op.name == "convert_element_type" and not first.linear:
                self.states[v] = first._replace(expr=v)
            else:
                self.states[v] = first if op.name in SAME_PLACE else first._replace(part=v, columns=columns)

    def _columns(self, op: Op, signal: Signal) -> list[tuple[int, int] | tuple[()] | None]:
        """Which outputs of the layer each result holds: () for none of them, None where that is not known."""
        before, last = self.graph.shapes[op.inputs[0]], len(self.graph.shapes[op.inputs[0]]) - 1
        if signal.columns is None:
            return [None for _ in op.outputs]
        start = signal.columns[0]
        if op.name == "slice":
            cut = (start + op.params["start_indices"][last], start + op.params["limit_indices"][last])
            return [self._own(cut) if op.params["strides"] is None else None]
        if op.name == "split" and op.params["axis"] == last:
            ends = np.cumsum([0, *op.params["sizes"]])
            return [self._own((start + int(a), start + int(b))) for a, b in itertools.pairwise(ends)]
        moved = op.name == "transpose" and op.params["permutation"][-1] != last
        kept = op.name in KEEPS_ELEMENTS or op.name in ("broadcast_in_dim", "carry", "steps", "split", "pad")
        size = self.graph.shapes[op.outputs[0]][-1:]
        return [signal.columns if kept and not moved and size == before[-1:] else None for _ in op.outputs]

    def _own(self, columns: tuple[int, int]) -> tuple[int, int] | tuple[()]:
        """The part of these columns that the kernel makes."""
        first, last = self.use.columns or columns
        part = max(first, columns[0]), min(last, columns[1])
        return part if part[0] < part[1] else ()

    def _windowed(self, op: Op, signals: dict[int, Signal], statistics: dict[int, Statistic]) -> None:
        """A sum over windows, such as average pooling before its division: of f(z) a statistic, of z again a signal."""
        first = next(iter(signals.values()), None)
        if first is None:
            self._put(op, next(iter(statistics.values())))
        elif first.linear:
            columns = first.columns if op.name in WINDOWED else None
            self._put(op, first._replace(part=op.outputs[0], summed=True, columns=columns))
        else:
            self._put(op, Statistic(first))

    def _normalized(self, op: Op, signal: Signal, statistic: Statistic) -> None:
        if op.name not in ("add", "sub", "mul", "div"):
            self.refuse(op, "meets a statistic of itself in {}")
        elif not signal.linear:
            self.end(signal)
        elif op.name == "sub" and statistic.maximum:
            self._put(op, signal._replace(shifted=True))
        else:
            self.notes["normalized"] = None
            scaled = op.name in ("mul", "div")
            self._put(op, self._anew(signal, op.outputs[0], factor=1.0, uneven=False, terms=1) if scaled else signal)

    def _meets(self, op: Op, signals: dict[int, Signal]) -> Signal | None:
        """Another signal, which does not come from this layer."""
        value, signal = next(iter(signals.items()))
        (other,) = (
            (v for v in op.inputs if v not in signals and v in self.graph.varying) if len(signals) == 1 else (-1,)
        )
        if op.name in SUMS and other >= 0:
            more = self.graph.terms(other) if self.graph.terms(value) else None
            if more:
                return (
                    self._anew(signal, op.outputs[0], terms=signal.terms + more) if signal.linear else self.end(signal)
                )
            self.notes["residual"] = None
            self.streams.add(op.outputs[0])
            if self.graph.used[value] == 1 and self.graph.used[other] > 1:
                self.branches[op.outputs[0]] = op
            return self._anew(signal, op.outputs[0], uneven=False) if signal.linear else self.end(signal)
        if op.name == "mul" or (op.name == "div" and op.inputs[0] in self.states):
            self.notes["gated"] = None
            return signal._replace(part=op.outputs[0], uneven=True) if signal.linear else self.end(signal)
        return self.refuse(op, "meets another signal in {}")

    def _computes(self, op: Op, signals: dict[int, Signal]) -> Signal | None:
        out = op.outputs[0]
        first = next(iter(signals.values()))
        if len({s.base for s in signals.values()}) > 1:
            if op.name in SUMS and all(s.linear for s in signals.values()):
                # A stream in a loop, and the branch that is added to it.
                return self._anew(min(signals.values(), key=lambda s: s.base), out, uneven=False)
            if len({s.columns for s in signals.values()} - {None}) == len(signals):
                return self._parts(op, list(signals.values()))
            return self.refuse(op, "is multiplied by another signal, or by values that differ, before {}")
        if len({s.part for s in signals.values()}) > 1:
            return self._parts(op, list(signals.values()))
        others = [v for v in op.inputs if v not in signals]
        leads = op.inputs[0] in signals
        scales = bool(others) and (op.name == "mul" or (op.name == "div" and leads))
        affine = scales or op.name in SUMS or op.name == "neg"
        linear = affine and all(s.linear for s in signals.values())
        bias = linear and op.name in ("add", "sub") and leads | (op.name == "add")
        if scales and first.summed and all(s is first for s in signals.values()):
            return first._replace(summed=False)
        if bias and any(self.graph.origins.get(v) or np.prod(self.graph.shapes[v]) > 1 for v in others):
            return first
        if all(self.uniform(v) is not None for v in others):
            if first.shifted and op.name == "exp":
                self.notes["softmax"] = None
                return self.end(first)
            if scales and linear and first.expr in self.streams:
                self.streams.add(out)
                return self._anew(first._replace(factor=first.factor * self._number(op, others)), out)
            uneven = any(s.uneven for s in signals.values())
            spoiled = next((s.spoiled for s in signals.values() if s.spoiled), "")
            if uneven and not linear:
                spoiled = spoiled or self._place(op)
            return first._replace(expr=out, linear=linear, uneven=uneven, spoiled=spoiled)
        if linear:
            return self._scaled(first, out, [self._fixed(v) for v in others])
        if first.linear or op.name not in ("add", "sub", "mul", "div"):
            return self.refuse(op, "meets values that differ between units in {}")
        return self.end(first)

    def _number(self, op: Op, others: list[int]) -> float:
        """The constant by which a product or quotient multiplies."""
        number = float(self.uniform(others[0]))
        return 1 / number if op.name == "div" else number

    def _scaled(self, signal: Signal, out: int, values: list[Any]) -> Signal:
        """By a scale for each unit, as of a normalization in evaluation or of a layer scale."""
        sizes = [float(np.sqrt(np.mean(np.square(v, dtype=np.float64)))) for v in values if v is not None]
        self.notes["scaled per unit"] = None
        return self._anew(signal, out, factor=self._factor(signal) * float(np.prod(sizes)))

    def _parts(self, op: Op, signals: list[Signal]) -> Signal | None:
        """Two rearrangements or slices of the same output, such as the halves of a packed gate."""
        if op.name in SUMS and all(s.linear for s in signals):
            return signals[0]._replace(part=op.outputs[0], columns=None)
        if op.name in ("add", "sub", "add_any", "mul"):
            self.gated |= op.name == "mul"
            for signal in signals:
                self.end(signal)
            return None
        return self.refuse(op, "meets another part of itself, or its product with another signal, in {}")


def follow(graph: Graph, use: Use, known: dict[int, Any]) -> Trail:
    """Follows the output of ``use``; ``known`` has the values of the parameters."""
    trail = Trail(graph, use, known)
    columns = (0, graph.shapes[use.output][-1]) if use.columns else None
    trail.states[use.output] = Signal(use.output, use.output, columns=columns)
    for _ in range(1 + len(graph.loops)):
        for op in graph.ops:
            trail.step(op)
        back = {after: trail.states[before] for before, after in graph.loops if before in trail.states}
        if all(v in trail.states for v in back):
            break
        trail.states.update({v: s for v, s in back.items() if v not in trail.states})
    for v in graph.outputs:
        if v in trail.states:
            trail.reach(v)
    return trail
