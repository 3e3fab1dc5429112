"""Sums on eight devices are those of one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SHARDED = """
import jax, jax.numpy as jnp, numpy as np, jaxacts
from jax.sharding import PartitionSpec as P
from jaxacts import diagnostics

mesh = jax.make_mesh((8,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
explicit = jax.make_mesh((8,), ("i",), axis_types=(jax.sharding.AxisType.Explicit,))
keys = jax.random.split(jax.random.key(0), 3)
params = {"w": [jax.random.normal(k, (6, 6)) for k in keys[:2]], "s": jax.random.normal(keys[2], (2, 6, 6))}

def model(params, x):
    for w in params["w"]:
        x = jaxacts.gelu(x @ w)
    return jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, params["s"])[0]

x = jax.random.normal(jax.random.key(1), (64, 6))
watch = diagnostics.watch(model, x, variables=params, ranks=True, bins=10)
y, one = jax.jit(watch)(params, x, watch.init())

def same(found):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves((y, one)), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-5, atol=1e-4)

# The compiler's sums over a sharded batch.
placed = jax.device_put(x, jax.NamedSharding(mesh, P("i")))
same(jax.jit(watch)(params, placed, watch.init()))
with jax.set_mesh(explicit):
    same(jax.jit(watch)(params, jax.device_put(x, P("i")), watch.init()))

# Sums over a named axis, of shard_map and of vmap.
local = diagnostics.watch(model, x[:8], variables=params, ranks=True, bins=10, axis_name="i")
step = jax.shard_map(local, mesh=mesh, in_specs=(P(), P("i"), P()), out_specs=(P("i"), P()))
same(jax.jit(step)(params, x, local.init()))
_, twice = jax.jit(step)(params, x, jax.jit(step)(params, x, local.init())[1])
for a, b in zip(jax.tree.leaves(twice.layers), jax.tree.leaves(one.layers), strict=True):
    np.testing.assert_allclose(np.asarray(a), 2 * np.asarray(b), rtol=1e-5, atol=1e-4)
rows, state = jax.vmap(local, in_axes=(None, 0, None), out_axes=(0, None), axis_name="i")(
    params, x.reshape(8, 8, 6), local.init()
)
same((rows.reshape(64, 6), state))
print("same")
"""


@pytest.mark.slow
def test_sums_on_eight_devices_are_those_of_one() -> None:
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SHARDED], capture_output=True, text=True, env={**os.environ, **flags})
    assert done.stdout.strip() == "same", done.stderr
