"""Before training: what a model does to signals and gradients with the weights that it starts with."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts.diagnostics._models import shapes_of
from jaxacts.diagnostics._signals.flow import FlowReport, fitted_slope, flow_report
from jaxacts.diagnostics._signals.gradients import Squares, mean_squares
from jaxacts.diagnostics._signals.predicted import Predicted, moments_at, predictions
from jaxacts.diagnostics._tables import Tabular
from jaxacts.diagnostics._watch import Watch, inputs_of
from jaxacts.diagnostics._watch import watch as watch_
from jaxacts.initializers import _checks, match

__all__ = ["InitialReport", "LayerStart", "at_init"]


class LayerStart(NamedTuple):
    """A row: one layer with the weights that it starts with.

    ``std`` is that of the weights, ``variance`` the mean square of the inputs of the activation, ``output`` that of
    its results, ``gradient`` the rms of the gradient by these inputs, as a multiple of that of the last layer. Theory
    predicts the variance from that of the first layer, and the gradient from that of the last. ``chi`` is χ₁ of the
    layer, fan_in · std² · E[f'²], and ``advice`` the standard deviation that suits the activation, where it differs by
    more than 5%.
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
    slope of those that theory predicts, ``predicted_slope``. ``verdict`` is "contractive" where the squared gradient
    falls by a factor of 10 or more from the last layer to the first, by the fit, "expansive" where it grows by as much,
    else "marginal".
    """

    drift: float
    flow: FlowReport
    predicted_slope: float
    verdict: str

    title: ClassVar[str] = "At initialization"

    def to_dict(self) -> dict[str, Any]:
        more = {"drift": self.drift, "slope": self.flow.slope, "predicted_slope": self.predicted_slope}
        return {**super().to_dict(), **more, "verdict": self.verdict}


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
        The advice is the standard deviation of :func:`jaxacts.initializers.match`, which needs a Flax module; where it
        refuses a model a note says why. The theory is that of one layer after the other without biases; skip
        connections and normalizations keep signals as they are whatever it predicts. Where an activation has no
        moments, the prediction goes on from what was measured.

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
    kernels = watch.kernels(variables, sample, options)
    theory = predictions(rows, kernels)
    starts = [
        row
        for found, predicted in zip(rows, theory, strict=True)
        for row in _rows(found, predicted, kernels[found.site.name], advice)
    ]
    last = next((row.gradient for row in reversed(starts) if row.gradient > 0), 1.0)
    starts = [
        row._replace(gradient=row.gradient / last, gradient_predicted=row.gradient_predicted / last) for row in starts
    ]
    predicted = fitted_slope([row.gradient_predicted for row in starts])
    drift = fitted_slope([row.variance for row in starts])
    flow = flow_report({row.layer: row.gradient for row in starts}, predicted)
    total = -2 * flow.slope * (len(starts) - 1)
    verdict = "contractive" if total < -math.log(10) else "expansive" if total > math.log(10) else "marginal"
    notes = [
        f"{verdict}: the variance changes by a factor of {math.exp(drift):.3g} a layer, the squared gradient by "
        f"{math.exp(-2 * flow.slope):.3g} a layer towards the input ({math.exp(-2 * predicted):.3g} predicted)",
        *notes,
        *missing,
        *(f"not followed: {what}" for what in watch.unfollowed),
    ]
    return InitialReport(tuple(starts), tuple(notes), drift, flow, predicted, verdict)


def _projected(y: Any, key: Array) -> Array:
    """The product of the outputs with normal numbers, so that these are the gradient at the output."""
    floats = [x for x in jax.tree.leaves(y) if jnp.issubdtype(x.dtype, jnp.floating)]
    keys = jax.random.split(key, len(floats))
    return jnp.stack([(x * jax.random.normal(k, x.shape)).sum() for x, k in zip(floats, keys, strict=True)]).sum()


def _advice(
    watch: Watch, sample: Any, key: Array, variables: Any, options: dict[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """The standard deviations of match by the path of the kernel, or why there are none."""
    if watch.kind not in ("linen", "nnx"):
        return {}, []
    given = {"variables": variables} if watch.kind == "linen" else {}
    try:
        _, found = match(watch.model, sample, key, **given, **options)
    except (TypeError, ValueError) as error:
        return {}, [f"no advice: {error}"]
    return {layer.path: layer.std for layer in found.layers}, []


def _rows(
    found: Squares, theory: Predicted, kernel: tuple[str, Any] | None, advice: dict[str, float]
) -> list[LayerStart]:
    rows = list[LayerStart]()
    path = kernel[0] if kernel else ""
    fan_in = found.site.use.fan_in if found.site.use else math.nan
    for index in itertools.product(*map(range, found.before.shape)):
        name = found.site.name + "".join(f"[{i}]" for i in index)
        before, after, gradient = (float(x[index]) for x in (found.before, found.after, found.gradient))
        std, variance, back = (float(x[index]) for x in (theory.std, theory.variance, theory.gradient))
        right = advice.get(path)
        differs = right is not None and abs(std - right) > 0.05 * right
        known = moments_at(found.site, before)
        chi = None if known is None or not math.isfinite(fan_in * std) else fan_in * std**2 * known.slope
        said = f"std {right:.3g} instead of {std:.3g}" if differs else ""
        signal = (before, variance, after)
        gradients = (math.sqrt(gradient), math.sqrt(back))
        rows.append(LayerStart(name, found.site.activation, fan_in, std, *signal, *gradients, chi, said))
    return rows
