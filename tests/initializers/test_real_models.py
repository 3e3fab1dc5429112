"""Whole models as people write them: everything is found, and outputs have the size that they should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax
import pytest
import real_models
from flax import nnx
from real_models import KEY, LINEN, NNX, Model

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


def test_all_models_have_a_range() -> None:
    assert list(RANGES) == [*LINEN, *NNX]


def kernels(report: ji.MatchReport) -> set[str]:
    return {row.path for row in report.layers} | set(report.left)


@pytest.mark.parametrize("name", LINEN)
def test_every_kernel_of_linen_is_found(name: str) -> None:
    model, sample = real_models.models()[name]
    shapes = jax.eval_shape(model.init, KEY, sample)
    _, report = ji.match(model, sample, KEY, variables=shapes)
    named, _ = jax.tree_util.tree_flatten_with_path(shapes["params"])
    matrices = {"/".join(k.key for k in path) for path, leaf in named if path[-1].key in ("kernel", "embedding")}
    assert matrices <= kernels(report)
    assert not {path for path in report.left if path.endswith("kernel")}


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
@pytest.mark.parametrize("name", RANGES)
def test_variances_before_and_after(name: str) -> None:
    model, sample = real_models.models()[name]
    _, report = ji.match(model, sample, KEY, measure=True)
    assert all(row.before > 0 for row in report.layers)
    least, largest = RANGES[name]
    for row in report.layers:
        assert least < row.after < largest, f"{row.path} has {row.after}"
    assert not report.warnings


def test_scaled_by_data() -> None:
    body, sample = LINEN["transformer, scanned and rematerialized"]
    _, report = ji.lsuv(Model(body), sample, KEY, leave=["*embedding"], tolerance=0.1)
    assert len(report.layers) == 7
    assert all(row.after == pytest.approx(1, abs=0.1) for row in report.layers)


LARGE = """
import re, time
from pathlib import Path
import jax, jax.numpy as jnp
from flax import linen
from jaxacts import initializers as ji

class Block(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = x + linen.MultiHeadDotProductAttention(12)(linen.LayerNorm()(x))
        h = linen.gelu(linen.Dense(3072)(linen.LayerNorm()(x)))
        return x + linen.Dense(768)(h)

class GPT(linen.Module):
    @linen.compact
    def __call__(self, ids):
        table = linen.Embed(50257, 768)
        x = table(ids)
        for _ in range(12):
            x = Block()(x)
        return table.attend(linen.LayerNorm()(x))

def memory(name):
    return int(re.search(rf"{name}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

model, ids = GPT(), jnp.ones((1, 8), int)
params = jax.block_until_ready(jax.jit(model.init)(jax.random.key(0), ids))
size = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = memory("VmRSS")
start = time.perf_counter()
new, report = ji.match(model, ids, jax.random.key(1), variables=params, residual="depth_scaled")
jax.block_until_ready(new)
seconds = time.perf_counter() - start
peak = memory("VmHWM")
assert sum("ends a residual branch" in row.notes for row in report.layers) == 24
print(size, before, peak, seconds)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process from /proc")
def test_a_transformer_of_a_hundred_million_parameters() -> None:
    """Matched in a minute, with less than three times its parameters in memory, the old ones included."""
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", LARGE], cwd=root, capture_output=True, text=True, check=True)
    size, before, peak, seconds = map(float, run.stdout.split())
    assert size > 4e8
    assert seconds < 60
    # The old parameters are a part of what the process held before.
    assert peak - (before - size) < 3 * size
