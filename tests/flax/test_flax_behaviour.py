"""What each module does of its own (RReLU draws, Maxout keeps the scale, Dice keeps statistics)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import printed_on
from flax import nnx

import jaxacts
import jaxacts.linen
import jaxacts.nnx
from jaxacts._modules.maxout import maxout_init
from jaxacts._modules.statistics import batch_statistics

KEY = jax.random.key(11)
X = jax.random.normal(jax.random.key(4), (16, 3)) * jnp.array([1.0, 3.0, 0.5]) + jnp.array([0.0, 2.0, -1.0])
STATS = ["batch_stats"]


@pytest.fixture(autouse=True)
def strict_promotion():
    with jax.numpy_dtype_promotion("strict"):
        yield


# RReLU


def test_rrelu_draws_what_the_function_draws_with_that_key():
    want = jaxacts.rrelu(X, KEY, 0.2, 0.4)
    np.testing.assert_array_equal(jaxacts.linen.RReLU(0.2, 0.4, deterministic=False).apply({}, X, rng=KEY), want)
    np.testing.assert_array_equal(jaxacts.nnx.RReLU(0.2, 0.4)(X, rngs=KEY), want)


def test_rrelu_draws_anew_at_every_call_and_alike_from_the_same_seed():
    model, twin = jaxacts.nnx.RReLU(rngs=nnx.Rngs(0)), jaxacts.nnx.RReLU(rngs=nnx.Rngs(0))
    first, second = model(X), model(X)
    assert jnp.any(first != second)
    np.testing.assert_array_equal(first, twin(X))
    np.testing.assert_array_equal(second, nnx.jit(lambda m, x: m(x))(twin, X))
    module = jaxacts.linen.RReLU(deterministic=False)
    by_key = [module.apply({}, X, rngs={"rrelu": k}) for k in (KEY, KEY, jax.random.key(12))]
    np.testing.assert_array_equal(by_key[0], by_key[1])
    assert jnp.any(by_key[0] != by_key[2])


@pytest.mark.parametrize("rngs", [nnx.Rngs(0), nnx.Rngs(rrelu=0), nnx.Rngs(rrelu=0)["rrelu"]])
def test_rrelu_takes_its_keys_from_a_stream_at_the_call_too(rngs):
    slopes = jaxacts.nnx.RReLU()(-jnp.ones(1000), rngs=rngs)
    assert -1 / 3 <= slopes.min() < -0.32
    assert -0.14 < slopes.max() <= -1 / 8


def test_rrelu_modes():
    mean_slope = jaxacts.leaky_relu(X, 11 / 48)
    model = jaxacts.nnx.RReLU(rngs=nnx.Rngs(0))
    np.testing.assert_allclose(model(X, deterministic=True), mean_slope, rtol=1e-6)
    model.eval()
    np.testing.assert_allclose(model(X), mean_slope, rtol=1e-6)
    assert jnp.any(model(X, deterministic=False) != mean_slope)
    model.train()
    assert jnp.any(model(X) != mean_slope)
    model.set_view(deterministic=True)
    np.testing.assert_allclose(model(X), mean_slope, rtol=1e-6)
    np.testing.assert_allclose(jaxacts.linen.RReLU().apply({}, X, deterministic=True), mean_slope, rtol=1e-6)


def test_rrelu_gradient_goes_through_the_drawn_slopes():
    x = -jnp.ones(8)
    grad = jax.grad(lambda x: jaxacts.linen.RReLU(deterministic=False).apply({}, x, rngs={"rrelu": KEY}).sum())(x)
    np.testing.assert_array_equal(-grad, jaxacts.linen.RReLU(deterministic=False).apply({}, x, rngs={"rrelu": KEY}))


# Maxout


@pytest.mark.sampled(1)
@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
def test_maxout_keeps_the_second_moment_through_twenty_layers(pieces):
    x = jax.random.normal(KEY, (64, 256))
    for i in range(20):
        x = jaxacts.nnx.Maxout(256, 256, pieces, rngs=nnx.Rngs(i))(x)
    assert 0.4 < float(jnp.mean(x**2)) < 2.5


def test_maxout_variances_are_those_of_the_paper():
    known = [1, 1, 0.78391, 0.64461, 0.55555]
    got = [float(jnp.var(maxout_init(k)(KEY, (1000, 1000), jnp.float32))) * 1000 for k in range(1, 6)]
    np.testing.assert_allclose(got, known, rtol=0.01)


def test_maxout_promotes_as_flax_does():
    x = X.astype(jnp.bfloat16)
    with jax.numpy_dtype_promotion("standard"):
        for dtype, want in ((None, jnp.float32), (jnp.bfloat16, jnp.bfloat16)):
            here = jaxacts.linen.Maxout(2, dtype=dtype)
            assert here.apply(here.init(KEY, x), x).dtype == want
            assert jaxacts.nnx.Maxout(3, 2, dtype=dtype, rngs=nnx.Rngs(0))(x).dtype == want


def test_maxout_takes_numbers_to_start_at():
    here, there = jaxacts.linen.Maxout(2, bias_init=0.5), jaxacts.nnx.Maxout(3, 2, bias_init=0.5, rngs=nnx.Rngs(0))
    np.testing.assert_array_equal(here.init(KEY, X)["params"]["bias"], np.full(4, 0.5))
    np.testing.assert_array_equal(there.bias[...], np.full(4, 0.5))
    zero = jaxacts.linen.Maxout(2, kernel_init=0.0).init(KEY, X)["params"]["kernel"]
    np.testing.assert_array_equal(zero, np.zeros((3, 4)))


def test_maxout_with_two_pieces_is_relu_where_one_is_zero():
    model = jaxacts.nnx.Maxout(3, 3, use_bias=False, rngs=nnx.Rngs(0))
    model.kernel[...] = jnp.kron(jnp.eye(3), jnp.array([[0.0, 1.0]]))
    np.testing.assert_allclose(model(X), jax.nn.relu(X), rtol=1e-6)


# Dice


def test_dice_moves_its_statistics_by_the_formula():
    here, there = jaxacts.linen.Dice(momentum=0.9), jaxacts.nnx.Dice(3, momentum=0.9)
    variables = here.init(KEY, X, use_running_average=False)
    mean, var = np.zeros(3), np.ones(3)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], mean)
    np.testing.assert_array_equal(variables["batch_stats"]["var"], var)
    for batch in (X, 2 * X + 1, X - 5):
        _, moved = here.apply(variables, batch, use_running_average=False, mutable=STATS)
        variables = {**variables, **moved}
        there(batch)
        wide = np.asarray(batch, np.float64)
        mean, var = 0.9 * mean + 0.1 * wide.mean(0), 0.9 * var + 0.1 * wide.var(0)
        for got, want in (("mean", mean), ("var", var)):
            np.testing.assert_allclose(variables["batch_stats"][got], want, rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(variables["batch_stats"][got], getattr(there, got)[...])


def test_dice_evaluates_with_the_running_statistics_and_leaves_them():
    model = jaxacts.nnx.Dice(3, alpha_init=0.5)
    in_training = model(X)
    mean, var = model.mean[...], model.var[...]
    model.eval()
    got = model(X)
    np.testing.assert_array_equal(got, jaxacts.dice(X, 0.5, mean, var))
    np.testing.assert_array_equal(model.mean[...], mean)
    assert jnp.max(jnp.abs(got - in_training)) > 0.1
    np.testing.assert_array_equal(model(X, use_running_average=True), got)
    model.train()
    np.testing.assert_allclose(model(X), in_training, rtol=1e-6)
    model.set_view(use_running_average=True)
    assert model.use_running_average
    variables = {"params": {"alpha": jnp.full(3, 0.5)}, "batch_stats": {"mean": mean, "var": var}}
    np.testing.assert_array_equal(jaxacts.linen.Dice(use_running_average=True).apply(variables, X), got)


def test_dice_evaluates_as_it_trains_once_the_statistics_have_settled():
    model = jaxacts.nnx.Dice(3, momentum=0.5)
    for _ in range(40):
        in_training = model(X)
    model.eval()
    np.testing.assert_allclose(model(X), in_training, rtol=1e-5, atol=1e-6)


def test_dice_variance_is_right_where_the_mean_is_large_and_never_negative():
    x = 1e4 + jnp.linspace(-1, 1, 64).reshape(64, 1)
    _, var = batch_statistics("Dice", -1, x, None)
    np.testing.assert_allclose(var, np.var(np.asarray(x, np.float64), axis=0), rtol=1e-5)
    assert batch_statistics("Dice", -1, jnp.full((64, 1), 1e4 + 0.1), None)[1] >= 0


def test_dice_keeps_its_statistics_in_float32():
    x = (X * 100).astype(jnp.bfloat16)
    model = jaxacts.nnx.Dice(3, momentum=0.0)
    assert model(x).dtype == jnp.bfloat16
    assert model.mean[...].dtype == model.var[...].dtype == jnp.float32
    np.testing.assert_allclose(model.mean[...], np.asarray(x, np.float64).mean(0), rtol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("axis", [-1, None])
def test_dice_takes_statistics_over_a_mapped_axis(axis):
    params = {"alpha": jnp.full(() if axis is None else 3, 0.25)}
    whole = jaxacts.nnx.Dice(None if axis is None else 3, axis=axis, alpha_init=0.25)
    want = whole(X)
    parts = X.reshape(4, 4, 3)
    here = jaxacts.linen.Dice(axis=axis, axis_name="devices", use_running_average=False)
    variables = {**here.init(KEY, X), "params": params}  # without the mapped axis
    got, moved = jax.vmap(lambda x: here.apply(variables, x, mutable=STATS), axis_name="devices", out_axes=(0, None))(
        parts
    )
    np.testing.assert_allclose(got.reshape(16, 3), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved["batch_stats"]["var"], whole.var[...], rtol=1e-6)
    graph, state = nnx.split(jaxacts.nnx.Dice(whole.features, axis=axis, alpha_init=0.25, axis_name="devices"))

    def apply(state, x):
        model = nnx.merge(graph, state)
        return model(x), (model.mean[...], model.var[...])

    got, (mean, var) = jax.vmap(apply, (None, 0), (0, None), axis_name="devices")(state, parts)
    np.testing.assert_allclose(got.reshape(16, 3), want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(mean, whole.mean[...], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(var, whole.var[...], rtol=1e-6)


ON_FOUR_DEVICES = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from flax import nnx
import jaxacts.linen, jaxacts.nnx
from jaxacts.initializers import constant

x = jax.random.normal(jax.random.key(0), (16, 4)) * 3 + 1
mesh = jax.make_mesh((4,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))
plain = jaxacts.linen.Dice(alpha_init=0.25, use_running_average=False)
named = jaxacts.linen.Dice(alpha_init=0.25, use_running_average=False, axis_name="devices")
variables = plain.init(jax.random.key(0), x)

def train(module):
    return lambda variables, x: module.apply(variables, x, mutable=["batch_stats"])

want, moved = train(plain)(variables, x)
mapped = jax.jit(jax.shard_map(train(named), mesh=mesh, in_specs=(P(), P("devices")), out_specs=(P("devices"), P())))
sharded = jax.device_put(x, NamedSharding(mesh, P("devices")))
for got, stats in (mapped(variables, x), jax.jit(train(plain))(variables, sharded)):
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), stats, moved)

def loss(f):
    return jax.grad(lambda x: jnp.sum(jnp.sin(f(variables, x)[0])))
np.testing.assert_allclose(loss(mapped)(x), loss(train(plain))(x), rtol=1e-4, atol=1e-5)

mesh = jax.make_mesh((4,), ("devices",), axis_types=(jax.sharding.AxisType.Explicit,))
with jax.set_mesh(mesh):
    slope = nnx.with_partitioning(constant(0.5), ("devices",))
    model = jaxacts.nnx.PReLU(4, axis=1, negative_slope_init=slope, rngs=nnx.Rngs(0))
    assert model.negative_slope[...].sharding.spec == P("devices"), model.negative_slope[...].sharding
    y = model(jax.device_put(-jnp.ones((2, 4, 3)), NamedSharding(mesh, P(None, "devices", None))))
    np.testing.assert_array_equal(y, -0.5)

    x = jax.random.normal(jax.random.key(0), (2, 4, 3))
    spread = jax.device_put(x, NamedSharding(mesh, P(None, "devices", None)))
    for name in ("relu", "relu6", "gelu", "silu", "softplus", "elu", "squareplus", "softmax"):
        f = jaxacts.get(name)
        for way in (f, jax.vmap(f), lambda x: jax.jvp(f, (x,), (x,))[1], jax.grad(lambda x: jnp.sum(f(x) * x))):
            got = jax.jit(way)(spread)
            assert got.sharding.spec == P(None, "devices", None), (name, got.sharding)
            np.testing.assert_allclose(got, jax.jit(way)(x), rtol=1e-6, atol=1e-6)
"""


@pytest.mark.slow
def test_sharded_over_four_devices():
    printed_on(4, ON_FOUR_DEVICES)


# What they refuse
