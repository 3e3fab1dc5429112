"""The marker ``sampled``: which rows plain pytest runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", range(10))
def test_rows(row):
    pass

@pytest.mark.sampled(3)
@pytest.mark.parametrize("row", [pytest.param(0, marks=pytest.mark.slow), 1, 2, 3])
def test_few_rows(row):
    pass
"""


def test_as_many_rows_as_it_says_from_everywhere(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  slow\n  sampled(count)\n  optimized")
    pytester.makepyfile(TESTS)
    plain = pytester.runpytest("-m", "not slow", "-v", "-p", "no:cacheprovider")
    plain.assert_outcomes(passed=6, deselected=8)
    rows = {int(row) for row in re.findall(r"test_rows\[(\d+)\] PASSED", plain.stdout.str())}
    assert len(rows) == 3
    assert rows not in ({0, 1, 2}, {7, 8, 9})
    everything = pytester.runpytest("-m", "slow or not slow", "-p", "no:cacheprovider")
    everything.assert_outcomes(passed=14)
