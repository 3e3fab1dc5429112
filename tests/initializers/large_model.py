"""Match a transformer of 124 million parameters, and print the seconds and what the process held at most (Linux)."""

from __future__ import annotations

import ctypes
import json
import re
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import linen

from jaxacts import initializers as ji


class Block(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + linen.MultiHeadDotProductAttention(12)(linen.LayerNorm()(x))
        h = linen.gelu(linen.Dense(3072)(linen.LayerNorm()(x)))
        return x + linen.Dense(768)(h)


class GPT(linen.Module):
    @linen.compact
    def __call__(self, ids: jax.Array) -> jax.Array:
        table = linen.Embed(50257, 768)
        x = table(ids)
        for _ in range(12):
            x = Block()(x)
        return table.attend(linen.LayerNorm()(x))


def memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    model, ids = GPT(), jnp.ones((1, 8), int)
    params = jax.block_until_ready(jax.jit(model.init)(jax.random.key(0), ids))
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    ctypes.CDLL(None).malloc_trim(0)  # what the process has freed counts no longer
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory("VmRSS")
    start = time.perf_counter()
    new, report = ji.match(model, ids, jax.random.key(1), variables=params, residual="depth_scaled")
    jax.block_until_ready(new)
    seconds = time.perf_counter() - start
    # The old parameters are a part of what the process held before.
    held = memory("VmHWM") - (before - size)
    branches = sum("ends a residual branch" in row.notes for row in report.layers)
    print(json.dumps({"bytes": size, "held": held, "seconds": seconds, "branches": branches}))
