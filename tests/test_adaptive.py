"""rational and spline: values and derivatives by all their arrays in every dtype, kinks, tails, what is kept."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
import references
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

import jaxacts
from jaxacts._modules.rational import fitted

Reals = NDArray[np.float64]
DTYPES = ("float32", "float64", "bfloat16", "float16")
LARGE = jaxacts.catalogue()["rational"].typical
ALMOST_DEGENERATE = {
    "numerator": (-1.407e-03, 0.5, 0.4085, 0.1073, 0.00875, -3.42e-09),
    "denominator": (0.0, 0.2147, -3.12e-08, 4.27e-15),
}
CURVES: dict[str, tuple[Callable[..., Array], Callable[..., Any], dict[str, Any]]] = {
    "rational 5/4": (jaxacts.rational, references.rational, dict(LARGE)),
    "rational 2/3": (
        jaxacts.rational,
        references.rational,
        {"numerator": (0.25, -1.0, 0.5), "denominator": (-0.5, 0.25, 0.125)},
    ),
    "polynomial": (jaxacts.rational, references.rational, {"numerator": (0.0, 1.0, 0.25), "denominator": (0.0,)}),
    "spline": (
        functools.partial(jaxacts.spline, grid=(-2.0, 3.0)),
        functools.partial(references.spline, grid=(-2.0, 3.0)),
        {"coefficients": (0.5, -0.25, 1.0, 0.75, -1.5, 0.125), "scale": 0.5},
    ),
}
each_curve = pytest.mark.parametrize("curve", CURVES)


@pytest.fixture(params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> Iterator[DTypeLike]:
    with jax.enable_x64(request.param == "float64"):
        yield jnp.dtype(request.param)


def parameters(given: dict[str, Any]) -> dict[str, Array]:
    wide = jnp.float64 if jax.config.read("jax_enable_x64") else jnp.float32
    return {n: jnp.asarray(v, wide) for n, v in given.items()}


def exact(formula: Callable[..., Any], x: Reals, given: dict[str, Any]) -> list[Any]:
    return formula([mp.mpf(float(v)) for v in x], **given)


def along(formula: Callable[..., Any], x: Reals, given: dict[str, Any], name: str, index: int | None) -> list[Any]:
    """The derivative by x, or by one entry of a parameter."""
    h = mp.mpf(10) ** -40

    def at(step: Any) -> list[Any]:
        moved = {n: [mp.mpf(float(c)) for c in np.ravel(v)] for n, v in given.items()}
        if index is not None:
            moved[name][index] += step
        plain = {n: v if np.ndim(given[n]) else v[0] for n, v in moved.items()}
        by_x = step if index is None else 0
        return formula([mp.mpf(float(v)) + by_x for v in x], **plain)

    return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h), strict=True)]


@pytest.mark.optimized
@pytest.mark.sampled(1)
@each_curve
def test_values_and_all_derivatives(curve: str, dtype: DTypeLike, monkeypatch: pytest.MonkeyPatch) -> None:
    f, formula, given = CURVES[curve]
    monkeypatch.setattr(references, "float", lambda v: v, raising=False)  # the shifted coefficients stay exact
    x = jnp.asarray(np.concatenate([np.linspace(-6, 6, 41) + 0.01, [-11.0, 14.0, 0.001]]), dtype)
    xs, params = np.asarray(x, np.float64), parameters(given)
    got, back = jax.vjp(lambda x, p: f(x, **p), x, params)

    @jax.jit
    def derivatives(x: Array, p: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
        each = jax.jacfwd(lambda p: f(x, **p))(p)
        return jax.jvp(lambda x: f(x, **p), (x,), (jnp.ones_like(x),))[1], each

    slope, by_each = derivatives(x, params)
    with mp.workdps(120):
        wants = {"value": (got, exact(formula, xs, given)), "slope": (slope, along(formula, xs, given, "x", None))}
        for n, v in given.items():
            for i in range(np.size(v)):
                column = by_each[n][:, i] if np.ndim(v) else by_each[n]
                wants[f"{n}[{i}]"] = (column, along(formula, xs, given, n, i))
        # Units of float32 of the largest term, and one rounding to the dtype.
        eps, wide = float(jnp.finfo(dtype).eps), float(jnp.finfo(params[next(iter(given))].dtype).eps)
        for what, (ours, theirs) in wants.items():
            true = np.array([float(v) for v in theirs])
            size = np.maximum(np.abs(true), np.max(np.abs(given.get("numerator", given.get("coefficients")))))
            if what == "slope":
                size = np.maximum(size, 4)
            error = np.abs(np.asarray(ours, np.float64) - true)
            rounding = 0.5 * eps * np.abs(true) if jnp.finfo(dtype).bits < 32 else 0
            assert np.all(error <= 1.01 * rounding + 16 * wide * size + 1e-45), (what, xs[error.argmax()], error.max())
        assert back(jnp.ones_like(got))[0].dtype == dtype


@pytest.mark.optimized
@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_results_of_16_bits_are_rounded_correctly(name: str) -> None:
    every = jax.lax.bitcast_convert_type(jnp.arange(2**16, dtype=jnp.uint16), jnp.dtype(name))
    x = np.asarray(every[(jnp.abs(every) < 64) & (jnp.abs(every) > 1e-3)], np.float64)
    for curve in ("rational 5/4", "spline"):
        f, _, given = CURVES[curve]
        with jax.enable_x64(True):
            true = np.asarray(f(jnp.asarray(x), **parameters(given)))
        got = np.asarray(f(jnp.asarray(x, name), **given), np.float64)
        wrong = got != np.asarray(jnp.asarray(true, name), np.float64)
        assert np.mean(wrong) < 5e-4, f"{curve}: {np.sum(wrong)} of {x.size}"


@pytest.mark.slow
def test_tails_of_rational() -> None:
    far = jnp.array([-jnp.inf, -3e38, -1e30, 1e9, 1e25, 3e38, jnp.inf])
    for numerator, denominator, value, slope in (
        ((0.0, 1.0), (0.0,), far, 1),
        ((0.0, 1.0, 0, 0, 0, 0), (0.0, 0, 0, 0), far, 1),
        ((0.0, 0.0, 3.0), (0.0, 2.0), 1.5, 0),
        ((0.0, 0, 0, 0, 0, 2.0), (0.0, 0, 0, 4.0), far / 2, 0.5),
        ((1.0,), (0.0, 1.0), 0, 0),
        ((0.0, 0, 0, 1.0), (0, -1.0, 0, 0.0), far, 1),
        ((0.0, 0, 1.0), (0, 0, 1.0, 0), 0 * jnp.sign(far), 0),
    ):

        def f(x: Array, a: Any = numerator, b: Any = denominator) -> Array:
            return jaxacts.rational(x, a, b)

        np.testing.assert_allclose(f(far), jnp.broadcast_to(value, far.shape), rtol=1e-6, atol=1e-8)
        for got in (jax.vmap(jax.grad(f))(far), jax.jvp(f, (far,), (jnp.ones_like(far),))[1]):
            np.testing.assert_allclose(got, np.full(far.shape, slope, float), rtol=1e-6, atol=1e-8)


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None, None))
def derivatives(x: Array, a: Array, b: Array) -> tuple[Array, ...]:
    """The value, slope and curvature of rational, and its derivatives by the coefficients."""
    by_each = jax.grad(jaxacts.rational, (1, 2))(x, a, b)
    slope = jax.grad(jaxacts.rational)
    return jaxacts.rational(x, a, b), slope(x, a, b), jax.grad(slope)(x, a, b), *by_each


def exact_derivatives(x: Any, a: Any, b: Any) -> tuple[list[Any], list[Any]]:
    """The same in one list by the quotient rule, and the sizes of the largest terms of each."""
    powers = [x**k for k in range(max(len(a), len(b) + 1))]
    orders = [
        [mp.ff(k, order) * (x ** (k - order) if k >= order else 0) for k in range(len(powers))] for order in (0, 1, 2)
    ]
    (p, p1, p2), (q, q1, q2) = ([mp.fdot(c, order) for order in orders] for c in (a, (0, *b)))
    sign, d = mp.sign(q), 1 + abs(q)
    value = p / d
    slope = (p1 - value * sign * q1) / d
    bend = (p2 - 2 * slope * sign * q1 - value * sign * q2) / d
    (a0, a1, a2), (b0, b1, b2) = (
        [sum(abs(v * w) for v, w in zip(c, order, strict=False)) / d for order in orders] for c in (a, (0, *b))
    )
    sizes = [a0, a1 + a0 * b1, a2 + 2 * a1 * b1 + a0 * (2 * b1**2 + b2)]
    shares = [v / d for v in powers]
    by_a, by_b = shares[: len(a)], [-value * sign * v for v in shares[1 : len(b) + 1]]
    sizes += [*map(abs, by_a), *(abs(a0 * v) for v in shares[1 : len(b) + 1])]
    return [value, slope, bend, *by_a, *by_b], [(1 + b0) * v for v in sizes]


def assert_rational_is_exact(x: Array, a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    """To 10 units of float32 of the largest term, and one rounding to the dtype of x."""
    found = [np.asarray(v, np.float64).reshape(len(x), -1) for v in derivatives(x, a, b)]
    tiny, eps = float(jnp.finfo(jnp.float32).tiny), float(jnp.finfo(jnp.float32).eps)
    rounding = float(jnp.finfo(x.dtype).eps) if x.dtype != jnp.float32 else 0.0
    with mp.workdps(120):
        ours = [mp.mpf(float(v)) for v in x], *([mp.mpf(float(v)) for v in c] for c in (a, b))
        for row, at in zip(np.concatenate(found, 1), ours[0], strict=True):
            assert np.isfinite(row[3:]).all(), f"{at}"
            true, sizes = exact_derivatives(at, *ours[1:])
            for k, (got, want, size) in enumerate(zip(row, true, sizes, strict=True)):
                # Of the largest inputs the derivatives by the coefficients are those of 2^108, powers may underflow
                # before they are multiplied by the value, and the value may overflow.
                if abs(want) > float(jnp.finfo(x.dtype).max) or (k > 2 and abs(at) > 2**108):
                    continue
                smallest = tiny * (1 + (abs(true[0]) if k > 2 + len(a) else 0))
                bound = 10 * eps * size + (0.5 * rounding * abs(want) if k < 3 else 0) + smallest
                assert abs(got - want) <= bound, f"{k} at {float(at)}: {got} and not {float(want)}"


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("name", ["float32", "bfloat16"])
@pytest.mark.parametrize("of", ["typical", "almost degenerate", "gelu", "relu"])
def test_rational_at_all_magnitudes(of: str, name: str) -> None:
    """Also where the polynomials are almost of a lower degree."""
    given: dict[str, Any] = {"typical": LARGE, "almost degenerate": ALMOST_DEGENERATE}.get(of) or dict(
        zip(LARGE, fitted(of), strict=True)
    )
    a, b = (np.pad(np.float32(v), (0, n - len(v))) for v, n in zip(given.values(), (6, 4), strict=True))
    powers = np.concatenate([2.0 ** np.arange(-30, 126, 3), [3.3e38 if name == "float32" else 3.38e38]])
    assert_rational_is_exact(jnp.asarray(np.concatenate([-powers, powers]), name), a, b)


@pytest.mark.optimized
@pytest.mark.sampled(2)
@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_denominators_whose_squares_leave_the_range(scale: float) -> None:
    a, b = np.float32([1, 2, 0.5, 0, 0, 0]) * np.float32(scale), np.float32([1, 0.5, 0, 0]) * np.float32(scale)
    magnitudes = np.array([0.3, 1.5, 3.0, 50.0, 1e6, 3e12, 1e13])
    assert_rational_is_exact(jnp.asarray(np.concatenate([-magnitudes, magnitudes]), jnp.float32), a, b)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("of", "up_to_3", "up_to_10", "at_100"),
    [("gelu", 2e-3, 0.08, 34), ("silu", 1e-4, 0.02, 38), ("tanh", 5e-5, 0.01, 4), ("relu", 0.06, 0.8, 45)],
)
def test_where_the_modules_start(of: str, up_to_3: float, up_to_10: float, at_100: float) -> None:
    """The errors that the docstring of the module states."""
    fit, activation = fitted(of), jaxacts.get(of)

    def error(*x: float | Array) -> float:
        at = jnp.asarray(x).ravel()
        return float(jnp.max(jnp.abs(jaxacts.rational(at, *map(jnp.float32, fit)) - activation(at))))

    assert 0.5 * up_to_3 < error(jnp.linspace(-3, 3, 1001)) < up_to_3
    assert error(jnp.linspace(-10, 10, 1001)) < up_to_10
    assert error(-100.0, 100.0) < at_100


def test_kinks_of_rational_take_the_slope_of_least_magnitude() -> None:
    def f(x: Array) -> Array:  # slopes 3 and 1 at 0
        return jaxacts.rational(x, (1.0, 2.0), (1.0,))

    def g(x: Array) -> Array:  # the sum crosses 0 at 2, where slopes are 1/2 and -1/2 of the value
        return jaxacts.rational(x, (1.0,), (-1.0, 0.5))

    assert jax.grad(f)(0.0) == 1
    assert jax.grad(g)(2.0) == 0
    beside = jax.vmap(jax.grad(f))(jnp.array([-1e-6, 1e-6]))
    np.testing.assert_allclose(beside, [3, 1], rtol=1e-4)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("choice", ["left", "right", 0.25])
def test_the_choice_of_a_slope_at_kinks_of_rational(choice: Any) -> None:
    """Where the sum crosses 0 below -1, within and above 1, rising or falling, of even and of odd degree."""

    @jax.jit
    def slopes(x: Array, b: Array) -> tuple[Array, Array]:
        f = jaxacts.with_kink_slope(functools.partial(jaxacts.rational, numerator=(1.0, 2.0), denominator=b), choice)
        return jax.grad(f)(x), jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

    for at, b, left, right in (
        (-2.0, (1.0, 0.5, 0.0), -1.0, 5.0),
        (2.0, (-1.0, 0.5, 0.0), 7.0, -3.0),
        (0.0, (1.0, 0.5, 0.0), 3.0, 1.0),
        (-2.0, (1.0, 0.0, -0.25), -4.0, 8.0),
        (-2.0, (-1.0, 0.0, 0.25), -4.0, 8.0),
        (2.0, (1.0, 0.0, -0.25), 12.0, -8.0),
    ):
        want = {"left": left, "right": right}.get(choice, 0.75 * left + 0.25 * right)
        np.testing.assert_allclose(slopes(jnp.float32(at), jnp.float32(b)), want, rtol=1e-6, err_msg=f"{at}, {b}")


def test_spline_ends() -> None:
    x = jnp.array([-jnp.inf, -5.0, 5.0, jnp.inf, jnp.nan])
    ones = jnp.ones(8)
    np.testing.assert_array_equal(jaxacts.spline(x, ones, 0.0), [0, 0, 0, 0, np.nan])
    np.testing.assert_array_equal(jaxacts.spline(x, ones), jaxacts.silu(x))
    inside = jnp.linspace(-1, 1, 17)
    np.testing.assert_allclose(jaxacts.spline(inside, ones, 0.0), 1, rtol=1e-6)  # a partition of unity
    line = (jnp.arange(8) - 1) * 0.4 - 1  # the coefficients of x itself
    np.testing.assert_allclose(jaxacts.spline(inside, line, 0.0), inside, atol=1e-6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["rational", "spline"])
def test_one_array_is_kept_and_channels_have_their_own_curves(name: str) -> None:
    entry = jaxacts.catalogue()[name]
    x = jax.random.normal(jax.random.key(0), (16, 3))
    shared = {n: jnp.asarray(v) for n, v in entry.typical.items()}
    each = {n: jnp.stack([v, 2 * v, -v], -1) for n, v in shared.items()}
    together = entry.function(x, **each)
    for channel, factor in enumerate((1, 2, -1)):
        own = {n: factor * v for n, v in shared.items()}
        np.testing.assert_allclose(together[:, channel], entry.function(x[:, channel], **own), rtol=1e-5, atol=1e-6)
    _, back = jax.vjp(lambda x, p: entry.function(x, **p), x.astype(jnp.bfloat16), each)
    kept = [leaf for leaf in jax.tree.leaves(back) if leaf.size >= x.size and leaf.shape[-2:] == x.shape]
    assert [(k.dtype, k.shape) for k in kept] == [(jnp.bfloat16, x.shape)]
    gradients = back(jnp.ones((16, 3), jnp.bfloat16))[1]
    assert {n: g.shape for n, g in gradients.items()} == {n: v.shape for n, v in each.items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jaxacts.rational(1.0, (), (1.0,)), "rational: numerator has no coefficients; give at least one."),
        (lambda: jaxacts.rational(1.0, (1.0,), ()), "rational: denominator has no coefficients; give at least one."),
        (lambda: jaxacts.rational(jnp.ones(3), jnp.ones((6, 2)), (1.0,)), "rational: the arguments must broadcast"),
        (lambda: jaxacts.spline(1.0, jnp.ones(3)), "spline: needs at least 4 coefficients, got 3"),
        (lambda: jaxacts.spline(1.0, jnp.ones(8), grid=(1.0, 1.0)), r"spline: grid must be \(low, high\) with low < h"),
        (
            lambda: jaxacts.rational(1.0, ("a",), (1.0,)),
            r"rational: numerator\[0\] must be an array or a number, got str",
        ),
    ],
)
def test_errors(call: Callable[[], Array], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        call()


def test_a_spline_without_silu_can_learn_it() -> None:
    x = jnp.array([-jnp.inf, -2.0, 0.5, 3.0, jnp.inf])
    flat = jnp.zeros(8)
    np.testing.assert_array_equal(jaxacts.spline(x, flat, 0.0), jnp.zeros(5))
    slopes = jax.vmap(jax.grad(lambda scale, x: jaxacts.spline(x, flat, scale)), (None, 0))(jnp.float32(0), x[1:4])
    np.testing.assert_allclose(slopes, jaxacts.silu(x[1:4]), rtol=1e-6)
