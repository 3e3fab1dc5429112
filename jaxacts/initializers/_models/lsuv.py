"""LSUV: orthonormal kernels, each then scaled until its layer has outputs of unit variance on a batch."""

from __future__ import annotations

import fnmatch
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._core.errors import unknown_name
from jaxacts._trace.graph import Graph, Use, graph_of
from jaxacts._trace.layers.measure import measured
from jaxacts.initializers import _checks
from jaxacts.initializers._models.found import unused
from jaxacts.initializers._models.models import Model, all_zero, folded, opened
from jaxacts.initializers._models.reports import LsuvReport, ScaledLayer

__all__ = ["lsuv"]

_Unit: TypeAlias = tuple[int, tuple[int, ...]]
"""The number of a kernel, and the step of a scan."""


def lsuv(
    model: Any,
    sample: Any,
    key: Array,
    *,
    variables: Any = None,
    tolerance: float = 0.02,
    max_iterations: int = 10,
    progress: bool = False,
    leave: Sequence[str] = (),
    arguments: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Any, LsuvReport]:
    r"""Layer-sequential unit variance: kernels of a model that fit a batch of data.

    .. math:: W \leftarrow \frac{W}{\sqrt{\operatorname{Var}(W h)}}, \qquad W^\top W = I \text{ at the start}

    Layer after layer, each kernel is made orthonormal, and divided by the standard deviation of the outputs of its
    layer over the batch and all units. Where a scan has a kernel for each step, each step is a layer of its own; where
    its steps share one, their outputs are taken together.

    Args:
        model: a model of any kind that :func:`match` takes.
        sample: the batch: an array, or a tuple of the positional arguments. It is the data, so take real ones; some
            hundred examples are enough.
        key: the random key; each kernel is drawn with the key folded with its path.
        variables: as for :func:`match`, but not abstract.
        tolerance: how far from 1 the variance may be at the end; positive.
        max_iterations: how often a kernel may be scaled; at least 1. Once is enough but for layers that round, and for
            kernels that are used more than once, such as a table that is looked up and is the last layer too: how the
            variance follows those is found by secant steps.
        progress: whether to show a bar, by tqdm or rich.
        leave: paths of kernels to leave alone, where ``*`` stands for anything.
        arguments, options: as for :func:`match`.

    Returns:
        The new variables of a linen module, a new nnx module or pytree; and an :class:`LsuvReport`, whose text is a
        table. Biases, scales, tables and kernels that are all zero keep their values. So do kernels that it cannot
        scale, such as weight-normalized ones: the report has every kernel in ``layers``, or in ``left`` with the
        reason. The model that was passed is not changed.

    Raises:
        ValueError: a layer whose outputs on this batch are empty, constant or not finite, or that does not come within
            the tolerance; a model without kernels, or that does not run on the sample; abstract variables; a path in
            ``leave`` that the model lacks.
        TypeError: as for :func:`match`; it cannot run inside of jit, for it looks at the variances on the host.
        ImportError: neither tqdm nor rich is installed for a bar.

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
    opening = opened(lsuv, model, sample, key, variables, options, arguments)
    if opening.abstract:
        raise ValueError("lsuv: variables must be arrays, got shapes alone; pass what model.init returned.")
    graph = graph_of(opening.call, opening.leaves, opening.sample, into_scans=True)
    uses = {use.leaf: use for use in reversed(graph.uses())}
    left = _left(graph, opening, uses, leave)
    places = {id(op): place for place, op in enumerate(graph.ops)}
    kept = [use for index, use in uses.items() if opening.paths[index] not in left]
    kept.sort(key=lambda use: places[id(use.op)])
    if not kept and not left:
        raise ValueError("lsuv: the kernels must be used in products or convolutions, got no kernel; use match.")

    leaves = list(opening.leaves)
    run, data = jax.jit(measured(graph, kept)), jax.tree.leaves(opening.sample)
    for use in kept:
        leaves[use.leaf] = _orthonormal(graph, use, folded(key, opening.paths[use.leaf]), leaves[use.leaf])
    fits = [_Fit(opening.paths[use.leaf], leaves[use.leaf], graph, use) for use in kept]
    before = variances = _host(run(leaves, data)[0])
    order = _in_order(graph, kept)
    # A second round is for kernels that are used before the layer whose outputs they are scaled by.
    for round_ in itertools.count():
        for number, step in _bar(order, progress and round_ == 0):
            fit = fits[number]
            while not abs(variances[number][step] - 1) <= margin:
                leaves[fit.use.leaf] = fit.scaled(step, float(variances[number][step]), margin, most)
                variances = _host(run(leaves, data)[0])
        if all((abs(v - 1) <= margin).all() for v in variances):
            break
    rows = [fit.row(old, new) for fit, old, new in zip(fits, before, variances, strict=True)]
    return opening.rebuilt(leaves), LsuvReport(tuple(rows), left)


def _left(graph: Graph, opening: Model, uses: Mapping[int, Use], leave: Sequence[str]) -> dict[str, str]:
    """The parameters that keep their values though they may be kernels, with the reason."""
    left = dict[str, str]()
    for pattern in leave:
        hits = [path for path in opening.paths if fnmatch.fnmatchcase(path, pattern)]
        if not hits:
            raise unknown_name("lsuv", "path in leave", pattern, opening.paths)
        left |= dict.fromkeys(hits, "as asked for")
    for index, path in enumerate(opening.paths):
        if path in left:
            continue
        if index not in uses:
            reason = unused(graph, index).reason.partition(";")[0]
        elif uses[index].op.inputs[uses[index].operand] not in graph.kernels:
            reason = "is concatenated with others before its product"
        elif all_zero(opening.leaves[index]):
            reason = "all zero, which it may have to be; pass variables in which it is not to draw it"
        else:
            reason = ""
        if reason:
            left[path] = reason
    return left


def _host(variances: Iterable[Array]) -> list[Any]:
    return [np.asarray(v, np.float64) for v in variances]


def _in_order(graph: Graph, kept: Sequence[Use]) -> list[_Unit]:
    """The kernels by number, each with its steps, in the order of the computation."""
    places = {id(op): i for i, op in enumerate(graph.ops)}
    units = list[tuple[tuple[int, tuple[int, ...], int], _Unit]]()
    for number, use in enumerate(kept):
        place, loops = places[id(use.op)], use.op.loops
        for step in np.ndindex(*(loops[a].length for a in graph.stacked(use))):
            anchor = loops[0].number if loops else place
            units.append(((anchor, step, place), (number, step)))
    return [unit for _, unit in sorted(units)]


class _Fit:
    """The scaling of one kernel, or of one for each step of a scan.

    The variance goes as some power of the factor, 2 but for kernels used repeatedly.
    """

    def __init__(self, path: str, start: Array, graph: Graph, use: Use) -> None:
        self.path, self.start, self.graph, self.use = path, start, graph, use
        self.steps = tuple(use.op.loops[a].length for a in graph.stacked(use))
        self.factor = np.ones(self.steps)
        self.iterations = np.zeros(self.steps, int)
        self.last = dict[tuple[int, ...], _Secant]()

    def scaled(self, step: tuple[int, ...], variance: float, margin: float, most: int) -> Array:
        """The kernel after one more step, the secant of the logarithms."""
        if not (1e-30 < variance < np.inf) or self.iterations[step] == most:
            raise ValueError(
                f"lsuv: {self.path} must reach a variance of 1 ± {margin:g}, got {variance:.4g} after "
                f"{self.iterations[step]} scalings; its outputs on this batch are empty, constant, not finite, or do "
                f"not follow its kernel: look at the data and at the layers before it."
            )
        secant = self.last.get(step, _Secant(variance, 0.0))
        power = secant.power
        if abs(secant.change) > 0.01:
            power = float(np.clip(np.log(variance / secant.variance) / secant.change, 1.0, 16.0))
        change = -float(np.log(variance)) / power
        self.last[step] = _Secant(variance, change, power)
        self.iterations[step] += 1
        self.factor[step] *= np.exp(change)
        return (self.start * self._spread()).astype(self.start.dtype)

    def _spread(self) -> Any:
        """The factor of each weight."""
        if not self.steps:
            return float(self.factor)
        places = self.graph.matrices(self.use)
        flat = np.empty(self.start.size, np.float32)
        flat[places] = self.factor.reshape(*self.steps, *[1] * (places.ndim - len(self.steps)))
        return flat.reshape(self.start.shape)

    def row(self, before: Any, after: Any) -> ScaledLayer:
        old, new = (float(v.flat[np.argmax(np.abs(np.log(np.maximum(v, 1e-300))))]) for v in (before, after))
        factor, iterations = float(self.factor.mean()), float(self.iterations.mean())
        return ScaledLayer(self.path, self.start.shape, old, new, factor, iterations)


@dataclass
class _Secant:
    """A variance, by how much the logarithm of the factor was changed then, and the power that was assumed."""

    variance: float
    change: float
    power: float = 2.0


def _orthonormal(graph: Graph, use: Use, key: Array, leaf: Array) -> Array:
    places = graph.matrices(use)
    *stacked, rows, columns = places.shape
    drawn = jax.random.orthogonal(key, rows, tuple(stacked), jnp.float32, columns)
    flat = jnp.zeros(leaf.size, jnp.float32).at[places.ravel()].set(drawn.ravel())
    return flat.reshape(leaf.shape).astype(leaf.dtype)


def _bar(layers: list[_Unit], progress: bool) -> Iterable[_Unit]:
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
