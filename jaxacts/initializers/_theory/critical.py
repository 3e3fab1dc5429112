"""The edge of chaos: weights at which signals and gradients of deep networks neither die nor explode.

In a wide layer with weights of variance σ_w²/fan_in and biases of variance σ_b², the second moment q of the
preactivations obeys the variance map, and the correlation c between two inputs the correlation map. At a fixed point q*
the latter has the slope χ₁ at c = 1: below 1 all inputs become one, above 1 they become unrelated, and χ₁ is the factor
of the squared gradient at each layer. χ₁ = 1 is the edge between both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxacts.initializers import _checks
from jaxacts.initializers._theory.curve import Curve, curve_of
from jaxacts.initializers._theory.gains import moments_of

__all__ = ["Critical", "critical"]


class Critical(NamedTuple):
    """A point on the edge of chaos.

    ``weight_variance`` is the variance of the weights times fan_in, ``bias_variance`` that of the biases,
    ``fixed_point`` the second moment q* of the preactivations that layers then keep, ``chi_1`` the factor of the
    squared gradient at each layer, ``variance_slope`` the factor by which a deviation from q* shrinks at each layer,
    and ``depth_scale`` = -1/ln(variance_slope) the number of layers in which it shrinks by e.
    """

    weight_variance: float
    bias_variance: float
    fixed_point: float
    chi_1: float
    variance_slope: float
    depth_scale: float


# Below this the kinks and curvature of common activations do not matter any more, and float64 still resolves them.
_SMALLEST, _POINTS = 1e-6, 170


def critical(
    fn: Callable[..., Any], *, bias_variance: float = 0.0, largest_fixed_point: float = 30.0, **parameters: Any
) -> Critical:
    r"""The variances of weights and biases on the edge of chaos, where the fixed point is stable.

    .. math::
        \sigma_w^2 = \frac{1}{\mathbb E[f'(\sqrt{q^*} z)^2]}, \qquad
        \sigma_b^2 = q^* - \sigma_w^2 \, \mathbb E[f(\sqrt{q^*} z)^2] \ge 0, \qquad
        \frac{\partial}{\partial q} \bigl( \sigma_w^2 \, \mathbb E[f(\sqrt q z)^2] \bigr)_{q^*} \le 1

    Args:
        fn: any elementwise function, as for :func:`moments`.
        bias_variance: σ_b²; finite and at least 0.
        largest_fixed_point: how far to search for q*. Past 30 the preactivations lie mostly beyond ±5, where a bounded
            activation is a step and the weights have to be enormous.
        **parameters: the arguments of ``fn`` after the first, as for :func:`moments`.

    Returns:
        :class:`Critical`. Use it as ``variance_scaling(weight_variance, "fan_in", "normal")`` for kernels and
        ``normal(bias_variance ** 0.5)`` for biases. Where every q is a fixed point, as for relu, q* = 1 stands for
        them. For bias_variance 0 the fixed point may be 0, which the variance approaches as 1/depth.

    Raises:
        ValueError: a negative bias_variance; no stable solution for it, with the range of those that have one; and what
            :func:`moments` refuses.
        TypeError: as for :func:`moments`.

    Note:
        relu has (2, 0) and no other. gelu needs a bias_variance of 0.173 at least, silu of 0.5552: with less, their
        fixed points are unstable. Up to a fixed point of 30, gelu reaches 0.59 and silu 0.858. softplus has none;
        sigmoid none with a fixed point up to 30, and beyond only with weights of variance 100/fan_in. jax.nn, torch
        and keras have no such function.

    Example:
        >>> import jaxacts
        >>> tuple(critical(jaxacts.relu))
        (2.0, 0.0, 1.0, 1.0, 1.0, inf)
        >>> found = critical(jaxacts.gelu, approximate=False, bias_variance=0.25)
        >>> round(found.weight_variance, 6), round(found.fixed_point, 3), round(found.variance_slope, 3)
        (1.959631, 6.434, 0.986)

    References:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016,
        https://arxiv.org/abs/1606.05340; Schoenholz et al., "Deep information propagation", 2017,
        https://arxiv.org/abs/1611.01232; Hayou, Doucet & Rousseau, "On the impact of the activation function on deep
        neural networks training", 2019, https://arxiv.org/abs/1902.06853; Roberts, Yaida & Hanin, "The principles of
        deep learning theory", 2022, https://arxiv.org/abs/2106.10165
    """
    target = _checks.magnitude("critical", "bias_variance", bias_variance)
    limit = _checks.number("critical", "largest_fixed_point", largest_fixed_point)
    if limit <= _SMALLEST:
        raise ValueError(
            f"critical: largest_fixed_point must be more than {_SMALLEST:g}, got {limit}; 30 covers common activations."
        )
    curve = curve_of("critical", fn, parameters)
    grid = [_edge(curve, q) for q in np.geomspace(_SMALLEST, limit, _POINTS)]
    if _invariant(grid):
        if target == 0.0:
            return Critical(float(f"{grid[0].weight_variance:.12g}"), 0.0, 1.0, 1.0, 1.0, math.inf)
        raise _refusal(curve, target, grid, "is scale-invariant: every second moment is a fixed point without biases")
    found = [_solved(curve, target, a, b) for a, b in itertools.pairwise(grid) if _between(a, b, target)]
    if target == 0.0 and (origin := _origin(curve)):
        found.insert(0, origin._replace(variance_slope=1.0 if grid[0].variance_slope <= 1 + 1e-9 else math.inf))
    stable = [p for p in found if p.variance_slope <= 1 + 1e-9]
    if stable:
        return stable[0]
    reason = f"has no edge of chaos with a fixed point up to {limit:g}"
    if found:
        reason = f"has only unstable fixed points (q* = {', '.join(f'{p.fixed_point:.4g}' for p in found)})"
    raise _refusal(curve, target, grid, reason)


def _edge(curve: Curve, q: float) -> Critical:
    """The variances with χ₁ = 1 and fixed point q, the bias variance of either sign."""
    at = moments_of(curve, float(q))
    if at.slope < 1e-14:
        raise ValueError(f"critical: {curve.name} must have slopes, but they vanish under N(0, {q:.4g}).")
    weight = 1.0 / at.slope
    slope = weight * at.sensitivity
    scale = 0.0 if slope <= 0 else math.inf if slope >= 1 - 1e-12 else -1.0 / math.log(slope)
    return Critical(weight, q - weight * at.second_moment, float(q), weight * at.slope, slope, scale)


def _between(a: Critical, b: Critical, target: float) -> bool:
    return (a.bias_variance < target) != (b.bias_variance < target)


def _solved(curve: Curve, target: float, low: Critical, high: Critical) -> Critical:
    """The point with this bias variance between two of the grid, by bisection to the last digits."""
    while high.fixed_point - low.fixed_point > 1e-12 * high.fixed_point:
        middle = _edge(curve, (low.fixed_point + high.fixed_point) / 2)
        low, high = (low, middle) if _between(low, middle, target) else (middle, high)
    return high._replace(bias_variance=target)


def _origin(curve: Curve) -> Critical | None:
    """The limit q* → 0 without biases, for functions through 0."""
    value, slope = curve(np.array([0.0, -1e-12, 1e-12]))
    steepness = float(np.square(slope[1:]).mean())
    if np.abs(value[0]).max() > 1e-12 or steepness < 1e-14:
        return None
    return Critical(1.0 / steepness, 0.0, 0.0, 1.0, 1.0, math.inf)


def _invariant(grid: list[Critical]) -> bool:
    return all(abs(p.bias_variance) < 1e-9 * p.fixed_point for p in grid)


def _is_stable(point: Critical) -> bool:
    return point.bias_variance > 0 and point.variance_slope <= 1


def _stable_range(curve: Curve, grid: list[Critical]) -> list[float]:
    """The bias variances of the stable points of the grid, and of the ends of their range, by bisection."""
    stable = [p.bias_variance for p in grid if _is_stable(p)]
    for a, b in itertools.pairwise(grid):
        while _is_stable(a) != _is_stable(b) and b.fixed_point - a.fixed_point > 1e-7 * b.fixed_point:
            middle = _edge(curve, (a.fixed_point + b.fixed_point) / 2)
            a, b = (middle, b) if _is_stable(middle) == _is_stable(a) else (a, middle)
        stable += [p.bias_variance for p in (a, b) if _is_stable(p)]
    return stable


def _rounded(value: float, towards: Callable[[float], int]) -> str:
    """Four digits, rounded into the range."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 3)
    return f"{towards(value / digit) * digit:.4g}"


def _refusal(curve: Curve, target: float, grid: list[Critical], reason: str) -> ValueError:
    if _invariant(grid):
        remedy = "pass bias_variance=0"
    elif stable := _stable_range(curve, grid):
        remedy = f"pass a bias_variance from {_rounded(min(stable), math.ceil)} to {_rounded(max(stable), math.floor)}"
    else:
        remedy = "normalize between the layers, use few of them, or another activation"
    return ValueError(f"critical: {curve.name} {reason}, got bias_variance {target:g}; {remedy}.")
