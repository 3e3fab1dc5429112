"""What becomes of the output of a layer: the operations it meets, up to an activation or the next layer.

The output z of one product or convolution is followed through the graph. Biases, reshapes, pooling, masks,
normalizations and residual additions let it pass; what is elementwise and not linear becomes part of an expression
f(z); a product with weights or with another signal, or the end of the model, ends it. Anything else is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.primitives import ELEMENTWISE, MOVES, REDUCES, SAME_PLACE, SUMS, WINDOWED
from jaxacts.lookup import catalogue

__all__ = ["GATE", "Signal", "Trail", "follow"]

GATE = (
    "holds a gate and its values, which one gain has to serve: the square root of the gate's, such as "
    "initializers.gain(jaxacts.{}) ** 0.5, suits their product"
)
_MAXOUT = "maxout, whose gain is 1 for 2 pieces, 0.885 for 3, 0.803 for 4"
# What cannot be followed into, by the function that it happens in.
_INSIDE = {
    "dice": "meets statistics of the batch in dice: evaluate it, by use_running_average=True or model.eval()",
    "glu": GATE.format("sigmoid"),
    "maxout": f"goes into {_MAXOUT}",
    "rrelu": "meets the slopes that rrelu draws: evaluate it, by deterministic=True or model.eval()",
}


class Signal(NamedTuple):
    """An elementwise function of z: the value that computes it, and which rearrangement of the elements it has.

    One that is ``summed`` over windows still lacks the division that makes it a mean.
    """

    expr: int
    part: int
    linear: bool = True
    uneven: bool = False
    shifted: bool = False
    summed: bool = False


class Statistic(NamedTuple):
    """A sum, mean or maximum of a signal."""

    of: Signal
    maximum: bool = False


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

    def function(self, signal: Signal) -> Callable[[Array], Array]:
        """The signal as a function of z."""

        def apply(z: Array) -> Array:
            # In float32, whose bits the exponentials of this package are made of.
            x = z.astype(jnp.float32)
            return jnp.broadcast_to(self._evaluate(signal.expr, {self.use.output: x}, x), z.shape).astype(z.dtype)

        return apply

    def _evaluate(self, expr: int, memo: dict[int, Array], z: Array) -> Array:
        if expr not in memo:
            op = self.graph.producer[expr]
            inputs: list[Any] = []
            for v in op.inputs:
                state = self.states.get(v)
                if isinstance(state, Signal):
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
        if value in self.graph.varying:
            return None
        with jax.ensure_compile_time_eval():
            array = np.asarray(self.graph.evaluate(value, self.known))
        return array.flat[0] if array.size and (array == array.flat[0]).all() else None

    def end(self, signal: Signal) -> None:
        if signal.linear and (factor := self._factor(signal)) != 1:
            self.notes[f"×{factor:.4g}"] = None
        if not any(e.expr == signal.expr or (e.linear and signal.linear) for e in self.ends):
            self.ends.append(signal)

    def _factor(self, signal: Signal) -> float:
        """By what a signal without an activation has been multiplied."""
        if signal.expr == self.use.output:
            return 1.0
        apply = self.function(signal)
        with jax.ensure_compile_time_eval():
            return float((apply(jnp.ones(1)) - apply(jnp.zeros(1)))[0])

    def refuse(self, op: Op, reason: str) -> None:
        """With the reason, in which ``{}`` stands for where the operation is found."""
        names = (n for n in op.scope if n not in self.use.op.scope and n in catalogue())
        place = next(names, op.name)
        self.unclear[_INSIDE.get(place, reason.format(place))] = None

    def reach(self, value: int) -> None:
        """The value goes into a layer or out of the model."""
        state = self.states[value]
        if isinstance(state, Signal):
            self.end(state)
        elif state.maximum and state.of.linear:
            self.unclear[f"goes into a maximum over an axis (reduce_max), which may be pooling or {_MAXOUT}"] = None
        else:
            self.end(state.of)

    def step(self, op: Op) -> None:
        signals = {v: s for v in op.inputs if isinstance(s := self.states.get(v), Signal)}
        statistics = {v: s for v in op.inputs if isinstance(s := self.states.get(v), Statistic)}
        if not signals and not statistics:
            return
        if op.name in PRODUCTS:
            for v in (*signals, *statistics):
                self.reach(v)
        elif signals and op.name not in SUMS and self.graph.drawn.intersection(op.inputs):
            self.refuse(op, "meets random numbers: switch dropout off, by deterministic=True or model.eval()")
        elif op.name in WINDOWED:
            self._windowed(op, signals, statistics)
        elif op.name in MOVES:
            self._move(op, signals, statistics)
        elif op.name in REDUCES:
            first = next(iter(signals.values()), None)
            old = next(iter(statistics.values()), None)
            self._put(op, Statistic(first, op.name == "reduce_max") if first else old)
        elif op.name in ELEMENTWISE:
            others = any(v in self.graph.varying and v not in {**signals, **statistics} for v in op.inputs)
            if not signals and not others:
                self._put(op, next(iter(statistics.values())))
            elif not signals:
                pass  # the rest of a normalization of a signal that has ended
            elif op.name == "select_n" and op.inputs[0] not in {**signals, **statistics} and self._masks(op, signals):
                self.notes["masked"] = None
                self._put(op, next(iter(signals.values())))
            elif statistics:
                self._normalized(op, next(iter(signals.values())), next(iter(statistics.values())))
            elif others:
                self._meets(op, next(iter(signals.values())))
            else:
                self._computes(op, signals)
        else:
            for signal in signals.values():
                if signal.linear:
                    self.refuse(op, "goes into {}, which is neither elementwise nor a layer")
                else:
                    self.end(signal)

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
        for v in op.outputs:
            if op.name == "convert_element_type" and not first.linear:
                self.states[v] = first._replace(expr=v)
            else:
                self.states[v] = first if op.name in SAME_PLACE else first._replace(part=v)

    def _windowed(self, op: Op, signals: dict[int, Signal], statistics: dict[int, Statistic]) -> None:
        """A sum over windows, such as average pooling before its division: of f(z) a statistic, of z again a signal."""
        first = next(iter(signals.values()), None)
        if first is None:
            self._put(op, next(iter(statistics.values())))
        elif first.linear:
            self._put(op, first._replace(part=op.outputs[0], summed=True))
        else:
            self._put(op, Statistic(first))

    def _normalized(self, op: Op, signal: Signal, statistic: Statistic) -> None:
        if op.name not in ("add", "sub", "mul", "div"):
            self.refuse(op, "meets a statistic of itself in {}")
        elif not signal.linear:
            self.end(signal)
        else:
            shifted = op.name == "sub" and statistic.maximum
            if not shifted:
                self.notes["normalized"] = None
            self._put(op, signal._replace(shifted=signal.shifted or shifted))

    def _meets(self, op: Op, signal: Signal) -> None:
        """Another signal, which does not come from this layer."""
        if op.name in SUMS:
            self.notes["residual"] = None
            if signal.linear:
                self._put(op, signal._replace(part=op.outputs[0]))
            else:
                self.end(signal)
        elif op.name == "mul" or (op.name == "div" and op.inputs[0] in self.states):
            self.notes["gated"] = None
            if signal.linear:
                self._put(op, signal._replace(part=op.outputs[0], uneven=True))
            else:
                self.end(signal)
        else:
            self.refuse(op, "meets another signal in {}")

    def _computes(self, op: Op, signals: dict[int, Signal]) -> None:
        out = op.outputs[0]
        first = next(iter(signals.values()))
        if len({s.part for s in signals.values()}) > 1:
            self._parts(op, list(signals.values()))
            return
        others = [v for v in op.inputs if v not in signals]
        leads = op.inputs[0] in signals
        scales = bool(others) and (op.name == "mul" or (op.name == "div" and leads))
        affine = scales or op.name in SUMS or op.name == "neg"
        linear = affine and all(s.linear for s in signals.values())
        bias = linear and op.name in ("add", "sub") and leads | (op.name == "add")
        if scales and first.summed and all(s is first for s in signals.values()):
            self._put(op, first._replace(summed=False))
        elif bias and any(self.graph.origins.get(v) or np.prod(self.graph.shapes[v]) > 1 for v in others):
            self._put(op, first)
        elif all(self.uniform(v) is not None for v in others):
            if first.shifted and op.name == "exp":
                self.notes["softmax"] = None
                self.end(first)
            elif not linear and any(s.uneven for s in signals.values()):
                self.refuse(op, "is multiplied by another signal, or by values that differ, before {}")
            else:
                self._put(op, first._replace(expr=out, linear=linear, uneven=any(s.uneven for s in signals.values())))
        elif linear:
            self._put(op, first._replace(uneven=True))
        elif first.linear or op.name not in ("add", "sub", "mul", "div"):
            self.refuse(op, "meets values that differ between units in {}")
        else:
            self.end(first)

    def _parts(self, op: Op, signals: list[Signal]) -> None:
        """Two rearrangements or slices of the same output, such as the halves of a packed gate."""
        if op.name in SUMS and all(s.linear for s in signals):
            self._put(op, signals[0]._replace(part=op.outputs[0]))
        elif op.name in ("add", "sub", "add_any", "mul"):
            self.gated |= op.name == "mul"
            for signal in signals:
                self.end(signal)
        else:
            self.refuse(op, "meets another part of itself, or its product with another signal, in {}")


def follow(graph: Graph, use: Use, known: dict[int, Any]) -> Trail:
    """Follows the output of ``use``; ``known`` has the values of the parameters."""
    trail = Trail(graph, use, known)
    trail.states[use.output] = Signal(use.output, use.output)
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
