"""Gradient flow: how the size of gradients changes with depth."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.calls import described
from jaxacts.diagnostics._arguments import check_call
from jaxacts.diagnostics._models import path_of
from jaxacts.diagnostics._signals.gradients import mean_squares
from jaxacts.diagnostics._signals.predicted import predictions
from jaxacts.diagnostics._tables import Tabular
from jaxacts.diagnostics._watch import Watch, inputs_of
from jaxacts.initializers import _checks

__all__ = [
    "FlowReport",
    "FrozenReport",
    "FrozenUnits",
    "LayerFlow",
    "fitted_slope",
    "flow_report",
    "frozen_units",
    "gradient_flow",
    "trend",
    "without_gradient",
]


_NOT_KERNELS = frozenset(["bias", "scale", "beta", "gamma", "offset", "shift"])


class LayerFlow(NamedTuple):
    """A row: the root mean square of the gradient of a layer, and the same in units of that of the last layer."""

    layer: str
    rms: float
    relative: float
    verdict: str


@dataclass(frozen=True)
class FlowReport(Tabular):
    """Gradients by layer, first layer first.

    ``slope`` is that of the logarithm of the rms against depth, fitted by least squares: above 0 gradients get smaller
    towards the first layer. ``predicted`` is the slope that theory predicts, None with a tree of gradients.
    """

    slope: float
    predicted: float | None
    verdict: str

    title: ClassVar[str] = "Gradients by layer"

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "slope": self.slope, "predicted": self.predicted, "verdict": self.verdict}


def gradient_flow(
    source: Any,
    loss: Callable[[Any], Array] | None = None,
    variables: Any = None,
    x: Any = None,
    *,
    predicted: float | None = None,
    **options: Any,
) -> FlowReport:
    r"""How gradients change from the last layer to the first, with a verdict.

    .. math:: \log \operatorname{rms}\Bigl(\frac{\partial L}{\partial z_l}\Bigr) \approx a + s \, l,
        \qquad s = -\tfrac12 \log \chi_1 \text{ in theory}

    Args:
        source: a :class:`Watch`, for gradients by the inputs z of its activations; or a tree of gradients, such as
            ``jax.grad`` gives, for those by the kernels, which should be in the order of the layers: that of the tree,
            with ``Dense_2`` before ``Dense_10`` where the tree sorts its names. Kernels are the arrays of two axes or
            more, except for those called ``bias``, ``scale``, ``beta``, ``gamma``, ``offset`` or ``shift``, which have
            two axes in a scan, and those called ``b`` or ``g`` that have the shape of a bias beside another array.
        loss: with a watch, a function of what the model returns that gives a number.
        variables: with a watch, the variables (or the nnx module) to call the model with.
        x: with a watch, the input: an array or a tuple of the positional arguments.
        predicted: the slope to show beside the fitted one; None is that of theory with a watch, for one layer after
            the other with the present weights, and none with a tree.
        **options: with a watch, further arguments of the call of the model.

    Returns:
        A :class:`FlowReport`. Its verdict is "vanishing" where the fit falls by a factor of 100 or more from the last
        layer to the first, or where that of any layer is exactly 0, "exploding" where it grows by as much or
        overflows, "not finite" where any is NaN, else "healthy".

    Raises:
        TypeError: a watch without a loss that is a function; arguments in the places of others.
        ValueError: no layers.

    Note:
        The gradient by z says more than that by a kernel, which also has the size of the inputs of the layer in it. A
        kernel that a scan over layers takes apart is one row of a tree, and a row a step of a watch. Where the
        activation is inside of a custom derivative, or its input is not known, a note says that there is no gradient.
        Dicts and the states of Flax's nnx are sorted by name: where names do not tell the order of the layers
        (``encoder``, ``body``, ``head``), use a watch. Theory goes from one activation to the next where kernels and
        biases alone are between them; elsewhere the prediction changes by the factor that was measured.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> def model(kernels, x):
        ...     for kernel in kernels:
        ...         x = jaxacts.sigmoid(x @ kernel)
        ...     return x
        >>> keys = jax.random.split(jax.random.key(0), 8)
        >>> kernels = [jax.random.normal(key, (64, 64)) / 8 for key in keys]
        >>> x = jax.random.normal(jax.random.key(1), (32, 64))
        >>> watch = diagnostics.watch(model, x, variables=kernels)
        >>> flow = diagnostics.gradient_flow(watch, lambda y: y.sum(), kernels, x)
        >>> flow.verdict, bool(flow.slope > 1)
        ('vanishing', True)

    References:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010; Schoenholz
        et al., "Deep information propagation", 2017, https://arxiv.org/abs/1611.01232 (χ₁)
    """
    if isinstance(source, Watch):
        if not callable(loss):
            raise TypeError(
                f"gradient_flow: loss must be a function of the output, got {described(loss)}; call "
                f"gradient_flow(watch, lambda y: y.sum(), variables, x)."
            )
        check_call(source.kind, variables, inputs_of(x), None, "gradient_flow")
        found, notes = mean_squares(source, loss, variables, x, options)
        squares = {row.name: row.gradient for row in found}
        if predicted is None and found:
            predicted = fitted_slope([math.sqrt(row.gradient) for row in predictions(found)])
    else:
        notes = ()
        squares = {path: float(jnp.mean(jnp.square(leaf))) for path, leaf in _kernels(source)}
    if not squares:
        raise ValueError("gradient_flow: needs layers, got a source without any; pass a watch or a tree of kernels.")
    return flow_report({name: math.sqrt(v) for name, v in squares.items()}, predicted, notes)


def _kernels(tree: Any) -> list[tuple[str, Any]]:
    """The arrays of two axes or more that are not biases or scales, by their paths."""
    named = [(path, path_of(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]
    beside = defaultdict[str, list[Any]](list)
    for _, path, leaf in named:
        beside[path.rpartition("/")[0]].append(np.shape(leaf))

    def is_kernel(path: str, leaf: Any) -> bool:
        group, _, name = path.rpartition("/")
        shape = np.shape(leaf)
        biased = any(len(s) > len(shape) and (*s[: len(shape) - 1], s[-1]) == shape for s in beside[group])
        return len(shape) > 1 and name not in _NOT_KERNELS and not (name in ("b", "g") and biased)

    kept = [(path, leaf) for path, name, leaf in named if is_kernel(name, leaf)]
    return [(path_of(path), leaf) for path, leaf in _in_order(kept, 0)]


def _in_order(named: Sequence[tuple[Any, Any]], depth: int) -> list[tuple[Any, Any]]:
    """Leaves in the order of the tree, with numbers in the order of numbers where the tree sorts its names."""
    if len(named) < 2:
        return list(named)
    children = defaultdict[str, list[tuple[Any, Any]]](list)
    for path, leaf in named:
        children[path_of(path[depth : depth + 1])].append((path, leaf))
    names = list(children)
    if names == sorted(names):
        names.sort(key=_digits_apart)
    return [leaf for name in names for leaf in _in_order(children[name], depth + 1)]


def _digits_apart(name: str) -> list[str | int]:
    """Text and numbers in turns, so that each is compared with its like."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name))]


