"""One independent formula per activation, in mpmath, and the parameters it is checked with.

The formulas are the definitions in the papers, not the ones that the package computes with: a cancellation or an
overflow costs nothing at the precision used here. An elementwise formula takes and returns one number; one over an
axis takes and returns a list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import mpmath as mp
import numpy as np

Draw = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """``terms`` are the summands of a formula whose sum may cancel: its error counts in units of the largest."""

    formula: Callable[..., Any]
    draws: tuple[Draw, ...] = field(default=({},))
    terms: Callable[..., tuple[Any, ...]] | None = None

    @classmethod
    def sum(cls, terms: Callable[..., tuple[Any, ...]], draws: tuple[Draw, ...] = ({},)) -> Reference:
        """The reference of a sum that may cancel."""
        return cls(lambda *args, **kwargs: sum(terms(*args, **kwargs)), draws, terms)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def leaky(x, negative_slope):
    return x if x > 0 else negative_slope * x


def elu(x, alpha=1):
    return x if x > 0 else alpha * mp.expm1(x)


def selu(x):
    return mp.mpf("1.0507009873554804934193349852946") * elu(x, mp.mpf("1.6732632423543772848170429916717"))


def hard_sigmoid(x):
    return min(max(x + 3, mp.mpf(0)), mp.mpf(6)) / 6


def gelu(x, approximate):
    if approximate:
        return x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3))) / 2
    return x * normal_cdf(x)


def rrelu(xs, key, lower, upper, deterministic):
    slopes = [mp.mpf(lower + upper) / 2] * len(xs)
    if not deterministic:
        uniform = np.asarray(jax.random.uniform(key, (len(xs),)), float)
        slopes = [mp.mpf(lower) + mp.mpf(u) * (mp.mpf(upper) - mp.mpf(lower)) for u in uniform]
    return [leaky(x, a) for x, a in zip(xs, slopes, strict=True)]


def dice(x, alpha, mean, variance, epsilon):
    p = sigmoid((x - mean) / mp.sqrt(variance + mp.mpf(epsilon)))
    return p * x + (1 - p) * alpha * x


def softmax(xs, axis, where):
    taking = [True] * len(xs) if where is None else [bool(w) for w in where]
    total = sum(mp.exp(x) for x, w in zip(xs, taking, strict=True) if w)
    return [mp.exp(x) / total if w else mp.mpf(0) for x, w in zip(xs, taking, strict=True)]


def log_softmax(xs, axis, where):
    return [mp.log(p) if p else mp.ninf for p in softmax(xs, axis, where)]


def glu(xs, axis):
    half = len(xs) // 2
    return [a * sigmoid(b) for a, b in zip(xs[:half], xs[half:], strict=True)]


def maxout(xs, pieces, axis):
    return [max(xs[i : i + pieces]) for i in range(0, len(xs), pieces)]


_MASK = np.array([True, False, True, True, False, True, True, True, False, True, True, True])

REFERENCES: dict[str, Reference] = {
    "abs": Reference(mp.fabs),
    "arctan": Reference(lambda x: mp.atan(x)),
    "celu": Reference(
        lambda x, alpha: x if x > 0 else alpha * mp.expm1(x / alpha), ({}, {"alpha": 0.5}, {"alpha": 3.0})
    ),
    "derf": Reference.sum(
        lambda x, alpha, shift, gamma, beta: (gamma * mp.erf(alpha * x + shift), beta),
        ({}, {"shift": 0.25, "gamma": -1.5}, {"alpha": -2.0, "shift": -1.0, "gamma": 3.0}),
    ),
    "dice": Reference(dice, ({}, {"alpha": 0.0, "mean": 0.0, "variance": 4.0}, {"mean": -0.75, "variance": 0.25})),
    "dyt": Reference.sum(
        lambda x, alpha, gamma, beta: (gamma * mp.tanh(alpha * x), beta),
        ({}, {"gamma": -1.5}, {"alpha": -2.0, "gamma": 3.0}),
    ),
    "elu": Reference(elu, ({}, {"alpha": 0.5}, {"alpha": 2.0}, {"alpha": -1.5})),
    "erf": Reference(lambda x: mp.erf(x)),
    "gelu": Reference(gelu, ({"approximate": True}, {"approximate": False})),
    "glu": Reference(glu),
    "hard_sigmoid": Reference(hard_sigmoid),
    "hard_silu": Reference(lambda x: x * hard_sigmoid(x)),
    "hard_tanh": Reference(
        lambda x, min, max: max if x > max else min if x < min else x, ({}, {"min": -2.0, "max": 0.5})
    ),
    "identity": Reference(lambda x: x),
    "isrlu": Reference(
        lambda x, alpha: x if x > 0 else x / mp.sqrt(1 + alpha * x * x), ({}, {"alpha": 0.25}, {"alpha": 3.0})
    ),
    "isru": Reference(lambda x, alpha: x / mp.sqrt(1 + alpha * x * x), ({}, {"alpha": 0.25}, {"alpha": 3.0})),
    "leaky_relu": Reference(leaky, ({}, {"negative_slope": 0.25}, {"negative_slope": 0.0})),
    "lecun_tanh": Reference(lambda x: mp.mpf("1.7159") * mp.tanh(2 * x / 3)),
    "log_sigmoid": Reference(lambda x: mp.log(sigmoid(x))),
    "log_softmax": Reference(log_softmax, ({}, {"where": _MASK})),
    "maxout": Reference(maxout, ({"pieces": 2}, {"pieces": 3})),
    "mish": Reference(lambda x: x * mp.tanh(mp.log1p(mp.exp(x)))),
    "mpelu": Reference(
        lambda x, alpha, beta: x if x > 0 else alpha * mp.expm1(beta * x),
        ({}, {"alpha": 0.25}, {"alpha": 2.0, "beta": 0.75}, {"alpha": -1.5, "beta": 3.0}),
    ),
    "pelu": Reference(
        lambda x, a, b: a / b * x if x > 0 else a * mp.expm1(x / b),
        ({}, {"a": 2.0, "b": 3.0}, {"a": 1.5, "b": 0.3}),
    ),
    "prelu": Reference(leaky, ({}, {"negative_slope": 0.75})),
    "relu": Reference(lambda x: x if x > 0 else mp.mpf(0)),
    "relu6": Reference(lambda x: min(max(x, mp.mpf(0)), mp.mpf(6))),
    "rrelu": Reference(rrelu, ({}, {"deterministic": False, "key": jax.random.key(3)}, {"lower": 0.0, "upper": 0.5})),
    "selu": Reference(selu),
    "sigmoid": Reference(sigmoid),
    "silu": Reference(lambda x: x * sigmoid(x)),
    "soft_cap": Reference(lambda x, cap: cap * mp.tanh(x / cap), ({}, {"cap": 2.0}, {"cap": 15.0})),
    "soft_sign": Reference(lambda x: x / (1 + mp.fabs(x))),
    "softmax": Reference(softmax, ({}, {"where": _MASK})),
    "softplus": Reference(
        lambda x, beta: mp.log1p(mp.exp(beta * x)) / beta, ({}, {"beta": 0.25}, {"beta": 3.0})
    ),
    "sparse_plus": Reference(lambda x: x if x >= 1 else (x + 1) ** 2 / 4 if x > -1 else mp.mpf(0)),
    "sparse_sigmoid": Reference(lambda x: min(max(x + 1, mp.mpf(0)), mp.mpf(2)) / 2),
    "sqrt_softplus": Reference(lambda x: mp.sqrt(mp.log1p(mp.exp(x)))),
    "squareplus": Reference(lambda x, b: (x + mp.sqrt(x * x + b)) / 2, ({}, {"b": 1.0}, {"b": 0.25})),
    "tanh": Reference(mp.tanh),
    "xielu": Reference.sum(
        lambda x, alpha_p, alpha_n, beta: (alpha_p * x * x if x > 0 else alpha_n * (mp.expm1(x) - x), beta * x),
        ({}, {"alpha_p": 0.3, "alpha_n": 2.0}, {"alpha_n": 0.25, "beta": 1.5}),
    ),
}
