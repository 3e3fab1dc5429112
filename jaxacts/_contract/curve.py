"""Clauses about the curve: its declared facts, its kinks, its limits, and that nothing overflows on the way."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxacts._core import Facts, Line, kink_choice
from jaxacts._core.pieces import choice_rule

from .case import DTYPES, Case, NotApplicableError
from .exact import Reals, evaluate
from .ulps import ulp

__all__ = [
    "asymptotes",
    "declared_slope",
    "finite_derivatives",
    "image",
    "kinks",
    "lipschitz",
    "no_other_kinks",
    "non_finite",
]


def _numbers(array: Array) -> Reals:
    return np.asarray(array, np.float64)


def kinks(case: Case) -> None:
    """Each declared kink is real and takes the slope of least magnitude, or that chosen, in every transformation.

    The value may jump there only if the declared facts have no Lipschitz constant.
    """
    case.expect_elementwise()
    if case.entry is None:
        raise NotApplicableError("no kinks are declared")
    kinks = case.kinks
    if not kinks:
        return
    source = case.slope_source or case
    choice = kink_choice(source.function)
    rule, roundings = choice_rule(choice), 4 if isinstance(choice, float) else 0
    continuous = source.entry is None or source.entry.declared is None or source.facts.lipschitz is not None
    beside = jnp.array([-1, 0, 0, 1] if continuous else [-2, -1, 1, 2]) * 2.0**-10
    for kink in kinks:
        y = _numbers(source.f(jnp.float32(kink.at) + beside))
        secants = np.diff(y)[::2] * 2.0**10
        assert np.allclose(secants, kink[1:3], atol=0.01, rtol=0.01), (
            f"the kink at {kink.at:g} declares slopes {kink.left:g} and {kink.right:g}, the secants are {secants}"
        )
    places = [(kink, at) for kink in kinks for at in ((0.0, -0.0) if kink.at == 0 else (kink.at,))]
    points = [(kink, jnp.asarray(at, dtype)) for kink, at in places for dtype in DTYPES]
    for (kink, x), slopes in zip(points, _slopes(case, [x for _, x in points]), strict=True):
        right = float(jnp.asarray(float(rule(kink.left, kink.right)), x.dtype))
        for way, got in slopes.items():
            assert abs(float(got) - right) <= roundings * float(jnp.finfo(x.dtype).eps) * abs(right), (
                f"slope at the kink {float(x)!r} under {way} in {x.dtype}: got {float(got):.9g}, "
                f"between {kink.left:g} and {kink.right:g} it should be {right:.9g}"
            )


def _slopes(case: Case, xs: list[Array]) -> list[dict[str, Array]]:
    """The slope at each of these scalars in each transformation; without jit not in float16, which is like bfloat16."""
    gradient = jax.grad(lambda x: case.f(x).astype(jnp.float32).sum())
    compiled = jax.jit(
        lambda xs: [
            {
                "jit(jvp)": case.slope(x),
                "jit(grad)": gradient(x),
                "jit(vmap(grad))": jax.vmap(gradient)(x[None])[0],
            }
            for x in xs
        ]
    )
    eager = [{"grad": gradient(x), "jvp": case.slope(x)} if x.dtype != jnp.float16 else {} for x in xs]
    return [{**each, **more} for each, more in zip(eager, compiled(xs), strict=True)]


def declared_slope(case: Case) -> None:
    """The slope that ``with_slope`` gave to a function is that of its source in every dtype, at every point."""
    source = case.slope_source
    if source is None:
        raise NotApplicableError("with_slope did not make it")
    for dtype in DTYPES:
        xs = np.concatenate([case.points(dtype), case.knots, [0.0, -0.0, np.inf, -np.inf]])
        x = jnp.asarray(xs, dtype)
        got, expected = (_numbers(jax.jit(c.slope)(x)) for c in (case, source))
        (wrong,) = np.nonzero((got != expected) & ~(np.isnan(got) & np.isnan(expected)))
        assert not wrong.size, (
            f"the slope is not that of {source.name} at x = {xs[wrong[0]]:g} in {jnp.dtype(dtype).name}: "
            f"{got[wrong[0]]:g} instead of {expected[wrong[0]]:g}"
        )


_BLOCK = 8192


def _curve(case: Case, xs: Reals, dtype: DTypeLike = jnp.float32) -> tuple[Reals, Reals]:
    """Value and slope at these inputs, in blocks of one size, so that all clauses share what is compiled."""
    blocks = np.zeros((-(-len(xs) // _BLOCK), _BLOCK))
    blocks.flat[: len(xs)] = xs
    values, slopes = zip(*(case.curve(jnp.asarray(block, dtype)) for block in blocks), strict=True)
    return _numbers(jnp.concatenate(values))[: len(xs)], _numbers(jnp.concatenate(slopes))[: len(xs)]


def no_other_kinks(case: Case) -> None:
    """Between the declared kinks the slope does not jump."""
    case.expect_elementwise()
    declared = [k.at for k in case.kinks]
    xs = np.linspace(-12, 12, 24 * 256 + 1)
    left, right = xs[:-1], xs[1:]
    free = np.all([(left > k) | (right < k) for k in declared], axis=0) if declared else np.full(len(left), True)
    jumps = np.where(free, np.abs(np.diff(_curve(case, xs)[1])), 0)

    def jump(left: Reals, right: Reals) -> Reals:
        return np.abs(_curve(case, right)[1] - _curve(case, left)[1])

    steep = jumps > 0.02
    if not steep.any():
        return
    lo, hi = left[steep], right[steep]
    while (wide := hi - lo > 1e-5 * np.maximum(1.0, np.abs(lo))).any():
        middle = (lo + hi) / 2
        lower = jump(lo, middle) > jump(middle, hi)
        lo, hi = np.where(wide & ~lower, middle, lo), np.where(wide & lower, middle, hi)
    rest = jump(lo, hi)
    (kinks,) = np.nonzero(~(rest < jumps[steep] / 2))
    assert not kinks.size, (
        f"the slope jumps by {rest[kinks[0]]:.4g} near x = {lo[kinks[0]]:.6g}, where no kink is declared"
    )


def _values(case: Case) -> tuple[Reals, Reals, Reals]:
    sizes = np.concatenate([np.logspace(-6, 32, 500), np.linspace(0, 40, 40 * 64)])
    xs = np.concatenate([-sizes, sizes, case.points(jnp.float32), case.knots])
    return xs, *_curve(case, xs)


def image(case: Case) -> None:
    """Every value lies in the declared image, and the image is no larger than it must be."""
    if case.facts.image is None:
        raise NotApplicableError("no image is declared for these parameters")
    lowest, highest = case.facts.image
    xs, ys, _ = _values(case)
    slack = 4 * ulp(ys, jnp.float32)
    outside = np.flatnonzero((ys < lowest - slack) | (ys > highest + slack))
    assert not outside.size, (
        f"f({xs[outside[0]]:g}) = {ys[outside[0]]:g} is outside the image [{lowest:g}, {highest:g}]"
    )
    for bound, reached, side in ((lowest, ys.min(), "below"), (highest, ys.max(), "above")):
        if math.isinf(bound):
            assert abs(reached) > 1e15, f"the image is declared unbounded {side}, but no value passes {reached:g}"
        else:
            assert abs(reached - bound) <= 1e-4 * max(1.0, abs(bound)), (
                f"the image is not tight {side}: declared {bound:g}, reached {reached:g}"
            )


def lipschitz(case: Case) -> None:
    """The Lipschitz constant bounds every slope and is attained."""
    constant = case.facts.lipschitz
    if constant is None:
        raise NotApplicableError("no Lipschitz constant is declared for these parameters")
    xs, _, slopes = _values(case)
    steepest = int(np.argmax(np.abs(slopes)))
    reached = abs(slopes[steepest])
    assert reached <= constant * (1 + 1e-6), (
        f"|slope| is {reached:.9g} at {xs[steepest]:g}, above the declared {constant:.9g}"
    )
    assert reached >= constant * (1 - 1e-4), (
        f"the Lipschitz constant {constant:.9g} is not attained, |slope| <= {reached:.9g}"
    )


def asymptotes(case: Case) -> None:
    """The declared lines are approached on both sides."""
    facts = case.facts
    if facts.left is None and facts.right is None:
        raise NotApplicableError("no asymptote is declared for these parameters")
    for side, line, x in (("left", facts.left, -1e4), ("right", facts.right, 1e4)):
        if line is None:
            continue
        got, expected = float(_curve(case, np.array([x]))[0][0]), line.slope * x + line.intercept
        assert abs(got - expected) < 3e-3, f"{side} asymptote: f({x:g}) = {got:g}, the declared line is at {expected:g}"


def non_finite(case: Case) -> None:
    """±inf gives the limit in value and slope, NaN gives NaN in both (a slope of constant pieces is a number there)."""
    case.expect_elementwise()
    facts = case.facts if case.entry is not None and case.entry.declared is not None else Facts()
    lines = {-math.inf: facts.left, math.inf: facts.right}
    straight = facts.left is not None and facts.left == facts.right and facts.left.slope == facts.lipschitz
    constant = straight or bool(case.constant_slopes) or bool(case.slope_source)  # declared_slope judges the latter
    judged = False
    for dtype in DTYPES:
        values, slopes = _curve(case, np.array([np.nan, *lines]), dtype)
        assert np.isnan(values[0]), f"f(NaN) = {values[0]} in {jnp.dtype(dtype).name}"
        assert constant or np.isnan(slopes[0]), f"the slope at NaN is {slopes[0]} in {jnp.dtype(dtype).name}"
        for (x, line), value, slope in zip(lines.items(), values[1:], slopes[1:], strict=True):
            line, tolerance = (line, 0.0) if line is not None else _line(case, x)
            if line is None:
                continue
            judged = True
            limit = line.slope * x if line.slope else line.intercept
            expected = float(jnp.asarray(limit, dtype)), float(jnp.asarray(line.slope, dtype))
            same = slope == expected[1] or abs(slope - expected[1]) <= tolerance * abs(expected[1])
            right = value == expected[0] and (same or bool(case.slope_source))
            assert right, f"f({x}), f'({x}) = {value}, {slope} in {jnp.dtype(dtype).name}, the limits are {expected}"
    if not judged:
        raise NotApplicableError("NaN gives NaN, but what ±inf should give is neither declared nor seen")


def _line(case: Case, side: float) -> tuple[Line | None, float]:
    """The asymptote, where large numbers show it: the value stays the same, doubles with x, or overflows.

    Beside it the relative error that its slope may have, any where the slope differs between large numbers. A smaller
    number, which is not an integer, tells the line from a wave whose period divides the large ones.
    """
    x = math.copysign(1, side) * np.array([31415.927, 2.0**116, 2.0**117])
    (at, near, far), slopes = _curve(case, x)
    if math.isinf(far) and near == far and at * far > 0:
        return Line(far * x[2], 0), math.inf
    found = Line(0, far) if near == far else Line(far / x[2], 0) if far == 2 * near else None
    if found is None or not abs(at - (found.slope * x[0] + found.intercept)) <= 0.01 * max(1, abs(at)):
        return None, 0.0
    return found, 0.01 if slopes[1] == slopes[2] else math.inf


def _wide(case: Case, xs: Reals, dtype: DTypeLike) -> Reals:
    """The values by the reference, or else in float64, where a value that this dtype cannot hold is not a fault."""
    if case.reference is not None:
        return evaluate(case.reference, True, xs, case.exact_arguments(dtype)).high
    with jax.enable_x64(True):
        return _numbers(case.f(jnp.asarray(xs)))


def finite_derivatives(case: Case) -> None:
    """A finite input gives a finite value and three finite derivatives, unless the value overflows in float64 too."""
    case.expect_elementwise()
    orders = jax.jit(case.derivatives(3))
    for dtype in DTYPES:
        info = jnp.finfo(dtype)
        sizes = [
            0,
            info.smallest_subnormal,
            info.smallest_normal,
            1e-6,
            0.1,
            1,
            3,
            6,
            13,
            20,
            50,
            88,
            90,
            104,
            1e3,
            6e4,
        ]
        sizes += [s for s in (1e8, 1e10, 1e15, 1e18, 1e19, 2e19, 1e20, 1e30, 1e38) if s < float(info.max)]
        top = 0.5 if case.entry is None or case.entry.declared is None else 0.9 / max(1.0, case.facts.lipschitz or 2.0)
        points = [*map(float, sizes), *map(abs, case.knots), top * float(info.max)]
        x = jnp.asarray([s * p for p in points for s in (1, -1)], dtype)
        for order, y in enumerate(orders(x)):
            bad = np.flatnonzero(~np.isfinite(_numbers(y)))
            if bad.size:
                exact = _wide(case, _numbers(x[bad]), dtype)
                bad = bad[~(np.abs(exact) > float(info.max))]
            assert not bad.size, f"derivative {order} at x = {x[bad[0]]} is {y[bad[0]]} in {jnp.dtype(dtype).name}"
