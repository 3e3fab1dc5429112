"""Value, slope and curvature of the elementwise activations in float64, for checks of millions of float32 inputs.

Written in NumPy and SciPy from the definitions, with the forms that keep float64's digits in the tails; none is the
form that the package computes with, and ``test_wide.py`` compares each with mpmath. At a kink the slope is the one of
least magnitude; a curvature that jumps is that of the right side.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.special import ndtr

Reals: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Derivatives: TypeAlias = tuple[Reals, Reals, Reals]

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def _s(x: Reals) -> Reals:
    return 1 / (1 + np.exp(-x))


def sigmoid(x: Reals) -> Derivatives:
    slope = _s(x) * _s(-x)
    return _s(x), slope, -slope * np.tanh(x / 2)


def tanh(x: Reals) -> Derivatives:
    slope = 1 / np.cosh(x) ** 2
    return np.tanh(x), slope, -2 * np.tanh(x) * slope


def softplus(x: Reals) -> Derivatives:
    return np.logaddexp(0, x), *sigmoid(x)[:2]


def log_sigmoid(x: Reals) -> Derivatives:
    y, slope, bend = softplus(-x)
    return -y, slope, -bend


def _gated(x: Reals, v: Reals, v1: Reals | float, v2: Reals | float) -> Derivatives:
    """x·σ(v(x)) with v' and v''."""
    s, s1, s2 = sigmoid(v)
    # x·v' may overflow where σ' is 0 already
    steep = np.where(s1 == 0, 0, x) * v1
    return np.where(s == 0, 0, x) * s, s + steep * s1, 2 * v1 * s1 + np.where(s1 == 0, 0, x) * (v2 * s1 + v1 * v1 * s2)


def silu(x: Reals) -> Derivatives:
    return _gated(x, x, 1.0, 0.0)


def gelu(x: Reals, approximate: bool) -> Derivatives:
    if approximate:
        c, k = np.sqrt(8 / np.pi), 0.044715
        near = np.clip(x, -100, 100)
        value, slope, bend = _gated(near, c * (near + k * near**3), c * (1 + 3 * k * near**2), 6 * c * k * near)
        return np.where(x > 100, x, value), slope, bend
    near = np.clip(x, -100, 100)
    density = np.exp(-near * near / 2) / np.sqrt(2 * np.pi)
    return x * ndtr(near), ndtr(near) + near * density, density * (2 - near * near)


def mish(x: Reals) -> Derivatives:
    near = np.clip(x, -750, 750)
    t = np.tanh(np.logaddexp(0, near))
    gate = 1 / np.cosh(np.minimum(np.logaddexp(0, near), 700)) ** 2
    s, away = _s(near), _s(-near)
    t1 = gate * s
    return x * t, t + near * t1, 2 * t1 + near * gate * s * (away - 2 * t * s)


def _exponential(x: Reals, below: float, rate: float, above: float) -> Derivatives:
    """above·x for x > 0, below·(exp(rate·x) - 1) else."""
    r = rate * np.minimum(x, 0)
    left = below * rate
    slope = np.where(x > 0, above, left * np.exp(r))
    slope = np.where(x == 0, min(left, above), slope)
    return np.where(x > 0, above * x, below * np.expm1(r)), slope, np.where(x >= 0, 0, left * rate * np.exp(r))


def elu(x: Reals, alpha: float) -> Derivatives:
    return _exponential(x, alpha, 1.0, 1.0)


def celu(x: Reals, alpha: float) -> Derivatives:
    return _exponential(x, alpha, 1 / alpha, 1.0)


def selu(x: Reals) -> Derivatives:
    return _exponential(x, _SELU_SCALE * _SELU_ALPHA, 1.0, _SELU_SCALE)


def squareplus(x: Reals, b: float) -> Derivatives:
    root = np.hypot(x, np.sqrt(b))
    a = np.abs(x)
    small = b / (root + a) / 2  # the value at -|x|
    tail = small / root
    bend = b / root / root / root / 2
    return np.where(x < 0, small, small + a), np.where(x < 0, tail, 1 - tail), bend


