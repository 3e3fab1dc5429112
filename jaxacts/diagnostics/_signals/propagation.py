"""Signals and gradients through the depth of a plain network: the theory of infinite width beside a real network."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts.diagnostics._signals.flow import fitted_slope
from jaxacts.diagnostics._tables import Tabular
from jaxacts.initializers import _checks, moments, variance_map
from jaxacts.initializers._models.reports import plain

__all__ = ["Depth", "PropagationReport", "propagation"]


class Depth(NamedTuple):
    """A row: mean squares of the preactivations and of the gradient there, relative to the last layer's."""

    layer: int
    signal: float
    signal_predicted: float
    gradient: float
    gradient_predicted: float


@dataclass(frozen=True)
class PropagationReport(Tabular):
    """Signal and gradient at every layer, measured and predicted.

    ``signal_factor`` and ``gradient_factor`` are the fitted factors a layer, of the mean square of the signal going
    forward and of the gradient going back; NaN where fewer than two layers have positive, finite ones.
    """

    signal_factor: float
    gradient_factor: float
    verdict: str

    title: ClassVar[str] = "Through the depth"

    def to_dict(self) -> dict[str, Any]:
        factors = {"signal_factor": self.signal_factor, "gradient_factor": self.gradient_factor}
        factors = {name: plain(value) for name, value in factors.items()}
        return {**super().to_dict(), **factors, "verdict": self.verdict}


def propagation(
    fn: Callable[..., Any],
    weight_variance: float,
    bias_variance: float = 0.0,
    *,
    depth: int = 50,
    width: int = 256,
    key: Array | None = None,
    **parameters: Any,
) -> PropagationReport:
    r"""How signals and gradients fare in a plain network of this activation: predicted, and measured in a random one.

    .. math:: q_{l+1} = \sigma_w^2 \, \mathbb E[f(\sqrt{q_l} z)^2] + \sigma_b^2, \qquad
        g_{l} = \sigma_w^2 \, \mathbb E[f'(\sqrt{q_l} z)^2] \, g_{l+1}

    Args:
        fn: any elementwise function, as for :func:`jaxacts.initializers.moments`.
        weight_variance: σ_w², the variance of the weights times fan_in; positive.
        bias_variance: σ_b²; at least 0.
        depth, width: of the network; at least 2 layers.
        key: the random key of the network; None is ``jax.random.key(0)``.
        **parameters: the arguments of ``fn`` after the first.

    Returns:
        A :class:`PropagationReport`: a row a layer, the factors that were fitted, and whether signal or gradient
        vanish or explode, by a factor of 100 or more over the depth. What overflows explodes.

    Raises:
        ValueError: arguments out of range, or what ``moments`` refuses.

    Note:
        The network is fed with 32 normal examples, and with a normal gradient at its last preactivations. Networks of
        finite width scatter by some layers/width in the logarithm.

    Example:
        >>> import jaxacts
        >>> from jaxacts import diagnostics
        >>> found = diagnostics.propagation(jaxacts.relu, 1.0, depth=30)
        >>> found.verdict, round(found.signal_factor, 1)
        ('signal and gradient vanish', 0.5)

    References:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016,
        https://arxiv.org/abs/1606.05340; Schoenholz et al., "Deep information propagation", 2017,
        https://arxiv.org/abs/1611.01232
    """
    weight = _checks.positive("propagation", "weight_variance", weight_variance)
    bias = _checks.magnitude("propagation", "bias_variance", bias_variance)
    layers = _checks.count("propagation", "depth", depth, 2)
    units = _checks.count("propagation", "width", width)
    # The moments have arguments of these names too.
    own = {name: parameters.pop(name) for name in ("q", "mean") if name in parameters}
    fn = functools.partial(fn, **own) if own else fn
    step = variance_map(fn, weight, bias, **parameters)
    q = [weight + bias]
    while len(q) < layers and 1e-30 < q[-1] < 1e30:
        q.append(step(q[-1]))
    chi = [weight * moments(fn, v, **parameters).slope for v in q[:-1]]
    q += [q[-1]] * (layers - len(q))
    chi += chi[-1:] * (layers - 1 - len(chi))
    with np.errstate(over="ignore"):
        back = np.append(np.cumprod(chi[::-1])[::-1], 1.0)
    start = jax.random.key(0) if key is None else key
    signal, gradient = _measured(lambda z: fn(z, **parameters), weight, bias, layers, units, start)
    rows = tuple(Depth(i + 1, *map(float, row)) for i, row in enumerate(zip(signal, q, gradient, back, strict=True)))
    slopes = _slope(signal), -_slope(gradient)
    forward, backward = map(math.exp, slopes)
    verdict = _verdict(slopes[0] * (layers - 1), slopes[1] * (layers - 1), signal, gradient)
    note = f"factors of the mean square a layer: signal {forward:.3g}, gradient {backward:.3g}; {verdict}"
    return PropagationReport(rows, (note,), forward, backward, verdict)


def _slope(values: Any) -> float:
    """The fitted slope of the logarithm, NaN with too few numbers for a fit."""
    enough = np.count_nonzero(np.isfinite(values) & (values > 0)) > 1
    return fitted_slope(values) if enough else math.nan


def _measured(
    fn: Callable[[Array], Array], weight: float, bias: float, depth: int, width: int, key: Array
) -> tuple[Any, Any]:
    @jax.jit
    def network(key: Array) -> tuple[Array, Array]:
        start, end, *keys = jax.random.split(key, depth + 2)

        def forward(nudges: Array) -> tuple[Array, Array]:
            def layer(h: Array, given: tuple[Array, Array]) -> tuple[Array, tuple[Array, Array]]:
                nudge, (one, two) = given[0], jax.random.split(given[1])
                w = math.sqrt(weight / width) * jax.random.normal(one, (width, width))
                z = h @ w + math.sqrt(bias) * jax.random.normal(two, (width,)) + nudge
                return fn(z), (z, jnp.square(z).mean())

            h = jax.random.normal(start, nudges.shape[1:])
            _, (z, squares) = jax.lax.scan(layer, h, (nudges, jnp.stack(keys)))
            return z[-1], squares

        last, back, squares = jax.vjp(forward, jnp.zeros((depth, 32, width)), has_aux=True)
        (gradients,) = back(jax.random.normal(end, last.shape))
        return squares, jnp.square(gradients).mean((1, 2))

    signal, gradient = (np.asarray(x, float) for x in network(key))
    return signal, gradient / gradient[-1]


def _verdict(forward: float, backward: float, signal: Any, gradient: Any) -> str:
    """What signal and gradient do, from the logarithms of their changes over the depth and their values."""
    names = {"signal": (forward, signal), "gradient": (backward, gradient)}
    limit = math.log(100)
    vanish = [n for n, (change, values) in names.items() if change < -limit or (values == 0).any()]
    explode = [n for n, (change, values) in names.items() if change > limit or not np.isfinite(values).all()]
    said = [
        f"{' and '.join(which)} {verb}{'' if len(which) > 1 else end}"
        for which, verb, end in ((vanish, "vanish", "es"), (explode, "explode", "s"))
        if which
    ]
    return "; ".join(said) or "healthy"
