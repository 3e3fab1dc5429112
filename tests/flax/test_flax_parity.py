"""linen = nnx = function on the same parameters: values, gradients, dtypes, defaults, sharding metadata, training."""

from __future__ import annotations

import dataclasses
import functools
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax import nnx

import jaxacts
import jaxacts.linen
import jaxacts.nnx
from jaxacts.initializers import normal

KEY = jax.random.key(3)
SHAPE = (4, 3, 5)


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """The same module in both frameworks for an input of ``SHAPE``, and what it computes, written out."""

    linen: nn.Module
    nnx: Callable[[], nnx.Module]
    function: Callable[..., jax.Array]
    collections: Mapping[str, tuple[str, ...]]


def dice_by_hand(axis: int | None) -> Callable[..., jax.Array]:
    def function(x, alpha):
        others = tuple(a for a in range(x.ndim) if axis is None or a != axis % x.ndim)
        mean, var = jnp.mean(x, others, keepdims=True), jnp.var(x, others, keepdims=True)
        alpha = alpha if axis is None else alpha.reshape(mean.shape)
        p = jax.nn.sigmoid((x - mean) / jnp.sqrt(var + 1e-8))
        return p * x + (1 - p) * alpha * x

    return function


def maxout_by_hand(x, kernel, bias):
    return jnp.max((jnp.einsum("abi,io->abo", x, kernel) + bias).reshape(*x.shape[:2], -1, 3), -1)


SLOPE, ALPHA = {"params": ("negative_slope",)}, {"params": ("alpha",)}
ROWS = {
    "prelu shared": Row(jaxacts.linen.PReLU(), jaxacts.nnx.PReLU, jaxacts.prelu, SLOPE),
    "prelu last": Row(
        jaxacts.linen.PReLU(axis=-1), lambda: jaxacts.nnx.PReLU(SHAPE[-1], axis=-1), jaxacts.prelu, SLOPE
    ),
    "prelu middle": Row(
        jaxacts.linen.PReLU(axis=1),
        lambda: jaxacts.nnx.PReLU(SHAPE[1], axis=1),
        lambda x, negative_slope: jaxacts.prelu(x, negative_slope[:, None]),
        SLOPE,
    ),
    "prelu first": Row(
        jaxacts.linen.PReLU(axis=-3),
        lambda: jaxacts.nnx.PReLU(SHAPE[0], axis=-3),
        lambda x, negative_slope: jaxacts.prelu(x, negative_slope[:, None, None]),
        SLOPE,
    ),
    "rrelu": Row(
        jaxacts.linen.RReLU(deterministic=True),
        lambda: jaxacts.nnx.RReLU(deterministic=True),
        lambda x: jaxacts.rrelu(x, deterministic=True),
        {},
    ),
    "maxout": Row(
        jaxacts.linen.Maxout(6, pieces=3),
        lambda: jaxacts.nnx.Maxout(SHAPE[-1], 6, pieces=3, rngs=nnx.Rngs(0)),
        maxout_by_hand,
        {"params": ("kernel", "bias")},
    ),
    "maxout without bias": Row(
        jaxacts.linen.Maxout(6, pieces=3, use_bias=False),
        lambda: jaxacts.nnx.Maxout(SHAPE[-1], 6, pieces=3, use_bias=False, rngs=nnx.Rngs(0)),
        lambda x, kernel: maxout_by_hand(x, kernel, jnp.zeros(18)),
        {"params": ("kernel",)},
    ),
    "dice last": Row(
        jaxacts.linen.Dice(use_running_average=False),
        lambda: jaxacts.nnx.Dice(SHAPE[-1]),
        dice_by_hand(-1),
        {**ALPHA, "batch_stats": ("mean", "var")},
    ),
    "dice middle": Row(
        jaxacts.linen.Dice(axis=1, use_running_average=False),
        lambda: jaxacts.nnx.Dice(SHAPE[1], axis=1),
        dice_by_hand(1),
        {**ALPHA, "batch_stats": ("mean", "var")},
    ),
    "dice shared": Row(
        jaxacts.linen.Dice(axis=None, use_running_average=False),
        lambda: jaxacts.nnx.Dice(axis=None),
        dice_by_hand(None),
        {**ALPHA, "batch_stats": ("mean", "var")},
    ),
}
each_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())


@pytest.fixture(autouse=True)
def strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


