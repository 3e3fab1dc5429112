"""apl against mpmath in every dtype, at its kinks and at ±inf; what it keeps and refuses; the kinks of crelu."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax import Array
from numpy.typing import NDArray
from references import REFERENCES
from rounding import every_input, wrong

import jaxacts
from jaxacts import with_kink_slope
from jaxacts._contract.exact import Exact

pytestmark = pytest.mark.optimized

Reals = NDArray[np.float64]
SLOPES, HINGES = (0.3, -0.7, 1.1), (1.3, -0.4, 0.9)


def _on_grid(values: tuple[float, ...]) -> tuple[float, ...]:
    """As float32 sees them."""
    return tuple(float(np.float32(v)) for v in values)


def _exact(x: Reals, slopes: tuple[float, ...], hinges: tuple[float, ...]) -> dict[str, Exact]:
    """The value, and the derivatives by x and by each parameter as the paper has them, away from the kinks."""
    a, b = ([mp.mpf(v) for v in _on_grid(values)] for values in (slopes, hinges))
    with mp.workdps(60):
        points = [mp.mpf(float(v)) for v in x]
        found = {
            "value": REFERENCES["apl"].formula(points, a, b),
            "x": [mp.mpf(v > 0) - sum(s for s, h in zip(a, b, strict=True) if v < h) for v in points],
        }
        for k, (s, h) in enumerate(zip(a, b, strict=True)):
            found[f"slopes[{k}]"] = [max(mp.mpf(0), h - v) for v in points]
            found[f"hinges[{k}]"] = [s if v < h else mp.mpf(0) for v in points]
        return {what: Exact(values) for what, values in found.items()}


def _computed(x: Array) -> dict[str, Array]:
    """The same by forward mode, and the derivative by x backward as well."""
    slopes, hinges = jnp.float32(SLOPES), jnp.float32(HINGES)

    def by(what: str, k: int) -> Array:
        tangents = {"slopes": jnp.zeros(3), "hinges": jnp.zeros(3)}
        tangents[what] = tangents[what].at[k].set(1)
        return jax.jvp(lambda a, b: jaxacts.apl(x, a, b), (slopes, hinges), tuple(tangents.values()))[1]

    y, vjp = jax.vjp(lambda x: jaxacts.apl(x, slopes, hinges), x)
    found = {"value": y, "x": vjp(jnp.ones_like(y))[0]}
    return found | {f"{what}[{k}]": by(what, k) for what in ("slopes", "hinges") for k in range(3)}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
def test_every_input_of_8_and_16_bits_is_rounded_correctly(dtype: str) -> None:
    inputs = every_input(dtype)
    x = inputs.astype(np.float64)
    exact = _exact(x, SLOPES, HINGES)
    for what, got in jax.jit(_computed)(jnp.asarray(inputs)).items():
        assert got.dtype == dtype
        bad = wrong(np.asarray(got).astype(np.float64), exact[what], x, dtype)
        if what != "value":
            bad &= ~np.isin(x, [0.0, *(float(jnp.asarray(h, dtype)) for h in HINGES)])
        size = np.abs(exact[what].high)
        rounded = np.abs(np.asarray(got).astype(np.float64) - exact[what].high)
        near_a_tie = rounded <= (0.5 + 2.0**-10) * np.spacing(size.astype(np.float32)) * 2.0 ** (
            23 - jnp.finfo(dtype).nmant
        )
        assert not (bad & ~near_a_tie).any(), f"{what} at {x[bad & ~near_a_tie][:5]}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_errors_are_small_beside_the_terms(dtype: str) -> None:
    """At all magnitudes of input, slopes and hinges, in units of the sum of the absolute terms."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(dtype == "float64"):
        for size in (1e-30, 1e-3, 1.0, 1e3, 1e15):
            x = jnp.asarray(size * rng.standard_normal(300), dtype)
            a, b = (jnp.asarray(s * rng.standard_normal((2, 300)), dtype) for s in (1.0, size))
            got = np.asarray(jax.jit(jaxacts.apl)(x, a, b), np.float64)
            wide = [np.asarray(v, np.float64) for v in (x, a, b)]
            for v, c, d, y in zip(wide[0], wide[1].T, wide[2].T, got, strict=True):
                terms = [
                    max(mp.mpf(v), 0),
                    *(mp.mpf(s) * max(mp.mpf(h) - mp.mpf(v), 0) for s, h in zip(c, d, strict=True)),
                ]
                error = abs(float(sum(terms) - mp.mpf(float(y))))
                assert error <= 3 * float(jnp.finfo(dtype).eps) * float(sum(map(abs, terms)))


def _slope(x: float, slopes: Any, hinges: Any, function: Callable[..., Array] = jaxacts.apl) -> float:
    return float(jax.grad(function)(x, slopes, hinges))


def test_the_slope_at_a_kink_is_that_of_least_magnitude() -> None:
    assert _slope(1.0, (0.25,), (1.0,)) == 0.75  # between 0.75 and 1
    assert _slope(1.0, (-0.25,), (1.0,)) == 1.0  # between 1.25 and 1
    assert _slope(1.0, (2.0,), (1.0,)) == 0.0  # between -1 and 1
    assert _slope(0.0, (0.25,), (1.0,)) == 0.0  # between -0.25 and 0.75
    assert _slope(-0.0, (-0.25,), (1.0,)) == 0.25  # between 0.25 and 1.25


