"""Clauses that compare with exact results: value, slope, derivatives by the parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.typing import DTypeLike

from .case import DTYPES, Case, NotApplicableError
from .exact import Exact, Reals, directional, evaluate
from .ulps import errors_in_ulps

__all__ = ["numerical_derivatives", "parameter_slopes", "slope", "value"]

ULPS: dict[str, tuple[float, float]] = {
    "float64": (8.0, 16.0),
    "float32": (5.0, 8.0),
    "bfloat16": (0.502, 0.502),
    "float16": (0.502, 0.502),
}
"""The errors allowed for value and slope. Below 32 bits: one correct rounding and what float32 lost before it."""


def _dtypes() -> Iterator[DTypeLike]:
    yield from (jnp.float64,) if jax.config.read("jax_enable_x64") else DTYPES


def _reference(case: Case) -> Callable[..., Any]:
    if case.reference is None:
        raise NotApplicableError("no reference formula was given")
    return case.reference


def errors_beside_terms(
    got: Reals,
    exact: Exact,
    dtype: DTypeLike,
    limit: float,
    floor: Reals | float,
    terms: Callable[[Any], Reals | float],
) -> Reals:
    """The errors in ulps, but those above the limit in ulps of the largest term, which ``terms`` gives by index.

    Only for these are the terms computed: in mpmath they take longer than the function.
    """
    error = errors_in_ulps(got, exact, dtype, floor)
    (above,) = np.nonzero(~(error <= limit))
    if above.size:
        size = np.maximum(np.broadcast_to(floor, error.shape)[above], terms(above))
        error[above] = errors_in_ulps(got[above], Exact.of(exact.high[above], exact.low[above]), dtype, size)
    return error


def compare(
    what: str,
    got: Array,
    exact: Exact,
    xs: Reals,
    limit: float,
    floor: Reals | float = 0.0,
    terms: Callable[[Any], Reals | float] = lambda at: 0.0,
) -> None:
    """Raise an AssertionError with the largest error, if it is above the limit in ulps."""
    error = errors_beside_terms(np.asarray(got, float).ravel(), exact, got.dtype, limit, floor, terms)
    worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
    at = xs[worst] if len(xs) == len(error) else f"index {worst}"
    assert error[worst] <= limit, (
        f"{what} in {got.dtype}: {error[worst]:.4g} ulp off at x = {at}, where it gives "
        f"{np.asarray(got, float).ravel()[worst]} and {exact.high[worst]} is exact; {limit:g} ulp are allowed"
    )


def near_roots(xs: Reals, exact: Exact, radius: float = 2.0**-4) -> Reals:
    """1/4 within a radius of a sign change, 0 elsewhere: beside a root, ulps of the result itself mean nothing."""
    signs = np.sign(exact.high)
    changes = np.flatnonzero(
        (signs[1:] * signs[:-1] < 0) | (signs[1:] == 0) & (signs[:-1] != 0) & (np.abs(xs[1:]) < 16)
    )
    near = [np.abs(xs - xs[i : i + 2].mean()) <= radius + np.ptp(xs[i : i + 2]) for i in changes]
    return np.where(np.any(near, axis=0), 0.25, 0.0) if near else np.zeros(len(xs))


def largest_term(
    terms: Callable[..., tuple[Any, ...]] | None, xs: Reals, arguments: dict[str, Any], by: str | None = None
) -> Reals | float:
    """The size of the largest term of a sum, of its slope for ``by="x"``, or of its derivative by a parameter."""
    if terms is None:
        return 0.0
    ones, along = np.ones(len(xs)), None if by == "x" else by
    sizes: list[Reals] = []
    for i in range(len(terms(1.0, **arguments))):

        def term(x: Any, i: int = i, **others: Any) -> Any:
            return terms(x, **others)[i]

        exact = directional(term, True, xs, arguments, ones, along) if by else evaluate(term, True, xs, arguments)
        sizes.append(np.abs(exact.high))
    return np.max(sizes, axis=0)


def _terms(case: Case, xs: Reals, arguments: dict[str, Any], by: str | None = None) -> Callable[[Any], Reals | float]:
    return lambda at: largest_term(case.terms, xs[at], arguments, by) if case.terms else 0.0


def _samples(case: Case) -> list[tuple[Reals, Array]]:
    """The inputs in each dtype, as exact numbers and as an array."""
    return [(xs, jnp.asarray(xs, dtype)) for dtype in _dtypes() for xs in [case.points(dtype)]]


def value(case: Case) -> None:
    """The value agrees with the reference formula."""
    formula, samples = _reference(case), _samples(case)
    got = jax.jit(lambda inputs: [case.f(x) for x in inputs])([x for _, x in samples])  # one program is compiled faster
    for (xs, x), y in zip(samples, got, strict=True):
        arguments = case.exact_arguments(x.dtype)
        exact = evaluate(formula, case.elementwise, xs, arguments)
        terms = _terms(case, xs, arguments)
        compare("value", y, exact, xs, ULPS[x.dtype.name][0], case.floor, terms)


def _expect_true_slope(case: Case) -> None:
    if case.slope_source:
        raise NotApplicableError(f"its slope is that of {case.slope_source.name}, not the derivative of its value")


def slope(case: Case) -> None:
    """The derivative, forward and backward, agrees with that of the reference formula."""
    _expect_true_slope(case)
    formula, samples = _reference(case), _samples(case)

    def both(x: Array, t: Array, weights: Array) -> tuple[Array, Array]:
        return jax.jvp(case.f, (x,), (t,))[1], jax.vjp(case.f, x)[1](weights)[0]

    def along(x: Array) -> tuple[Array, Array]:
        """A tangent and a cotangent."""
        shape = jax.eval_shape(case.f, x).shape
        if case.elementwise:
            return jnp.asarray(np.ones(x.shape), x.dtype), jnp.asarray(np.ones(shape), x.dtype)
        weights = np.sin(1 + np.arange(math.prod(shape))).reshape(shape)
        return jnp.asarray(np.cos(np.arange(x.size)), x.dtype), jnp.asarray(weights, x.dtype)

    given = [(x, *along(x)) for _, x in samples]
    found = jax.jit(lambda given: [both(*each) for each in given])(given)
    for (xs, _), (x, t, weights), (forward, back) in zip(samples, given, found, strict=True):
        arguments, tangent = case.exact_arguments(x.dtype), np.asarray(t, float)
        exact = directional(formula, case.elementwise, xs, arguments, tangent)
        if case.elementwise:
            floor, terms = near_roots(xs, exact), _terms(case, xs, arguments, "x")
            compare("slope (jvp)", forward, exact, xs, ULPS[x.dtype.name][1], floor, terms)
            compare("slope (vjp)", back, exact, xs, ULPS[x.dtype.name][1], floor, terms)
        else:
            eps = float(jnp.finfo(x.dtype).eps)
            wrong = np.abs(np.asarray(forward, float).ravel() - exact.high) / eps
            ways = np.vdot(np.asarray(weights, float), exact.high), np.vdot(np.asarray(back, float), tangent)
            apart = abs(ways[0] - ways[1]) / eps
            assert apart <= 16, f"forward and backward derivative in {x.dtype} are {apart:.3g} eps apart"
            assert wrong.max() <= 8, (
                f"derivative along a vector in {x.dtype}: off by {wrong.max():.3g} eps at index {wrong.argmax()}"
            )


def parameter_slopes(case: Case) -> None:
    """The derivative by each parameter agrees with that of the reference formula, element by element."""
    formula = _reference(case)
    if not case.parameters:
        raise NotApplicableError("it has no parameters")
    samples = _samples(case)

    def by(name: str, x: Array, p: Array) -> Array:
        return jax.jvp(lambda p: case.f(x, **{name: p}), (p,), (jnp.ones_like(p),))[1]

    def parameters(x: Array) -> dict[str, Array]:
        arguments = case.exact_arguments(x.dtype)
        return {n: jnp.asarray(arguments[n], jnp.promote_types(x.dtype, jnp.float32)) for n in case.parameters}

    pairs = [(x, parameters(x)) for _, x in samples]
    found = jax.jit(lambda pairs: [{n: by(n, x, p[n]) for n in p} for x, p in pairs])(pairs)
    for (xs, x), slopes in zip(samples, found, strict=True):
        arguments = case.exact_arguments(x.dtype)
        for name, got in slopes.items():
            exact = directional(formula, case.elementwise, xs, arguments, np.ones(len(xs)), by=name)
            floor = near_roots(xs, exact) if case.elementwise else 1.0
            terms = _terms(case, xs, arguments, name)
            compare(f"derivative by {name}", got, exact, xs, ULPS[x.dtype.name][1], floor, terms)


def numerical_derivatives(case: Case) -> None:
    """First and second derivatives agree with finite differences, in every array argument, in both modes."""
    _expect_true_slope(case)
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        xs = rng.uniform(-4, 4, 12)
        if not case.elementwise:
            xs = (rng.permutation(12) - 5.5) / 2
        for k in case.knots:
            xs = np.where(np.abs(xs - k) < 0.05, xs + 0.11, xs)
        moving = {n: jnp.asarray(case.arguments[n], jnp.float64) for n in case.parameters}
        point, flat = ravel_pytree((jnp.asarray(xs), moving))
        direction, step = jnp.asarray(rng.uniform(-1, 1, point.shape)), 1e-5

        def f(point: Array) -> Array:
            x, parameters = flat(point)
            return case.f(x, **parameters).ravel()

        def forward(point: Array) -> Array:
            return jax.jvp(f, (point,), (direction,))[1]

        def backward(point: Array) -> Array:
            y, pullback = jax.vjp(f, point)
            return pullback(jnp.cos(jnp.arange(y.size, dtype=y.dtype)))[0]

        def difference(g: Callable[[Array], Array]) -> Array:
            right, left = g(point + step * direction), g(point - step * direction)
            return jnp.where(right == left, 0, right - left) / (2 * step)  # equal infinities included

        @jax.jit  # one program for all, which takes the time of one compilation
        def found() -> dict[str, tuple[Array, Array]]:
            first, second = difference(f), difference(backward)
            weights = jnp.cos(jnp.arange(first.size, dtype=first.dtype))
            return {
                "jvp": (forward(point), first),
                "vjp": (jnp.vdot(backward(point), direction), jnp.vdot(weights, first)),
                "jvp of jvp": (jax.jvp(forward, (point,), (direction,))[1], difference(forward)),
                "jvp of vjp": (jax.jvp(backward, (point,), (direction,))[1], second),
                "vjp of vjp": (jax.vjp(backward, point)[1](direction)[0], second),
                "vjp of jvp": (jax.vjp(forward, point)[1](weights)[0], second),
            }

        for way, (derivative, expected) in found().items():
            np.testing.assert_allclose(derivative, expected, rtol=1e-4, atol=1e-4, err_msg=way)
