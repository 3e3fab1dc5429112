"""The stored coefficients and constants are those of their generator, and as accurate as it says."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest
from make_coefficients import (
    FITS,
    cubic_gate,
    gelu_slope,
    logistic,
    mish_gate,
    root,
    serf_gate,
    slope,
    tanh_exp_gate,
)

from jaxacts._kernels.arithmetic import coefficients
from jaxacts._kernels.arithmetic.polynomial import Series
from jaxacts._kernels.self_gated import gelu, gelu_tanh

BOUNDS = {
    "GELU_TAIL_64": 0.6,
    "GELU_GATE_64": 0.7,
    "GELU_TANH_ROOT_64": 0.6,
    "MISH_ROOT": 0.8,
    "MISH_ROOT_64": 0.8,
    "SERF_ROOT": 0.6,
    "SILU_ROOT_64": 0.6,
    "TANH_EXP_ROOT_64": 0.6,
    "TANH_SHRINK_SHORT": 1.0,
}
"""The errors allowed, in units of 2^-24 or 2^-53, where more than half a unit is."""


def stored(name: str) -> tuple[float, ...]:
    """The polynomial of this name as it stands in the kernels."""
    found = getattr(coefficients, name, None)
    if isinstance(found, tuple) and not hasattr(found, "coefficients"):
        return found
    series = getattr(coefficients, name.removesuffix("_64"))
    return series.double if name.endswith("_64") else series.coefficients


@pytest.mark.parametrize("name", FITS)
def test_polynomial(name: str) -> None:
    fit, row = FITS[name], stored(name)
    assert len(row) == fit.degree + 1
    assert not fit.single or all(c == float(np.float32(c)) for c in row)
    assert fit.error(row) < BOUNDS.get(name, 0.5)


@pytest.mark.parametrize(
    "name", ["EXP", "SILU_ROOT", "GELU_TAIL", "GELU_TAIL_64", "GELU_STEEPNESS", "GELU_STEEPNESS_64"]
)
def test_the_generator_gives_them(name: str) -> None:
    np.testing.assert_allclose(stored(name), FITS[name].coefficients(), rtol=1e-4)


@pytest.mark.parametrize(
    ("found", "f", "near"),
    [
        (coefficients.SILU_ROOT.centre, slope(logistic), -1.28),
        (coefficients.GELU_TANH_ROOT.centre, slope(cubic_gate), -0.75),
        (coefficients.MISH_ROOT.centre, slope(mish_gate), -1.19),
        (coefficients.TANH_EXP_ROOT.centre, slope(tanh_exp_gate), -1.08),
        (coefficients.SERF_ROOT.centre, slope(serf_gate), -1.19),
        (gelu.ROOT, lambda a: gelu_slope(-a), 0.75),
    ],
)
def test_roots(found: tuple[float, float], f: Callable[[mp.mpf], mp.mpf], near: float) -> None:
    assert abs(sum(map(mp.mpf, found)) - root(f, near)) < mp.mpf(10) ** -30


@pytest.mark.parametrize(
    ("found", "f"),
    [
        (coefficients.SOFTPLUS, lambda x: mp.log1p(mp.exp(x))),
        (coefficients.MISH_GATE, mish_gate),
        (coefficients.GELU_GATE, mp.ncdf),
    ],
)
def test_starts(found: Series, f: Callable[[mp.mpf], mp.mpf]) -> None:
    assert abs(sum(map(mp.mpf, found.start)) - f(mp.mpf(found.centre[0]))) < mp.mpf(10) ** -30


def test_rests_of_constants() -> None:
    linear = mp.sqrt(8 / mp.pi)
    assert abs(mp.mpf(gelu_tanh.LINEAR) + gelu_tanh.LINEAR_LO - linear) < mp.mpf(10) ** -30
    assert abs(mp.mpf(gelu_tanh.CUBE) + gelu_tanh.CUBE_LO - linear * mp.mpf("0.044715")) < mp.mpf(10) ** -30
