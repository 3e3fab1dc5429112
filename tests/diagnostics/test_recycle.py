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


@pytest.mark.sampled(1)
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


def test_a_state_that_has_seen_nothing_recycles_nothing() -> None:
    variables = model().init(KEY, X)
    watch = diagnostics.watch(model(), X)
    with pytest.raises(
        ValueError, match="recycle: the state must have seen examples, got one of zeros; call the watch"
    ):
        diagnostics.recycle(watch, variables, None, watch.init(), KEY)
    run = jax.jit(lambda v, s: diagnostics.recycle(watch, v, None, s, KEY)[:3])
    new, _, units = run(variables, watch.init())
    assert {name: int(n) for name, n in units.items()} == {"layers_0": 0, "layers_2": 0}
    jax.tree.map(np.testing.assert_array_equal, new, variables)


@pytest.mark.slow
def test_factored_moments_are_reset_where_they_belong_to_single_units() -> None:
    def model(p: Any, x: jax.Array) -> jax.Array:
        return jaxacts.relu(jaxacts.relu(x @ p["a"] + p["b"]) @ p["c"] + p["d"]) @ p["e"]

    rng = np.random.default_rng(0)
    shapes = {"a": (5, 6), "c": (6, 6), "e": (6, 4)}
    p = {leaf: jnp.asarray(rng.normal(size=shape), jnp.float32) for leaf, shape in shapes.items()}
    p |= {"b": jnp.where(DEAD, -99.0, 1.0), "d": jnp.where(jnp.arange(6) == 3, -99.0, 9.0)}
    optimizer = optax.adafactor(1e-3, min_dim_size_to_factor=2)
    opt_state = jax.tree.map(jnp.ones_like, optimizer.init(p))
    watch = diagnostics.watch(model, X, variables=p)
    found = diagnostics.recycle(watch, p, opt_state, watch(p, X)[1], KEY, tau=0.0)
    assert list(map(int, found.units.values())) == [2, 1]
    first, second = np.where(DEAD, 0, 1), np.where(np.arange(6) == 3, 0, 1)
    # Optax has means over the longer axis, the last of two equal ones, in v_row, and over the other in v_col.
    wanted = {"a": (np.ones(5), first), "c": (first, second), "e": (np.ones(4), second)}
    moments = found.opt_state[0]
    for leaf, (row, column) in wanted.items():
        np.testing.assert_array_equal(moments.v_row[leaf], row, err_msg=leaf)
        np.testing.assert_array_equal(moments.v_col[leaf], column, err_msg=leaf)
    np.testing.assert_array_equal(moments.v["b"], first)
    assert found.kept == dict.fromkeys(["0/v_row/a", "0/v_row/e"], "its elements are not those of single units")


def member(p: Any, x: jax.Array) -> jax.Array:
    return jaxacts.relu(x @ p["a"] + p["b"]) @ p["c"]


def heads(p: Any, x: jax.Array) -> jax.Array:
    return jnp.einsum("bho,hoc->bc", jaxacts.relu(jnp.einsum("bi,hio->bho", x, p["a"]) + p["b"]), p["c"])


def reshaped(p: Any, x: jax.Array) -> jax.Array:
    z = x @ p["a"].swapaxes(0, 1).reshape(5, 12) + p["b"].reshape(12)
    return jaxacts.relu(z.reshape(-1, 3, 4)).reshape(-1, 12) @ p["c"].reshape(12, 2)


