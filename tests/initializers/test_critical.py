"""The edge of chaos, the variance map and the correlation map."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable

import numpy as np
import pytest

import jaxacts
from jaxacts import initializers as ji
from jaxacts.initializers._theory.curve import Curve

gelu = functools.partial(jaxacts.gelu, approximate=False)


def iterated(step: Callable[[float], float], start: float, times: int) -> list[float]:
    values = [start]
    for _ in range(times):
        values.append(step(values[-1]))
    return values


@pytest.mark.parametrize(
    ("fn", "bias", "weight", "fixed"),
    [
        (jaxacts.tanh, 0.05, 1.760955, 0.570048),
        (jaxacts.tanh, 0.01, 1.424205, None),
        (jaxacts.tanh, 0.25, 2.401489, None),
        (gelu, 0.25, 1.959631, 6.434),
    ],
)
def test_solutions(fn: Callable[..., object], bias: float, weight: float, fixed: float | None) -> None:
    found = ji.critical(fn, bias_variance=bias)
    assert found.weight_variance == pytest.approx(weight, abs=6e-7)
    assert found.bias_variance == bias
    assert fixed is None or found.fixed_point == pytest.approx(fixed, abs=5e-4 if fixed > 1 else 6e-7)
    assert found.chi_1 == pytest.approx(1, abs=1e-9)
    step = ji.variance_map(fn, found.weight_variance, bias)
    assert step(found.fixed_point) == pytest.approx(found.fixed_point, rel=1e-9)
    around = [step(found.fixed_point * (1 + d)) for d in (-1e-4, 1e-4)]
    assert found.variance_slope == pytest.approx((around[1] - around[0]) / (2e-4 * found.fixed_point), rel=1e-5)
    assert found.depth_scale == pytest.approx(-1 / math.log(found.variance_slope))
    # χ₁ is the slope of the correlation map at 1, and 1 means that it touches the diagonal there.
    correlate = ji.correlation_map(fn, found.weight_variance, bias, found.fixed_point)
    assert (1 - correlate(1 - 1e-5)) / 1e-5 == pytest.approx(1, abs=1e-2)


def test_relu_has_one_solution() -> None:
    assert ji.critical(jaxacts.relu) == (2.0, 0.0, 1.0, 1.0, 1.0, math.inf)
    assert ji.critical(jaxacts.leaky_relu, negative_slope=0.1).weight_variance == pytest.approx(2 / 1.01, rel=1e-9)
    with pytest.raises(
        ValueError, match=r"critical: relu is scale-invariant.* got bias_variance 0\.1; pass bias_variance=0"
    ):
        ji.critical(jaxacts.relu, bias_variance=0.1)


@pytest.mark.parametrize("fn", [jaxacts.sigmoid, jaxacts.softplus])
@pytest.mark.parametrize("deviation", [0.0, 0.25, 0.5, 1.0])
def test_no_solution(fn: Callable[..., object], deviation: float) -> None:
    with pytest.raises(
        ValueError, match=r"critical: \w+ has no edge of chaos with a fixed point up to 30.*; normalize"
    ):
        ji.critical(fn, bias_variance=deviation**2)


def test_sigmoid_has_one_far_out() -> None:
    found = ji.critical(jaxacts.sigmoid, largest_fixed_point=100)
    assert found.weight_variance == pytest.approx(103.0, abs=0.05)
    assert found.fixed_point == pytest.approx(45.6, abs=0.05)


def test_unstable_solutions_are_refused_with_the_range_of_stable_ones() -> None:
    with pytest.raises(
        ValueError, match=r"only unstable fixed points \(q\* = 1\.632\), got .* from 0\.\d+ to 0\.5907"
    ) as caught:
        ji.critical(gelu, bias_variance=0.1)
    # The ends of the range are its ends.
    least = float(re.findall(r"from (0\.\d+)", str(caught.value))[0])
    assert ji.critical(gelu, bias_variance=least).variance_slope == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="only unstable"):
        ji.critical(gelu, bias_variance=least - 2e-4)
    with pytest.raises(ValueError, match=r"from 0\.5552 to 0\.8583"):
        ji.critical(jaxacts.silu, bias_variance=0.555)
    assert ji.critical(jaxacts.silu, bias_variance=0.5552).variance_slope <= 1
    with pytest.raises(ValueError, match=r"only unstable fixed points \(q\* = 0\)"):
        ji.critical(jaxacts.silu)


def test_without_biases_tanh_decays_as_one_over_depth() -> None:
    found = ji.critical(jaxacts.tanh)
    assert found[:3] == pytest.approx((1.0, 0.0, 0.0), abs=1e-12)
    q = iterated(ji.variance_map(jaxacts.tanh, 1.0), 1.0, 100)
    assert q[10] == pytest.approx(0.05220, abs=5e-6)
    assert q[100] == pytest.approx(0.0050690, abs=5e-8)


def test_the_forward_gain_of_gelu_is_an_unstable_fixed_point() -> None:
    scale = ji.gain(gelu) ** 2
    assert scale == pytest.approx(2.3517, abs=5e-5)
    q = iterated(ji.variance_map(gelu, scale), scale, 100)
    assert q[0] == pytest.approx(2.35, abs=5e-3)
    # Not 204, as one can read: the map itself, which the quadrature has to ten digits, gives 189.
    assert q[30] == pytest.approx(189.07, abs=0.01)
    assert q[100] == pytest.approx(1.589e7, rel=1e-3)
    assert iterated(ji.variance_map(gelu, 2.0), 1.0, 100)[-1] < 0.1
    found = ji.critical(gelu, bias_variance=0.25)
    settled = iterated(ji.variance_map(gelu, found.weight_variance, 0.25), 6.0, 100)
    assert np.ptp(settled) < 0.5


@pytest.mark.parametrize(
    ("fn", "slope"),
    [(gelu, 1.144), (jaxacts.silu, 1.173), (jaxacts.mish, 1.076), (jaxacts.hard_silu, 1.224)],
)
def test_slopes_of_the_variance_map(fn: Callable[..., object], slope: float) -> None:
    found = ji.moments(fn)
    assert found.sensitivity / found.second_moment == pytest.approx(slope, abs=5e-4)


def test_only_the_self_gated_ones_run_away() -> None:
    def slope(name: str) -> float:
        found = ji.moments(jaxacts.get(name))
        return found.sensitivity / found.second_moment

    assert [slope(n) < 1 for n in ("tanh", "selu", "elu", "sigmoid", "hard_tanh", "softplus")] == [True] * 6


def closed_form(c: float) -> float:
    """Cho & Saul's arc-cosine kernel of order 1."""
    return (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi


def test_correlation_map_of_relu() -> None:
    step = ji.correlation_map(jaxacts.relu, 2.0)
    c = iterated(step, 0.0, 30)
    assert (c[1], c[10], c[30]) == pytest.approx((0.318310, 0.871536, 0.972011), abs=6e-7)
    for at in (-1.0, -0.999999, -0.4, 0.3, 0.999, 0.9999999, 1.0):
        assert step(at) == pytest.approx(closed_form(at), abs=1e-12)


@pytest.mark.parametrize("c", [0.5, 0.95, 0.9999, -0.9999])
def test_correlation_map_where_only_a_higher_derivative_jumps(c: float) -> None:
    # Cho & Saul's arc-cosine kernel of order 2.
    angle = math.acos(c)
    expected = (3 * math.sin(angle) * c + (math.pi - angle) * (1 + 2 * c * c)) / (3 * math.pi)
    assert ji.correlation_map(jaxacts.relu_squared, 2 / 3)(c) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("fn", "points"), [(jaxacts.tanh, 0), (jaxacts.relu, 100_000), (jaxacts.elu, 100_000)])
