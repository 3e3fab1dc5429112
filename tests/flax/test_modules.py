"""Every module: linen = nnx = function on the same parameters, starts, dtypes, metadata, training, checkpoints."""

from __future__ import annotations

import inspect
import math

import all_modules as modules
import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as orbax
import pytest
from all_modules import KEY, LEARNABLE, NAMES, PER_CHANNEL, SHAPE, batch, in_linen, in_nnx, moved, variables_of
from flax import linen as nn
from flax import nnx

import jaxacts
import jaxacts.linen
import jaxacts.nnx
from jaxacts._core import entry_of
from jaxacts.initializers import constant, normal


@pytest.fixture(autouse=True)
def strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


def by_function(name, params, x, axis):
    """The function of what the parameters stand for, laid out here."""
    module = in_linen(name)
    definition, arguments = module.definition, {n: getattr(module, n) for n in module.definition.options}
    for n in definition.parameters:
        arguments[n] = definition.value(module, n, params[n], arguments)
    for n in definition.parameters:
        per_channel = axis is not None and n not in definition.shared
        after = x.ndim - 1 - axis % x.ndim if per_channel else 0
        arguments[n] = arguments[n].reshape(arguments[n].shape + (1,) * after)
    if "mean" in inspect.signature(definition.function).parameters:
        others = tuple(a for a in range(x.ndim) if axis is None or a != axis % x.ndim)
        arguments |= {"mean": x.mean(others, keepdims=True), "variance": x.var(others, keepdims=True)}
    return definition.function(x, **arguments)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LEARNABLE)
def test_values_and_gradients_are_those_of_the_function(name):
    """In one program for shared parameters and for those on two axes, as far as the class lets one choose."""
    chosen = [{"axis": axis} for axis in (None, 1, -1)] if name in PER_CHANNEL else [{}]
    x, starts = batch(), [variables_of(in_linen(name, **given))["params"] for given in chosen]

    def each(call):
        @jax.jit
        def all_of(x, params):
            y, back = jax.vjp(
                lambda x, params: [call(x, p, **g) for p, g in zip(params, chosen, strict=True)], x, params
            )
            return y, back([jnp.cos(jnp.arange(v.size, dtype=v.dtype)).reshape(v.shape) for v in y])

        return all_of(x, [moved(p) for p in starts])

    by_linen = each(lambda x, params, **given: modules.apply_linen(in_linen(name, **given), params, x))
    by_nnx = each(lambda x, params, **given: modules.apply_nnx(name, params, x, **given))
    want = each(lambda x, params, axis=-1: by_function(name, params, x, axis))
    for got in (by_linen, by_nnx):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-4), got, want)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", NAMES)
def test_linen_and_nnx_give_the_same_with_the_same_names_shapes_and_starts(name):
    here, there = in_linen(name), in_nnx(name)
    variables = variables_of(here)
    for collection, kind in (("params", nnx.Param), ("batch_stats", nnx.BatchStat)):
        of_linen, of_nnx = variables.get(collection, {}), nnx.to_pure_dict(nnx.state(there, kind))
        assert jax.tree.map(lambda v: (v.shape, v.dtype), of_linen) == jax.tree.map(
            lambda v: (v.shape, v.dtype), of_nnx
        )
        for n in of_linen:
            if not callable(modules.fields(name).get(f"{n}_init")) and n != "kernel":
                np.testing.assert_allclose(of_linen[n], of_nnx[n], rtol=1e-6)
    params, x = moved(variables.get("params", {})), batch()
    np.testing.assert_array_equal(modules.apply_linen(here, params, x), modules.apply_nnx(name, params, x))


@pytest.mark.parametrize("name", NAMES)
def test_defaults_and_names_of_arguments_are_the_same(name):
    of_linen = modules.fields(name)
    of_nnx = {n: p.default for n, p in inspect.signature(getattr(jaxacts.nnx, name)).parameters.items()}
    own = {"parent", "name", "rngs", "features", "in_features", "out_features"}
    own |= {"deterministic", "use_running_average"}  # None in linen, which wants to be told; False in nnx
    assert set(of_linen) - own == set(of_nnx) - own
    different = {n for n in set(of_linen) - own if of_linen[n] != of_nnx[n]}
    assert all(type(of_linen[n]) is type(of_nnx[n]) and callable(of_linen[n]) for n in different)


@pytest.mark.sampled(11)
@pytest.mark.parametrize("name", LEARNABLE)
def test_parameters_start_where_the_class_says(name):
    module = in_linen(name)
    params = variables_of(module)["params"]
    arguments = {n: getattr(module, n) for n in module.definition.options}
    for n in module.definition.parameters:
        arguments[n] = module.definition.value(module, n, params[n], arguments)
        start = getattr(module, f"{n}_init")
        if isinstance(start, float):
            np.testing.assert_allclose(arguments[n], np.full(params[n].shape, start), rtol=1e-6, atol=1e-7)