def batch(dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.normal(KEY, SHAPE, dtype) * 2 + 0.5


@functools.cache
def initial(row: Row) -> dict[str, Any]:
    with jax.ensure_compile_time_eval():
        return dict(jax.jit(row.linen.init)(KEY, batch()))


def drawn(row: Row) -> dict[str, jax.Array]:
    """Other parameters than the initial ones."""
    params = initial(row).get("params", {})
    return {n: jax.random.normal(jax.random.fold_in(KEY, len(n)), p.shape) for n, p in params.items()}


def via_linen(row: Row, params: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
    variables = {**initial(row), "params": params}
    return row.linen.apply(variables, x, mutable=["batch_stats"])[0]


def via_nnx(row: Row, params: Mapping[str, jax.Array], x: jax.Array) -> jax.Array:
    module = row.nnx()
    for name, value in params.items():
        setattr(module, name, nnx.Param(value))
    return module(x)


VIA = {"linen": via_linen, "nnx": via_nnx}
each_framework = pytest.mark.parametrize("via", VIA.values(), ids=VIA.keys())


@pytest.mark.sampled(2)
@each_row
def test_values_and_gradients_are_those_of_the_function(row):
    params, x = drawn(row), batch()
    weight = jax.random.normal(jax.random.key(9), jax.eval_shape(row.function, x, **params).shape)

    @functools.partial(jax.jit, static_argnums=0)
    def all_of(call, params, x):
        def loss(params, x):
            return jnp.sum(weight * call(params, x))

        mapped = jax.vmap(call, (None, 0))(params, jnp.stack([x, -2 * x]))
        return call(params, x), jax.grad(loss, (0, 1))(params, x), mapped

    by_linen, by_nnx = (all_of(functools.partial(via, row), params, x) for via in (via_linen, via_nnx))
    by_hand = all_of(lambda params, x: row.function(x, **params), params, x)
    jax.tree.map(lambda got, want: np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5), by_linen, by_hand)
    jax.tree.map(np.testing.assert_array_equal, by_linen, by_nnx)


@each_row
def test_names_shapes_dtypes_and_initial_values_are_the_same(row):
    module = row.nnx()
    variables = initial(row)
    assert {c: set(v) for c, v in variables.items()} == {c: set(v) for c, v in row.collections.items()}
    for collection, kind in (("params", nnx.Param), ("batch_stats", nnx.BatchStat)):
        here, there = variables.get(collection, {}), nnx.state(module, kind)
        assert set(here) == set(there)
        for name in here:
            assert here[name].shape == there[name][...].shape
            assert here[name].dtype == there[name][...].dtype == jnp.float32
            if name != "kernel":
                np.testing.assert_array_equal(here[name], there[name][...])


@pytest.mark.sampled(4)
@each_row
@each_framework
def test_the_output_has_the_dtype_of_the_input(row, via):
    params, x = drawn(row), batch(jnp.bfloat16)
    if "kernel" in params:  # a layer, which promotes as Flax's own do
        params = {n: p.astype(x.dtype) for n, p in params.items()}

    @jax.jit
    def value_and_grads(params):
        return via(row, params, x), jax.grad(lambda p: jnp.sum(via(row, p, x).astype(jnp.float32)))(params)

    y, grads = value_and_grads(params)
    assert y.dtype == x.dtype
    assert {n: g.dtype for n, g in grads.items()} == {n: p.dtype for n, p in params.items()}
    wide = {n: p.astype(jnp.float32) for n, p in params.items()}
    np.testing.assert_allclose(y.astype(jnp.float32), row.function(x.astype(jnp.float32), **wide), rtol=0.03, atol=0.06)


def test_an_initializer_draws_from_the_key():
    module = jaxacts.nnx.PReLU(5, axis=-1, negative_slope_init=normal(0.1), rngs=nnx.Rngs(7))
    want = normal(0.1)(nnx.Rngs(7).params(), (5,), jnp.float32)
    np.testing.assert_array_equal(module.negative_slope[...], want)
    params = jaxacts.linen.PReLU(axis=-1, negative_slope_init=normal(0.1)).init(KEY, batch())["params"]
    assert len(set(params["negative_slope"].tolist())) == 5


class LinenNet(nn.Module):
    @nn.compact
    def __call__(self, x, train: bool):
        x = jaxacts.linen.PReLU(axis=-1)(nn.Dense(8)(x))
        x = jaxacts.linen.RReLU(deterministic=not train)(nn.Dense(8)(x))
        x = jaxacts.linen.Dice(use_running_average=not train)(jaxacts.linen.Maxout(8)(x))
        return nn.Dense(1)(x)


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Linear(5, 8, rngs=rngs)
        self.prelu = jaxacts.nnx.PReLU(8, axis=-1)
        self.second = nnx.Linear(8, 8, rngs=rngs)
        self.rrelu = jaxacts.nnx.RReLU(rngs=rngs)
        self.maxout = jaxacts.nnx.Maxout(8, 8, rngs=rngs)
        self.dice = jaxacts.nnx.Dice(8)
        self.last = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        x = self.rrelu(self.second(self.prelu(self.first(x))))
        return self.last(self.dice(self.maxout(x)))


def regression() -> tuple[jax.Array, jax.Array]:
    x = jax.random.normal(KEY, (64, 5))
    return x, jnp.abs(x[:, :1]) - x[:, 1:2]


@pytest.mark.slow
def test_a_linen_network_learns_and_so_do_its_slopes():
    model, (x, y) = LinenNet(), regression()
    variables = model.init(KEY, x, train=False)
    optimizer = optax.sgd(0.1)

    @jax.jit
    def step(params, stats, state, key):
        def loss(params):
            out, moved = model.apply(
                {"params": params, "batch_stats": stats}, x, train=True, rngs={"rrelu": key}, mutable=["batch_stats"]
            )
            return jnp.mean((out - y) ** 2), moved["batch_stats"]

        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), stats, state, value, grads

    params, stats, state = variables["params"], variables["batch_stats"], optimizer.init(variables["params"])
    values = []
    for i in range(20):
        params, stats, state, value, grads = step(params, stats, state, jax.random.fold_in(KEY, i))
        values.append(float(value))
    assert values[-1] < 0.7 * values[0]
    assert jnp.all(grads["PReLU_0"]["negative_slope"] != 0)
    assert jnp.all(grads["Dice_0"]["alpha"] != 0)
    assert jnp.all(stats["Dice_0"]["mean"] != 0)
    assert model.apply({"params": params, "batch_stats": stats}, x, train=False).shape == y.shape


