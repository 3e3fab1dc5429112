"""What becomes of the output of a layer: the operations it meets, up to an activation or the next layer.

The output z of one product or convolution is followed through the graph. Biases, reshapes, pooling, masks, sums over an
axis or over neighbours, normalizations and residual additions let it pass; what is elementwise and not linear becomes
part of an expression f(z); a product with weights or with another layer's signal, or the end of the model, ends it.
Anything else is reported.

After a residual addition, a normalization or a scaling by values that differ, z stands for what has come out of it:
factors before it are there on purpose, and no activation behind it undoes them. Nor does the kernel undo those that an
activation is multiplied by before a residual addition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.layers.additions import Additions
from jaxacts._trace.layers.columns import after_product, moved, over_positions
from jaxacts._trace.layers.signals import INSIDE, Signal, Statistic
from jaxacts._trace.layers.trail import Trail
from jaxacts._trace.primitives import ELEMENTWISE, KEEPS_ELEMENTS, MOVES, REDUCES, SAME_PLACE, SCATTERS, SUMS, WINDOWED
from jaxacts.lookup import catalogue

__all__ = ["Signal", "Trail", "follow"]

Signals: TypeAlias = dict[int, Signal]
Statistics: TypeAlias = dict[int, Statistic]


# What a signal is anew after a normalization or a residual addition.
_CLEAN: dict[str, Any] = {
    "factor": 1.0,
    "uneven": False,
    "summed": False,
    "over": False,
    "normalized": False,
    "root": None,
    "per_unit": False,
}


@dataclass
class _Follower(Trail):
    """What each kind of operation does to the signals that go into it."""

    additions: Additions = field(kw_only=True)

    def step(self, op: Op) -> None:
        signals = {v: s for v in op.inputs if isinstance(s := self.states.get(v), Signal)}
        statistics = {v: s for v in op.inputs if isinstance(s := self.states.get(v), Statistic)}
        if not signals and not statistics:
            return
        if self._draws(op, signals):
            self.refuse(op, "meets random numbers: switch dropout off, by deterministic=True or model.eval()")
        else:
            _RULES.get(op.name, _Follower.other)(self, op, signals, statistics)

    def _draws(self, op: Op, signals: Signals) -> bool:
        """Whether the signals meet random numbers, but for noise that is added, or scaled by what they have become."""
        scales = op.name == "mul" and not any(s.linear for s in signals.values()) and self.place(op) not in INSIDE
        return bool(signals and op.name not in SUMS and self.graph.drawn.intersection(op.inputs)) and not scales

    def other(self, op: Op, signals: Signals, statistics: Statistics) -> None:
        for signal in signals.values():
            if signal.linear:
                self.refuse(op, "goes into {}, which is neither elementwise nor a layer")
            else:
                self.end(signal)

    def product(self, op: Op, signals: Signals, statistics: Statistics) -> None:
        """With weights it ends here; data alone, such as an adjacency matrix, sum, and another signal may weight."""
        others = [v for v in op.inputs if v not in signals]
        if op.name == "dot_general" and len(signals) == 1 and not any(self.graph.origins.get(v) for v in others):
            self.windowed(op, signals, {})
            return
        if len(others) == 1 and others[0] in self.graph.varying and not statistics:
            signal = next(iter(signals.values()))
            if signal.linear and (axis := after_product(self.graph, op, op.inputs.index(others[0]), signal)):
                self._put(op, signal._replace(part=op.outputs[0], axis=axis, over=True))
                return
        for state in (*signals.values(), *statistics.values()):
            self.reach(state)

    def reduce(self, op: Op, signals: Signals, statistics: Statistics) -> None:
        first = next(iter(signals.values()), None) or next(iter(statistics.values())).own
        if first is None:
            self._put(op, next(iter(statistics.values())))
            return
        own = None
        whole = over_positions(self.graph, op, first)
        if first.linear and op.name == "reduce_sum":
            own = self.anew(first, op.outputs[0], summed=True)
        elif first.linear and op.name == "reduce_max" and whole:
            own = first._replace(part=op.outputs[0])  # pooling, as by a window
        if own:
            behind = sum(a > len(self.graph.shapes[op.inputs[0]]) + first.axis for a in op.params["axes"])
            own = own._replace(columns=first.columns if whole else None, axis=first.axis + behind)
        self._put(op, Statistic(first, maximum=op.name == "reduce_max", own=own))

    def elementwise(self, op: Op, signals: Signals, statistics: Statistics) -> None:
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

    def _statistics(self, op: Op, statistics: Statistics, others: bool) -> None:
        """The rest of a normalization, or what a model computes of a mean."""
        first, *_, last = [*statistics.values()] * 2
        if first.own and first.own.linear and last is not first and _of_same(last, first.own):
            return self._normalized(op, first.own, last)  # a mean, normalized by its own statistics
        own = {v: s.own for v, s in statistics.items() if s.own}
        alone = len(own) == len(statistics) and len({s.base for s in own.values()}) == 1
        if others and op.name in SUMS and len(statistics) == 1 and not (own or first.of.linear):
            self._joins(op, next(iter(statistics)), first.of)
            return None
        if others and not (alone and op.name in SUMS):
            return None  # the rest of a normalization of a signal that has ended
        if not alone:
            return self._put(op, first._replace(own=None, root=first.root or op.name == "sqrt"))
        new = self._meets(op, own) if others else self._computes(op, own)
        return self._put(op, first._replace(own=new) if new else None)

    def _put(self, op: Op, state: Signal | Statistic | None) -> None:
        if state is not None:
            for v in op.outputs:
                if v != self.use.output:
                    self.states[v] = state

    def _masks(self, op: Op, signals: Signals) -> bool:
        return len(signals) == 1 and not all(v in signals for v in op.inputs[1:])

    def move(self, op: Op, signals: Signals, statistics: Statistics) -> None:
        if not signals:
            self._put(op, next(iter(statistics.values())))
            return
        first = next(iter(signals.values()))
        if any(s.expr != first.expr for s in signals.values()):
            if op.name in ("concatenate", "stack") and _of_one_root(signals):
                sizes = [np.prod(self.graph.shapes[v]) for v in op.inputs if v in signals]
                factors = [self.factor(signals[v]) for v in op.inputs if v in signals]
                self._put(op, self._combined(op, signals, np.average(np.square(factors), weights=sizes) ** 0.5))
                return
            for signal in signals.values():
                self.end(signal)
            return
        for v, signal in zip(op.outputs, moved(self.graph, self.use, op, first), strict=True):
            if signal is None:
                continue
            if op.name == "convert_element_type" and not signal.linear and not signal.over:
                self.states[v] = signal._replace(expr=v)
            else:
                self.states[v] = signal if op.name in SAME_PLACE else signal._replace(part=v)

    def scattered(self, op: Op, signals: Signals, statistics: Statistics) -> None:
        if op.inputs[-1] in signals:
            self.windowed(op, {op.inputs[-1]: signals[op.inputs[-1]]}, {})
        else:
            self.other(op, signals, statistics)

    def windowed(self, op: Op, signals: Signals, statistics: Statistics) -> None:
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
            self._put(
                op, self.anew(signal, op.outputs[0], **{**_CLEAN, "terms": 1, "normalized": True}) if scaled else signal
            )

    def _meets(self, op: Op, signals: Signals) -> Signal | None:
        """Another signal, which does not come from this layer."""
        value, signal = next(iter(signals.items()))
        (other,) = (
            (v for v in op.inputs if v not in signals and v in self.graph.varying) if len(signals) == 1 else (-1,)
        )
        if op.name in SUMS and other >= 0:
            more = self.additions.terms(other) if self.additions.terms(value) else None
            if more == 0:
                return signal
            if not more or not self.additions.independent(value, other):
                return self._joins(op, value, signal)
            return self.anew(signal, op.outputs[0], terms=signal.terms + more) if signal.linear else self.end(signal)
        if op.name == "mul" or (op.name == "div" and op.inputs[0] in self.states):
            self.notes["gated"] = None
            return signal._replace(part=op.outputs[0], uneven=True) if signal.linear else self.end(signal)
        return self.refuse(op, "meets another signal in {}")

    def _joins(self, op: Op, value: int, signal: Signal) -> Signal | None:
        """A residual addition: factors of the branch are there on purpose."""
        out, other = op.outputs[0], op.inputs[op.inputs[0] == value]
        self.notes["residual"] = None
        self.streams.add(out)
        if self.additions.joins(self.use, value, other):
            self.branches[out] = op
            if signal.normalized:
                self.undone.add(out)
        signal = self.bare(signal)
        return self.anew(signal, out, **_CLEAN) if signal.linear else self.end(signal)

    def _computes(self, op: Op, signals: Signals) -> Signal | None:
        out = op.outputs[0]
        first = next(iter(signals.values()))
        if len({s.base for s in signals.values()}) > 1:
            if op.name in SUMS and _of_one_root(signals) and len({s.part for s in signals.values()}) > 1:
                return self._combined(op, signals, float(np.linalg.norm([self.factor(s) for s in signals.values()])))
            if op.name in SUMS and all(s.linear for s in signals.values()):
                # A stream in a loop, and the branch that is added to it.
                branch = self.bare(min(signals.values(), key=lambda s: s.base))
                return self.anew(branch, out, **_CLEAN)
            if len({s.columns for s in signals.values()} - {None}) == len(signals):
                return self._parts(op, list(signals.values()))
            return self.refuse(op, "is multiplied by another signal, or by values that differ, before {}")
        if len({s.part for s in signals.values()}) > 1:
            return self._parts(op, list(signals.values()))
        others = [v for v in op.inputs if v not in signals]
        scales = bool(others) and (op.name == "mul" or (op.name == "div" and op.inputs[0] in signals))
        shifts = bool(others) and op.name in ("add", "sub")
        linear = (scales or op.name in SUMS or op.name == "neg") and all(s.linear for s in signals.values())
        if linear and scales and first.summed and self._divides_alone(op, next(iter(signals))):
            return first._replace(summed=False)
        if any(s.over for s in signals.values()):
            return self._over(first, op, others) if scales or shifts else self.end(first)
        array = any(self.graph.origins.get(v) or np.prod(self.graph.shapes[v]) > 1 for v in others)
        if linear and shifts and array:
            return first
        if all(self.uniform(v) is not None for v in others):
            if first.shifted and op.name == "exp":
                self.notes["softmax"] = None
                return self.end(first)
            if scales and linear and first.expr in self.streams:
                self.streams.add(out)
                return self.anew(first._replace(factor=first.factor * self._size(op, others[0])), out)
            uneven = any(s.uneven for s in signals.values())
            spoiled = next((s.spoiled for s in signals.values() if s.spoiled), "")
            if uneven and not linear:
                spoiled = spoiled or self.place(op)
            bare = first.bare if op.name == "neg" or (shifts and array) else None
            if scales and self.place(op) not in catalogue():
                expr, factor = first.bare or (first.expr, 1.0)
                bare = expr, factor * self._size(op, others[0])
            return first._replace(expr=out, linear=linear, uneven=uneven, spoiled=spoiled, bare=bare)
        if linear:
            root = first.root or (first.base, first.factor)
            size = self._size(op, others[0])
            return self.anew(first, out, part=first.part, factor=self.factor(first) * size, root=root, per_unit=True)
        if first.linear or not (scales or shifts or op.name == "div"):
            return self.refuse(op, "meets values that differ between units in {}")
        return self._over(self.bare(first), op, others) if scales or shifts else self.end(first)

    def _combined(self, op: Op, signals: Signals, factor: float) -> Signal:
        """Parts of one z, each scaled, side by side or added up; together they may be a rotation."""
        first = next(iter(signals.values()))
        base, before = first.root or (first.base, first.factor)
        rotation = math.isclose(factor, before, rel_tol=1e-2)
        return self.anew(
            first,
            op.outputs[0],
            factor=before if rotation else factor,
            root=(base, before),
            per_unit=not rotation,
            columns=None,
        )

    def _divides_alone(self, op: Op, value: int) -> bool:
        """Whether a sum goes nowhere but into what makes it a mean, and that is not a part of an activation."""
        while self.graph.used[value] == 1:
            before = self.graph.producer[value]
            if before.name not in KEEPS_ELEMENTS | SUMS | {"neg"}:
                return self.place(op) not in catalogue()
            value = next(v for v in before.inputs if v in self.states)
        return False

    def _over(self, signal: Signal, op: Op, others: list[int]) -> Signal:
        """An activation that is scaled or shifted by values that differ."""
        size = 1.0 if op.name in SUMS or others[0] in self.graph.drawn else self._size(op, others[0])
        return signal._replace(over=True, part=op.outputs[0], factor=signal.factor * size)

    def _size(self, op: Op, other: int) -> float:
        """By what a product or quotient multiplies: a number, or the root mean square; 1 where it is not known."""
        array = self.fixed(other)
        if array is None or not array.size:
            return 1.0
        with np.errstate(divide="ignore"):
            scales = 1 / array.astype(np.float64) if op.name == "div" else array.astype(np.float64)
        same = (scales == scales.flat[0]).all()
        return float(scales.flat[0] if same else np.sqrt(np.mean(np.square(scales))))

    def _parts(self, op: Op, signals: list[Signal]) -> Signal | None:
        """Two rearrangements or slices of the same output, such as the halves of a packed gate."""
        if op.name in SUMS and all(s.linear for s in signals):
            return signals[0]._replace(part=op.outputs[0], columns=None)
        if op.name not in ("add", "sub", "add_any", "mul"):
            return self.refuse(op, "meets another part of itself, or its product with another signal, in {}")
        gated = op.name == "mul"
        self.gated |= gated
        values = next((s for s in signals if s.linear), None) if gated else None
        for signal in signals:
            if signal is not values:
                self.end(signal)
        return values and values._replace(part=op.outputs[0], uneven=True)


def _of_one_root(signals: Signals) -> bool:
    """Whether these are linear parts of the same z."""
    return len({(s.root or (s.base, 0))[0] for s in signals.values()}) == 1 and all(s.linear for s in signals.values())


def _of_same(statistic: Statistic, own: Signal) -> bool:
    """Whether the statistic is one of what a mean or maximum has become, and not another function of it."""
    return (statistic.of.base, statistic.of.part) == (own.base, own.part)


def follow(graph: Graph, use: Use, known: dict[int, Any], additions: Additions) -> Trail:
    """Follows the output of ``use``; ``known`` has the values of the parameters."""
    trail = _Follower(graph, use, known, additions=additions)
    columns = (0, graph.shapes[use.output][use.axis]) if use.columns else None
    trail.states[use.output] = Signal(use.output, use.output, columns=columns, axis=use.axis)
    for _ in range(1 + len(graph.loops)):
        for op in graph.ops:
            trail.step(op)
        back = {after: trail.states[before] for before, after in graph.loops if before in trail.states}
        if all(v in trail.states for v in back):
            break
        trail.states.update({v: s for v, s in back.items() if v not in trail.states})
    for v in graph.outputs:
        if v in trail.states:
            trail.reach(trail.states[v])
    return trail


_RULES = {
    name: rule
    for names, rule in (
        (PRODUCTS, _Follower.product),
        (WINDOWED, _Follower.windowed),
        (SCATTERS, _Follower.scattered),
        (MOVES | {"stack"}, _Follower.move),
        (REDUCES, _Follower.reduce),
        (ELEMENTWISE, _Follower.elementwise),
    )
    for name in names
}
