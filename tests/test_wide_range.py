"""Functions of several arrays over all magnitudes of all of them: value and first derivatives against mpmath.

A point is a common magnitude L for all arguments, each of them L^k for its own k, or a magnitude of its own, so that
every argument meets others that are far larger, far smaller and of its own size.
"""

from __future__ import annotations

import functools
import inspect
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax import Array
from jax.typing import DTypeLike
from references import REFERENCES, sigmoid

import jaxacts
from jaxacts import Pieces
from jaxacts._contract.accuracy import errors_beside_terms
from jaxacts._contract.exact import Exact, Reals
from jaxacts._core import Activation

pytestmark = pytest.mark.optimized


COUNT = 300
"""Points for a function and a dtype."""


class Range(NamedTuple):
    """How a dtype is sampled and judged: bound in units in the last place, relative step and digits in mpmath."""

    dtype: DTypeLike
    bound: float
    step: int
    digits: int


# A step is small beside 1e-8/x, the narrowest bend of dice; the digits hold the step, the ratio of the greatest result
# to the least, and 1 - p where exp(-z) still counts.
RANGES = {
    "float32": Range(jnp.float32, 16, 60, 420),
    "bfloat16": Range(jnp.bfloat16, 1, 60, 420),
    "float64": Range(jnp.float64, 16, 330, 2500),
}


def _halves(value: Array, gate: Array) -> Array:
    return jaxacts.glu(jnp.stack([value, gate]), axis=0)[0]


class Subject(NamedTuple):
    """A function of several arrays, its definition in mpmath, and the conditions on its arguments."""

    function: Callable[..., Array]
    formula: Callable[..., Any]
    names: tuple[str, ...]
    static: dict[str, Any]
    domain: Mapping[str, Callable[..., Any]]
    terms: Callable[..., tuple[Any, ...]] | None = None

    @classmethod
    def of(cls, entry: Activation) -> Subject:
        names = tuple(n for n in inspect.signature(entry.function).parameters if n not in entry.static)
        static = {n: v for n, v in entry.arguments().items() if n in entry.static}
        reference = REFERENCES[entry.name]
        return cls(entry.function, reference.formula, names, static, entry.domain, reference.terms)


SUBJECTS = {
    name: Subject.of(entry) for name, entry in jaxacts.catalogue().items() if entry.elementwise and entry.parameters
}
SUBJECTS["glu"] = Subject(_halves, lambda value, gate: value * sigmoid(gate), ("value", "gate"), {}, {})
SUBJECTS["swiglu"] = Subject(
    jaxacts.swiglu, lambda gate, value: gate * sigmoid(gate) * value, ("gate", "value"), {}, {}
)


def _has_kinks_at_parameters(name: str) -> bool:
    """Whether it has kinks where x is a parameter, or minus a parameter."""
    entry = jaxacts.catalogue().get(name)
    if entry is None or entry.slope is None:
        return False
    pieces = entry.slope(jnp.zeros(1), *(jnp.ones(1) for _ in entry.parameters), **SUBJECTS[name].static)
    return isinstance(pieces, Pieces) and not all(isinstance(k, float) for k in pieces.knots)


PHASES = {"sine", "snake", "snake_beta"}
"""Where x times the first parameter is the argument of a sine: where twice that overflows, nothing is left of it."""

LINES = {"acon_c": ("p1", "p2"), "smu": ("alpha",)}
"""The parameters that are slopes of lines, of which the step between both is taken."""

NONNEGATIVE = {("dice", "variance"), ("squareplus", "b")}

