"""The recommender reads real imports, learns from them, and shows what it found."""

from __future__ import annotations

from pathlib import Path

import imports_data
import jax
import jax.numpy as jnp
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


@pytest.mark.slow
def test_a_short_training_beats_chance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--packages", "optax", "mlxtend", "--epochs", "3", "--seeds", "2", "--out", str(tmp_path)]
    results = recommender.main([*options, "--activations", "prelu", "dice", "--batch-size", "64"])
    assert [r.activation for r in results] == ["prelu", "dice"]
    assert all(r.auc.shape == (3, 2) and r.auc[-1].min() > 0.55 for r in results)
    assert all((r.loss[-1] < r.loss[0]).all() for r in results)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "test AUC" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "slope"), [("prelu", "negative_slope"), ("dice", "alpha")])
def test_weight_decay_leaves_the_slopes_alone(activation: str, slope: str) -> None:
    network, questions = recommender.Interest(5, activation), [np.ones((1, 4), int), np.ones(1, int)]
    params = network.init(jax.random.key(0), *questions, train=False)["params"]
    params = jax.tree.map(jnp.ones_like, params)
    optimizer = recommender.optimizer_of(network, questions, 0.5, weight_decay=0.5)
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    for path, update in jax.tree_util.tree_leaves_with_path(updates):
        np.testing.assert_allclose(update, 0 if path[-1].key == slope else -0.25, rtol=1e-6)
    assert sum(path[-1].key == slope for path, _ in jax.tree_util.tree_leaves_with_path(params)) == 3