def test_correlation_map_near_one_takes_few_values(
    fn: Callable[..., object], points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = ji.correlation_map(fn, 1.5, 0.05), list[int]()
    call = Curve.__call__
    monkeypatch.setattr(Curve, "__call__", lambda self, z: (taken.append(len(z)), call(self, z))[1])
    assert 0.9 < step(0.95) < 1
    assert sum(taken) <= points


def test_correlation_map_with_a_kink_to_be_found_and_a_bias() -> None:
    import jax.numpy as jnp

    # Against draws: 4e6 pairs leave 1e-3.
    u, w = np.random.default_rng(0).standard_normal((2, 4_000_000), np.float32)
    c, q = 0.8, 2.0
    v = c * u + math.sqrt(1 - c * c) * w
    f = lambda x: np.maximum(math.sqrt(q) * x - 0.3, 0)  # noqa: E731
    expected = (1.5 * (f(u) * f(v)).mean() + 0.1) / (1.5 * (f(u) ** 2).mean() + 0.1)
    found = ji.correlation_map(lambda x: jnp.maximum(x - 0.3, 0), 1.5, 0.1, q)(c)
    assert found == pytest.approx(expected, abs=2e-3)


def test_selu_is_a_contraction_to_zero_mean_and_unit_variance() -> None:
    def step(mean: float, variance: float, weights: float = 0.0) -> tuple[float, float]:
        # Those of a unit sum to ``weights``, 0 for normalized ones, and their squares to 1.
        found = ji.moments(jaxacts.selu, variance, mean * weights)
        return found.mean, found.variance

    def jacobian(weights: float) -> np.ndarray:
        h = 1e-4
        by_mean = np.subtract(step(h, 1, weights), step(-h, 1, weights)) / (2 * h)
        by_variance = np.subtract(step(0, 1 + h, weights), step(0, 1 - h, weights)) / (2 * h)
        return np.stack([by_mean, by_variance], axis=1)

    assert step(0.0, 1.0) == pytest.approx((0.0, 1.0), abs=1e-9)
    np.testing.assert_allclose(jacobian(0.0), [[0, 0.0888348], [0, 0.782648]], atol=5e-7)
    # With weights that sum to 1 the mean counts too: E[f'(z)], and the derivative of the variance.
    slopes = jacobian(1.0)
    assert slopes[0, 0] == pytest.approx(by_stein(), abs=1e-6)
    np.testing.assert_allclose(slopes[:, 1], [0.0888348, 0.782648], atol=5e-7)

    points = [(1.0, 16.0)]
    for _ in range(20):
        points.append(step(*points[-1]))
    assert points[5][1] == pytest.approx(2.2584, abs=5e-5)
    assert points[20][1] == pytest.approx(1.0201, abs=5e-5)


def by_stein() -> float:
    """E[f'(z)] = E[z f(z)] of selu: λ(1/2 + α·√e·Φ(-1))."""
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * (0.5 + alpha * math.exp(0.5) * math.erfc(1 / math.sqrt(2)) / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ji.critical(jaxacts.tanh, bias_variance=-1.0),
            r"critical: bias_variance must not be negative, got -1.0; pass 0 or a number above\.$",
        ),
        (lambda: ji.critical(jaxacts.tanh, largest_fixed_point=0.0), "critical: largest_fixed_point must be more than"),
        (
            lambda: ji.variance_map(jaxacts.tanh, -1.0),
            r"variance_map: weight_variance must not be negative, got -1.0; pass 0 or a number above\.$",
        ),
        (lambda: ji.variance_map(jaxacts.tanh, 1.0)(0.0), r"variance_map: q must be positive, got 0\.0"),
        (lambda: ji.correlation_map(jaxacts.tanh, 1.0)(1.5), r"correlation_map: c must be a correlation.* got 1\.5"),
        (lambda: ji.correlation_map(jaxacts.tanh, 0.0), "correlation_map: .* must leave a signal"),
        (lambda: ji.critical(lambda x: x * 0 + 1), "critical: <lambda> must have slopes"),
    ],
)
def test_errors(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
