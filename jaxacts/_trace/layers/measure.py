"""The variances of the outputs of layers, also of those inside of scans, where each step has its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax.numpy as jnp
from jax import Array, lax

from jaxacts._trace.graph import PRODUCTS, Graph, Use, called
from jaxacts._trace.replay import bind, run_scan

__all__ = ["measured"]

# Some columns of an output, all where that is None, and their axis.
Part: TypeAlias = tuple[tuple[int, int] | None, int]


def measured(graph: Graph, uses: Sequence[Use]) -> Callable[[Sequence[Any], Sequence[Any]], tuple[list[Array], Array]]:
    """A function of parameters and data: the variance of the outputs of each use, and whether the model's are finite.

    It runs the program of the graph. A kernel that a scan has for each step has as many variances, outermost scan
    first; over the steps that share a kernel the outputs are taken together.
    """
    products = [op for op in graph.ops if op.name in PRODUCTS]
    wanted = [next(i for i, op in enumerate(products) if op is use.op) for use in uses]
    columns = {number: set[Part]() for number in wanted}
    for number, use in zip(wanted, uses, strict=True):
        columns[number].add((use.columns, use.axis))
    shared = [[a for a in range(len(use.op.loops)) if a not in graph.stacked(use)] for use in uses]

    def run(leaves: Sequence[Any], data: Sequence[Any]) -> tuple[list[Array], Array]:
        program = graph.program
        outputs, taps = _Taps(columns).run(program.jaxpr, program.consts, [*leaves, *data])
        found = list[Array]()
        for number, use, axes in zip(wanted, uses, shared, strict=True):
            mean, square = (jnp.mean(x, axis=tuple(axes)) for x in taps[number, (use.columns, use.axis)])
            found.append(jnp.maximum(square - mean**2, 0))
        numbers = [x for x in outputs if jnp.issubdtype(x.dtype, jnp.inexact)]
        return found, jnp.array([jnp.isfinite(x).all() for x in numbers]).all()

    return run


class _Taps:
    """Runs a program and takes mean and mean square of the results of some of its products, by their number."""

    def __init__(self, wanted: dict[int, set[Part]]) -> None:
        self.wanted, self.number = wanted, 0

    def run(self, jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        known: dict[Any, Any] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *arguments), strict=True))
        taps = dict[Any, Any]()
        for eqn in jaxpr.eqns:
            operands = [v.val if hasattr(v, "val") else known[v] for v in eqn.invars]
            name, inner = eqn.primitive.name, called(eqn)
            if inner is not None:
                outputs, more = self.run(*inner, operands)
                taps |= more
            elif name == "scan":
                outputs, more = self._scan(eqn, operands)
                taps |= more
            else:
                outputs = bind(eqn, operands)
            if name in PRODUCTS:
                for part in self.wanted.get(self.number, ()):
                    taps[self.number, part] = _mean_and_square(outputs[0], *part)
                self.number += 1
            known.update(zip(eqn.outvars, outputs, strict=True))
        return [v.val if hasattr(v, "val") else known[v] for v in jaxpr.outvars], taps

    def _scan(self, eqn: Any, operands: list[Any]) -> tuple[list[Any], dict[Any, Any]]:
        body, start = eqn.params["jaxpr"], self.number

        def step(inputs: list[Any], _: None) -> tuple[list[Any], dict[Any, Any]]:
            self.number = start  # a scan may trace its body more than once
            return self.run(body.jaxpr, body.consts, inputs)

        return run_scan(eqn, operands, step)


def _mean_and_square(x: Array, columns: tuple[int, int] | None, axis: int) -> tuple[Array, Array]:
    wide = (x if columns is None else lax.slice_in_dim(x, *columns, axis=axis)).astype(jnp.float32)
    return jnp.mean(wide), jnp.mean(jnp.square(wide))