def flow_report(rms: Mapping[str, float], predicted: float | None, notes: Sequence[str] = ()) -> FlowReport:
    values = list(rms.values())
    slope = fitted_slope(values)
    last = next((v for v in reversed(values) if v > 0), 1.0)
    verdict = {1: "exploding", 0: "healthy", -1: "vanishing"}[trend(values, 100)]
    verdict = "not finite" if any(map(math.isnan, values)) else verdict
    rows = tuple(
        LayerFlow(name, v, v / last, "no gradient" if v == 0 else "not finite" if not math.isfinite(v) else "healthy")
        for name, v in rms.items()
    )
    theory = "" if predicted is None else f", {predicted:+.3f} predicted"
    note = f"log-slope of the gradient a layer: {slope:+.3f}{theory}{without_gradient(values)}; {verdict}"
    return FlowReport(rows, (note, *notes), slope, predicted, verdict)


def fitted_slope(values: Sequence[float]) -> float:
    """The slope of the logarithm against the index, by least squares over what is positive and finite."""
    y = np.asarray(values, float)
    at = np.flatnonzero(np.isfinite(y) & (y > 0))
    return float(np.polyfit(at, np.log(y[at]), 1)[0]) if len(at) > 1 else 0.0


def trend(rms: Sequence[float], factor: float) -> int:
    """What gradients do from the last layer to the first: 1 if they grow by the factor, -1 if they fall by it, else 0.

    A gradient of exactly 0 has fallen, one that is not finite has grown.
    """
    change = fitted_slope(rms) * (len(rms) - 1)
    if not all(map(math.isfinite, rms)) or change < -math.log(factor):
        return 1
    return -1 if change > math.log(factor) or 0 in rms else 0


