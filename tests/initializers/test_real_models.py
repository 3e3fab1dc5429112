"""Whole models as people write them: everything is found, and outputs have the size that they should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import real_models
from flax import nnx
from real_models import EQUINOX, KEY, LINEN, NNX, Model

from jaxacts import initializers as ji

# The variances of the outputs of all layers with the new kernels: least and largest. Attention averages over 16
# positions, pooling over all; the states of recurrent cells start at 0; the table of the post-normalized transformer is
# left alone, with the 1/64 of Flax.
RANGES = {
    "ResNet, BatchNorm": (0.02, 3.0),
    "ResNet in evaluation": (0.05, 3.0),
    "transformer, pre-norm, gelu, tied": (0.1, 4.0),
    "transformer, RMSNorm, packed swiglu, tied": (0.1, 3.0),
    "transformer, post-norm, swiglu": (5e-4, 3.0),
    "transformer, scanned and rematerialized": (0.1, 3.0),
    "LSTM, two kinds of cell": (4e-3, 3.0),
    "GRU": (0.1, 4.0),
    "U-Net with time embedding": (0.1, 6.0),
    "ConvNeXt with layer scale": (0.05, 4.0),
    "MLP-Mixer": (0.1, 4.0),
    "VAE": (0.3, 6.0),
    "transformer, nnx": (0.1, 3.0),
    "ResNet, nnx": (0.3, 4.0),
    "LSTM and GRU, nnx": (0.02, 3.0),
}
ACTIVATIONS = {
    "MLP, Equinox": ["gelu", "gelu", "linear"],
    "LSTM, Equinox": ["sigmoid | sigmoid | tanh | sigmoid"] * 2 + ["linear"],
    "GRU, Equinox": ["sigmoid | sigmoid | tanh"] * 2 + ["linear"],
}


def test_all_models_have_a_range() -> None:
    assert list(RANGES) == [*LINEN, *NNX]


def kernels(report: ji.MatchReport) -> set[str]:
    return {row.path for row in report.layers} | set(report.left)


@pytest.mark.slow
@pytest.mark.parametrize("name", LINEN)
def test_every_kernel_of_linen_is_found(name: str) -> None:
    model, sample = real_models.model(name)
    shapes = jax.eval_shape(model.init, KEY, sample)
    _, report = ji.match(model, sample, KEY, variables=shapes)
    named, _ = jax.tree_util.tree_flatten_with_path(shapes["params"])
    matrices = {"/".join(k.key for k in path) for path, leaf in named if path[-1].key in ("kernel", "embedding")}
    assert matrices <= kernels(report)
    assert not {path for path in report.left if path.endswith("kernel")}


@pytest.mark.slow
@pytest.mark.parametrize("name", NNX)
def test_every_kernel_of_nnx_is_found(name: str) -> None:
    make, sample = NNX[name]
    model = make(nnx.Rngs(0))
    _, report = ji.match(model, sample, KEY)
    named = nnx.to_flat_state(nnx.state(model, nnx.Param))
    matrices = {"/".join(map(str, path)) for path, _ in named if path[-1] in ("kernel", "embedding")}
    assert matrices <= kernels(report)
    assert not {path for path in report.left if path.endswith("kernel")}


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUINOX)
def test_every_kernel_of_equinox_is_found(name: str) -> None:
    make, sample = EQUINOX[name]
    model = make()
    new, report = ji.match(model, sample, KEY, measure=True)
    assert [row.activation for row in report.layers] == ACTIVATIONS[name]
    assert not {path for path in report.left if path.endswith(("weight", "weight_ih", "weight_hh"))}
    assert all(0.02 < row.after < 4 for row in report.layers)
    assert new(sample).shape == (len(sample), 5)


@pytest.mark.slow
@pytest.mark.parametrize("name", RANGES)
def test_variances_before_and_after(name: str) -> None:
    model, sample = real_models.model(name)
    _, report = ji.match(model, sample, KEY, measure=True)
    assert all(row.before > 0 for row in report.layers)
    least, largest = RANGES[name]
    for row in report.layers:
        assert least < row.after < largest, f"{row.path} has {row.after}"
    assert not report.warnings


@pytest.mark.slow
def test_scaled_by_data() -> None:
    body, sample = LINEN["transformer, scanned and rematerialized"]
    _, report = ji.lsuv(Model(body), sample, KEY, leave=["*embedding"], tolerance=0.1)
    assert len(report.layers) == 7
    assert all(row.after == pytest.approx(1, abs=0.1) for row in report.layers)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process from /proc")
def test_a_transformer_of_a_hundred_million_parameters() -> None:
    """Matched with less than three times its parameters in memory, the old ones included."""
    script = Path(__file__).with_name("large_model.py")
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, script], cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(run.stdout)
    assert found["bytes"] > 4e8
    assert found["held"] < 3 * found["bytes"]
    assert found["branches"] == 24