def test_kinks_at_the_same_place_count_as_one() -> None:
    assert _slope(0.0, (-0.25, -0.5), (0.0, 0.0)) == 0.75  # between 0.75 and 1
    assert _slope(0.0, (-0.25, 0.25), (0.0, 0.0)) == 0.0  # between 0 and 1
    assert _slope(2.0, (0.5, -0.5), (2.0, 2.0)) == 1.0


@pytest.mark.parametrize(("choice", "expected"), [("left", 0.75), ("right", 1.0), (0.5, 0.875)])
def test_another_slope_at_the_kinks(choice: Any, expected: float) -> None:
    assert _slope(1.0, (0.25,), (1.0,), with_kink_slope(jaxacts.apl, choice)) == expected


@pytest.mark.parametrize(
    ("slopes", "at_left"), [((0.25, -0.5), -np.inf), ((0.5, -0.25), np.inf), ((0.5, -0.5), -0.75), ((0.0, 0.0), 0.0)]
)
def test_limits(slopes: tuple[float, float], at_left: float) -> None:
    x = jnp.array([-jnp.inf, jnp.inf])
    values, back = jax.vjp(lambda x: jaxacts.apl(x, slopes, (-1.0, 0.5)), x)
    np.testing.assert_array_equal(values, [at_left, np.inf])
    np.testing.assert_array_equal(back(jnp.ones(2))[0], [-sum(slopes), 1.0])
    assert jnp.isnan(jaxacts.apl(jnp.nan, slopes, (-1.0, 0.5)))
    assert jnp.isnan(_slope(jnp.nan, slopes, (-1.0, 0.5)))


def test_a_difference_beyond_the_range_is_no_infinity() -> None:
    assert float(jaxacts.apl(-3e38, (0.125,), (3e38,))) == pytest.approx(0.75e38)
    assert float(jaxacts.srelu(3e38, -3e38, 0.125, -3.2e38, 1.0)) == pytest.approx(-2.25e38)


def test_one_set_for_each_channel() -> None:
    x = jnp.linspace(-3, 3, 24).reshape(4, 3, 2)
    slopes, hinges = (
        jnp.array([[0.5, -0.25], [0.1, 0.2], [0.0, -1.0]]),
        jnp.array([[0.0, 1.0], [1.0, 0.3], [2.0, -1.0]]),
    )
    got = jaxacts.apl(x, slopes, hinges)
    for c in range(2):
        np.testing.assert_array_equal(got[..., c], jaxacts.apl(x[..., c], slopes[:, c], hinges[:, c]))
    np.testing.assert_array_equal(got, jaxacts.apl(x, list(slopes), tuple(hinges)))
    gradient = jax.grad(lambda a, b: jaxacts.apl(x, a, b).sum(), (0, 1))(slopes, hinges)
    assert [g.shape for g in gradient] == [(3, 2), (3, 2)]
    assert jaxacts.apl(x[0, 0, 0], slopes, hinges).shape == (2,)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_backward_pass_keeps_x_alone(dtype: str) -> None:
    x = jnp.ones((32, 64), dtype)
    _, vjp = jax.vjp(jaxacts.apl, x, jnp.ones((5, 64)), jnp.ones((5, 64)))
    kept = [a for a in jax.tree.leaves(vjp) if a.size >= x.size]
    assert sum(a.nbytes for a in kept) == x.nbytes


def test_parameters_of_16_bits_are_summed_in_float32() -> None:
    x = jnp.full((40_000,), -1, jnp.bfloat16)
    gradient = jax.grad(lambda a: jaxacts.apl(x, a, jnp.bfloat16([0.5])).sum(dtype=jnp.float32))(jnp.bfloat16([0.25]))
    assert float(gradient[0]) == pytest.approx(60_000, rel=2.0**-8)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((0.5, 1.0), (1.0,)), ValueError, "apl: needs as many hinges as slopes, got 1 and 2; give one for each."),
        (
            (jnp.ones((2, 3)), jnp.ones(2)),
            ValueError,
            "apl: the arguments must broadcast together, got x: (4,), slopes[0]",
        ),
        ((("a",), (1.0,)), TypeError, "apl: slopes[0] must be an array or a number, got str"),
        ((0.5, 1.0), ValueError, "apl: slopes must have a first axis"),
        ((jnp.ones(1) * 1j, (1.0,)), TypeError, "apl: slopes must be real"),
    ],
)
def test_wrong_arguments(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        jaxacts.apl(jnp.ones(4), *arguments)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_crelu_along_any_axis(axis: int) -> None:
    x = jax.random.normal(jax.random.key(0), (3, 4))
    first, second = jnp.split(jaxacts.crelu(x, axis), 2, axis)
    np.testing.assert_array_equal(first - second, x)
    assert (jnp.minimum(first, second) == 0).all()


@pytest.mark.parametrize("at", [0.0, -0.0])
@pytest.mark.parametrize("way", [jax.jacfwd, jax.jacrev])
def test_crelu_at_its_kink(way: Callable[..., Any], at: float) -> None:
    np.testing.assert_array_equal(way(lambda x: jaxacts.crelu(x[None]))(jnp.float32(at)), [0, 0])
    right = with_kink_slope(jaxacts.crelu, "right")
    np.testing.assert_array_equal(way(lambda x: right(x[None]))(jnp.float32(at)), [1, -1])


def test_crelu_of_a_scalar() -> None:
    with pytest.raises(ValueError, match="crelu: x needs at least one axis, got a scalar"):
        jaxacts.crelu(1.0)
