"""What is found on the way of the output of a layer: what each value is to it, where it ends, and what is unclear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.graph import Graph, Op, Use
from jaxacts._trace.layers.signals import GATES, INSIDE, MAXOUT, Signal, Statistic
from jaxacts.lookup import catalogue

__all__ = ["Trail"]


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
    # The residual additions whose branch the layer ends, those before which a normalization undoes the scale of its
    # kernel, and the values that a residual sum has become.
    branches: dict[int, Op] = field(default_factory=dict)
    undone: set[int] = field(default_factory=set[int])
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

    def signal(self, value: int) -> Signal | None:
        """What a value is as a function of z, also where it is a mean or maximum."""
        state = self.states.get(value)
        return state.own if isinstance(state, Statistic) else state

    def _evaluate(self, expr: int, memo: dict[int, Array], z: Array) -> Array:
        if expr not in memo:
            op = self.graph.producer[expr]
            inputs: list[Any] = []
            for v in op.inputs:
                if state := self.signal(v):
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
        array = self.fixed(value)
        if array is None or not array.size:
            return None
        first = array.flat[0]
        return first if ((array == first) | ((array != array) & (first != first))).all() else None

    def written(self, value: int) -> str:
        """A value without data as it stands in a formula."""
        number = self.uniform(value)
        return f"{number:.4g}" if np.issubdtype(np.asarray(number).dtype, np.number) else str(number)

    def fixed(self, value: int) -> Any:
        """A value without data as an array, or None where it has data or a parameter is known by its shape alone."""
        origins = self.graph.origins.get(value, ())
        abstract = any(isinstance(self.known[self.graph.leaves[i]], jax.ShapeDtypeStruct) for i in origins)
        if value in self.graph.varying or abstract:
            return None
        with jax.ensure_compile_time_eval():
            return np.asarray(self.graph.evaluate(value, self.known))

    def end(self, signal: Signal) -> None:
        if signal.spoiled and not self._homogeneous(signal):
            self.unclear[f"is multiplied by another signal, or by values that differ, before {signal.spoiled}"] = None
        self.note(self.factor(signal) if signal.linear else signal.factor, per_unit=signal.per_unit)
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

    def note(self, factor: float, *, per_unit: bool) -> None:
        """By what the output is multiplied, where no activation makes up for it."""
        if per_unit:
            self.notes["scaled per unit"] = None
        if (text := f"{factor:.4g}") != "1":
            self.notes[f"×{text}"] = None

    def bare(self, signal: Signal) -> Signal:
        """The signal as it goes into a residual addition: without the scale of the branch, which is noted."""
        if signal.linear:
            self.note(self.factor(signal), per_unit=signal.per_unit)
            return signal._replace(factor=1.0)
        expr, factor = signal.bare or (signal.expr, 1.0)
        return signal._replace(expr=expr, factor=signal.factor * factor, bare=None)

    def _homogeneous(self, signal: Signal) -> bool:
        """Whether f(c z) = c f(z) for c > 0, as for relu: then its gain holds for a z times anything of size 1."""
        apply = self.function(signal)
        with jax.ensure_compile_time_eval():
            z = jnp.linspace(-3.0, 3.0, 13)
            return bool(jnp.allclose(apply(2 * z), 2 * apply(z), rtol=1e-4, atol=1e-6))

    def factor(self, signal: Signal) -> float:
        """By what a signal without an activation has been multiplied."""
        if signal.expr == self.base(signal):
            return signal.factor
        apply = self.function(signal)
        with jax.ensure_compile_time_eval():
            return signal.factor * float((apply(jnp.ones(1)) - apply(jnp.zeros(1)))[0])

    def anew(self, signal: Signal, value: int, **changes: Any) -> Signal:
        """A linear signal of which ``value`` stands for z from here on."""
        return signal._replace(**{"expr": value, "part": value, "base": value, "factor": self.factor(signal)} | changes)

    def refuse(self, op: Op, reason: str) -> None:
        """With the reason, in which ``{}`` stands for where the operation is found."""
        if (place := self.place(op)) in GATES:
            self.gate = GATES[place]
        else:
            self.unclear[INSIDE.get(place, reason.format(place))] = None

    def place(self, op: Op) -> str:
        """The activation of the catalogue that the operation is a part of, or its own name."""
        return next((n for n in op.scope if n not in self.use.op.scope and n in catalogue()), op.name)

    def reach(self, state: Signal | Statistic) -> None:
        """A value that goes into a layer or out of the model."""
        if isinstance(state, Signal):
            self.end(state)
        elif state.root:
            self.unclear["goes into the root of a sum (sqrt), as of a norm, which is not elementwise"] = None
        elif state.maximum and state.of.linear and not state.own:
            self.unclear[f"goes into a maximum over an axis (reduce_max), which may be pooling or {MAXOUT}"] = None
        else:
            self.end(state.own or state.of)