COPIES: dict[str, tuple[Any, jax.Array]] = {
    "heads": (heads, X),
    "reshaped": (reshaped, X),
    "an ensemble": (jax.vmap(member, (0, None)), X),
    "an ensemble with data of its own": (jax.vmap(member), jax.random.normal(KEY, (3, 16, 5))),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", COPIES)
def test_a_unit_of_several_columns_is_recycled_in_all_where_it_is_dead_in_all(name: str) -> None:
    model, x = COPIES[name]
    rng = np.random.default_rng(0)
    p = {leaf: jnp.asarray(rng.normal(size=(3, *shape)), jnp.float32) for leaf, shape in (("a", (5, 4)), ("c", (4, 2)))}
    p["b"] = jnp.full((3, 4), 0.1).at[:, 1].set(-99).at[0, 2].set(-99)
    watch = diagnostics.watch(model, x, variables=p)
    y, state = watch(p, x)
    new, _, units, left, _ = diagnostics.recycle(watch, p, None, state, KEY, tau=0.0)
    assert (left, int(units["a"])) == ({}, 1)
    np.testing.assert_allclose(model(new, x), y, rtol=1e-4, atol=1e-4)
    dead = np.arange(4) == 1
    np.testing.assert_array_equal(new["b"], np.where(dead, 0, p["b"]))
    np.testing.assert_array_equal(new["c"], np.where(dead[:, None], 0, p["c"]))
    np.testing.assert_array_equal(new["a"] != p["a"], np.broadcast_to(dead, (3, 5, 4)))
    assert len(np.unique(new["a"][..., 1])) == 15


def test_moments_without_the_path_of_a_parameter_are_named() -> None:
    variables = killed(model().init(KEY, X))
    watch = diagnostics.watch(model(), X)
    opt_state = optax.flatten(optax.adam(1e-3)).init(variables)
    found = diagnostics.recycle(watch, variables, opt_state, watch(variables, X)[1], KEY)
    assert found.kept == dict.fromkeys(["0/mu", "0/nu"], "it is not at the path of a parameter")


def test_arguments_in_the_places_of_others_are_refused() -> None:
    module, x = Conv(nnx.Rngs(0)), jax.random.normal(KEY, (2, 8, 8, 2))
    watch = diagnostics.watch(module, x)
    seen = jax.tree.map(jnp.ones_like, watch.init())
    optimizer = nnx.Optimizer(module, optax.adam(1e-3), wrt=nnx.Param)
    with pytest.raises(TypeError, match=r"got an nnx.Optimizer; pass nnx.state\(optimizer\)"):
        diagnostics.recycle(watch, module, optimizer, seen, KEY)
    with pytest.raises(TypeError, match="got the optimizer; pass its state"):
        diagnostics.recycle(watch, module, optax.adam(1e-3), seen, KEY)
    with pytest.raises(ValueError, match=r"diagnostics.merge\(state, axis=0\)"):
        diagnostics.recycle(watch, module, None, jax.tree.map(lambda a: a[None], seen), KEY)
    net = nn.Sequential([nn.Dense(4), nn.BatchNorm(use_running_average=True), jaxacts.relu, nn.Dense(3)])
    variables = net.init(KEY, X)
    other, watch = seen, diagnostics.watch(net, X)
    seen = jax.tree.map(jnp.ones_like, watch.init())
    with pytest.raises(ValueError, match=r"with the layers \['layers_0'\], got \['conv'\]"):
        diagnostics.recycle(watch, variables, None, other, KEY)
    with pytest.raises(ValueError, match=r"got 6 arrays instead of 8; pass all that model\.init returned"):
        diagnostics.recycle(watch, variables["params"], None, seen, KEY)
    with pytest.raises(ValueError, match="variables must be those of the watch, got other shapes"):
        diagnostics.recycle(watch, jax.tree.map(lambda a: a[:2], variables), None, seen, KEY)
    with pytest.raises(ValueError, match=r"fresh must have layers_0/kernel of shape \[5, 4\], got none"):
        diagnostics.recycle(watch, variables, None, seen, KEY, fresh={"params": {}})
    with pytest.raises(ValueError, match=r"fresh must have layers_0/kernel of shape \[5, 4\], got \[1, 4\]"):
        diagnostics.recycle(watch, variables, None, seen, KEY, fresh=jax.tree.map(lambda a: a[:1], variables))


@pytest.mark.parametrize("collections", [("params",), ("params", "batch_stats")])
def test_fresh_weights_need_no_statistics(collections: tuple[str, ...]) -> None:
    net = nn.Sequential([nn.Dense(4), nn.BatchNorm(use_running_average=True), jaxacts.relu, nn.Dense(3)])
    variables: Any = net.init(jax.random.key(0), X)
    fresh: Any = net.init(jax.random.key(1), X)
    variables["params"]["layers_1"]["bias"] = jnp.array([0.0, -99.0, 0.0, 0.0])
    watch = diagnostics.watch(net, X)
    _, state = watch(variables, X)
    given = {name: fresh[name] for name in collections}
    new = diagnostics.recycle(watch, variables, None, state, KEY, tau=0.0, fresh=given).variables
    old, got, wanted = (v["params"]["layers_0"]["kernel"] for v in (variables, new, fresh))
    np.testing.assert_array_equal(got, old.at[:, 1].set(wanted[:, 1]))


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
