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
    """``terms`` are the summands of a formula whose sum may cancel: its error counts in units of the largest.

    ``floor`` is the size from which relative errors count, for a formula that cancels otherwise. ``shape`` is what a
    list of 12 numbers is folded into for a function that needs several axes.
    """

    formula: Callable[..., Any]
    draws: tuple[Draw, ...] = field(default=({},))
    terms: Callable[..., tuple[Any, ...]] | None = None
    floor: float = 0.0
    shape: tuple[int, ...] = ()

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


def acon_c(x, p1, p2, beta):
    return (p1 - p2) * x * sigmoid(beta * (p1 - p2) * x) + p2 * x


def smu(x, alpha, mu):
    return ((1 + alpha) * x + (1 - alpha) * x * mp.erf(mu * (1 - alpha) * x)) / 2


def laplace(x):
    return normal_cdf((x - mp.sqrt(mp.mpf(1) / 2)) * mp.sqrt(4 * mp.pi))


def snake_beta(x, alpha, beta):
    return x + mp.sin(alpha * x) ** 2 / beta


def taking_part(xs, where):
    return [True] * len(xs) if where is None else [bool(w) for w in where]


def softmax(xs, axis, where, sink=None):
    taking = taking_part(xs, where)
    total = sum(mp.exp(x) for x, w in zip(xs, taking, strict=True) if w) + (0 if sink is None else mp.exp(sink))
    return [mp.exp(x) / total if w else mp.mpf(0) for x, w in zip(xs, taking, strict=True)]


def log_softmax(xs, axis, where, sink):
    return [mp.log(p) if p else mp.ninf for p in softmax(xs, axis, where, sink)]


def gumbel_softmax(xs, key, temperature, axis, where, hard):
    noise = np.asarray(jax.random.gumbel(key, (len(xs),)), float)
    return softmax([(x + mp.mpf(g)) / temperature for x, g in zip(xs, noise, strict=True)], axis, where)


def entmax(xs, alpha, axis, where):
    """By bisection of the threshold, whose interval the largest input gives."""
    if alpha == 1:
        return softmax(xs, axis, where)
    taking = taking_part(xs, where)
    s = mp.mpf(alpha) - 1

    def powers(tau):
        return [max(s * x - tau, mp.mpf(0)) ** (1 / s) if w else mp.mpf(0) for x, w in zip(xs, taking, strict=True)]

    high = s * max(x for x, w in zip(xs, taking, strict=True) if w)
    low = high - 1
    for _ in range(int(3.4 * mp.mp.dps)):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(powers(middle)) > 1 else (low, middle)
    return powers(low)


def gaussian_topk(xs, sparsity, axis, where):
    inside = [x for x, w in zip(xs, taking_part(xs, where), strict=True) if w]
    mean = sum(inside) / len(inside)
    deviation = mp.sqrt(sum((x - mean) ** 2 for x in inside) / len(inside))
    threshold = mean + deviation * mp.sqrt(2) * mp.erfinv(2 * mp.mpf(sparsity) - 1)
    return [max(x - threshold, mp.mpf(0)) if w else mp.mpf(0) for x, w in zip(xs, taking_part(xs, where), strict=True)]


def poly_norm(xs, weight, bias, axis, where, epsilon):
    taking = taking_part(xs, where)
    out = [mp.mpf(bias)] * len(xs)
    for power, w in zip((3, 2, 1), weight, strict=True):
        mean = sum(x ** (2 * power) for x, t in zip(xs, taking, strict=True) if t) / sum(taking)
        out = [y + w * x**power / mp.sqrt(mean + mp.mpf(epsilon)) for x, y in zip(xs, out, strict=True)]
    return [y if t else mp.mpf(0) for y, t in zip(out, taking, strict=True)]


def glu(xs, axis):
    half = len(xs) // 2
    return [a * sigmoid(b) for a, b in zip(xs[:half], xs[half:], strict=True)]


def threshold(x, threshold, value):
    return x if x > threshold else mp.mpf(value)


def srelu(x, right_threshold, right_slope, left_threshold, left_slope):
    if x >= right_threshold:
        return right_threshold + right_slope * (x - right_threshold)
    return x if x > left_threshold else left_threshold + left_slope * (x - left_threshold)


def arelu(x, alpha, beta):
    return (1 + sigmoid(beta)) * x if x > 0 else min(max(alpha, mp.mpf("0.01")), mp.mpf("0.99")) * x


def apl(xs, slopes, hinges):
    terms = list(zip(slopes, hinges, strict=True))
    return [max(mp.mpf(0), x) + sum(a * max(mp.mpf(0), -x + b) for a, b in terms) for x in xs]


