"""The stored coefficients and constants are those of their generator, and as accurate as it says."""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest
from make_coefficients import FITS, cubic_gate, gelu_slope, logistic, mish_gate, root, slope

from jaxacts._kernels import cubic, exponential, normal, series
from jaxacts._kernels import logistic as logistic_kernels

BOUNDS = {
    "_EXP_COARSE": 2.0,
    "_RATIO_COARSE": 3.0,
    "_TAIL_64": 0.6,
    "GELU_GATE_64": 0.7,
    "GELU_TANH_ROOT_64": 0.6,
    "MISH_ROOT": 0.8,
    "MISH_ROOT_64": 0.8,
    "SILU_ROOT_64": 0.6,
}
"""The errors allowed, in units of 2^-24 or 2^-53, where more than half a unit is."""


def stored(name: str) -> tuple[float, ...]:
    """The polynomial of this name as it stands in the kernels."""
    found = getattr(series, name.removesuffix("_64"), None)
    if found is None:
        return next(getattr(m, name) for m in (exponential, logistic_kernels, normal) if hasattr(m, name))
    return found.double if name.endswith("_64") else found.coefficients


@pytest.mark.parametrize("name", FITS)
def test_polynomial(name: str) -> None:
    fit, row = FITS[name], stored(name)
    assert len(row) == fit.degree + 1
    assert not fit.single or all(c == float(np.float32(c)) for c in row)
    assert fit.error(row) < BOUNDS.get(name, 0.5)


@pytest.mark.parametrize("name", ["_EXP_32", "SILU_ROOT", "_TAIL_32", "_TAIL_64", "_STEEPNESS_32", "_STEEPNESS_64"])
def test_the_generator_gives_them(name: str) -> None:
    np.testing.assert_allclose(stored(name), FITS[name].coefficients(), rtol=1e-4)


@pytest.mark.parametrize(
    ("found", "f", "near"),
    [
        (series.SILU_ROOT.centre, slope(logistic), -1.28),
        (series.GELU_TANH_ROOT.centre, slope(cubic_gate), -0.75),
        (series.MISH_ROOT.centre, slope(mish_gate), -1.19),
        (normal._ROOT, lambda a: gelu_slope(-a), 0.75),
    ],
)
def test_roots(found: tuple[float, float], f: Callable[[mp.mpf], mp.mpf], near: float) -> None:
    assert abs(sum(map(mp.mpf, found)) - root(f, near)) < mp.mpf(10) ** -30


@pytest.mark.parametrize(
    ("found", "f"),
    [
        (series.SOFTPLUS, lambda x: mp.log1p(mp.exp(x))),
        (series.MISH_GATE, mish_gate),
        (series.GELU_GATE, mp.ncdf),
    ],
)
def test_starts(found: series.Series, f: Callable[[mp.mpf], mp.mpf]) -> None:
    assert abs(sum(map(mp.mpf, found.start)) - f(mp.mpf(found.centre[0]))) < mp.mpf(10) ** -30


def test_rests_of_constants() -> None:
    linear = mp.sqrt(8 / mp.pi)
    assert abs(mp.mpf(cubic._LINEAR) + cubic._LINEAR_REST - linear) < mp.mpf(10) ** -30
    assert abs(mp.mpf(cubic._CUBE) + cubic._CUBE_REST - linear * mp.mpf("0.044715")) < mp.mpf(10) ** -30
