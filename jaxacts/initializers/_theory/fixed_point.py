"""Where signals of a deep network end up: the fixed points of the maps of variance and correlation."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxacts.initializers import _checks
from jaxacts.initializers._theory.curve import Curve, curve_of
from jaxacts.initializers._theory.gains import moments_of
from jaxacts.initializers._theory.maps import correlation_map

__all__ = ["FixedPoint", "fixed_point"]

_LEAST, _MOST = 1e-9, 1e9


class FixedPoint(NamedTuple):
    """Where a deep network of given weights ends up.

    ``q`` is the second moment q* of the preactivations, 0 or infinite where they die or explode; ``chi_1`` the factor
    of the squared gradient at each layer; ``variance_slope`` the factor by which a deviation from q* changes at each
    layer; ``correlation`` the correlation c* that any two inputs end up with; ``correlation_slope`` the factor by which
    a deviation from that changes.
    """

    q: float
    chi_1: float
    variance_slope: float
    correlation: float
    correlation_slope: float

    @property
    def variance_depth(self) -> float:
        """-1/ln(variance_slope): in how many layers the variance forgets where it came from."""
        return _depth(self.variance_slope)

    @property
    def correlation_depth(self) -> float:
        """-1/ln(correlation_slope): how deep information about the inputs gets."""
        return _depth(self.correlation_slope)


def fixed_point(
    fn: Callable[..., Any], weight_variance: float, bias_variance: float = 0.0, **parameters: Any
) -> FixedPoint:
    r"""Where the variance and the correlation of signals end up in deep networks of given weights.

    .. math::
        q^* = \sigma_w^2 \, \mathbb E[f(\sqrt{q^*} z)^2] + \sigma_b^2, \qquad
        \chi_1 = \sigma_w^2 \, \mathbb E[f'(\sqrt{q^*} z)^2], \qquad
        \xi = -\frac{1}{\ln(\text{slope of the map})}

    Args:
        fn: any elementwise function, as for :func:`moments`.
        weight_variance: σ_w², the variance of the weights times fan_in; positive.
        bias_variance: σ_b²; finite and at least 0.
        **parameters: the arguments of ``fn`` after the first, as for :func:`moments`.

    Returns:
        :class:`FixedPoint`, of the second moment that one of 1 runs to. Where it stays below 1e-9 or gets above 1e9, q
        is 0 or infinite, and the rest is of that size of signals.

    Raises:
        ValueError: a variance that is negative or not finite; and what :func:`moments` refuses.
        TypeError: as for :func:`moments`.

    Note:
        χ₁ below 1 is the ordered phase, where all inputs become one and gradients die; above 1 the chaotic one, where
        they become unrelated and gradients explode. :func:`critical` finds the weights in between. jax.nn, torch and
        keras have no such function.

    Example:
        >>> import jaxacts
        >>> found = fixed_point(jaxacts.tanh, 2.0, 0.05)
        >>> [round(x, 3) for x in found]
        [0.722, 1.048, 0.487, 0.744, 0.961]
        >>> round(found.variance_depth, 1), round(found.correlation_depth, 1)
        (1.4, 25.2)

    References:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016,
        https://arxiv.org/abs/1606.05340; Schoenholz et al., "Deep information propagation", 2017,
        https://arxiv.org/abs/1611.01232
    """
    caller = "fixed_point"
    weight = _checks.positive(caller, "weight_variance", weight_variance)
    bias = _checks.magnitude(caller, "bias_variance", bias_variance)
    curve = curve_of(caller, fn, parameters)
    q = _second_moment(curve, weight, bias)
    at = moments_of(curve, float(np.clip(q, _LEAST, _MOST)))
    chi, slope = weight * at.slope, weight * at.sensitivity
    if chi <= 1 + 1e-9 or not _LEAST < q < _MOST:
        return FixedPoint(q, chi, slope, 1.0, chi)
    step = correlation_map(functools.partial(fn, **parameters), weight, bias, q)
    correlation = _crossing(lambda c: step(c) - c, 0.0, 1 - 1e-7) if step(0.0) > 1e-12 else 0.0
    delta = 1e-4 * (1 - correlation)
    return FixedPoint(q, chi, slope, correlation, (step(correlation + delta) - step(correlation)) / delta)


def _second_moment(curve: Curve, weight: float, bias: float) -> float:
    """The nearest fixed point in the direction in which a second moment of 1 changes."""

    def growth(q: float) -> float:
        return weight * moments_of(curve, q).second_moment + bias - q

    first = growth(1.0)
    if abs(first) < 1e-10:
        return 1.0
    factor, q = (2.0, 1.0) if first > 0 else (0.5, 1.0)
    while (growth(q * factor) > 0) == (first > 0):
        q *= factor
        if not _LEAST < q < _MOST:
            return 0.0 if first < 0 else math.inf
    low, high = sorted((q, q * factor))
    return _crossing(growth, low, high)


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that is positive at ``low`` and negative at ``high`` is 0, by bisection."""
    while high - low > 1e-12 * max(1e-3, high):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


def _depth(slope: float) -> float:
    return 0.0 if slope <= 0 else math.inf if slope >= 1 - 1e-12 else -1.0 / math.log(slope)
