"""Each script on a claim runs in a small setting, prints a table, draws a figure and saves both."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import EXAMPLES

SMALL = ["--steps", "6", "--seeds", "1", "--width", "8"]
DEEP = ["--depth", "3"]
SCRIPTS = {
    "dead_units": [],
    "deep_classifier": [],
    "deep_relu": DEEP,
    "mean_outputs": [],
    "normalization": DEEP,
    "rectifiers": [],
    "recycling": [],
    "targets": [],
    "vanishing": ["--depth", "5"],
}


def test_every_script_that_trains_in_the_lab_is_here() -> None:
    found = {path.stem for path in EXAMPLES.glob("*.py") if "import lab" in path.read_text().splitlines()}
    assert found == set(SCRIPTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = importlib.import_module(name).main([*SMALL, *SCRIPTS[name], "--out", str(tmp_path)])
    saved = json.loads((tmp_path / f"{name}.json").read_text())
    assert saved["rows"] == rows
    assert len(rows) > 1
    numbers = [v for row in rows for v in row.values() if isinstance(v, float)]
    assert np.isfinite(numbers).all()
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert str(next(iter(rows[0].values()))) in capsys.readouterr().out


def test_a_mistake_is_answered_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module("dead_units").main(["--steps", "0"])
    assert "argument --steps: must be at least 1, got 0" in capsys.readouterr().err