def crelu(xs, axis):
    return [max(x, mp.mpf(0)) for x in xs] + [max(-x, mp.mpf(0)) for x in xs]


def shrunk(x, threshold, by):
    return x - by * mp.sign(x) if mp.fabs(x) > threshold else mp.mpf(0)


def frelu(xs, kernel, bias):
    """Of 2 rows, 2 columns and 3 channels."""
    image = {(i, j, c): xs[6 * i + 3 * j + c] for i in range(2) for j in range(2) for c in range(3)}
    rows, columns = kernel.shape[:2]
    weights, biases, found = np.broadcast_to(kernel, (rows, columns, 1, 3)), np.broadcast_to(bias, 3), []
    for (i, j, c), x in image.items():
        condition = biases[c]
        for u in range(rows):
            for v in range(columns):
                place = (i + u - (rows - 1) // 2, j + v - (columns - 1) // 2, c)
                condition += weights[u, v, 0, c] * image.get(place, 0)
        found.append(max(x, condition))
    return found


def gated(activation):
    """Of gate and value, packed one after the other or alternating, or of the gate alone."""

    def formula(xs, value, axis, interleaved, **parameters):
        half = len(xs) // 2
        gates, values = (xs[::2], xs[1::2]) if interleaved else (xs[:half], xs[half:])
        if value is not None:
            gates, values = xs, [mp.mpf(float(v)) for v in value]
        return [activation(g, v, **parameters) for g, v in zip(gates, values, strict=True)]

    return formula


def relu(x):
    return x if x > 0 else mp.mpf(0)


def clamped_swiglu(gate, value, limit, beta, offset):
    gate, value = min(gate, limit), min(max(value, -limit), limit)
    return gate * sigmoid(beta * gate) * (value + offset)


def maxout(xs, pieces, axis, where):
    taking = [x if w else mp.ninf for x, w in zip(xs, taking_part(xs, where), strict=True)]
    return [max(taking[i : i + pieces]) for i in range(0, len(xs), pieces)]


def rational(xs, numerator, denominator):
    def one(x):
        a, b = ([mp.mpf(float(c)) for c in given] for given in (numerator, denominator))
        q = mp.fsum(c * x**k for k, c in enumerate(b, 1))
        return mp.fsum(c * x**k for k, c in enumerate(a)) / (1 + abs(q))

    return [one(x) for x in xs]


def b_spline(i, degree, knots, x):
    """The recursion of Cox and de Boor."""
    if degree == 0:
        return mp.mpf(knots[i] <= x < knots[i + 1])
    left = (x - knots[i]) / (knots[i + degree] - knots[i])
    right = (knots[i + degree + 1] - x) / (knots[i + degree + 1] - knots[i + 1])
    return left * b_spline(i, degree - 1, knots, x) + right * b_spline(i + 1, degree - 1, knots, x)


def spline(xs, coefficients, scale, grid):
    low, high = map(mp.mpf, grid)
    step = (high - low) / (len(coefficients) - 3)
    knots = [low + k * step for k in range(-3, len(coefficients) + 1)]

    def one(x):
        terms = [mp.mpf(float(c)) * b_spline(i, 3, knots, x) for i, c in enumerate(coefficients)]
        return scale * x * sigmoid(x) + mp.fsum(terms)

    return [one(x) for x in xs]


_MASK = np.array([True, False, True, True, False, True, True, True, False, True, True, True])
_KERNEL = np.float32([1.5, -0.5, 0.25, 0.0, 1.25, -1.0]).reshape(2, 1, 1, 3)
_PACKED: tuple[Draw, ...] = ({}, {"interleaved": True}, {"value": np.linspace(-2, 3.5, 12, dtype=np.float32)})


REFERENCES: dict[str, Reference] = {
    "abs": Reference(mp.fabs),
    "acon_c": Reference(
        acon_c,
        ({}, {"p1": 1.5, "p2": 0.5, "beta": 3.0}, {"p1": -0.5, "p2": -1.5, "beta": -2.0}),
        terms=lambda x, p1, p2, beta: (p1 * x * sigmoid(z := beta * (p1 - p2) * x), p2 * x * sigmoid(-z)),
    ),
    "apl": Reference(apl, ({}, {"slopes": (0.5, -0.75, 0.25), "hinges": (1.0, -0.125, 2.0)})),
    "arctan": Reference(lambda x: mp.atan(x)),
    "arelu": Reference(arelu, ({}, {"alpha": 0.25, "beta": -1.0}, {"alpha": 1.5, "beta": 40.0})),
    "bilinear": Reference(gated(lambda g, v: g * v), _PACKED),
    "celu": Reference(
        lambda x, alpha: x if x > 0 else alpha * mp.expm1(x / alpha), ({}, {"alpha": 0.5}, {"alpha": 3.0})
    ),
    "clamped_swiglu": Reference(
        gated(clamped_swiglu),
        (*_PACKED, {"limit": 1.5, "beta": 1.0, "offset": 0.0}, {"limit": 3.0, "interleaved": True}),
    ),
    "crelu": Reference(crelu),
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
    "entmax": Reference(
        entmax, ({}, {"alpha": 1.0}, {"alpha": 1.5}, {"alpha": 1.75, "where": _MASK}, {"alpha": 2.0}), floor=1.0
    ),
    "entmax15": Reference(lambda xs, axis, where: entmax(xs, 1.5, axis, where), ({}, {"where": _MASK}), floor=1.0),
    "erf": Reference(lambda x: mp.erf(x)),
    "frelu": Reference(frelu, ({}, {"kernel": _KERNEL, "bias": np.float32([0.25, -0.5, 0.0])}), shape=(2, 2, 3)),
    "gaussian": Reference(lambda x: mp.exp(-x * x)),
    "gaussian_topk": Reference(gaussian_topk, ({}, {"sparsity": 0.5}, {"sparsity": 0.25, "where": _MASK}), floor=4.0),
    "geglu": Reference(gated(lambda g, v, approximate: gelu(g, approximate) * v), (*_PACKED, {"approximate": False})),
    "gelu": Reference(gelu, ({"approximate": True}, {"approximate": False})),
    "glu": Reference(glu),
    "gumbel_softmax": Reference(gumbel_softmax, ({}, {"temperature": 0.5, "where": _MASK})),
    "hard_mish": Reference(lambda x: x / 2 * min(max(x + 2, mp.mpf(0)), mp.mpf(2))),
    "hard_shrink": Reference(lambda x, threshold: shrunk(x, threshold, 0), ({}, {"threshold": 1.5})),
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
    "laplace": Reference(laplace),
    "leaky_relu": Reference(leaky, ({}, {"negative_slope": 0.25}, {"negative_slope": 0.0})),
    "lecun_tanh": Reference(lambda x: mp.mpf("1.7159") * mp.tanh(2 * x / 3)),
    "lisht": Reference(lambda x: x * mp.tanh(x)),
    "log_sigmoid": Reference(lambda x: mp.log(sigmoid(x))),
    "log_softmax": Reference(log_softmax, ({}, {"where": _MASK}, {"sink": 0.5}, {"where": _MASK, "sink": 9.0})),
    "maxout": Reference(maxout, ({"pieces": 2}, {"pieces": 3}, {"pieces": 2, "where": _MASK})),
    "mish": Reference(lambda x: x * mp.tanh(mp.log1p(mp.exp(x)))),
    "mpelu": Reference(
        lambda x, alpha, beta: x if x > 0 else alpha * mp.expm1(beta * x),
        ({}, {"alpha": 0.25}, {"alpha": 2.0, "beta": 0.75}, {"alpha": -1.5, "beta": 3.0}),
    ),
    "pelu": Reference(
        lambda x, a, b: a / b * x if x > 0 else a * mp.expm1(x / b),
        ({}, {"a": 2.0, "b": 3.0}, {"a": 1.5, "b": 0.3}),
    ),
    "poly_norm": Reference(
        poly_norm,
        ({}, {"weight": np.array([0.5, -0.25, 1.0], np.float32), "bias": 0.25}, {"where": _MASK, "epsilon": 0.125}),
        floor=1.0,
    ),
    "prelu": Reference(leaky, ({}, {"negative_slope": 0.75})),
    "quick_gelu": Reference(lambda x: x * sigmoid(mp.mpf("1.702") * x)),
    "rational": Reference(rational, ({}, {"numerator": (4.0, 1.0, 0.5), "denominator": (0.0, 0.25)})),
    "reglu": Reference(gated(lambda g, v: relu(g) * v), _PACKED),
    "relu": Reference(relu),
    "relu6": Reference(lambda x: min(max(x, mp.mpf(0)), mp.mpf(6))),
    "relu_squared": Reference(lambda x: max(x, mp.mpf(0)) ** 2),
    "rrelu": Reference(rrelu, ({}, {"deterministic": False, "key": jax.random.key(3)}, {"lower": 0.0, "upper": 0.5})),
    "selu": Reference(selu),
    "serf": Reference(lambda x: x * mp.erf(mp.log1p(mp.exp(x)))),
    "sigmoid": Reference(sigmoid),
    "silu": Reference(lambda x, beta: x * sigmoid(beta * x), ({}, {"beta": 1.702}, {"beta": 0.0}, {"beta": -0.5})),
    "sine": Reference(lambda x, omega: mp.sin(omega * x), ({}, {"omega": 30.0}, {"omega": 0.0})),
    "smu": Reference(
        smu,
        ({}, {"alpha": 0.01, "mu": 2.5}, {"alpha": 2.0, "mu": -1.0}),
        terms=lambda x, alpha, mu: (alpha * x * mp.erfc(w := mu * (1 - alpha) * x) / 2, x * mp.erfc(-w) / 2),
    ),
    "snake": Reference(
        lambda x, alpha: snake_beta(x, alpha, alpha) if alpha else x,
        ({}, {"alpha": 2.0}, {"alpha": 0.0}),
        terms=lambda x, alpha: (x, mp.sin(alpha * x) ** 2 / alpha if alpha else mp.mpf(0)),
    ),
    "snake_beta": Reference(
        snake_beta,
        ({}, {"alpha": 3.0, "beta": 0.5}, {"alpha": 0.0, "beta": 1.0}),
        terms=lambda x, alpha, beta: (x, mp.sin(alpha * x) ** 2 / beta),
    ),
    "soft_cap": Reference(lambda x, cap: cap * mp.tanh(x / cap), ({}, {"cap": 2.0}, {"cap": 15.0})),
    "soft_shrink": Reference(lambda x, threshold: shrunk(x, threshold, threshold), ({}, {"threshold": 1.5})),
    "soft_sign": Reference(lambda x: x / (1 + mp.fabs(x))),
    "softmax": Reference(softmax, ({}, {"where": _MASK}, {"sink": 0.5}, {"where": _MASK, "sink": 9.0})),
    "softmin": Reference(lambda xs, axis, where: softmax([-x for x in xs], axis, where), ({}, {"where": _MASK})),
    "softplus": Reference(lambda x, beta: mp.log1p(mp.exp(beta * x)) / beta, ({}, {"beta": 0.25}, {"beta": 3.0})),
    "sparse_plus": Reference(lambda x: x if x >= 1 else (x + 1) ** 2 / 4 if x > -1 else mp.mpf(0)),
    "sparse_sigmoid": Reference(lambda x: min(max(x + 1, mp.mpf(0)), mp.mpf(2)) / 2),
    "sparsemax": Reference(lambda xs, axis, where: entmax(xs, 2, axis, where), ({}, {"where": _MASK}), floor=1.0),
    "spline": Reference(spline, ({}, {"coefficients": (1.0, 0.5, 0.25, 2.0), "scale": 0.5, "grid": (-2.0, 3.0)})),
    "sqrt_softplus": Reference(lambda x: mp.sqrt(mp.log1p(mp.exp(x)))),
    "squareplus": Reference(lambda x, b: (x + mp.sqrt(x * x + b)) / 2, ({}, {"b": 1.0}, {"b": 0.25})),
    "srelu": Reference(
        srelu,
        (
            {},
            {"right_threshold": 1.5, "right_slope": 0.25, "left_threshold": 0.5, "left_slope": 0.0},
            {"right_threshold": 2.0, "right_slope": 0.8, "left_threshold": 0.0, "left_slope": 0.01},
        ),
    ),
    "star_relu": Reference(
        lambda x, scale, bias: scale * max(x, mp.mpf(0)) ** 2 + bias,
        ({}, {"scale": 1.0, "bias": 0.0}, {"scale": -0.5, "bias": 0.25}, {"scale": 0.0, "bias": 2.0}),
    ),
    "swiglu": Reference(gated(lambda g, v: g * sigmoid(g) * v), _PACKED),
    "tanh": Reference(mp.tanh),
    "tanh_exp": Reference(lambda x: x * mp.tanh(mp.exp(min(x, mp.mpf(40))))),  # beyond it is x, and mpmath slow
    "tanh_shrink": Reference(lambda x: x - mp.tanh(x)),
    "threshold": Reference(threshold, ({}, {"threshold": -1.0, "value": -1.0}, {"threshold": -3.0, "value": 1.5})),
    "tlu": Reference(lambda x, tau: max(x, tau), ({}, {"tau": 0.0}, {"tau": 1.5})),
    "xielu": Reference.sum(
        lambda x, alpha_p, alpha_n, beta: (alpha_p * x * x if x > 0 else alpha_n * (mp.expm1(x) - x), beta * x),
        ({}, {"alpha_p": 0.3, "alpha_n": 2.0}, {"alpha_n": 0.25, "beta": 1.5}),
    ),
}