def without_gradient(rms: Sequence[float]) -> str:
    """Part of a note: how many layers have no gradient, if any."""
    count = list(rms).count(0)
    return f", no gradient in {count} of {len(rms)} layers" if count else ""


class FrozenUnits(NamedTuple):
    """A row: the share of the units of a kernel whose weights all have second moments of 0."""

    layer: str
    units: int
    frozen: float


@dataclass(frozen=True)
class FrozenReport(Tabular):
    """Units that the optimizer no longer moves, by kernel."""

    shares: ClassVar[frozenset[str]] = frozenset(["frozen"])
    title: ClassVar[str] = "Units without gradients"


def frozen_units(nu: Any, *, threshold: float = 1e-16) -> FrozenReport:
    r"""Units without gradients, from Adam's second moments: no forward pass, no data.

    .. math:: \text{frozen}_j = \Bigl[\max_i \nu_{ij} \le \text{threshold}\Bigr]

    Args:
        nu: the tree of second moments, such as ``opt_state[0].nu`` of ``optax.adam``, or the whole state of an
            optimizer that has them, of which all else is left out. Kernels, those of :func:`gradient_flow`, have their
            units along the last axis.
        threshold: second moments up to this count as 0, the square of 1e-8, Adam's own ε, by default. At least 0.

    Returns:
        A :class:`FrozenReport`, a row a kernel.

    Raises:
        ValueError: a negative threshold, no kernel, or the state of an optimizer without second moments.

    Note:
        A kernel that a scan over layers takes apart counts as one, in which a unit is frozen if it is in every step;
        take the steps apart first, as by ``jax.tree.map(lambda x: x[0], nu)``. A relu that died keeps a ν that falls by
        β₂ each step, below 1e-16 some thousands of steps after its last gradients. A watch sees it at once; this costs
        nothing.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxacts import diagnostics
        >>> diagnostics.frozen_units({"kernel": jnp.array([[1e-4, 0.0], [0.0, 0.0]])}).rows[0].frozen
        0.5
    """
    least = _checks.magnitude("frozen_units", "threshold", threshold)
    leaves = [(path, np.asarray(leaf)) for tree in _second_moments(nu) for path, leaf in _kernels(tree)]
    if not leaves:
        raise ValueError("frozen_units: needs kernels, got a tree without; pass opt_state[0].nu of optax.adam.")
    rows = [
        FrozenUnits(path, x.shape[-1], float((x.reshape(-1, x.shape[-1]).max(0) <= least).mean())) for path, x in leaves
    ]
    return FrozenReport(tuple(rows), ())


def _second_moments(tree: Any) -> list[Any]:
    """The trees called ``nu`` in the state of an optimizer; any other tree unchanged."""
    found, others = list[Any](), list[str]()

    def is_state(node: Any) -> bool:
        fields = set[Any](node if isinstance(node, Mapping) else getattr(node, "_fields", ()))
        of_optax = type(node).__module__.partition(".")[0] == "optax" and bool(fields)
        if "nu" in fields and (of_optax or fields.intersection(("mu", "count"))):
            found.append(node["nu"] if isinstance(node, Mapping) else node.nu)
            return True
        if of_optax:
            others.append(type(node).__name__)
        return False

    jax.tree.leaves(tree, is_leaf=is_state)
    if others and not found:
        raise ValueError(
            f"frozen_units: needs second moments, got the state of an optimizer without ({', '.join(others)}); pass "
            f"the nu of one that has them, such as opt_state[0].nu of optax.adam."
        )
    return found or [tree]