EXAMPLES: dict[str, list[tuple[float, ...]]] = {
    "glu": [(1e27, -1.0), (1e27, 0.5), (-3e38, 80.0), (3e38, -100.0), (3e38, 100.0), (3e38, 160.0), (1e-30, 60.0)],
    "swiglu": [(-1.0, 1e27), (-100.0, 3e38), (-80.0, -3e38), (20.0, 1e37), (1e-30, 1e38), (-1e30, 1e30)],
    "dice": [
        (1e27, 0.25, 1e27, 1.0),
        (1.0, 1e28, 0.0, 1.0),
        (-7.5566e-4, -1.7854, 0.0, 512.365),
        (1.0, 0.25, 1.0, 0.0),
        (-1.0, 0.25, 0.0, 0.0),
        (1e30, 1e-10, 1e30, 1e20),
    ],
    "elu": [(-1.0, 1e27), (-200.0, 1e20), (-80.0, 3e38), (-120.0, 3e38), (-1e-30, 1e-5), (-1e30, 3.0)],
    "celu": [(-1e30, 1e28), (-1e-30, 1e-28), (-1e-10, 1e20), (-3e38, 3e38)],
    "squareplus": [
        (2e18, 1e30),
        (-2e18, 1e30),
        (-(2.0**64.5), 2.0**99),
        (-1e38, 1e30),
        (0.0, 1e30),
        (0.0, 2.0**-60),
        (2.0**-31, 2.0**-60),
    ],
}


def _points(name: str, dtype: DTypeLike) -> list[Reals]:
    """One array an argument, of numbers of the dtype that are in the domain."""
    info, names = jnp.finfo(dtype), SUBJECTS[name].names
    low, high = np.log2(float(info.smallest_normal)), np.log2(float(info.max)) - 0.01
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    many = 4 * COUNT
    common = rng.uniform(low, high, many)
    columns: list[Reals] = []
    for n in names:
        tied = rng.choice([0.0, 0.5, 1.0, 1.0, 2.0], many) * common + rng.normal(0, 2, many)
        exponents = np.clip(np.where(rng.random(many) < 0.7, tied, rng.uniform(low, high, many)), low, high)
        signs = 1 if (name, n) in NONNEGATIVE else rng.choice([-1.0, 1.0], many)
        columns.append(signs * 2.0**exponents)
    if name == "dice" and dtype == jnp.bfloat16:  # the plain form adds alpha and 1 - alpha
        columns[1] = np.clip(columns[1], -(2.0**14), 2.0**14)
    if name in LINES and dtype == jnp.bfloat16:  # the plain form holds for these
        columns = [
            np.clip(c, -(2.0**100), 2.0**100) if n in LINES[name] else c for n, c in zip(names, columns, strict=True)
        ]
    if name == "dice":  # the mean beside x, a few deviations away
        near = rng.random(many) < 0.5
        columns[2] = np.where(near, columns[0] + rng.normal(0, 8, many) * np.sqrt(columns[3]), columns[2])
    examples = zip(*EXAMPLES.get(name, [tuple(range(1, 1 + len(names)))]), strict=True)
    columns = [np.concatenate([e, c]) for e, c in zip(examples, columns, strict=True)]
    columns = [np.asarray(jnp.asarray(c, dtype), np.float64) for c in columns]
    if name == "squareplus":  # docs/accuracy.md says that it holds from 2^-60 to 2^100
        columns[1] = np.clip(columns[1], 2.0**-60, 2.0**100)
    given = dict(zip(names, columns, strict=True))
    fits = np.all([np.isfinite(c) for c in columns], axis=0)
    for holds in SUBJECTS[name].domain.values():
        fits &= holds(**{n: given[n] for n in inspect.signature(holds).parameters})
    if name in PHASES:
        with np.errstate(over="ignore"):
            fits &= np.abs(columns[0] * columns[1]) < float(info.max) / 4
    if _has_kinks_at_parameters(name):  # a central difference is the mean of both sides there
        fits &= np.all([np.abs(columns[0]) != np.abs(c) for c in columns[1:]], axis=0)
    return [c[fits][:COUNT] for c in columns]


