"""The stored coefficients and constants are what their generators give."""

from __future__ import annotations

import math

import make_coefficients
import mpmath as mp
import pytest

from jaxacts._numerics import cubic, normal


@pytest.mark.parametrize(
    ("stored", "largest", "error"), [(normal._TAIL_32, 14.5, 2e-8), (normal._TAIL_64, 39.0, 2e-16)]
)
def test_scaled_tail(stored: tuple[float, ...], largest: float, error: float) -> None:
    assert list(stored) == make_coefficients.tail_coefficients(len(stored) - 1, largest)
    assert make_coefficients.tail_error(list(stored), largest) < error


def test_rests_of_constants() -> None:
    with mp.workdps(50):
        assert float(mp.sqrt(8 / mp.pi) - math.sqrt(8 / math.pi)) == cubic._LINEAR_REST
        assert float(mp.mpf("0.044715") - mp.mpf(0.044715)) == cubic._CUBE_REST
