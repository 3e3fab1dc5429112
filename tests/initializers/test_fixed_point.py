"""Fixed points of the maps, against their iteration, closed forms and the edge of chaos."""

from __future__ import annotations

import math
import time

import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts
from jaxacts import initializers as ji
from jaxacts.initializers._theory.curve import curve_of
from jaxacts.initializers._theory.maps import _product


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("weight", "bias"), [(2.0, 0.05), (1.3, 0.0), (0.8, 0.1), (4.0, 0.3)])
def test_what_iteration_runs_to(weight: float, bias: float) -> None:
    found = ji.fixed_point(jaxacts.tanh, weight, bias)
    step, q = ji.variance_map(jaxacts.tanh, weight, bias), 1.0
    for _ in range(2000):
        q = step(q)
    assert found.q == pytest.approx(q, rel=1e-5)
    assert found.chi_1 == pytest.approx(weight * ji.moments(jaxacts.tanh, q).slope, rel=1e-5)
    assert found.variance_slope == pytest.approx((step(q * 1.0001) - step(q)) / (q * 0.0001), rel=1e-3)
    correlate, c = ji.correlation_map(jaxacts.tanh, weight, bias, found.q), 0.3
    for _ in range(5000 if found.chi_1 > 1 else 0):
        c = correlate(c)
    assert found.correlation == pytest.approx(c if found.chi_1 > 1 else 1.0, abs=1e-6)
    assert found.correlation_slope < 1
    assert found.correlation_depth == pytest.approx(-1 / math.log(found.correlation_slope))


def test_signals_that_die_or_explode() -> None:
    dead = ji.fixed_point(jaxacts.tanh, 0.5)
    assert (dead.q, dead.correlation) == (0.0, 1.0)
    assert dead.chi_1 == pytest.approx(0.5, rel=1e-6)
    assert ji.fixed_point(jaxacts.relu, 2.5).q == math.inf
    still = ji.fixed_point(jaxacts.relu, 2.0)
    assert (still.q, still.chi_1, still.correlation_depth) == (1.0, pytest.approx(1.0), math.inf)


def test_small_biases_have_an_edge_of_chaos() -> None:
    for bias in (1e-4, 1e-6, 1e-9):
        edge = ji.critical(jaxacts.tanh, bias_variance=bias)
        found = ji.fixed_point(jaxacts.tanh, edge.weight_variance, bias)
        assert found.q == pytest.approx(edge.fixed_point, rel=1e-2)
        assert found.chi_1 == pytest.approx(1, abs=1e-4)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("fn", [jaxacts.relu, jaxacts.tanh, jaxacts.gelu, lambda x: jnp.maximum(x - 0.3, 0)])
def test_the_series_of_correlations_is_the_double_integral(fn: object) -> None:
    for q in (0.3, 4.0):
        step, curve = ji.correlation_map(fn, 1.0, q=q), curve_of("test", fn, {})
        second = ji.moments(fn, q).second_moment
        for c in (-0.9, -0.3, 0.0, 0.5, 0.9):
            assert step(c) == pytest.approx(_product(curve, q, c) / second, rel=1e-9, abs=1e-10)


def test_a_call_of_the_correlation_map_is_cheap() -> None:
    step = ji.correlation_map(jaxacts.gelu, 1.0)
    start = time.process_time()
    values = [step(c) for c in np.linspace(-0.9, 0.9, 1000)]
    assert time.process_time() - start < 1.0
    assert len(values) == 1000


def test_errors() -> None:
    with pytest.raises(ValueError, match="fixed_point: weight_variance must be positive, got 0"):
        ji.fixed_point(jaxacts.tanh, 0.0)
    with pytest.raises(ValueError, match="fixed_point: bias_variance must not be negative, got -1"):
        ji.fixed_point(jaxacts.tanh, 1.0, -1.0)