def _exact(formula: Callable[..., Any], points: list[Reals], range_: Range, static: dict[str, Any]) -> list[Exact]:
    """The value and the derivative by each argument, from central differences."""
    with mp.workdps(range_.digits):
        step = mp.mpf(10) ** -range_.step
        rows: list[list[Any]] = []
        for row in zip(*points, strict=True):
            v = [mp.mpf(float(a)) for a in row]
            f = functools.partial(formula, **static)
            found = [f(*v)]
            for i, a in enumerate(v):
                h = step * (mp.fabs(a) or 1)
                up, down = (f(*v[:i], a + s * h, *v[i + 1 :]) for s in (1, -1))
                found.append((up - down) / (2 * h))
            rows.append(found)
        return [Exact(column) for column in zip(*rows, strict=True)]


def _computed(f: Callable[..., Array], points: list[Reals], dtype: DTypeLike, static: dict[str, Any]) -> list[Reals]:
    @jax.jit
    def program(*arguments: Array) -> tuple[Array, ...]:
        y, vjp = jax.vjp(functools.partial(f, **static), *arguments)
        return y, *vjp(jnp.ones_like(y))

    return [np.asarray(y, np.float64) for y in program(*(jnp.asarray(p, dtype) for p in points))]


def _largest_terms(subject: Subject, points: list[Reals], range_: Range) -> list[Reals | float]:
    """The size of the largest term of the value, and of each derivative, where the function is a sum."""
    if subject.terms is None:
        return [0.0] * (1 + len(points))
    count = len(subject.terms(*(mp.mpf(float(p[0])) for p in points), **subject.static))
    parts = [
        _exact(lambda *a, i=i, **k: subject.terms(*a, **k)[i], points, range_, subject.static) for i in range(count)
    ]
    return [np.max([np.abs(e.high) for e in column], axis=0) for column in zip(*parts, strict=True)]


def _wave_size(name: str, what: str, points: list[Reals]) -> Reals | float:
    """The size of a wave where its argument is so large that its zeros lose digits, or where its parts cancel."""
    x, rate, *_ = (np.abs(p) for p in points)
    if name == "snake" and what == "derivative by alpha":
        return np.minimum(x * x, x / rate) / 4
    amplitude = {"sine": 1.0, "snake": 1 / rate, "snake_beta": 1 / np.abs(points[-1])}[name]
    growth = {"derivative by x": rate, "derivative by omega": x, "derivative by alpha": x}.get(what, 1.0)
    return np.where(x * rate > 2.0**20, amplitude * growth / 16, 0.0)


def _allowed(name: str, what: str, points: list[Reals], dtype: DTypeLike) -> tuple[Reals | float, Reals | float]:
    """The size from which relative errors count, and the absolute error below which nothing does.

    dice is a sum of two parts that cancel somewhere, and its p·(1 - p) may vanish before its product with the others.
    """
    tiny: Reals | float = 4 * float(jnp.finfo(dtype).smallest_normal)
    floor: Reals | float = 0.0
    with np.errstate(over="ignore", divide="ignore"):
        if name in PHASES:
            floor = _wave_size(name, what, points)
        if name == "silu" and what == "derivative by x":  # its root
            floor = np.where(np.abs(points[0] * points[1] + 1.2785) < 2.0**-4, 0.25, 0.0)
    if name == "swiglu":  # its factors may leave the range a little before it does
        tiny = tiny * (1 + np.minimum(np.abs(points[0]), 200))
        tiny = tiny * np.where(
            np.abs(points[0]) < 8 * float(jnp.finfo(dtype).smallest_normal), 1 + np.abs(points[1]), 1
        )
    if name == "dice":
        x, alpha, _, variance = points
        with np.errstate(over="ignore"):
            floor = np.minimum(np.abs(x), np.abs(x * alpha)) if what == "value" else 0.0
            steep = 1 + 1 / np.sqrt(variance + 1e-8)
            factors = {
                "derivative by alpha": 1 + np.abs(x),
                "derivative by mean": np.abs(alpha - 1) * np.abs(x) * steep,
                "derivative by variance": np.abs(alpha - 1) * np.abs(x) * steep * steep,
            }
            tiny = tiny * (1 + factors.get(what, 1 if what == "value" else factors["derivative by mean"]))
    return floor, tiny


