"""Recycling replaces exactly the dead units, in weights and moments, and leaves the function of the model as it was."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from watched import KEY, Lstm, ResNet

import jaxacts
from jaxacts import diagnostics

X = jax.random.normal(jax.random.key(3), (64, 5))
DEAD = jnp.arange(6) < 2


def model() -> nn.Module:
    return nn.Sequential([nn.Dense(6), jaxacts.relu, nn.Dense(4), nn.tanh, nn.Dense(3)])


def killed(variables: Any) -> Any:
    """The first two units of the first layer never see a positive input."""
    new = jax.tree.map(lambda a: a, variables)
    new["params"]["layers_0"]["bias"] = jnp.where(DEAD, -99.0, 0.1)
    return new


def trained(variables: Any, optimizer: optax.GradientTransformation, steps: int = 3) -> tuple[Any, Any]:
    params, state = variables["params"], optimizer.init(variables["params"])
    for _ in range(steps):
        gradient = jax.grad(lambda p: (model().apply({"params": p}, X) ** 2).sum())(params)
        # Dead units have moments from before they died.
        gradient = jax.tree.map(lambda g: g + 1e-2, gradient)
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return {"params": params}, state


def mask(tree: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", tree)


OPTIMIZERS = {
    "adam": optax.adam(1e-4),
    "adamw with a mask": optax.adamw(1e-4, weight_decay=1e-3, mask=mask),
    "sgd with momentum": optax.sgd(1e-4, momentum=0.9),
    "a chain with kernels alone": optax.chain(optax.clip_by_global_norm(1.0), optax.masked(optax.adam(1e-4), mask)),
    "several": optax.multi_transform(
        {"a": optax.adam(1e-4), "b": optax.sgd(1e-4, momentum=0.9)},
        lambda p: jax.tree_util.tree_map_with_path(lambda path, _: "a" if path[0].key == "layers_0" else "b", p),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_and_moments_of_dead_units_alone_change(name: str) -> None:
    variables, opt_state = trained(killed(model().init(KEY, X)), OPTIMIZERS[name])
    watch = diagnostics.watch(model(), X)
    y, state = watch(variables, X)
    run = jax.jit(lambda v, o, s: diagnostics.recycle(watch, v, o, s, jax.random.key(9), tau=0.0)[:3])
    new, new_opt, units = run(variables, opt_state, state)
    assert {k: int(v) for k, v in units.items()} == {"layers_0": 2, "layers_2": 0}
    np.testing.assert_allclose(model().apply(new, X), y, rtol=1e-5, atol=1e-6)
    old, p = variables["params"], new["params"]
    changed = np.asarray(p["layers_0"]["kernel"] != old["layers_0"]["kernel"])
    np.testing.assert_array_equal(changed, np.broadcast_to(DEAD, (5, 6)))
    np.testing.assert_array_equal(p["layers_0"]["bias"], jnp.where(DEAD, 0.0, old["layers_0"]["bias"]))
    np.testing.assert_array_equal(p["layers_2"]["kernel"], jnp.where(DEAD[:, None], 0.0, old["layers_2"]["kernel"]))
    np.testing.assert_array_equal(p["layers_4"]["kernel"], old["layers_4"]["kernel"])
    _, after = watch(new, X)
    assert diagnostics.report(after).rows[0].dead == 0
    before, now = (jax.tree_util.tree_flatten_with_path(t)[0] for t in (opt_state, new_opt))
    touched = 0
    for (path, a), (_, b) in zip(before, now, strict=True):
        keys = jax.tree_util.keystr(path)
        if "layers_0" in keys:
            wanted = jnp.where(DEAD, 0.0, a)
        elif "layers_2" in keys and "kernel" in keys:
            wanted = jnp.where(DEAD[:, None], 0.0, a)
        else:
            wanted = a
        touched += not np.array_equal(a, b)
        np.testing.assert_array_equal(b, wanted, err_msg=keys)
    assert touched >= 2


def test_fresh_weights_come_from_the_given_variables() -> None:
    variables = killed(model().init(KEY, X))
    watch = diagnostics.watch(model(), X)
    _, state = watch(variables, X)
    fresh = model().init(jax.random.key(5), X)
    new = diagnostics.recycle(watch, variables, None, state, KEY, tau=0.0, fresh=fresh).variables
    got, wanted = (v["params"]["layers_0"]["kernel"][:, :2] for v in (new, fresh))
    np.testing.assert_array_equal(got, wanted)


def test_new_weights_have_the_gain_of_the_activation() -> None:
    wide = nn.Sequential([nn.Dense(400), jaxacts.relu, nn.Dense(3)])
    x = jax.random.normal(KEY, (8, 300))
    variables = wide.init(KEY, x)
    variables["params"]["layers_0"]["bias"] = jnp.full(400, -1e6)
    watch = diagnostics.watch(wide, x)
    new = diagnostics.recycle(watch, variables, None, watch(variables, x)[1], KEY).variables
    assert float(new["params"]["layers_0"]["kernel"].std()) == pytest.approx((2 / 300) ** 0.5, rel=0.02)


class Conv(nnx.Module):
    """Channels, a scale and a bias, pooling, and a dense layer on the flattened rest."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.dense = nnx.Linear(4 * 4 * 4, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.max_pool(nnx.relu(self.norm(self.conv(x))), (2, 2), (2, 2))
        return self.dense(x.reshape(len(x), -1))