def soft_sign(x: Reals) -> Derivatives:
    d = 1 + np.abs(x)
    return x / d, 1 / d / d, np.where(x < 0, 2, -2) / d / d / d


def _pieces(x: Reals, knots: list[float], rows: list[tuple[float, float, float]]) -> Derivatives:
    """c0 + c1·x + c2·x² on each piece; a knot has the value of the left piece and the lesser slope."""
    zero = np.zeros_like(x)
    near = np.clip(x, -1e18, 1e18)
    value, slope, bend = (zero.copy() for _ in range(3))
    bounds = [-np.inf, *knots, np.inf]
    for (low, high), (c0, c1, c2) in zip(itertools.pairwise(bounds), rows, strict=True):
        here = (x >= low) & (x <= high)
        new = c1 + 2 * c2 * near
        tie = here & (x == low) & (x != -np.inf)
        new = np.where(tie, np.where(slope * new <= 0, 0, np.where(np.abs(slope) < np.abs(new), slope, new)), new)
        old = bend
        value = np.where(here & ~tie, c0 + (c1 * x if c1 else 0) + c2 * near * near, value)
        slope, bend = np.where(here, new, slope), np.where(here & ~tie, 2 * c2, old)
    return value, slope, bend


WIDE: dict[str, Callable[..., Derivatives]] = {
    "abs": lambda x: _pieces(x, [0.0], [(0, -1, 0), (0, 1, 0)]),
    "celu": celu,
    "elu": elu,
    "gelu": gelu,
    "hard_sigmoid": lambda x: _pieces(x, [-3.0, 3.0], [(0, 0, 0), (0.5, 1 / 6, 0), (1, 0, 0)]),
    "hard_silu": lambda x: _pieces(x, [-3.0, 3.0], [(0, 0, 0), (0, 0.5, 1 / 6), (0, 1, 0)]),
    "hard_tanh": lambda x, min, max: _pieces(x, [min, max], [(min, 0, 0), (0, 1, 0), (max, 0, 0)]),
    "identity": lambda x: _pieces(x, [], [(0, 1, 0)]),
    "leaky_relu": lambda x, negative_slope: _pieces(x, [0.0], [(0, negative_slope, 0), (0, 1, 0)]),
    "log_sigmoid": log_sigmoid,
    "mish": mish,
    "prelu": lambda x, negative_slope: _pieces(x, [0.0], [(0, negative_slope, 0), (0, 1, 0)]),
    "relu": lambda x: _pieces(x, [0.0], [(0, 0, 0), (0, 1, 0)]),
    "relu6": lambda x: _pieces(x, [0.0, 6.0], [(0, 0, 0), (0, 1, 0), (6, 0, 0)]),
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "soft_sign": soft_sign,
    "softplus": softplus,
    "sparse_plus": lambda x: _pieces(x, [-1.0, 1.0], [(0, 0, 0), (0.25, 0.5, 0.25), (0, 1, 0)]),
    "sparse_sigmoid": lambda x: _pieces(x, [-1.0, 1.0], [(0, 0, 0), (0.5, 0.5, 0), (1, 0, 0)]),
    "squareplus": squareplus,
    "tanh": tanh,
}


def _celu_by_alpha(x: Reals, alpha: float) -> Reals:
    r = np.clip(x / alpha, -700, 0)
    series = -sum((k - 1) / math.factorial(k) * np.maximum(r, -1) ** k for k in range(2, 24))
    return np.where(r > -1, series, np.expm1(r) - r * np.exp(r))


PARTIALS: dict[tuple[str, str], Callable[..., Reals]] = {
    ("celu", "alpha"): _celu_by_alpha,
    ("elu", "alpha"): lambda x, alpha: np.expm1(np.minimum(x, 0)),
    ("leaky_relu", "negative_slope"): lambda x, negative_slope: np.minimum(x, 0),
    ("prelu", "negative_slope"): lambda x, negative_slope: np.minimum(x, 0),
    ("squareplus", "b"): lambda x, b: 1 / (4 * np.hypot(x, np.sqrt(b))),
}
"""Derivatives by a parameter."""
