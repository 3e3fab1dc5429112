"""Errors in float32 and float64 on samples that have every place where a formula switches, against mpmath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from instructions import OTHERS, assert_passed_with
from jax import Array
from subjects import SUBJECTS, Subject, backward, by, forward, second

from jaxacts._contract.accuracy import compare, errors_beside_terms, near_roots
from jaxacts._contract.exact import Exact, Reals
from jaxacts._contract.ulps import errors_in_ulps
from jaxacts._core.rounding import partial_key
from jaxacts._kernels.arithmetic import coefficients
from jaxacts._kernels.arithmetic.polynomial import Series

pytestmark = pytest.mark.optimized

SECOND = 16.0
"""The error allowed in the second derivative in float32."""
DOUBLE = (4.0, 8.0)
"""The errors allowed in value and slope in float64."""
WIDER = dict.fromkeys(("laplace", "lecun_tanh"), (5.0, 8.0))
"""The same where the argument is rounded before the function begins."""
LARGEST = (-1.837826, -1.236358, -1.009995e-4, -3.25056, -6.570323, -6.735036e-6, -1.51811, -15.98464, -0.1116873)
LARGEST += (-5.0930762, -3.7910721, -8208.6143, -1.2695451, 0.19889635, 5.5384436, -1.8235048, -5.194787, -1.7148209)
LARGEST += (-4.883407e-4, -3.449918e-4, -1.947512e-3, 0.1121947, 0.05302408, -7.830843, -1.1523885, 2.6363564)
LARGEST += (-0.6423261, -0.6691774, -8.9541502, 3.9356885, -0.15795904, -5.9394212, 0.12267230, -8.8047161, -1.8306978)
LARGEST += (-8.8480115e-3, -1.2355821, -0.8048986, 0.5191, -11.517352, -16.635704)
"""Where float32 had its largest errors among all numbers, or among 35 million without fused multiply-add."""


def _switches() -> list[float]:
    """Where a formula changes to another: ends of series, of polynomials and of exponents."""
    ends = [0.0, 0.25, 0.66, 0.7517915, 1.0, 1.5, 2.0, 3.0, 6.0, 8.0, 9.0, 11.0, 12.0, 14.5, 15.0, 30.0, 39.0, 40.0]
    ends += [12.97, 80.0, 87.4, 88.8, 103.9, 114.0, 120.0, 131.0, 1e4, 2.0**60, 2.0**63, 2.0**64]
    for s in vars(coefficients).values():
        if isinstance(s, Series):
            middle = s.centre[0] + s.shift
            ends += [middle - s.limit, s.centre[0], middle + s.limit]
    halves = (np.arange(-130, 130, 3) + 0.5) * np.log(2)  # exponents of exp(-x), and of exp(-2x)
    return [*ends, *halves, *halves / 2]


def _sample(dtype: type) -> Reals:
    rng = np.random.default_rng(0)
    even = np.concatenate([rng.uniform(-s, s, 400) for s in (0.5, 2, 8, 30, 110)])
    sizes = 10.0 ** rng.uniform(-37, 37, 300) * rng.choice([-1, 1], 300)
    at = np.array([s * v for v in (*_switches(), *LARGEST) for s in (1, -1)], dtype)
    around = np.concatenate([at, np.nextafter(at, dtype(np.inf)), np.nextafter(at, dtype(-np.inf))])
    x = np.unique(np.concatenate([even, sizes, around]).astype(dtype)).astype(np.float64)
    return x[np.abs(x) >= np.finfo(np.float32).tiny]


SAMPLES = {dtype: _sample(dtype) for dtype in (np.float32, np.float64)}


def _away(subject: Subject, x: Reals, dtype: type) -> Reals:
    """The inputs that are not at a knot, where a central difference is not a derivative."""
    return x[~np.isin(x, [float(dtype(k)) for k in (*subject.entry.knots(**subject.arguments), 0.0)])]


def _terms(subject: Subject, x: Reals, what: str = "value", wide: type = np.float32) -> Callable[[Any], Reals | float]:
    return lambda at: subject.floor(x[at], what, wide)


@pytest.mark.parametrize("label", SUBJECTS)
def test_float32(label: str) -> None:
    subject = SUBJECTS[label]
    x = _away(subject, SAMPLES[np.float32], np.float32)
    some = x[(np.abs(x) < 80) & (np.abs(x) > 1e-6)][::12]

    def results(x: Array, some: Array) -> dict[str, Array]:
        ways: dict[str, Callable[[], Array]] = {
            "value": lambda: subject.ours(x),
            "slope by jvp": lambda: forward(subject.ours, x),
            "slope by vjp": lambda: backward(subject.ours, x),
            "second derivative": lambda: second(subject.ours, some),
        }
        for parameter in subject.entry.parameters:
            at = subject.arguments[parameter]
            ways[f"by {parameter}"] = lambda parameter=parameter, at=at: by(parameter, subject.ours, x, at, False)
        return {way: f() for way, f in ways.items()}

    got = jax.jit(results)(jnp.asarray(x, jnp.float32), jnp.asarray(some, jnp.float32))
    value, slope = subject.cached(x), subject.cached(x, "slope")
    compare("value", got["value"], value, x, subject.bounds[0], terms=_terms(subject, x))
    for way in ("slope by jvp", "slope by vjp"):
        compare(way, got[way], slope, x, subject.bounds[1], near_roots(x, slope), _terms(subject, x, "slope"))
    curvature = subject.curvature(some)
    floor = np.maximum(near_roots(some, curvature, 0.25), np.where(np.abs(curvature.high) < 2.0**-120, 1.0, 0.0))
    compare("second derivative", got["second derivative"], curvature, some, SECOND, floor)
    for parameter in subject.entry.parameters:
        exact = subject.cached(x, partial_key(parameter))
        compare(
            f"derivative by {parameter}", got[f"by {parameter}"], exact, x, subject.bounds[1] + 2, near_roots(x, exact)
        )


@pytest.mark.slow
@pytest.mark.parametrize("isa", OTHERS)
def test_float32_with_other_instructions(isa: str) -> None:
    assert_passed_with(isa, __file__, "test_float32[")


@pytest.mark.slow
@pytest.mark.parametrize("label", SUBJECTS)
def test_float64(label: str, x64: None) -> None:
    subject = SUBJECTS[label]
    x = _away(subject, SAMPLES[np.float64], np.float64)[::4]
    value, slope = (subject.cached(x, what, np.float64) for what in ("value", "slope"))
    got = jax.jit(lambda x: (subject.ours(x), forward(subject.ours, x)))(x)
    assert all(v.dtype == np.float64 for v in got)
    bounds = WIDER.get(subject.name, DOUBLE)
    compare("value", got[0], value, x, bounds[0], terms=_terms(subject, x, "value", np.float64))
    terms = _terms(subject, x, "slope", np.float64)
    compare("slope", got[1], slope, x, bounds[1], near_roots(x, slope), terms)


WEAK = {
    "derf": (8, 300),
    "dyt": (8, 32),
    "erf": (8, 300),
    "gaussian": (500, 500),
    "gelu": (500, 500),
    "laplace": (2000, 2000),
    "lecun_tanh": (8, 32),
    "quick_gelu": (32, 32),
    "star_relu": (500, 16),
    "tanh_exp": (8, 32),
    "tanh_shrink": (16, 16),
}
"""Bounds of plain forms whose tails, on the left down to -12, lose digits: in the cubic of gelu, in squares, in
1.702·x, in XLA's erfc, and where the rounding error of an exponent counts as often as the exponent is large; tanh_exp
about the root of its slope, tanh_shrink in a difference, star_relu where square and bias cancel."""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", SUBJECTS)
def test_weakly_typed_inputs(label: str, dtype: type) -> None:
    """They are computed by the plain form."""
    with jax.enable_x64(dtype == np.float64):
        subject, x = SUBJECTS[label], jnp.arange(-220, 221) * 0.1 + 0.013
        assert x.weak_type
        assert x.dtype == dtype
        x = x[100:] if subject.name in WEAK else x
        points = np.asarray(x, np.float64)
        got = jax.jit(lambda x: (subject.ours(x), forward(subject.ours, x)))(x)
        value, slope = (subject.exact(points, what, dtype) for what in ("value", "slope"))
        bounds = WEAK.get(subject.name, (8, 16))
        compare("value", got[0], value, points, bounds[0], terms=_terms(subject, points, "value", dtype))
        terms = _terms(subject, points, "slope", dtype)
        compare("slope", got[1], slope, points, bounds[1], near_roots(points, slope), terms)


ROOTS = {
    "gelu approximate=False": -0.7517915246935645,
    "gelu approximate=True": -0.7524614220710163,
    "hard_silu": -1.5,
    "mish": -1.1924312145154952,
    "silu": -1.2784645427610737,
}
"""Where the slope of a refined form changes its sign."""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", ROOTS)
def test_slopes_keep_their_digits_at_the_root(label: str, dtype: type, x64: None) -> None:
    """In units of themselves, however small they are."""
    subject, root = SUBJECTS[label], dtype(ROOTS[label])
    x = np.array([root + k * np.spacing(root) for k in (-8, -2, -1, 0, 1, 2, 8)], dtype)
    got = np.asarray(jax.jit(lambda x: forward(subject.ours, x))(x))
    exact = subject.exact(x.astype(np.float64), "slope", dtype)
    assert errors_in_ulps(got, exact, dtype).max() <= 2


def test_an_error_above_its_bound_counts_in_ulps_of_the_largest_term() -> None:
    asked: list[list[int]] = []

    def terms(at: Any) -> Reals:
        asked.append(at.tolist())
        return np.array([1.0, 2.0**8])

    got, exact = np.array([1.0, 1 + 2.0**-16, 1 + 2.0**-16]), Exact.of(np.ones(3), np.zeros(3))
    errors = errors_beside_terms(got, exact, np.float32, 2.0, 0.0, terms)
    np.testing.assert_array_equal(errors, [0, 2.0**7, 0.5])
    assert asked == [[1, 2]]