def test_channels_of_nnx_with_normalization_and_the_optimizer_of_flax() -> None:
    module, x = Conv(nnx.Rngs(0)), jax.random.normal(KEY, (8, 8, 8, 2))
    optimizer = nnx.Optimizer(module, optax.adam(1e-3), wrt=nnx.Param)
    gradient = nnx.grad(lambda m: (m(x) ** 2).sum())(module)
    optimizer.update(module, gradient)
    module.norm.bias[...] = jnp.array([0.0, -99.0, 0.0, 0.0])
    module.norm.mean[...] = jnp.array([0.1, 0.2, 0.3, 0.4])
    module.norm.var[...] = jnp.array([1.1, 1.2, 1.3, 1.4])
    watch = diagnostics.watch(module, x)
    y, state = watch(module, x)
    found = diagnostics.recycle(watch, module, nnx.state(optimizer), state, KEY, tau=0.0)
    assert int(found.units["conv"]) == 1
    new = found.variables
    np.testing.assert_allclose(new(x), y, rtol=1e-4, atol=1e-4)
    assert module.norm.bias[1] == -99
    assert (new.norm.bias[1], new.norm.scale[1], new.conv.bias[1], new.norm.mean[1]) == (0, 1, 0, 0)
    np.testing.assert_array_equal(new.norm.mean[...][jnp.array([0, 2, 3])], np.float32([0.1, 0.3, 0.4]))
    np.testing.assert_array_equal(new.norm.var[...], module.norm.var[...])
    rows = np.asarray(new.dense.kernel[...]).reshape(4, 4, 4, 3)
    assert (rows[:, :, 1] == 0).all()
    assert (rows[:, :, [0, 2, 3]] != 0).any((0, 1, 3)).all()
    nnx.update(optimizer, found.opt_state)
    moments = optimizer.opt_state[0].mu
    kernel = np.asarray(moments["conv"]["kernel"][...])
    assert (kernel[..., 1] == 0).all()
    assert (kernel[..., [0, 2, 3]] != 0).any()
    _, after = watch(new, x)
    assert diagnostics.report(after).rows[0].dead == 0


def test_moments_of_a_parameter_whose_path_ends_like_another_stay() -> None:
    def model(p: Any, x: jax.Array) -> Any:
        return jaxacts.relu(x @ p["w"] + p["b"]) @ p["out"], jnp.tanh(x @ p["enc"]["w"])

    p = {
        "w": jnp.eye(5),
        "b": jnp.array([0.0, -99.0, 0.0, 0.0, 0.0]),
        "enc": {"w": jnp.eye(5)},
        "out": jnp.ones((5, 2)),
    }
    watch = diagnostics.watch(model, X, variables=p)
    ones = jax.tree.map(jnp.ones_like, optax.adam(1e-3).init(p))
    moments = diagnostics.recycle(watch, p, ones, watch(p, X)[1], KEY, tau=0.0).opt_state[0].mu
    np.testing.assert_array_equal(moments["w"], np.broadcast_to(np.arange(5) != 1, (5, 5)))
    np.testing.assert_array_equal(moments["enc"]["w"], 1)


def test_what_cannot_be_recycled_is_named() -> None:
    resnet = ResNet()
    x = jax.random.normal(KEY, (4, 8, 8, 2))
    watch = diagnostics.watch(resnet, x)
    variables = resnet.init(KEY, x)
    _, state = watch(variables, x)
    found = diagnostics.recycle(watch, variables, None, state, KEY)
    assert found.left["Conv_0"] == "it adds to a residual stream"
    assert "ResidualBlock_0/Conv_0" in found.units
    lstm, x = Lstm(), jnp.ones((2, 5, 4))
    watch = diagnostics.watch(lstm, x)
    variables = lstm.init(KEY, x)
    left = diagnostics.recycle(watch, variables, None, watch(variables, x)[1], KEY).left
    assert set(left.values()) == {"it is inside of a scan"}
    with pytest.raises(TypeError, match="recycle: watch must be a Watch, got int"):
        diagnostics.recycle(3, variables, None, state, KEY)
    with pytest.raises(ValueError, match="recycle: tau must not be negative"):
        diagnostics.recycle(watch, variables, None, watch.init(), KEY, tau=-1)
