"""LSUV: orthonormal kernels, each then scaled until its layer has outputs of unit variance on a batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.graph import Graph, Use, graph_of
from jaxacts._trace.primitives import LOOPS
from jaxacts.initializers import _checks
from jaxacts.initializers._models.models import Model, all_zero, folded, opened, table

__all__ = ["LsuvReport", "ScaledLayer", "lsuv"]


class ScaledLayer(NamedTuple):
    """A row of the report: the variance of the outputs with the orthonormal kernel and at the end, and the scalings."""

    path: str
    shape: tuple[int, ...]
    before: float
    after: float
    factor: float
    iterations: int


@dataclass(frozen=True)
class LsuvReport:
    """What :func:`lsuv` did, layer by layer in the order of the computation, and what it ``left`` alone. Print it."""

    layers: tuple[ScaledLayer, ...]
    left: Mapping[str, str]

    def __str__(self) -> str:
        rows = [
            (r.path, "×".join(map(str, r.shape)), *(f"{x:.4g}" for x in (r.before, r.after, r.factor, r.iterations)))
            for r in self.layers
        ]
        heads = ("layer", "shape", "variance before", "after", "factor", "iterations")
        return table([heads, *rows], self.left)


def lsuv(
    model: Any,
    sample: Any,
    key: Array,
    *,
    variables: Any = None,
    tolerance: float = 0.02,
    max_iterations: int = 10,
    progress: bool = False,
    **options: Any,
) -> tuple[Any, LsuvReport]:
    r"""Layer-sequential unit variance: kernels of a Flax model that fit a batch of data.

    .. math:: W \leftarrow \frac{W}{\sqrt{\operatorname{Var}(W h)}}, \qquad W^\top W = I \text{ at the start}

    Layer after layer, each kernel is made orthonormal, and divided by the standard deviation of the outputs of its
    layer over the batch and all units.

    Args:
        model: a ``flax.linen`` or a ``flax.nnx`` module.
        sample: the batch: an array, or a tuple of the positional arguments. It is the data, so take real ones; some
            hundred examples are enough.
        key: the random key; each kernel is drawn with the key folded with its path.
        variables: of a linen module; None takes those of ``model.init``.
        tolerance: how far from 1 the variance may be at the end; positive.
        max_iterations: how often a kernel may be scaled; at least 1. Once is enough but for layers that round, and for
            kernels that are used more than once, such as a table that is looked up and is the last layer too: how the
            variance follows those is found by secant steps.
        progress: whether to show a bar, by tqdm or rich.
        **options: further arguments of the call of the model, such as ``train=False``.

    Returns:
        The new variables of a linen module, or a new nnx module; and an :class:`LsuvReport`, whose text is a table.
        Biases, scales, tables and kernels that are all zero keep their values, and the model that was passed is not
        changed.

    Raises:
        ValueError: a layer whose outputs on this batch are empty, constant or not finite, or that does not come within
            the tolerance; a kernel inside of a scan or loop; a model without kernels, or that does not run on
            the sample.
        TypeError: a model that is not a Flax module; an option that its call does not take; a call inside of jit, which
            it cannot run in, for it looks at the variances on the host.
        ImportError: flax is not installed, or neither tqdm nor rich for a bar.

    Note:
        As in the paper, but for the output being that of the product alone, before a bias (which the paper has at 0).
        The forward pass is compiled once and runs about once a layer. The default tolerance is stricter than the
        paper's 0.1, since it costs nothing. jax.nn, torch and keras have no such function.

    Example:
        >>> import flax.linen as nn, jax, jaxacts
        >>> model = nn.Sequential([nn.Dense(64), jaxacts.gelu, nn.Dense(3)])
        >>> batch = 5 * jax.random.normal(jax.random.key(1), (256, 16))
        >>> variables, report = lsuv(model, batch, jax.random.key(0))
        >>> [(layer.path, round(layer.after, 3)) for layer in report.layers]
        [('layers_0/kernel', 1.0), ('layers_2/kernel', 1.0)]

    References:
        Mishkin & Matas, "All you need is a good init", 2016, https://arxiv.org/abs/1511.06422
    """
    margin, most = (
        _checks.positive("lsuv", "tolerance", tolerance),
        _checks.count("lsuv", "max_iterations", max_iterations),
    )
    opening = opened(lsuv, model, sample, key, variables, options)
    graph = graph_of(opening.call, opening.leaves, opening.sample, into_scans=False)
    uses = {use.leaf: use for use in reversed(graph.uses())}
    order = sorted(uses, key=lambda index: graph.ops.index(uses[index].op))
    _all_reached(graph, opening, order)
    zero = [index for index in order if all_zero(opening.leaves[index])]
    order = [index for index in order if index not in zero]
    reason = "all zero, which it may have to be; pass variables in which it is not to draw it"

    data = jax.tree.leaves(opening.sample)
    measure = jax.jit(lambda leaves: _variances(graph, leaves, data, [uses[i].output for i in order]))
    leaves = list(opening.leaves)
    for index in order:
        leaves[index] = _orthonormal(graph, uses[index], folded(key, opening.paths[index]), leaves[index])

    fits = [_Fit(opening.paths[index], leaves[index]) for index in order]
    before = variances = np.asarray(measure(leaves))
    # A second round is for kernels that are used before the layer whose outputs they are scaled by.
    for round_ in itertools.count():
        for position in _bar(list(range(len(order))), progress and round_ == 0):
            fit = fits[position]
            while not abs(variances[position] - 1) <= margin:
                leaves[order[position]] = fit.scaled(float(variances[position]), margin, most)
                variances = np.asarray(measure(leaves))
        if (abs(variances - 1) <= margin).all():
            break
    rows = [
        ScaledLayer(fit.path, fit.start.shape, float(old), float(new), fit.factor, fit.iterations)
        for fit, old, new in zip(fits, before, variances, strict=True)
    ]
    return opening.rebuilt(leaves), LsuvReport(tuple(rows), {opening.paths[index]: reason for index in zero})


@dataclass
class _Fit:
    """The scaling of one kernel: the variance goes as some power of the factor, 2 but for kernels used repeatedly."""

    path: str
    start: Array
    factor: float = 1.0
    iterations: int = 0
    power: float = 2.0
    last: tuple[float, float] | None = None

    def scaled(self, variance: float, margin: float, most: int) -> Array:
        """The kernel after one more step, the secant of the logarithms."""
        if not (1e-30 < variance < np.inf) or self.iterations == most:
            raise ValueError(
                f"lsuv: {self.path} must reach a variance of 1 ± {margin:g}, got {variance:.4g} after "
                f"{self.iterations} scalings; its outputs on this batch are empty, constant, not finite, or do not "
                f"follow its kernel: look at the data and at the layers before it."
            )
        if self.last:
            old_variance, change = self.last
            if abs(change) > 0.01:
                self.power = float(np.clip(np.log(variance / old_variance) / change, 1.0, 16.0))
        step = -np.log(variance) / self.power
        self.last = variance, step
        self.iterations, self.factor = self.iterations + 1, self.factor * float(np.exp(step))
        return (self.start * self.factor).astype(self.start.dtype)


def _all_reached(graph: Graph, opening: Model, order: list[int]) -> None:
    """Refuses kernels that only a loop uses."""
    hidden = set[int]()
    if any(op.name in LOOPS for op in graph.ops):
        inside = graph_of(opening.call, opening.leaves, opening.sample, into_scans=True)
        entering = [v for op in inside.ops if op.name in LOOPS for v in op.inputs if len(inside.shapes[v]) > 1]
        hidden = {use.leaf for use in inside.uses()}.union(
            *(inside.origins.get(v, ()) for v in entering if v not in inside.varying)
        )
    missed = [opening.paths[index] for index in sorted(hidden.difference(order))]
    if missed or not order:
        what = f"{missed[0]} inside of a loop" if missed else "no kernel"
        raise ValueError(
            f"lsuv: the kernels must be used in products or convolutions outside of scans and loops, got {what}; "
            f"unroll the layers, or use match."
        )


def _variances(graph: Graph, leaves: list[Array], data: list[Array], wanted: list[int]) -> Array:
    known: dict[int, Any] = dict(zip((*graph.leaves, *graph.data), (*leaves, *data), strict=True)) | graph.constants
    for op in graph.ops:
        known.update(zip(op.outputs, graph.run(op, [known[v] for v in op.inputs]), strict=True))
    return jnp.array([jnp.var(known[v].astype(jnp.float32)) for v in wanted], jnp.float32)


def _orthonormal(graph: Graph, use: Use, key: Array, leaf: Array) -> Array:
    places = graph.matrices(use)
    stacked, rows, columns = places.shape
    drawn = jax.random.orthogonal(key, rows, (stacked,), jnp.float32, columns)
    flat = jnp.zeros(leaf.size, jnp.float32).at[places.ravel()].set(drawn.ravel())
    return flat.reshape(leaf.shape).astype(leaf.dtype)


def _bar(layers: list[int], progress: bool) -> Iterable[int]:
    if not progress:
        return layers
    try:
        from tqdm.auto import tqdm

        return tqdm(layers, desc="lsuv")
    except ImportError:
        pass
    try:
        from rich.progress import track
    except ImportError as error:
        raise ImportError("lsuv: progress needs tqdm or rich; pip install tqdm, or pass progress=False.") from error
    return track(layers, description="lsuv")
