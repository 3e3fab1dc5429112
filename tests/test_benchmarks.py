"""The benchmarks run, count and write what the documentation reads; nothing here depends on how long anything takes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxacts

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import accelerator
import architectures
import memory
import models
import operations
import peers
import rows
import speed
import timing
import variances
import watch

TINY = architectures.TINY._replace(batches=8)


@pytest.fixture(scope="module")
def documentation() -> ModuleType:
    """The module that turns measurements into tables."""
    spec = importlib.util.spec_from_file_location("_measured", Path(__file__).parents[1] / "docs" / "_measured.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", rows.PEERS)
def test_rows_of_functions_over_an_axis(name: str) -> None:
    row = rows.measure(name, 64, "bfloat16", 2**8, 1)
    assert row["forward"]["ratio"] > 0
    assert rows.shown([row]).row_count == 1
    assert jax.eval_shape(rows.PEERS[name][1], jnp.ones((2, 4))).shape == (2, 4)


@pytest.mark.slow
def test_rows_with_each_instruction_set(tmp_path: Path, documentation: ModuleType) -> None:
    rows.main(["softmax", "--tiny", "--noisy", "--output", str(tmp_path / "rows.json")])
    assert list(written(tmp_path / "rows.json")["instruction_sets"]) == timing.instruction_sets()
    assert "| softmax | 64 | " in documentation.rows(tmp_path)
    assert " / ".join(timing.instruction_sets()) in documentation.rows(tmp_path)


@pytest.mark.slow
def test_pairs_are_jaxacts_and_jax_nn() -> None:
    everything = peers.pairs(with_peer=False)
    names = {label.partition(" ")[0] for label in everything}
    assert names == {name for name, entry in jaxacts.catalogue().items() if entry.elementwise}
    assert set(peers.pairs(["gelu"])) == {"gelu tanh", "gelu exact"}
    assert set(peers.pairs(["gelu tanh"])) == {"gelu tanh"}
    x = jnp.linspace(-3, 3, 13)
    for label, (ours, theirs) in peers.pairs().items():
        assert theirs
        assert jnp.allclose(ours(x), theirs(x), atol=1e-5), label


def test_operations_are_counted_through_calls() -> None:
    def once(x: jax.Array) -> jax.Array:
        return jnp.tanh(x) * 2 + 1

    inner = jax.jit(once)
    assert operations.count(once, jnp.bfloat16)[0] == 3
    assert operations.count(lambda x: inner(inner(x)), jnp.bfloat16)[0] == 6
    assert operations.count(lambda x: x.reshape(2, -1).astype(jnp.float32).astype(x.dtype), jnp.bfloat16) == (0, 0)
    assert operations.count(lambda x: 2 * x, jnp.float32) == (1, 1)


def test_operations_of_branches_and_loops_are_counted() -> None:
    def branches(x: jax.Array) -> jax.Array:
        return jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x)

    def loop(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, 3, lambda i, x: jnp.sin(jnp.exp(x)), x)

    text = jax.jit(branches).lower(jnp.ones(8)).as_text()
    assert {"cosine", "sine"} <= set(operations.operations(text))
    assert {"while", "sine", "exponential"} <= set(operations.operations(jax.jit(loop).lower(jnp.ones(8)).as_text()))


def test_operations_of_the_catalogue() -> None:
    rows = operations.measure(["relu", "prelu", "gelu"])
    assert [row["function"] for row in rows] == ["gelu tanh", "gelu exact", "prelu", "relu"]
    for row in rows:
        assert row["forward"][0] > 0
        assert row["backward"][0] > 0
        assert (row["forward"][1] is None) == (row["function"] == "prelu")
    assert operations.bar("forward", None) == operations.bar("forward", 3) == 12
    assert operations.bar("backward", 20) == 30
    assert operations.shown(rows).row_count == 4


@pytest.mark.slow
def test_speed_with_each_instruction_set(tmp_path: Path, documentation: ModuleType) -> None:
    speed.main(["relu", "--tiny", "--noisy", "--output", str(tmp_path / "speed.json")])
    measured = written(tmp_path / "speed.json")
    assert list(measured["instruction_sets"]) == timing.instruction_sets()
    for found in measured["instruction_sets"].values():
        assert [(row["function"], row["dtype"]) for row in found["rows"]] == [("relu", dtype) for dtype in speed.MOST]
        assert all(row[way]["ratio"] > 0 for row in found["rows"] for way in speed.WAYS)
        assert all(row["trace"]["ours"] > 0 and row["compile"]["ours"] > 0 for row in found["compiled"])
        assert len(found["summaries"]) == len(speed.MOST)
        assert list(found["eager"]) == ["relu"]
    assert "| relu |" in documentation.speed(tmp_path)


def test_summaries_have_the_mean_and_the_worst() -> None:
    rows = [
        {"function": name, "dtype": "float32", "size": 20, **{way: {"ratio": ratio} for way in speed.WAYS}}
        for name, ratio in {"tanh": 0.5, "relu": 2.0}.items()
    ]
    (summary,) = speed.summaries(rows)
    assert summary["forward"] == pytest.approx(1)
    assert summary["worst"] == {"function": "relu", "way": "stored", "ratio": 2.0}


@pytest.mark.slow
@pytest.mark.parametrize("name", architectures.MODELS)
def test_models_have_the_loss_of_jax_nn(name: str) -> None:
    model = architectures.MODELS[name](TINY, jnp.float32)
    batch = jax.tree.map(lambda a: a[0], model.batches)
    ours, theirs = (
        jax.jit(model.loss, static_argnums=0)(library, model.parameters, batch) for library in (jaxacts, jax.nn)
    )
    assert jnp.isfinite(ours)
    assert jnp.allclose(ours, theirs, rtol=1e-4)


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    """The row of the smallest model."""
    return models.measure("LSTM, tanh and sigmoid", "float32", TINY, 1)


@pytest.mark.slow
def test_models_are_trained(trained: dict[str, Any], tmp_path: Path, documentation: ModuleType) -> None:
    assert all(len(losses) == TINY.batches for losses in trained["loss"].values())
    assert models.fell(trained)
    for what in ("step", "memory", "trace", "compile"):
        assert trained[what]["ours"] > 0
        assert trained[what]["jax.nn"] > 0
    assert [table.row_count for table in models.shown([trained])] == [1, 2]
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"machine": {"jax": jax.__version__}, "rows": [trained]}))
    assert written(path)["rows"] == [trained]
    assert "| LSTM, tanh and sigmoid | float32 |" in documentation.models(tmp_path)


@pytest.mark.slow
def test_accelerator(trained: dict[str, Any], tmp_path: Path, documentation: ModuleType) -> None:
    path = tmp_path / "accelerator-none.json"
    everything = accelerator.tasks(accelerator.TINY)
    assert sum(task.section == "models" for task in everything) == 8
    assert sum(task.section == "speed" for task in everything) == 2 * len(peers.pairs(with_peer=False))
    todo = [task for task in everything if task.what.startswith("silu,") or task.section == "bandwidth"]
    todo += [task for task in everything if task.what == "dice, bfloat16"]
    todo.append(accelerator.Task("models", "LSTM", lambda: trained))
    measured = accelerator.measure(todo, 600, lambda found: path.write_text(json.dumps(found)))
    assert written(path) == measured
    assert not measured["failed"]
    assert not measured["left_out"]
    speeds = {(row["function"], row["dtype"]) for row in measured["speed"]}
    assert {("silu", "bfloat16"), ("silu", "float32"), ("dice", "bfloat16")} <= speeds
    assert all(row[way]["GB/s"] > 0 for row in measured["speed"] for way in ("forward", "backward"))
    assert all(row["copy"] > 0 and row["negation"] > 0 for row in measured["bandwidth"])
    assert {row["dtype"] for row in measured["misroundings"]} == {"bfloat16", "float16"}
    assert measured["float32"][0]["slope"]["ulp"] > 0
    assert measured["models"] == [trained]
    assert all(table.row_count for table in accelerator.shown(measured))
    assert "silu | bfloat16" in documentation.accelerator(tmp_path)


def test_accelerator_says_what_it_leaves_out_and_what_fails(tmp_path: Path, documentation: ModuleType) -> None:
    def fails() -> dict[str, Any]:
        raise ValueError("no such dtype")

    task = accelerator.Task("speed", "relu", fails)
    assert accelerator.measure([task], 600, print)["failed"] == {"speed: relu": "ValueError: no such dtype"}
    measured = accelerator.measure([task], -1, print)
    assert measured["left_out"] == ["speed: relu"]
    (tmp_path / "accelerator-none.json").write_text(json.dumps(measured))
    assert "Not measured: speed: relu." in documentation.accelerator(tmp_path)


def test_documentation_says_that_nothing_was_measured(tmp_path: Path, documentation: ModuleType) -> None:
    assert "Nothing was measured on an accelerator" in documentation.accelerator(tmp_path)
    for name in ("models", "rows", "speed", "variances", "watch"):
        assert getattr(documentation, name)(tmp_path) == "Not measured yet.\n"


@pytest.mark.slow
def test_memory() -> None:
    row = memory.measure("silu", "bfloat16", ["scanned, 8", "scanned, 32"])
    assert all(row[way][which] > 0 for way in ("scanned, 8", "scanned, 32") for which in ("ours", "jax.nn"))
    assert json.loads(json.dumps(row)) == row
    assert memory.shown([row]).row_count == 1


@pytest.mark.slow
def test_cost_of_a_watch(tmp_path: Path, documentation: ModuleType) -> None:
    rows = watch.main(["--tiny", "--noisy", "--output", str(tmp_path / "watch.json")])
    assert written(tmp_path / "watch.json")["rows"] == rows
    assert [row["activation"] for row in rows] == list(watch.ACTIVATIONS)
    for row in rows:
        assert row["ratio"]["plain"] == 1
        assert all(seconds > 0 for seconds in row["seconds"].values())
    assert documentation.watch(tmp_path).count("\n| ") == 1 + len(rows)


@pytest.mark.slow
def test_variances(tmp_path: Path, documentation: ModuleType) -> None:
    found = variances.main(["--tiny", "--output", str(tmp_path / "variances.json")])
    assert written(tmp_path / "variances.json") == found
    first, second = found["rows"]
    assert len(first["layers"]) > 3
    largest = {when: max(layer[when] for layer in second["layers"]) for when in ("before", "after")}
    assert largest["after"] > largest["before"]
    large = {"bytes": 4e8, "held": 1e9, "seconds": 9.0}
    (tmp_path / "variances.json").write_text(json.dumps(found | {"large": large}))
    shown = documentation.variances(tmp_path)
    for row in found["rows"]:
        for layer in row["layers"]:
            activation = layer["activation"].replace("|", r"\|")
            assert f"| {layer['path']} | {activation} | {layer['before']:.3g} | {layer['after']:.3g} |" in shown
    assert "100 million float32 parameters is matched in 9 s, and holds at most 2.5 times" in shown
