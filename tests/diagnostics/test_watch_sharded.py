"""Sums over the devices of a mesh are those of the whole batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import printed_on
from jax.sharding import PartitionSpec as P

import jaxacts
from jaxacts import diagnostics

SHARDED = """
import dataclasses, jax, jax.numpy as jnp, numpy as np, jaxacts
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

# Every other call alone.
local = diagnostics.watch(model, x[:8], variables=params, ranks=True, bins=10, axis_name="i", every=2)
step = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=(P(), P("i"), P()), out_specs=(P("i"), P())))
_, state = step(params, 2 * x, step(params, x, local.init())[1])
same((y, dataclasses.replace(state, steps=one.steps)))
print("same")
"""


@pytest.mark.slow
def test_sums_on_eight_devices_are_those_of_one() -> None:
    assert printed_on(8, SHARDED) == "same"


@jax.custom_vjp
def _block(w: jax.Array, x: jax.Array) -> jax.Array:
    return jaxacts.relu(x @ w)


_block.defvjp(lambda w, x: (_block(w, x), (w, x)), lambda saved, g: (saved[1].T @ g, g @ saved[0].T))


@pytest.mark.slow
def test_every_other_call_in_a_shard_map() -> None:
    """Sums of different kinds vary over the axis: counts do not, slopes of a learned activation do."""

    def model(params: Any, x: jax.Array) -> jax.Array:
        x = _block(params["w"], x)
        return jax.lax.scan(lambda h, w: (jnp.tanh((z := h @ w) * params["b"]) ** 3 + z, None), x, params["s"])[0]

    mesh = jax.make_mesh((1,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
    params = {"w": jnp.eye(3), "s": jnp.stack([jnp.eye(3)] * 2), "b": jnp.ones(())}
    x = np.linspace(-3, 3, 24, dtype=np.float32).reshape(8, 3)
    watch = diagnostics.watch(model, x, variables=params, axis_name="i", every=2, ranks=True, bins=4)
    step = jax.jit(jax.shard_map(watch, mesh=mesh, in_specs=(P(), P("i"), P()), out_specs=(P("i"), P())))
    state, totals = watch.init(), []
    for scale in (1.0, 5.0, 2.0):
        _, state = step(params, scale * x, state)
        totals.append(np.asarray(state.layers[0].total))
    one, two = np.maximum(x, 0).sum(0), np.maximum(2 * x, 0).sum(0)
    np.testing.assert_allclose(totals, [one, one, one + two], rtol=1e-5)
    np.testing.assert_array_equal(state.layers[0].left, 2 * (x <= 0).sum(0))
    np.testing.assert_array_equal(state.layers[1].count, [16, 16])
