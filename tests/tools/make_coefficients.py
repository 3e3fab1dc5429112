"""Regenerate the polynomial coefficients of ``jaxacts/_kernels/arithmetic/coefficients.py``.

Run ``python tests/tools/make_coefficients.py``; it prints the tuples as they stand there, with the largest
error of each polynomial itself (before any rounding of the arithmetic).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np
from scipy.optimize import linprog

mp.mp.dps = 60

Function = Callable[[mp.mpf], mp.mpf]


def tail(a: mp.mpf) -> mp.mpf:
    """R(a) = Φ(-a)·exp(a²/2)."""
    return mp.erfc(a / mp.sqrt(2)) * mp.exp(a * a / 2) / 2


def root(f: Function, start: float) -> mp.mpf:
    """The root of f near start."""
    return mp.findroot(f, start)


@dataclass(frozen=True)
class Fit:
    """A polynomial for ``target`` on [low, high]; the weight turns its error into the relative error of the kernel."""

    target: Function
    weight: Function
    low: float
    high: float
    degree: int
    single: bool = True
    root: bool = False

    def grid(self, points: int = 300) -> Iterator[mp.mpf]:
        for i in range(points):
            yield (self.low + self.high) / 2 - (self.high - self.low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / points)

    def coefficients(self) -> list[float]:
        """Highest power first: the Chebyshev fit in float64, the weighted minimax fit in float32.

        In float32 they are rounded one after the other, from the lowest power, each before the next is fitted. What the
        rounding of the lowest costs near a root the others cannot make good, so they are fitted for where x is larger.
        """
        if not self.single:
            fitted = mp.chebyfit(self.target, [self.low, self.high], self.degree + 1, asc=True)
            return [float(c) for c in reversed(fitted)]
        xs = list(self.grid())
        x, y, w = (np.array([float(v) for v in column]) for column in (xs, map(self.target, xs), map(self.weight, xs)))
        rounded: list[float] = []
        for power in range(self.degree + 1):
            c = float(np.float32(_minimax(x, y, w * 2.0**24, range(power, self.degree + 1))))
            if self.root and not power:
                w = w * np.abs(x) / (np.abs(x) + 0.2 * np.abs(x).max())
            rounded.append(c)
            y = y - c * x**power
        return rounded[::-1]

    def error(self, coefficients: Sequence[float]) -> float:
        """The largest relative error of these, in units of 2^-24 (float32) or 2^-53 (float64)."""
        with mp.workdps(40):
            worst = max(abs(horner(coefficients, x) - self.target(x)) * self.weight(x) for x in self.grid(798))
            return float(worst * 2 ** (24 if self.single else 53))


def horner(coefficients: Sequence[float], x: mp.mpf) -> mp.mpf:
    """The polynomial, highest power first."""
    return functools.reduce(lambda total, c: total * x + c, coefficients, mp.mpf(0))


def _minimax(x: np.ndarray, y: np.ndarray, weight: np.ndarray, powers: range) -> float:
    """The coefficient of the lowest power in the polynomial whose largest weighted error on the grid is least."""
    columns = x[:, None] ** np.array(powers) * weight[:, None]
    scale = np.abs(columns).max(0)
    columns, edge = columns / scale, -np.ones((len(x), 1))
    bounds = [(None, None)] * len(powers) + [(0, None)]
    sides = np.block([[columns, edge], [-columns, edge]])
    target = np.r_[y * weight, -y * weight]
    found = linprog(np.r_[np.zeros(len(powers)), 1], sides, target, bounds=bounds, method="highs-ipm")
    return float(found.x[0] / scale[0])


def times_a(a: mp.mpf) -> mp.mpf:
    """a·R(a)."""
    return a * tail(a)


def steepness(a: mp.mpf) -> mp.mpf:
    """2·(R(a) - a·φ(0))/(c - a) - 1, with c the root of gelu's slope at -c."""
    return 2 * (tail(a) - a * mp.npdf(0)) / (GELU_ROOT - a) - 1


def by_quotient(f: Function, start: float, low: float, high: float, degree: int, single: bool = True) -> Fit:
    """f(a) for a from low to high, in v = (a - 1.5)/(a + 3), so that start + f is right to the last digit."""

    def a_of(v: mp.mpf) -> mp.mpf:
        return (3 * v + mp.mpf("1.5")) / (1 - v)

    ends = ((mp.mpf(a) - 1.5) / (mp.mpf(a) + 3) for a in (low, high))
    return Fit(lambda v: f(a_of(v)), lambda v: 1 / (start + f(a_of(v))), *map(float, ends), degree, single)


def about(
    f: Function,
    limit: float,
    degree: int,
    centre: mp.mpf | float = 0,
    odd: bool = False,
    single: bool = True,
    shift: float = 0,
) -> Fit:
    """P in f(c + d) = f(c) + d·P for |d - shift| < limit, in d² if that is odd in d, else in d; c may be a root."""
    c = mp.mpf(centre)
    start = f(c) if abs(f(c)) > 1e-30 else mp.mpf(0)

    def d_of(v: mp.mpf) -> mp.mpf:
        return mp.sqrt(v) if odd else v

    def weight(v: mp.mpf) -> mp.mpf:
        d = d_of(v)
        return abs(d) / min(abs(f(c + s * d)) for s in ((-1, 1) if odd else (1,)))

    low, high = (0.0, limit**2) if odd else (shift - limit, shift + limit)
    return Fit(lambda v: (f(c + d_of(v)) - start) / d_of(v), weight, low, high, degree, single, root=not start)


def logistic(x: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-x))


