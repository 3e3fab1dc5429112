"""The recommender reads real imports, learns from them, and shows what it found."""

from __future__ import annotations

from pathlib import Path

import imports_data
import numpy as np
import pytest
import recommender


def test_imports_are_resolved(tmp_path: Path) -> None:
    root = tmp_path / "top"
    (root / "sub").mkdir(parents=True)
    file = root / "sub" / "module.py"
    file.write_text(
        "import os, json.decoder as d\nfrom . import near\nfrom .other import x\nfrom ..up import y\nfrom .. import z\n"
        "from a.b.c.d import e\n    import inner\ntext = 'import not_this'\n"
    )
    expected = {"os", "json.decoder", "top.sub", "top.sub.other", "top.up", "top", "a.b.c"}
    assert imports_data.imports_of(file, root) == expected


def test_questions_are_fair() -> None:
    data = imports_data.load_imports(("optax", "mlxtend"))
    for visits in (data.train, data.test):
        assert visits.chosen.mean() == 0.5
        assert visits.history.shape == (len(visits.candidate), imports_data.HISTORY)
        beside = (visits.history == visits.candidate[:, None]).any(1)
        assert not beside.any(), "the candidate stands in its own history"
        assert 0 < visits.candidate.min() < visits.candidate.max() < len(data.modules)
    assert "numpy" in data.modules
    again = imports_data.load_imports(("optax", "mlxtend"))
    np.testing.assert_array_equal(data.train.history, again.train.history)


def test_area_under_curve() -> None:
    chosen = np.array([1, 0, 1, 0])
    assert recommender.area_under_curve(np.array([2.0, 1.0, 4.0, 3.0]), chosen) == 0.75
    assert recommender.area_under_curve(np.zeros(4), chosen) == 0.5
    assert recommender.area_under_curve(np.array([1.0, 0.0, 1.0, 0.0]), chosen) == 1.0


def test_a_short_training_beats_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--packages", "optax", "mlxtend", "--epochs", "3", "--seeds", "2", "--out", str(tmp_path)]
    results = recommender.main([*options, "--activations", "prelu", "dice", "--batch-size", "64"])
    assert [r.activation for r in results] == ["prelu", "dice"]
    assert all(r.auc.shape == (3, 2) and r.auc[-1].min() > 0.55 for r in results)
    assert all((r.loss[-1] < r.loss[0]).all() for r in results)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "test AUC" in capsys.readouterr().out
