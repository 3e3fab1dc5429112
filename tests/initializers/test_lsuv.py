"""LSUV on linen and nnx: every layer's outputs get unit variance on the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxacts
from jaxacts import initializers as ji

KEY = jax.random.key(2)


class Convolutions(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = jaxacts.gelu(linen.Conv(16, (3, 3), feature_group_count=4)(x))
        x = jaxacts.relu(linen.ConvTranspose(12, (4, 4), strides=(2, 2))(x))
        return linen.DenseGeneral((2, 5), axis=(-2, -1))(x.reshape(len(x), -1, 12))


class Multilayer(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(24, 24, rngs=rngs) for _ in range(4)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = jnp.tanh(layer(x))
        return x


def test_linen_through_the_layers_themselves() -> None:
    model = Convolutions()
    x = 3 + 5 * jax.random.normal(KEY, (32, 6, 6, 8))
    variables, report = ji.lsuv(model, x, KEY)
    _, state = model.apply(variables, x, capture_intermediates=True, mutable=["intermediates"])
    for name in ("Conv_0", "ConvTranspose_0", "DenseGeneral_0"):
        (out,) = state["intermediates"][name]["__call__"]
        assert float(jnp.var(out)) == pytest.approx(1, abs=0.02)
    assert [layer.path for layer in report.layers] == [
        "Conv_0/kernel",
        "ConvTranspose_0/kernel",
        "DenseGeneral_0/kernel",
    ]
    assert all(layer.iterations <= 1 for layer in report.layers)
    assert "variance before" in str(report)


def test_kernels_stay_orthogonal() -> None:
    model = Convolutions()
    variables, report = ji.lsuv(model, jax.random.normal(KEY, (32, 6, 6, 8)), KEY)
    factors = {layer.path: layer.factor for layer in report.layers}
    # Four groups of (3·3·2 inputs, 4 outputs).
    conv = variables["params"]["Conv_0"]["kernel"].reshape(18, 4, 4) / factors["Conv_0/kernel"]
    np.testing.assert_allclose(jnp.einsum("igo,igp->gop", conv, conv), np.tile(np.eye(4), (4, 1, 1)), atol=1e-5)
    dense = variables["params"]["DenseGeneral_0"]["kernel"].reshape(-1, 10) / factors["DenseGeneral_0/kernel"]
    np.testing.assert_allclose(dense.T @ dense, np.eye(10), atol=1e-5)


def test_nnx_is_pure_and_reproducible() -> None:
    model = Multilayer(nnx.Rngs(0))
    x = 0.01 * jax.random.normal(KEY, (128, 24))
    before = jax.tree.leaves(nnx.state(model, nnx.Param))
    new, report = ji.lsuv(model, x, KEY)
    assert all(a is b for a, b in zip(before, jax.tree.leaves(nnx.state(model, nnx.Param)), strict=True))
    again, _ = ji.lsuv(model, x, KEY)
    jax.tree.map(np.testing.assert_array_equal, nnx.state(new, nnx.Param), nnx.state(again, nnx.Param))
    assert report.layers[0].factor == pytest.approx(100, rel=0.1)
    h = x
    for layer in new.layers:
        z = layer(h)
        assert float(jnp.var(z)) == pytest.approx(1, abs=0.02)
        h = jnp.tanh(z)


def test_it_says_which_layer_fails() -> None:
    with pytest.raises(
        ValueError, match=r"lsuv: Conv_0/kernel must reach a variance of 1 ± 0\.02, got 0 after 0 scalings"
    ):
        ji.lsuv(Convolutions(), jnp.zeros((2, 6, 6, 8)), KEY)


def test_other_errors() -> None:
    model, x = Multilayer(nnx.Rngs(0)), jnp.ones((2, 24))
    with pytest.raises(
        ValueError, match="lsuv: tolerance must be positive and max_iterations at least 1, got 0 and 10"
    ):
        ji.lsuv(model, x, KEY, tolerance=0.0)
    with pytest.raises(TypeError, match=r"lsuv: model must be a flax\.linen or flax\.nnx module, got PjitFunction"):
        ji.lsuv(jnp.tanh, x, KEY)
    with pytest.raises(TypeError, match="lsuv: an nnx module has its variables inside"):
        ji.lsuv(model, x, KEY, variables={})
    with pytest.raises(ValueError, match=r"lsuv: the kernels must be used .* got cell/.* inside of a loop"):
        ji.lsuv(linen.RNN(linen.SimpleCell(3)), jnp.ones((2, 4, 3)), KEY)
