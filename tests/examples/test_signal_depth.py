"""The example measures what the theory predicts, prints a row a rule, and draws its picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import signal_depth


@pytest.mark.slow
def test_measured_and_predicted_agree() -> None:
    by_label = {(rule.activation, rule.label.partition(",")[0]): rule for rule in signal_depth.rules()}
    for name in (("relu", "LeCun"), ("tanh", "torch's gain 5/3"), ("sigmoid", "forward gain")):
        measured = signal_depth.measure(by_label[name], width=256, depth=8, seeds=3)
        for found, theory in zip(measured, signal_depth.predict(by_label[name], 8), strict=True):
            np.testing.assert_allclose(signal_depth.centre(found), theory, rtol=0.35)


def test_factor_ignores_what_has_underflowed() -> None:
    gradient = np.array([0.0, 0.0, 0.01, 0.1, 1.0])
    assert signal_depth.factor_a_layer(gradient) == pytest.approx(0.1)


@pytest.mark.slow
def test_runs_and_plots(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("Agg")
    few = signal_depth.rules()[:3]
    monkeypatch.setattr(signal_depth, "rules", lambda: few)
    picture = tmp_path / "out.png"
    results = signal_depth.main(["--width", "32", "--depth", "4", "--seeds", "2", "--plot", str(picture)])
    assert list(results) == few
    assert picture.stat().st_size > 10_000
    head, *rows = capsys.readouterr().out.splitlines()
    assert "gradient at 1" in head
    assert [row.split()[0] for row in rows] == ["relu", "relu", "prelu"]
