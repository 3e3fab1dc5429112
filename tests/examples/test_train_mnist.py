"""The training script runs in both frameworks, builds every activation, and answers mistakes in one line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import digits
import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
import train_mnist
from conftest import EXAMPLES

import jaxacts
from jaxacts import diagnostics

TINY = ["--epochs", "1", "--seeds", "2", "--hidden", "16"]
VARIED = ["relu", "prelu", "rrelu", "dice", "maxout", "gelu"]
BUILDABLE = [name for name in sorted(jaxacts.activations.__all__) if networks.is_hidden_activation(name)]


@pytest.mark.slow
@pytest.mark.parametrize("framework", networks.BUILDERS)
def test_a_short_training_beats_chance_with_every_sort_of_layer_and_saves_it(framework: str, tmp_path: Path) -> None:
    train_mnist.main([*TINY, "--activations", *VARIED, "--framework", framework, "--out", str(tmp_path)])
    saved = json.loads((tmp_path / "results.json").read_text())
    accuracy = {r["activation"]: np.array(r["test_accuracy"]) for r in saved["results"]}
    assert list(accuracy) == VARIED
    assert {a.shape for a in accuracy.values()} == {(1, 2)}
    assert {name: a for name, a in accuracy.items() if a.min() < 0.3} == {}
    for r in saved["results"]:
        assert np.isfinite([*r["train_loss"][0], r["seconds_per_epoch"]]).all()
        assert all(0 <= share <= 1 for share in r["dead_share"])
    assert saved["options"]["seeds"] == 2
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_one_seed_has_no_deviation_and_a_log_shows_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epochs", "1", "--hidden", "8", "--activations", "relu", "tanh", "--out", str(tmp_path)]
    train_mnist.main([*options, "--seeds", "1"])
    log = capsys.readouterr().out
    assert "±" not in log
    assert re.findall(r"^(\w+): \d+\.\d\d% \((\d) of 2\)$", log, re.MULTILINE) == [("relu", "1"), ("tanh", "2")]


def test_the_split_is_stratified_normalised_and_always_the_same() -> None:
    train_set, test_set = digits.load_digits()
    assert np.bincount(train_set.labels).tolist() == [400] * 10
    assert np.bincount(test_set.labels).tolist() == [100] * 10
    assert train_set.images.mean() == pytest.approx(0, abs=1e-4)
    assert train_set.images.std() == pytest.approx(1, abs=1e-4)
    np.testing.assert_array_equal(digits.load_digits()[1].images, test_set.images)


@pytest.mark.slow
@pytest.mark.parametrize("framework", networks.BUILDERS)
@pytest.mark.parametrize("activation", BUILDABLE)
def test_every_activation_builds_a_network(activation: str, framework: str) -> None:
    network = networks.BUILDERS[framework](train_mnist.activation_name(activation), (6, 4))

    def forward(key: jax.Array) -> networks.Output:
        return network.apply(*network.init(key), jnp.zeros((3, 784)), True)[0]

    output = jax.eval_shape(forward, jax.random.key(0))
    assert output.logits.shape == (3, 10)
    assert [units.shape for units in output.hidden] == [(3, 6), (3, 4)]


def test_a_unit_is_dead_only_if_it_is_zero_on_every_image() -> None:
    def apply(
        weights: jax.Array, state: tuple[()], images: jax.Array, train: bool
    ) -> tuple[networks.Output, tuple[()]]:
        hidden = [diagnostics.tap(images @ w, f"{networks.HIDDEN} {i}") for i, w in enumerate(weights)]
        return networks.Output(hidden[0], hidden), state

    network = networks.Network(lambda key: ((), ()), apply)
    weights = jnp.array([[[0.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]]])
    images = digits.Digits(jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.zeros(2, int))
    assert train_mnist.dead_share_on(network, train_mnist.Training(weights, (), ()), images) == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--activations rellu", "unknown activation 'rellu'; did you mean 'relu', "),
        ("--activations relu softmax", "'softmax' mixes the units of a layer"),
        ("--epochs 0", "--epochs: must be a whole number of at least 1, got '0'"),
        ("--seeds 1.5", "--seeds: must be a whole number of at least 1, got '1.5'"),
        ("--hidden 8 -3", "--hidden: must be a whole number of at least 1, got '-3'"),
        ("--learning-rate nan", "--learning-rate: must be a positive number, got 'nan'"),
        ("--batch-size 4001", "--batch-size: there are 4000 training digits, got 4001"),
        ("--framework torch", "--framework: invalid choice: 'torch'"),
        (f"--out {__file__}", f"--out: cannot write to {__file__}"),
    ],
)
def test_a_mistake_is_answered_in_one_line(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        train_mnist.main(arguments.split())
    assert stopped.value.code == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert message in error


def test_the_script_runs_from_the_repository_root_and_answers_without_a_traceback() -> None:
    root = EXAMPLES.parent
    command = [sys.executable, "-W", "error", "examples/train_mnist.py", "--activations", "rellu"]
    done = subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "did you mean 'relu'" in done.stderr
    assert "Traceback" not in done.stderr
