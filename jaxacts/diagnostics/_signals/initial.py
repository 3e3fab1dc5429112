"""Before training: what a model does to signals and gradients with the weights that it starts with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts.diagnostics._models import shapes_of
from jaxacts.diagnostics._signals.flow import FlowReport, fitted_slope, flow_report, trend, without_gradient
from jaxacts.diagnostics._signals.gradients import Squares, mean_squares
from jaxacts.diagnostics._signals.predicted import Predicted, moments_at, predictions
from jaxacts.diagnostics._tables import Tabular
from jaxacts.diagnostics._watch import Watch, inputs_of
from jaxacts.diagnostics._watch import watch as watch_
from jaxacts.initializers import MatchedLayer, _checks, match
from jaxacts.initializers._models.reports import plain

__all__ = ["InitialReport", "LayerStart", "at_init"]


class LayerStart(NamedTuple):
    """A row: one layer with the weights that it starts with.

    ``fan_in`` and ``std`` are those of the kernel that the layer has before its activation, NaN where that is not
    known, such as a kernel that is transformed before its product; ``variance`` is the mean square of the inputs of the
    activation, ``output`` that of its results, ``gradient`` the rms of the gradient by these inputs, as a multiple of
    that of the last layer. Theory predicts the variance from that of the first layer, and the gradient from that of the
    last, as far as kernels and biases alone are between one activation and the next: ``variance_predicted`` is the
    variance measured where anything else is before it, and ``gradient_predicted`` changes there by the factor measured.
    ``chi`` is χ₁ of the layer, fan_in · std² · E[f'²], and ``advice`` the standard deviation that suits the activation,
    where it is known and differs by more than 5%.
    """

    layer: str
    activation: str
    fan_in: float
    std: float
    variance: float
    variance_predicted: float
    output: float
    gradient: float
    gradient_predicted: float
    chi: float | None
    advice: str


@dataclass(frozen=True)
class InitialReport(Tabular):
    """How signals and gradients fare at initialization, layer by layer.

    ``drift`` is the fitted slope of the logarithm of the variance against depth; ``flow`` has the gradients, with the
    slope of those that theory predicts, ``predicted_slope``. ``verdict`` is that over the depth: "contractive" where
    the squared gradient falls by a factor of 10 or more from the last layer to the first, by the fit, or that of any
    layer is exactly 0, "expansive" where it grows by as much, "not finite" where any variance or gradient is not,
    else "balanced". (The verdict of :func:`jaxacts.initializers.match` is that of χ₁ of one layer, within 1%.)
    """

    drift: float
    flow: FlowReport
    predicted_slope: float
    verdict: str

    title: ClassVar[str] = "At initialization"

    def to_dict(self) -> dict[str, Any]:
        more = {"drift": self.drift, "slope": self.flow.slope, "predicted_slope": self.predicted_slope}
        return {**super().to_dict(), **{k: plain(v) for k, v in more.items()}, "verdict": self.verdict}


def at_init(model: Any, sample: Any, key: Array, *, variables: Any = None, **options: Any) -> InitialReport:
    r"""Signals and gradients of a model before training, beside the theory, with a verdict and the remedy.

    .. math:: q_{l+1} = \text{fan\_in} \cdot \operatorname{Var}(W_{l+1}) \, \mathbb E[f(\sqrt{q_l} \, t)^2], \qquad
        g_l = \text{fan\_out} \cdot \operatorname{Var}(W_{l+1}) \, \mathbb E[f'(\sqrt{q_l} \, t)^2] \, g_{l+1}

    for the mean squares q of the inputs z of each activation and g of the gradients by them, with t ~ N(0, 1).

    Args:
        model: a ``flax.linen`` or ``flax.nnx`` module, another callable pytree, or a function ``f(params, x)``.
        sample: a batch, an array or a tuple of the positional arguments: real data, or numbers of the same size.
        key: the random key, for the variables of a linen module and for the gradient at the output, which is normal.
        variables: those of a linen module, instead of what ``model.init`` draws, or the parameters of a function.
        **options: further arguments of the call of the model, such as ``train=False``.

    Returns:
        An :class:`InitialReport`, whose text is a table.

    Raises:
        TypeError, ValueError: what :func:`watch` refuses; a sample of shapes without values.

    Note:
        The advice is the standard deviation of :func:`jaxacts.initializers.match`, where its row is for the activation
        of this one: the parts of a packed kernel have none. Where it refuses a model a note says why. The theory is
        that of one layer after the other; it leaves biases out, and multiplies kernels in a row. Where anything else is
        between two activations, such as a normalization, a softmax, pooling or a skip connection, or where an
        activation has no moments, the prediction goes on from what was measured.

    Example:
        >>> import flax.linen as nn, jax, jaxacts
        >>> from jaxacts import diagnostics
        >>> layers = [part for _ in range(12) for part in (nn.Dense(256), jaxacts.relu)]
        >>> x = jax.random.normal(jax.random.key(1), (64, 256))
        >>> report = diagnostics.at_init(nn.Sequential(layers), x, jax.random.key(0))
        >>> report.verdict, report.rows[0].advice
        ('contractive', 'std 0.0884 instead of 0.0626')

    References:
        Schoenholz et al., "Deep information propagation", 2017, https://arxiv.org/abs/1611.01232
    """
    _checks.key("at_init", key)
    known = {name: value for name, value in options.items() if name not in ("mutable", "rngs")}
    watch = watch_(model, sample, variables=variables, **options)
    inputs = inputs_of(sample)
    if watch.kind == "linen" and variables is None:
        rngs = dict.fromkeys(("params", "dropout", *options.get("rngs", ())), key)
        variables = model.init(rngs, *inputs, **known)
    variables = shapes_of("at_init", watch.kind, model, inputs, variables, options)
    changes = watch.kind == "linen" and options.get("mutable")
    rows, missing = mean_squares(watch, lambda y: _projected(y[0] if changes else y, key), variables, sample, options)
    advice, notes = _advice(watch, sample, key, variables, known)
    starts = [_start(found, predicted, advice) for found, predicted in zip(rows, predictions(rows), strict=True)]
    last = next((row.gradient for row in reversed(starts) if row.gradient > 0), 1.0)
    starts = [
        row._replace(gradient=row.gradient / last, gradient_predicted=row.gradient_predicted / last) for row in starts
    ]
    predicted = fitted_slope([row.gradient_predicted for row in starts])
    drift = fitted_slope([row.variance for row in starts])
    gradients = [row.gradient for row in starts]
    flow = flow_report({row.layer: row.gradient for row in starts}, predicted)
    verdict = {1: "expansive", 0: "balanced", -1: "contractive"}[trend(gradients, math.sqrt(10))]
    wrong = [row.layer for row in starts if not math.isfinite(row.variance + row.output + row.gradient)]
    if wrong:
        verdict = "not finite"
        summary = f"not finite: variance or gradient of {len(wrong)} of {len(starts)} layers, first of {wrong[0]}"
    else:
        summary = f"{verdict}: {_signal(starts, drift)}{_gradient(gradients, flow.slope, predicted)}"
    notes = [
        summary,
        *notes,
        *missing,
        *(f"not followed: {what}" for what in watch.unfollowed),
    ]
    return InitialReport(tuple(starts), tuple(notes), drift, flow, predicted, verdict)


def _signal(starts: Sequence[LayerStart], drift: float) -> str:
    zero = sum(row.output == 0 for row in starts)
    if zero:
        return f"the results of {zero} of {len(starts)} layers are all 0"
    if len(starts) < 2:
        return "a single layer"
    return f"the variance changes by a factor of {math.exp(drift):.3g} a layer"


def _gradient(gradients: Sequence[float], slope: float, predicted: float) -> str:
    if np.count_nonzero(gradients) < 2:
        return without_gradient(gradients)
    factor, theory = math.exp(-2 * slope), math.exp(-2 * predicted)
    whole = math.exp(-2 * slope * (len(gradients) - 1))
    return (
        f", the squared gradient by {factor:.3g} a layer towards the input ({theory:.3g} predicted) and by {whole:.3g} "
        f"over the depth{without_gradient(gradients)}"
    )


def _projected(y: Any, key: Array) -> Array:
    """The product of the outputs with normal numbers, so that these are the gradient at the output."""
    floats = [x for x in jax.tree.leaves(y) if jnp.issubdtype(x.dtype, jnp.floating)]
    keys = jax.random.split(key, len(floats))
    return jnp.stack([(x * jax.random.normal(k, x.shape)).sum() for x, k in zip(floats, keys, strict=True)]).sum()


def _advice(
    watch: Watch, sample: Any, key: Array, variables: Any, options: dict[str, Any]
) -> tuple[dict[str, MatchedLayer], list[str]]:
    """The rows of match by the path of the kernel, or why there are none."""
    given = {"variables": variables} if watch.kind in ("linen", "function") else {}
    try:
        _, found = match(watch.model, sample, key, **given, arguments=options)
    except (TypeError, ValueError) as error:
        return {}, [f"no advice: {error}"]
    return {layer.path: layer for layer in found.layers}, []


def _std_of(advice: dict[str, MatchedLayer], found: Squares) -> float | None:
    """The standard deviation for the kernel of a row, where match has it for the activation of that row."""
    row = None if found.kernel is None else advice.get(found.kernel.path)
    if row is None or found.kernel is None or row.fan_in != found.kernel.fan_in:
        return None
    return row.std if row.activation == found.site.activation else None


def _start(found: Squares, theory: Predicted, advice: dict[str, MatchedLayer]) -> LayerStart:
    _, fan_in, std = found.kernel or ("", math.nan, math.nan)
    right = _std_of(advice, found)
    differs = right is not None and abs(std - right) > 0.05 * right
    known = moments_at(found.site, found.before)
    return LayerStart(
        layer=found.name,
        activation=found.site.activation,
        fan_in=fan_in,
        std=std,
        variance=found.before,
        variance_predicted=theory.variance,
        output=found.after,
        gradient=math.sqrt(found.gradient),
        gradient_predicted=math.sqrt(theory.gradient),
        chi=None if known is None or not math.isfinite(std) else fan_in * std**2 * known.slope,
        advice=f"std {right:.3g} instead of {std:.3g}" if differs else "",
    )