@pytest.mark.sampled(10)
@pytest.mark.parametrize("name", LEARNABLE)
def test_constraints_hold_wherever_the_optimizer_goes(name):
    module = in_linen(name)
    stored = variables_of(module)["params"]
    domain = entry_of(module.definition.function).domain
    for size in (-30.0, -3.0, 0.0, 3.0, 30.0):
        arguments = {n: getattr(module, n) for n in module.definition.options}
        for n in module.definition.parameters:
            if n in module.definition.stored:
                arguments[n] = module.definition.value(module, n, jnp.full_like(stored[n], size), arguments)
            else:
                arguments[n] = stored[n]
        for condition, holds in domain.items():
            concerned = {n: np.asarray(arguments[n]) for n in inspect.signature(holds).parameters if n in arguments}
            if concerned and set(concerned) & set(module.definition.stored):
                assert np.all(holds(**concerned)), (condition, size)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, pytest.param(jnp.float16, marks=pytest.mark.slow)])
def test_the_output_has_the_dtype_of_the_input(name, dtype):
    here, there = in_linen(name), in_nnx(name)
    layer = "dtype" in modules.fields(name)  # promotes as Flax's own do
    x = batch(dtype)
    variables = variables_of(here)
    if layer:
        variables = jax.tree.map(lambda v: v.astype(dtype), variables)
        there = in_nnx(name, param_dtype=dtype)
    got = here.apply(variables, x, mutable=["batch_stats"])[0]
    assert got.dtype == there(x).dtype == dtype
    grads = jax.eval_shape(
        jax.grad(
            lambda p: jnp.sum(here.apply({**variables, "params": p}, x, mutable=["batch_stats"])[0].astype(jnp.float32))
        ),
        variables.get("params", {}),
    )
    assert {n: g.dtype for n, g in grads.items()} == {n: p.dtype for n, p in variables.get("params", {}).items()}
    if not layer:  # rounded once
        wide = here.apply(variables, x.astype(jnp.float32), mutable=["batch_stats"])[0]
        np.testing.assert_allclose(
            np.asarray(got, float), np.asarray(wide, float), rtol=2 * float(jnp.finfo(dtype).eps), atol=1e-4
        )


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", [n for n in NAMES if "param_dtype" in modules.fields(n)])
def test_param_dtype(name):
    params = in_linen(name, param_dtype=jnp.bfloat16).init(KEY, batch(jnp.bfloat16))["params"]
    assert {p.dtype for p in jax.tree.leaves(params)} == {jnp.dtype(jnp.bfloat16)}
    there = in_nnx(name, param_dtype=jnp.bfloat16)
    assert {p.dtype for p in jax.tree.leaves(nnx.state(there, nnx.Param))} == {jnp.dtype(jnp.bfloat16)}
    assert modules.apply_nnx(name, params, batch(jnp.bfloat16), param_dtype=jnp.bfloat16).dtype == jnp.bfloat16