@pytest.mark.slow
def test_an_nnx_network_learns_and_so_do_its_slopes():
    model, (x, y) = NnxNet(nnx.Rngs(0)), regression()
    optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        value, grads = nnx.value_and_grad(lambda m: jnp.mean((m(x) - y) ** 2))(model)
        optimizer.update(model, grads)
        return value

    values = [float(step(model, optimizer)) for _ in range(20)]
    assert values[-1] < 0.7 * values[0]
    assert jnp.all(model.prelu.negative_slope[...] != 0.25)
    assert jnp.all(model.dice.alpha[...] != 0)
    assert jnp.all(model.dice.mean[...] != 0)
    model.eval()
    np.testing.assert_array_equal(model(x), model(x))


def test_split_and_merge_keep_the_module():
    model, x = NnxNet(nnx.Rngs(0)), batch()
    model.eval()
    graph, state = nnx.split(model)
    np.testing.assert_array_equal(nnx.merge(graph, state)(x), model(x))
    assert nnx.split(NnxNet(nnx.Rngs(1)))[0] == nnx.split(NnxNet(nnx.Rngs(1)))[0]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("row", [ROWS["prelu middle"], ROWS["maxout"], ROWS["dice last"]])
def test_linen_initializes_without_data(row):
    variables = row.linen.lazy_init(KEY, jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    jax.tree.map(np.testing.assert_array_equal, variables, dict(row.linen.init(KEY, batch())))


def test_flax_is_imported_only_by_those_who_ask_for_it():
    script = """
import sys, jaxacts
assert "flax" not in sys.modules
sys.modules["flax"] = None
for name in ("linen", "nnx"):
    try:
        __import__(f"jaxacts.{name}")
    except ImportError as error:
        assert str(error) == f'jaxacts.{name} needs flax; install it with pip install "jaxacts[flax]".', error
    else:
        raise AssertionError(name)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_function_is_differentiated_by_a_wrapped_array() -> None:
    slope, x = nnx.Param(jnp.float32(0.25)), jnp.array([-2.0, 3.0, -1.0])
    found = jax.grad(lambda p: jaxacts.prelu(x, p).sum())(slope)
    assert float(found[...]) == -3.0