@pytest.mark.slow
@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("name", SUBJECTS)
def test_value_and_every_first_derivative_at_all_magnitudes(name: str, dtype: str) -> None:
    subject, range_ = SUBJECTS[name], RANGES[dtype]
    with jax.enable_x64(dtype == "float64"):
        points = _points(name, range_.dtype)
        got = _computed(subject.function, points, range_.dtype, subject.static)
    exact = _exact(subject.formula, points, range_, subject.static)
    names = ("value", *(f"derivative by {n}" for n in subject.names))
    faults: list[str] = []
    for number, (what, y, right) in enumerate(zip(names, got, exact, strict=True)):
        floor, tiny = _allowed(name, what, points, range_.dtype)

        def terms(at: Any, number: int = number) -> Reals | float:
            return _largest_terms(subject, [p[at] for p in points], range_)[number]

        error = errors_beside_terms(y, right, range_.dtype, range_.bound, floor, terms)
        with np.errstate(invalid="ignore"):
            small = np.abs(y - right.high) <= tiny
        bad = ~((error <= range_.bound) | small)
        faults += [
            f"{what} at {[float(p[i]) for p in points]}: {y[i]!r}, right {right.high[i]!r} ({error[i]:.3g} ulp)"
            for i in np.flatnonzero(bad)
        ]
    assert not faults, f"{len(faults)} of {name} in {dtype}:\n" + "\n".join(faults[:25])


def _second(f: Callable[..., Array], i: int, *arguments: float) -> float:
    return float(jax.grad(jax.grad(f, i), i)(*(jnp.float32(a) for a in arguments)))


FOUND = {
    "a gated value near the largest": (lambda: jaxacts.glu(jnp.array([1e27, -1.0]))[0], 2.6894142e26),
    "its derivative by the gate": (
        lambda: jax.grad(lambda x: jaxacts.glu(x)[0])(jnp.array([1e27, 0.5]))[1],
        2.3500371e26,
    ),
    "dice at a large mean": (lambda: jaxacts.dice(1e27, 0.25, 1e27, 1.0), 6.25e26),
    "the slope of dice for a large alpha": (lambda: jax.grad(jaxacts.dice)(1.0, 1e28, 0.0, 1.0), 7.2329489e26),
    "the slope of elu for a large alpha": (lambda: jax.grad(jaxacts.elu)(-1.0, 1e27), 3.6787944e26),
    "the slope of elu far to the left": (lambda: jax.grad(jaxacts.elu)(-200.0, 1e20), 0.0),
    "the slope of elu at -inf": (lambda: jax.grad(jaxacts.elu)(-jnp.inf, 1e20), 0.0),
    "the second derivative of squareplus at 0": (lambda: _second(jaxacts.squareplus, 0, 0.0, 1e30), 5e-16),
    "the second derivative of squareplus where x² is b": (
        lambda: _second(jaxacts.squareplus, 0, 2e18, 4e36),
        8.8388348e-20,
    ),
    "the second derivative of dice by the mean": (
        lambda: _second(jaxacts.dice, 2, -7.5566e-4, -1.7854, 0.0, 512.365),
        -1.7142782e-11,
    ),
    "the second derivative of dice by the variance": (
        lambda: _second(jaxacts.dice, 3, -7.5566e-4, -1.7854, 0.0, 512.365),
        5.0187216e-14,
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("what", FOUND)
def test_numbers_that_once_were_wrong(what: str) -> None:
    compute, right = FOUND[what]
    assert float(compute()) == pytest.approx(right, rel=6e-7, abs=1e-38)