def cubic_gate(x: mp.mpf) -> mp.mpf:
    return logistic(mp.sqrt(8 / mp.pi) * (x + mp.mpf("0.044715") * x**3))


def mish_gate(x: mp.mpf) -> mp.mpf:
    return mp.tanh(mp.log1p(mp.exp(x)))


def tanh_exp_gate(x: mp.mpf) -> mp.mpf:
    return mp.tanh(mp.exp(x))


def serf_gate(x: mp.mpf) -> mp.mpf:
    return mp.erf(mp.log1p(mp.exp(x)))


def slope(gate: Function) -> Function:
    """The derivative of x·gate(x)."""
    return lambda x: gate(x) + x * mp.diff(gate, x)


def gelu_slope(x: mp.mpf) -> mp.mpf:
    return mp.ncdf(x) + x * mp.npdf(x)


def tanh_shrink_quotient(q: mp.mpf) -> mp.mpf:
    """x³/(x - tanh(x)) at x² = q."""
    x = mp.sqrt(q)
    return x**3 / (x - mp.tanh(x)) if x else mp.mpf(3)


def exponential_rest(s: mp.mpf) -> mp.mpf:
    """q in exp(-s) = 1 - s + s²·q."""
    return (mp.expm1(-s) + s) / s**2 if s else mp.mpf(1) / 2


GELU_ROOT = -root(gelu_slope, -0.75)
LN2 = 0.34665  # half of ln 2, and the rounding of the quotient

FITS: dict[str, Fit] = {
    "EXP": Fit(exponential_rest, lambda s: s * s * mp.exp(s), -LN2, LN2, 4),
    "EXP_FINE": Fit(exponential_rest, lambda s: s * s * mp.exp(s), -LN2, LN2, 5),
    "LOG1P": Fit(lambda u: (mp.log1p(u) - u) / u**2, lambda u: u * u / mp.log1p(u), 0.0, 1.0, 8),
    "TANH_SHRINK": Fit(tanh_shrink_quotient, lambda q: 1 / tanh_shrink_quotient(q), 0.0, 4.0, 6),
    "TANH_SHRINK_64": Fit(tanh_shrink_quotient, lambda q: 1 / tanh_shrink_quotient(q), 0.0, 4.0, 14, single=False),
    "TANH_SHRINK_SHORT": Fit(tanh_shrink_quotient, lambda q: 1 / tanh_shrink_quotient(q), 0.0, 0.25, 2),
    "SOFTPLUS": about(lambda x: mp.log1p(mp.exp(x)), 0.625, 7),
    "SILU_ROOT": about(slope(logistic), 0.985, 10, root(slope(logistic), -1.28), shift=0.525),
    "SILU_ROOT_64": about(slope(logistic), 0.985, 22, root(slope(logistic), -1.28), single=False, shift=0.525),
    "GELU_TANH_ROOT": about(slope(cubic_gate), 0.725, 10, root(slope(cubic_gate), -0.75), shift=0.225),
    "GELU_TANH_ROOT_64": about(slope(cubic_gate), 0.725, 21, root(slope(cubic_gate), -0.75), single=False, shift=0.225),
    "GELU_GATE": about(mp.ncdf, 0.67, 4, odd=True),
    "GELU_GATE_64": about(mp.ncdf, 0.67, 10, odd=True, single=False),
    "MISH_GATE": about(mish_gate, 0.5, 9, -0.25),
    "MISH_ROOT": about(slope(mish_gate), 0.9, 12, root(slope(mish_gate), -1.19), shift=0.5),
    "MISH_ROOT_64": about(slope(mish_gate), 0.9, 25, root(slope(mish_gate), -1.19), single=False, shift=0.5),
    "TANH_EXP_ROOT": about(slope(tanh_exp_gate), 0.5, 9, root(slope(tanh_exp_gate), -1.08)),
    "TANH_EXP_ROOT_64": about(slope(tanh_exp_gate), 0.5, 21, root(slope(tanh_exp_gate), -1.08), single=False),
    "SERF_ROOT": about(slope(serf_gate), 0.5, 9, root(slope(serf_gate), -1.19)),
    "SERF_ROOT_64": about(slope(serf_gate), 0.5, 21, root(slope(serf_gate), -1.19), single=False),
    "GELU_TAIL": by_quotient(times_a, 0, 0.66, 14.5, 9),
    "GELU_TAIL_64": by_quotient(times_a, 0, 0.66, 39, 23, single=False),
    "GELU_STEEPNESS": by_quotient(steepness, 1, 0, 14.5, 8),
    "GELU_STEEPNESS_64": by_quotient(steepness, 1, 0, 39, 23, single=False),
}


def printed(name: str, fit: Fit) -> str:
    """The tuple as it stands in the kernel."""
    row = fit.coefficients()
    head = f"{name} = (  # error {fit.error(row):.2g} units of 2^-{24 if fit.single else 53}\n"
    return head + "".join(f"    {c!r},\n" for c in row) + ")"


if __name__ == "__main__":
    for name, fit in FITS.items():
        print(printed(name, fit))
    for name, f, start in [
        ("gelu", gelu_slope, -0.75),
        ("silu", slope(logistic), -1.28),
        ("gelu tanh", slope(cubic_gate), -0.75),
        ("mish", slope(mish_gate), -1.19),
        ("tanh_exp", slope(tanh_exp_gate), -1.08),
        ("serf", slope(serf_gate), -1.19),
    ]:
        c = root(f, start)
        print(f"root of {name}: {float(c)!r}, {float(c - float(c))!r}")
    y = mish_gate(mp.mpf(-0.25))
    print(f"mish gate at -1/4: {float(y)!r}, {float(y - float(y))!r}")