def initial_arguments():
    for name in NAMES:
        for argument in modules.fields(name):
            if argument.endswith("_init"):
                yield name, argument


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("name", "argument"), [*initial_arguments()])
def test_initializers_and_sharding_metadata(name, argument):
    parameter = argument.removesuffix("_init")
    shape = variables_of(in_linen(name))["params"][parameter].shape
    axes = (*(None,) * (len(shape) - 1), "model")[: len(shape)]
    start = constant(0.75)
    boxed = in_linen(name, **{argument: nn.with_partitioning(start, axes)}).init(KEY, batch())["params"][parameter]
    plain = in_linen(name, **{argument: start}).init(KEY, batch())["params"][parameter]
    number = in_linen(name, **{argument: 0.75}).init(KEY, batch())["params"][parameter]
    assert boxed.names == axes
    np.testing.assert_array_equal(boxed.value, plain)
    np.testing.assert_array_equal(number, plain)
    mesh = jax.make_mesh((1,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    there = in_nnx(name, **{argument: nnx.with_partitioning(start, axes, mesh=mesh)})
    spec = nnx.get_partition_spec(nnx.state(there, nnx.Param))[parameter]
    assert tuple(spec.get_value() if isinstance(spec, nnx.Variable) else spec) == axes
    np.testing.assert_array_equal(getattr(there, parameter)[...], plain)
    drawn = in_linen(name, **{argument: normal(0.05, mean=0.75)}).init(KEY, batch())["params"][parameter]
    assert len(set(np.ravel(drawn).tolist())) == math.prod(shape)


class LinenNet(nn.Module):
    name_of_activation: str

    @nn.compact
    def __call__(self, x):
        x = in_linen(self.name_of_activation)(nn.Conv(SHAPE[-1], (3, 3))(x))
        return nn.Dense(1)(x.mean((1, 2)))


class NnxNet(nnx.Module):
    def __init__(self, name, rngs):
        self.conv = nnx.Conv(SHAPE[-1], SHAPE[-1], (3, 3), rngs=rngs)
        self.act = in_nnx(name)
        self.head = nnx.Linear(SHAPE[-1], 1, rngs=rngs)

    def __call__(self, x):
        return self.head(self.act(self.conv(x)).mean((1, 2)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_trains_in_a_linen_model(name):
    model, x, y = LinenNet(name), batch(), jnp.array([[1.0], [-1.0]])
    variables = variables_of(model)
    statistics, optimizer = (
        variables.get("batch_stats", {}),
        optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1e-3)),
    )

    def loss(params):
        got = model.apply({"params": params, "batch_stats": statistics}, x, mutable=["batch_stats"])[0]
        return jnp.mean((got - y) ** 2)

    @jax.jit
    def step(params):
        value, grads = jax.value_and_grad(loss)(params)
        updates, _ = optimizer.update(grads, optimizer.init(params), params)
        after = optax.apply_updates(params, updates)
        return value, loss(after), grads, after

    before, after, grads, params = step(variables["params"])
    assert after < before
    own = [n for n in grads if n not in ("Conv_0", "Dense_0")]
    assert len(own) == (1 if variables_of(in_linen(name)).get("params") else 0)
    for leaf in jax.tree.leaves(grads):
        assert np.all(np.isfinite(leaf))
    for module in own:
        assert any(np.any(g != 0) for g in jax.tree.leaves(grads[module]))
        assert any(np.any(params[module][n] != variables["params"][module][n]) for n in params[module])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_trains_in_an_nnx_model(name):
    model, x, y = NnxNet(name, nnx.Rngs(0)), batch(), jnp.array([[1.0], [-1.0]])
    optimizer = nnx.Optimizer(model, optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1e-3)), wrt=nnx.Param)
    start = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model.act, nnx.Param)))

    @nnx.jit
    def step(model, optimizer):
        def loss(model):
            return jnp.mean((model(x) - y) ** 2)

        value, grads = nnx.value_and_grad(loss)(model)
        optimizer.update(model, grads)
        return value, loss(model)

    before, after = step(model, optimizer)
    assert after < before
    end = nnx.to_pure_dict(nnx.state(model.act, nnx.Param))
    assert not start or any(np.any(start[n] != end[n]) for n in start)


@pytest.mark.slow
def test_linen_variables_are_serialised_and_restored(tmp_path):
    everything = {name: variables_of(in_linen(name)) for name in NAMES}
    everything = jax.tree.map(lambda v: v + 0.125, everything)
    blank = jax.tree.map(jnp.zeros_like, everything)
    restored = flax.serialization.from_bytes(blank, flax.serialization.to_bytes(everything))
    jax.tree.map(np.testing.assert_array_equal, restored, everything)
    with orbax.StandardCheckpointer() as checkpointer:
        stored = {n: v for n, v in everything.items() if v}
        checkpointer.save(tmp_path / "linen", stored)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "linen", jax.tree.map(jnp.zeros_like, stored))
    jax.tree.map(np.testing.assert_array_equal, restored, stored)


@pytest.mark.slow
def test_nnx_state_is_serialised_and_restored(tmp_path):
    class All(nnx.Module):
        def __init__(self):
            self.acts = nnx.Dict({name: in_nnx(name) for name in NAMES})

    def changed():
        model = All()
        state = jax.tree.map(lambda v: v + 0.125, nnx.state(model, (nnx.Param, nnx.BatchStat)))
        nnx.update(model, state)
        return model

    model, x = changed(), batch()
    pure = nnx.to_pure_dict(nnx.state(model))
    restored = flax.serialization.from_bytes(jax.tree.map(jnp.zeros_like, pure), flax.serialization.to_bytes(pure))
    twin = All()
    state = nnx.state(twin)
    nnx.replace_by_pure_dict(state, jax.tree.map(jnp.asarray, restored))
    nnx.update(twin, state)
    for name in NAMES:
        np.testing.assert_array_equal(twin.acts[name](x), model.acts[name](x))
    model = changed()
    with orbax.StandardCheckpointer() as checkpointer:
        state = nnx.to_pure_dict(nnx.state(model))
        checkpointer.save(tmp_path / "nnx", state)
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "nnx", jax.tree.map(jnp.zeros_like, state))
    jax.tree.map(np.testing.assert_array_equal, restored, state)
