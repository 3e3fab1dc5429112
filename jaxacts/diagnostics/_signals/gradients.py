"""Gradients by the inputs of the activations of a model, from the graph that the watch has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.graph import Graph
from jaxacts._trace.units.execute import Moment, Runner
from jaxacts._trace.units.sites import Site, over_layers
from jaxacts.diagnostics._models import call_of
from jaxacts.diagnostics._signals.chains import Chains, Kernel, Link, Step
from jaxacts.diagnostics._watch import Watch, inputs_of

__all__ = ["Squares", "mean_squares"]

_CUSTOM = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")


class Squares(NamedTuple):
    """Mean squares of one layer: of the inputs of its activation, its results, and the gradients by the inputs.

    Of a scan over layers there is one for each step, which ``name`` says. ``kernel`` is the last one before the
    activation, and ``link`` leads to the activation before this one, where nothing but kernels and biases is between.
    """

    name: str
    site: Site
    step: Step
    kernel: Kernel | None
    link: Link | None
    before: float
    after: float
    gradient: float


def mean_squares(
    watch: Watch, loss: Callable[[Any], Array], variables: Any, x: Any, options: dict[str, Any]
) -> tuple[list[Squares], tuple[str, ...]]:
    """Of layers whose activations have known inputs, in the order of the computation; notes on others.

    The gradient is that of ``loss`` of the output.
    """
    call = call_of(watch.kind, watch.model, variables, inputs_of(x), options)
    graph, sites, tree = watch.traced(call)
    scans = {site.name: _scans(graph, site) for site in sites.found}
    known = [site for site in sites.found if site.before is not None and not _custom(graph, site)]
    nudges = {
        site.name: jnp.zeros((*(length for length, _ in scans[site.name]), *site.before.aval.shape), jnp.float32)
        for site in known
    }

    def total(nudges: dict[str, Array]) -> tuple[Array, dict[str, Any]]:
        flat, found = Runner(graph, known, _squares, nudges)([*call.leaves, *call.data])
        return loss(call.result(jax.tree.unflatten(tree, flat))), found

    gradients, found = jax.jit(jax.grad(total, has_aux=True))(nudges)
    chains = Chains(graph, known, call.leaves, call.paths)
    rows = list[Squares]()
    for site in known:
        before, after, count = found[site.name]
        axes = tuple(axis for axis, (_, layers) in enumerate(scans[site.name]) if not layers)
        rest = tuple(range(len(scans[site.name]), gradients[site.name].ndim))
        gradient = jnp.square(gradients[site.name]).mean((*axes, *rest))
        values = [np.asarray(v, float) for v in (before / count, after / count, gradient)]
        for index in np.ndindex(gradient.shape):
            kernel, link = chains.into(site, index)
            name = site.name + "".join(f"[{i}]" for i in index)
            step = Step(site.name, index)
            rows.append(Squares(name, site, step, kernel, link, *(float(v[index]) for v in values)))
    rows.sort(key=lambda row: chains.order(row.step))
    missing = [site for site in sites.found if site.name not in nudges]
    why = ["the input is not known" if site.before is None else "inside a custom derivative" for site in missing]
    return rows, tuple(f"no gradient: {site.name} ({reason})" for site, reason in zip(missing, why, strict=True))


def _squares(moment: Moment) -> tuple[Array, Array, Array]:
    assert moment.before is not None
    before, after = (jnp.square(x.astype(jnp.float32)) for x in (moment.before, moment.after))
    # Sums and a count, which add over the steps of a loop over time.
    return before.mean(), after.mean(), jnp.ones(())


def _scans(graph: Graph, site: Site) -> list[tuple[int, bool]]:
    """The lengths of the scans around an activation, outermost first, and whether each is over layers."""
    paths = [site.path[:depth] for depth in range(1, len(site.path) + 1)]
    return [
        (graph.calls[path].params["length"], over_layers(graph, path))
        for path in paths
        if graph.calls[path].primitive.name == "scan"
    ]


def _custom(graph: Graph, site: Site) -> bool:
    return any(graph.calls[site.path[:d]].primitive.name in _CUSTOM for d in range(1, len(site.path) + 1))
