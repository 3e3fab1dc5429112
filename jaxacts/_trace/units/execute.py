"""Runs a traced program and reduces what its activations take and give, through jit, remat, scan and custom rules.

What the program computes, and its derivatives, stay what they are: calls that lead to no activation are bound as they
are, those that do are made again with the reductions as further results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._trace.graph import Graph, Path, called
from jaxacts._trace.replay import bind, run_scan
from jaxacts._trace.units.sites import Site, over_layers

__all__ = ["Moment", "Reduce", "Runner"]

Found: TypeAlias = dict[str, Any]
_CUSTOM = frozenset(["custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"])
_REMAT = frozenset(["remat2", "remat", "checkpoint"])


class Moment(NamedTuple):
    """An activation while the program runs: its input (None if unknown), its result, and its slope on demand."""

    site: Site
    before: Array | None
    after: Array
    slope: Callable[[], Array]


Reduce: TypeAlias = Callable[[Moment], Any]


@dataclass
class Runner:
    """The program of a graph, with its sites.

    ``nudges``, arrays by the name of a site, are added to the inputs of activations, so that the gradient by a nudge is
    that by the input of the activation.
    """

    graph: Graph
    sites: Sequence[Site]
    reduce: Reduce
    nudges: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.at: dict[Path, list[Site]] = defaultdict(list)
        self.inside: set[Path] = set()
        for site in self.sites:
            self.at[site.path].append(site)
            self.inside.update(site.path[:depth] for depth in range(len(site.path) + 1))

    def __call__(self, inputs: Sequence[Any]) -> tuple[list[Any], Found]:
        closed = self.graph.program
        return self._run((), closed.jaxpr, closed.consts, inputs, self.nudges)

    def _run(
        self, path: Path, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any], nudges: Mapping[str, Any]
    ) -> tuple[list[Any], Found]:
        values: dict[Any, Any] = {}
        found: Found = {}
        sites = self.at.get(path, [])

        def write(variables: Iterable[Any], results: Iterable[Any]) -> None:
            for variable, result in zip(variables, results, strict=True):
                for site in sites:
                    if site.before is variable and site.name in nudges:
                        result = result + nudges[site.name].astype(result.dtype)
                values[variable] = result

        def read(atom: Any) -> Any:
            return atom.val if hasattr(atom, "val") else values[atom]

        write(jaxpr.constvars, consts)
        write(jaxpr.invars, inputs)
        for index, eqn in enumerate(jaxpr.eqns):
            operands = [read(v) for v in eqn.invars]
            with eqn.ctx.manager:
                if (*path, index) in self.inside:
                    results, more = self._call((*path, index), eqn, operands, nudges)
                    found |= more
                else:
                    results = bind(eqn, operands)
            write(eqn.outvars, results)
        for site in sites:
            before = None if site.before is None else jax.lax.stop_gradient(values[site.before])
            after = jax.lax.stop_gradient(values[site.after])
            found[site.name] = self.reduce(Moment(site, before, after, _slope(jaxpr, site, values)))
        return [read(v) for v in jaxpr.outvars], found

    def _call(
        self, path: Path, eqn: Any, operands: list[Any], nudges: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Found]:
        if eqn.primitive.name == "scan":
            return self._scan(path, eqn, operands, nudges)
        program = called(eqn)
        assert program is not None
        jaxpr, consts = program
        if eqn.primitive.name in _CUSTOM:
            # The call keeps its own derivative; what is inside is computed beside it, which the compiler merges.
            _, found = self._run(path, jaxpr, consts, [jax.lax.stop_gradient(x) for x in operands], {})
            return bind(eqn, operands), found
        if eqn.primitive.name in _REMAT:

            def again(*operands: Any) -> tuple[list[Any], Found]:
                return self._run(path, jaxpr, consts, operands, nudges)

            policy, prevent_cse = eqn.params["policy"], eqn.params["prevent_cse"]
            return jax.checkpoint(again, policy=policy, prevent_cse=prevent_cse)(*operands)  # pyright: ignore[reportPrivateImportUsage] (public in jax)
        return self._run(path, jaxpr, consts, operands, nudges)

    def _scan(
        self, path: Path, eqn: Any, operands: list[Any], nudges: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Found]:
        body = eqn.params["jaxpr"]
        here = {site.name for site in self.sites if site.path[: len(path)] == path}

        def step(inputs: list[Any], nudged: Any) -> tuple[list[Any], Found]:
            return self._run(path, body.jaxpr, body.consts, inputs, nudged)

        results, found = run_scan(eqn, operands, step, {name: nudge for name, nudge in nudges.items() if name in here})
        if not over_layers(self.graph, path):
            found = jax.tree.map(lambda x: x.sum(0), found)
        return results, found


def _slope(jaxpr: Any, site: Site, values: Mapping[Any, Any]) -> Callable[[], Array]:
    """The derivative of the activation at its input, by the operations between both."""

    def slope() -> Array:
        needed, chain = {site.after}, list[Any]()
        for eqn in reversed(jaxpr.eqns):
            if needed.intersection(eqn.outvars) and site.before not in eqn.outvars:
                chain.append(eqn)
                needed.update(v for v in eqn.invars if not hasattr(v, "val"))

        def function(before: Array) -> Array:
            known = {site.before: before}
            for eqn in reversed(chain):
                # What does not come from the input has its value already.
                if any(not hasattr(v, "val") and v in known for v in eqn.invars):
                    operands = [v.val if hasattr(v, "val") else known.get(v, values.get(v)) for v in eqn.invars]
                    known.update(zip(eqn.outvars, bind(eqn, operands), strict=True))
            return known[site.after]

        before = jax.lax.stop_gradient(values[site.before])
        return jax.jvp(function, (before,), (jnp.ones_like(before),))[1]

    return slope
