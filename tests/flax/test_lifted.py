"""Every module under nn.scan, nn.remat, nn.vmap, nnx.scan, nnx.remat and nnx.vmap, all of them in one program."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from all_modules import KEY, NAMES, SHAPE, batch, in_linen, in_nnx
from flax import linen as nn
from flax import nnx

DEPTH = 3
LIFTED: dict[str, Any] = {"variable_axes": {"params": 0, "batch_stats": 0}, "split_rngs": {"params": True}}


class LinenBlock(nn.Module):
    """A dense layer, and beside it all activations of its output."""

    @nn.compact
    def __call__(self, x, _=None):
        x = jnp.tanh(nn.Dense(SHAPE[-1], name="dense")(x))
        return x, {name: in_linen(name, name=name)(x) for name in NAMES}


class NnxBlock(nnx.Module):
    def __init__(self, rngs):
        self.dense = nnx.Linear(SHAPE[-1], SHAPE[-1], rngs=rngs)
        self.acts = nnx.Dict({name: in_nnx(name) for name in NAMES})

    def __call__(self, x):
        x = jnp.tanh(self.dense(x))
        return x, {name: act(x) for name, act in self.acts.items()}


def layer(tree, index):
    return jax.tree.map(lambda v: v[index], tree)


def assert_same(got, want):
    for name in NAMES:
        np.testing.assert_allclose(got[name], want[name], rtol=2e-5, atol=1e-5, err_msg=name)


def losses(outputs):
    return sum(jnp.sum(jnp.sin(y)) for y in jax.tree.leaves(outputs))


@pytest.mark.slow
def test_linen_scan_and_remat():
    model, x = nn.scan(nn.remat(LinenBlock), **LIFTED, length=DEPTH)(), batch()
    variables = jax.jit(model.init)(KEY, x)
    collections = ["batch_stats"]

    @jax.jit
    def scanned(variables):
        def run(params):
            (_, ys), moved = model.apply({**variables, "params": params}, x, mutable=collections)
            return losses(ys), (ys, moved)

        return jax.grad(run, has_aux=True)(variables["params"])

    @jax.jit
    def one(own, h):
        return LinenBlock().apply(own, h, mutable=collections)[0]

    h, want, pullbacks = x, [], []
    for i in range(DEPTH):
        own = layer(variables, i)
        (h, y), pullback = jax.vjp(lambda params, h, own=own: one({**own, "params": params}, h), own["params"], h)
        want.append(y)
        pullbacks.append(pullback)
    by_h, wanted = jnp.zeros_like(h), []
    for y, pullback in zip(reversed(want), reversed(pullbacks), strict=True):
        by_params, by_h = pullback((by_h, jax.tree.map(jnp.cos, y)))
        wanted.insert(0, by_params)
    want, wanted = (jax.tree.map(lambda *v: jnp.stack(v), *layers) for layers in (want, wanted))
    grads, (got, moved) = scanned(variables)
    assert_same(got, want)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), grads, wanted)
    assert jax.tree.leaves(moved)[0].shape[0] == DEPTH


@pytest.mark.slow
def test_linen_vmap():
    model, x = nn.vmap(LinenBlock, **LIFTED, in_axes=0)(), jnp.stack([batch(), -batch()])
    variables = jax.jit(model.init)(KEY, x)
    got = jax.jit(lambda v, x: model.apply(v, x, mutable=["batch_stats"])[0][1])(variables, x)
    one = jax.jit(lambda v, x: LinenBlock().apply(v, x, mutable=["batch_stats"])[0][1])
    want = [one(layer(variables, i), x[i]) for i in range(2)]
    assert_same(got, jax.tree.map(lambda *v: jnp.stack(v), *want))


def nnx_blocks(count):
    @nnx.split_rngs(splits=count)
    @nnx.vmap
    def make(rngs):
        return NnxBlock(rngs)

    return make(nnx.Rngs(0))


def nnx_block(blocks, index):
    graph, state = nnx.split(blocks)
    return nnx.merge(graph, layer(state, index))


@pytest.mark.slow
def test_nnx_scan_and_remat():
    blocks, x = nnx_blocks(DEPTH), batch()

    @nnx.jit
    def scanned(blocks, x):
        @nnx.scan(in_axes=(0, nnx.Carry), out_axes=(nnx.Carry, 0))
        @nnx.remat
        def run(block, x):
            return block(x)

        return run(blocks, x)[1]

    h, want = x, []
    one = nnx.jit(lambda block, x: block(x))
    for i in range(DEPTH):
        h, y = one(nnx_block(blocks, i), h)
        want.append(y)
    before = np.asarray(blocks.acts["Dice"].mean[...]) if "Dice" in NAMES else None
    assert_same(scanned(blocks, x), jax.tree.map(lambda *v: jnp.stack(v), *want))
    assert before is None or np.all(np.asarray(blocks.acts["Dice"].mean[...]) != before)


@pytest.mark.slow
def test_nnx_vmap():
    blocks, x = nnx_blocks(2), jnp.stack([batch(), -batch()])
    got = nnx.jit(nnx.vmap(lambda block, x: block(x)[1]))(blocks, x)
    blocks = nnx_blocks(2)
    one = nnx.jit(lambda block, x: block(x)[1])
    want = [one(nnx_block(blocks, i), x[i]) for i in range(2)]
    assert_same(got, jax.tree.map(lambda *v: jnp.stack(v), *want))
