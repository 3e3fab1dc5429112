"""Masks and labels of activation parameters, and what optimizers do with them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from all_modules import LEARNABLE, batch, in_linen, in_nnx, variables_of
from flax import linen as nn
from flax import nnx

import jaxacts
import jaxacts.linen
import jaxacts.nnx
from jaxacts.initializers import constant
from jaxacts.optim import activation_labels, activation_mask, decay_mask

X = jnp.linspace(-1, 1, 8).reshape(2, 4)
KEY = jax.random.key(0)


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, _=None):
        return jaxacts.linen.PReLU(name="act")(nn.Dense(4)(x)), None


class Deep(nn.Module):
    """Activations with names of their own, within scan, remat and vmap, and one that is used twice."""

    def setup(self):
        self.maxout = jaxacts.linen.Maxout(4)
        self.shared = jaxacts.linen.PReLU(axis=-1)
        lifted = {"variable_axes": {"params": 0}, "split_rngs": {"params": True}}
        self.scanned = nn.scan(nn.remat(Block), **lifted, length=3)()
        self.mapped = nn.vmap(jaxacts.linen.PReLU, **lifted, in_axes=0)()
        self.theirs = nn.PReLU()
        self.norm = nn.LayerNorm()

    def __call__(self, x, train: bool):
        x = self.shared(self.shared(self.maxout(x)))
        x = self.norm(self.mapped(self.scanned(x)[0]))
        return self.theirs(x) if train else x


class NnxNet(nnx.Module):
    def __init__(self, rngs):
        self.maxout = jaxacts.nnx.Maxout(4, 4, rngs=rngs)
        self.acts = nnx.List([jaxacts.nnx.PReLU(), jaxacts.nnx.PReLU(4, axis=-1), nnx.PReLU()])
        self.again = self.acts[0]
        self.dice = jaxacts.nnx.Dice(4)

    def __call__(self, x):
        x = self.maxout(x)
        for act in (*self.acts, self.again, self.dice):
            x = act(x)
        return x


def names(mask):
    """The paths at which a mask is True."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(mask)
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, value in leaves if value}


@pytest.mark.slow
def test_linen_activations_are_found_by_what_they_are_and_not_by_name():
    model = Deep()
    variables = model.init(KEY, X, train=True)
    mask = activation_mask(model, variables, X, train=True)
    assert jax.tree.structure(mask) == jax.tree.structure(variables["params"])
    everywhere = {"shared", "scanned/act", "mapped", "theirs"}
    assert names(mask) == {f"{n}/negative_slope" for n in everywhere}
    assert names(decay_mask(model, variables, X, train=True)) == names(jax.tree.map(lambda m: not m, mask))
    in_evaluation = activation_mask(model, variables, jax.ShapeDtypeStruct(X.shape, X.dtype), train=False)
    assert names(in_evaluation) == names(mask) - {"theirs/negative_slope"}


def test_linen_variables_with_metadata():
    model = jaxacts.linen.PReLU(axis=-1, negative_slope_init=nn.with_partitioning(constant(0.25), ("model",)))
    variables = model.init(KEY, X)
    mask = activation_mask(model, variables, X)
    assert jax.tree.structure(mask) == jax.tree.structure(variables["params"])
    assert jax.tree.leaves(mask) == [True]


def test_statistics_and_keys_are_no_parameters():
    model = nn.Sequential([nn.Dense(4), jaxacts.linen.Dice(use_running_average=False)])
    variables = model.init(KEY, X)
    assert names(activation_mask(model, variables, X)) == {"layers_1/alpha"}
    drawn = {"deterministic": False, "rngs": {"rrelu": KEY}}
    assert activation_mask(jaxacts.linen.RReLU(), {}, X, **drawn) == {}


def test_nnx_activations_are_found_by_what_they_are():
    model = NnxNet(nnx.Rngs(0))
    mask = activation_mask(model)
    assert jax.tree.structure(mask) == jax.tree.structure(nnx.as_pure(nnx.state(model, nnx.Param)))
    assert names(mask) == {"dice/alpha", *(f"acts/{i}/negative_slope" for i in range(3))}
    everything = activation_mask(model, wrt=nnx.Variable)
    assert names(everything) == names(mask)
    assert len(jax.tree.leaves(everything)) == len(jax.tree.leaves(mask)) + 2  # the statistics of dice


def test_decay_leaves_the_activations_of_an_nnx_model_unchanged():
    model = NnxNet(nnx.Rngs(0))
    before = jax.tree.map(np.asarray, nnx.as_pure(nnx.state(model, nnx.Param)))
    optimizer = nnx.Optimizer(model, optax.adamw(0.1, weight_decay=0.5, mask=decay_mask(model)), wrt=nnx.Param)
    zero = jax.tree.map(jnp.zeros_like, nnx.state(model, nnx.Param))
    nnx.jit(lambda model, optimizer: optimizer.update(model, zero))(model, optimizer)
    after = nnx.as_pure(nnx.state(model, nnx.Param))
    factor = {True: 1.0, False: 1 - 0.1 * 0.5}
    want = jax.tree.map(lambda is_activation, p: factor[is_activation] * p, activation_mask(model), before)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), after, want)


def test_labels_choose_the_optimizer_in_both_frameworks():
    apart = {"weight": optax.sgd(0.5), "activation": optax.sgd(0.0)}
    linen = nn.Sequential([nn.Dense(4), jaxacts.linen.PReLU()])
    variables = linen.init(KEY, X)
    params = variables["params"]
    labels = activation_labels(linen, variables, X)
    assert set(jax.tree.leaves(labels)) == set(apart)
    optimizer = optax.multi_transform(apart, labels)
    grads = jax.grad(lambda p: linen.apply({"params": p}, X).sum())(params)
    assert jnp.all(grads["layers_1"]["negative_slope"] != 0)
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    moved = optax.apply_updates(params, updates)
    np.testing.assert_array_equal(moved["layers_1"]["negative_slope"], params["layers_1"]["negative_slope"])
    assert jnp.any(moved["layers_0"]["kernel"] != params["layers_0"]["kernel"])

    model = nnx.Sequential(nnx.Linear(4, 4, rngs=nnx.Rngs(0)), jaxacts.nnx.PReLU())
    kernel = np.asarray(model.layers[0].kernel[...])
    of_nnx = nnx.Optimizer(model, optax.multi_transform(apart, activation_labels(model)), wrt=nnx.Param)
    of_nnx.update(model, nnx.grad(lambda m: m(X).sum())(model))
    assert model.layers[1].negative_slope[...] == 0.25
    assert jnp.any(model.layers[0].kernel[...] != kernel)


@pytest.mark.slow
def test_every_learnable_class_is_an_activation_to_the_optimizer():
    """But FReLU, whose kernel and bias are weights."""
    for name in LEARNABLE:
        module = in_linen(name)
        masks = activation_mask(in_nnx(name)), activation_mask(module, variables_of(module), batch())
        for leaves in map(jax.tree.leaves, masks):
            assert leaves
            assert leaves == [name != "FReLU"] * len(leaves), name


def test_a_linen_model_alone_is_not_enough():
    for of in (activation_mask, decay_mask, activation_labels):
        with pytest.raises(TypeError, match=r"call activation_mask\(model, variables, x\)"):
            of(nn.Dense(3))


def test_refuses_parameters():
    with pytest.raises(
        TypeError, match=r"activation_mask: model must be a module of flax\.linen or flax\.nnx, got dict"
    ):
        activation_mask({"kernel": X})
