"""The maps of a wide layer: how the second moment, and the correlation of two inputs, change from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxacts.initializers import _checks
from jaxacts.initializers._theory.curve import Curve, curve_of
from jaxacts.initializers._theory.gains import moments_of
from jaxacts.initializers._theory.quadrature import REACH, Floats, nodes, normal_density

__all__ = ["correlation_map", "variance_map"]


def variance_map(
    fn: Callable[..., Any], weight_variance: float, bias_variance: float = 0.0, **parameters: Any
) -> Callable[[float], float]:
    r"""How the second moment of the preactivations changes from one wide layer to the next.

    .. math:: q' = \sigma_w^2 \, \mathbb E[f(\sqrt q z)^2] + \sigma_b^2, \qquad z \sim \mathcal N(0, 1)

    Args:
        fn: any elementwise function, as for :func:`moments`.
        weight_variance: σ_w², the variance of the weights times fan_in; finite and at least 0.
        bias_variance: σ_b²; finite and at least 0.
        **parameters: the arguments of ``fn`` after the first, as for :func:`moments`.

    Returns:
        A function from q > 0 to q', for Python floats.

    Raises:
        ValueError: a negative variance; at the call, a q that is not positive; and what :func:`moments` refuses.
        TypeError: as for :func:`moments`.

    Note:
        Exact for infinite width; at width 512 a layer is off by some percent. jax.nn, torch and keras have no such
        function.

    Example:
        >>> import jaxacts
        >>> step, q = variance_map(jaxacts.tanh, 1.0), 1.0
        >>> for _ in range(10):
        ...     q = step(q)
        >>> round(q, 5)
        0.0522

    References:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016,
        https://arxiv.org/abs/1606.05340
    """
    caller = "variance_map"
    weight, bias = _variances(caller, weight_variance, bias_variance)
    curve = curve_of(caller, fn, parameters)

    def step(q: float) -> float:
        return weight * moments_of(curve, _checks.positive(caller, "q", q)).second_moment + bias

    return step


def correlation_map(
    fn: Callable[..., Any], weight_variance: float, bias_variance: float = 0.0, q: float = 1.0, **parameters: Any
) -> Callable[[float], float]:
    r"""How the correlation between the preactivations of two inputs changes from one wide layer to the next.

    .. math::
        c' = \frac{\sigma_w^2 \, \mathbb E[f(u) f(v)] + \sigma_b^2}{\sigma_w^2 \, \mathbb E[f(u)^2] + \sigma_b^2},
        \qquad \begin{pmatrix} u \\ v \end{pmatrix} \sim
        \mathcal N\left( 0, q \begin{pmatrix} 1 & c \\ c & 1 \end{pmatrix} \right)

    Args:
        fn: any elementwise function, as for :func:`moments`.
        weight_variance: σ_w², the variance of the weights times fan_in; finite and positive.
        bias_variance: σ_b²; finite and at least 0.
        q: second moment of the preactivations of both inputs, usually the fixed point of :func:`critical`; positive.
        **parameters: the arguments of ``fn`` after the first, as for :func:`moments`.

    Returns:
        A function from c in [-1, 1] to c', for Python floats.

    Raises:
        ValueError: a variance that is negative, or no positive one where it must be; at the call, a c outside of
            [-1, 1]; and what :func:`moments` refuses.
        TypeError: as for :func:`moments`.

    Note:
        c = 1 is always a fixed point. jax.nn, torch and keras have no such function.

    Example:
        >>> import jaxacts
        >>> round(correlation_map(jaxacts.relu, 2.0)(0.0), 6)
        0.31831

    References:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016,
        https://arxiv.org/abs/1606.05340; Cho & Saul, "Kernel methods for deep learning", 2009,
        https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning (relu's in closed form)
    """
    caller = "correlation_map"
    weight, bias = _variances(caller, weight_variance, bias_variance)
    q = _checks.positive(caller, "q", q)
    curve = curve_of(caller, fn, parameters)
    after = weight * moments_of(curve, q).second_moment + bias
    if after <= 0:
        raise ValueError(
            f"{caller}: weight_variance or bias_variance must leave a signal, got {weight} and {bias} for {curve.name}."
        )

    squares, second_moment = _squares(curve, q), moments_of(curve, q).second_moment
    rest = abs(second_moment - float(squares.sum()))

    def step(c: float) -> float:
        value = _checks.number(caller, "c", c)
        if not -1 <= value <= 1:
            raise ValueError(f"{caller}: c must be a correlation, from -1 to 1, got {value}; divide by q first.")
        series = rest * abs(value) ** _TERMS <= _PRECISION * second_moment
        product = float(squares @ value ** np.arange(_TERMS)) if series else _product(curve, q, value)
        return (weight * product + bias) / after

    return step


# What all further terms may add up to: kinks leave too much between about 0.9 and 1, smooth functions nowhere.
_TERMS, _PRECISION = 300, 1e-13


def _squares(curve: Curve, q: float) -> Floats:
    """The squared coefficients of f(√q z) in the normalized Hermite polynomials: E[f(u) f(v)] is their sum times cⁿ."""
    std = math.sqrt(q)
    edges = curve.edges(0.0, std)
    # Half a deviation at most, in which the last of the polynomials has one and a half waves.
    z, weights = nodes(np.unique(np.concatenate([edges, (edges[1:] + edges[:-1]) / 2])))
    t = z / std
    values = (weights / std * normal_density(t))[:, None] * curve(z)[0]
    before, now = np.zeros_like(t), np.ones_like(t)
    found = list[float]()
    for n in range(_TERMS):
        found.append(float(np.square(now @ values).mean()))
        before, now = now, (t * now - math.sqrt(n) * before) / math.sqrt(n + 1)
    return np.array(found)


def _product(curve: Curve, q: float, c: float) -> float:
    """E[f(u) f(v)]: panels in u, and for each of its nodes panels in v given u, all split where f is not smooth."""
    std, spread = math.sqrt(q), math.sqrt(q * max(0.0, 1 - c * c))
    edges = curve.edges(0.0, std)
    if spread < 1e-7 * std:
        u, weights = nodes(edges)
        v = math.copysign(1.0, c) * u
        return float(weights / std * normal_density(u / std) @ (curve(u)[0] * curve(v)[0]).mean(1))
    # Given u the mean over v has no kinks, but turns within a few deviations of where v's mean crosses one.
    apart = np.arange(-REACH, REACH + 1, 2)
    around = curve.kinks(REACH * std)[:, None] / (c or 1.0) + spread * apart
    mesh = curve.mesh(2 * REACH * std)
    outer = np.concatenate([std * apart, around.ravel(), mesh])
    u, weights = nodes(np.unique(outer[np.abs(outer) <= REACH * std]))
    inner = np.broadcast_to(spread * apart, (len(u), len(apart))) + c * u[:, None]
    edges = np.sort(np.concatenate([inner, np.clip(mesh, inner[:, :1], inner[:, -1:])], axis=1), axis=1)
    # Most edges of the mesh are out of reach of a given u, and leave panels of no width.
    of, panel = np.nonzero(np.diff(edges))
    v, inner_weights = nodes(np.stack([edges[of, panel], edges[of, panel + 1]], axis=1))
    density = inner_weights / spread * normal_density((v - c * u[of, None]) / spread)
    fv = curve(v.ravel())[0].reshape(*v.shape, -1)
    outside = (weights / std * normal_density(u / std))[:, None] * curve(u)[0]
    return float(np.einsum("pm,pmc,pc->", density, fv, outside[of]) / fv.shape[-1])


def _variances(caller: str, weight: float, bias: float) -> tuple[float, float]:
    return _checks.magnitude(caller, "weight_variance", weight), _checks.magnitude(caller, "bias_variance", bias)
