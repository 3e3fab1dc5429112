"""The whole-model call: what it finds in models of every kind, and what it refuses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxacts
from jaxacts import initializers as ji

KEY = jax.random.key(1)
gelu = functools.partial(jaxacts.gelu, approximate=False)


class Net(linen.Module):
    """A linen model written as a function of its layers."""

    body: Callable[..., Any]

    @linen.compact
    def __call__(self, *args: jax.Array, **options: Any) -> Any:
        return self.body(*args, **options)


def rows(body: Callable[..., Any], *sample: jax.Array, **options: Any) -> dict[str, ji.MatchedLayer]:
    _, report = ji.match(Net(body), sample, KEY, **options)
    return {row.path.removesuffix("/kernel"): row for row in report.layers}


def ones(body: Callable[..., Any], *sample: jax.Array, **options: Any) -> Any:
    """Variables for where values do not matter, which takes no compilation."""
    shapes = jax.eval_shape(functools.partial(Net(body).init, **options), KEY, *sample)
    return jax.tree.map(lambda s: np.ones(s.shape, s.dtype), shapes)


def dense(n: int, name: str) -> linen.Dense:
    return linen.Dense(n, name=name)


X = jnp.ones((2, 16))
IMAGE = jnp.ones((2, 8, 8, 3))

# Written in every way that models are: functions of this library and of jax.nn, jitted or not, and plain operations.
ACTIVATIONS: dict[str, tuple[Callable[[jax.Array], jax.Array], Callable[..., Any]]] = {
    "relu": (jax.nn.relu, jaxacts.relu),
    "gelu": (jaxacts.gelu, jaxacts.gelu),
    "gelu (exact)": (functools.partial(jax.nn.gelu, approximate=False), gelu),
    "silu": (lambda x: x * jax.nn.sigmoid(x), jaxacts.silu),
    "tanh": (jnp.tanh, jaxacts.tanh),
    "hard_silu": (jax.nn.hard_swish, jaxacts.hard_silu),
    "mish": (jax.nn.mish, jaxacts.mish),
    "selu": (jax.nn.selu, jaxacts.selu),
    "softplus": (jax.nn.softplus, jaxacts.softplus),
    "prelu": (lambda x: jaxacts.prelu(x, 0.25), functools.partial(jaxacts.prelu, negative_slope=0.25)),
    "squared relu": (lambda x: jnp.maximum(x, 0) ** 2, lambda x: jnp.maximum(x, 0) ** 2),
    "leaky 0.2": (lambda x: jnp.where(x > 0, x, 0.2 * x), lambda x: jnp.where(x > 0, x, 0.2 * x)),
    "scaled": (lambda x: 1.7 * jax.nn.relu(x), lambda x: 1.7 * jax.nn.relu(x)),
    "remat": (jax.checkpoint(jax.nn.silu), jaxacts.silu),
    "bfloat16": (lambda x: jax.nn.gelu(x.astype(jnp.bfloat16)).astype(jnp.float32), jaxacts.gelu),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    written, meant = ACTIVATIONS[name]
    found = rows(lambda x: dense(3, "head")(written(dense(32, "layer")(x))), X)
    assert found["layer"].gain == pytest.approx(ji.gain(meant), rel=2e-3 if name == "bfloat16" else 1e-6)
    if name in jaxacts.catalogue():
        assert found["layer"].activation == name
    assert (found["head"].activation, found["head"].gain) == ("linear", 1.0)


@pytest.mark.slow
def test_convolutions_have_exact_fans() -> None:
    def body(x: jax.Array) -> jax.Array:
        x = jax.nn.relu(linen.Conv(12, (3, 3), name="conv")(x))
        x = linen.max_pool(jax.nn.relu(linen.Conv(24, (3, 3), feature_group_count=12, name="depthwise")(x)), (2, 2))
        x = jax.nn.silu(linen.ConvTranspose(6, (4, 4), strides=(2, 2), name="up")(x))
        return dense(5, "head")(x.mean((1, 2)))

    found = rows(body, IMAGE, variables=ones(body, IMAGE))
    assert {name: (row.fan_in, row.fan_out, row.activation) for name, row in found.items()} == {
        "conv": (27, 108, "relu"),
        "depthwise": (9, 18, "relu"),
        "up": (24 * 16 / 4, 6 * 16, "silu"),
        "head": (6, 5, "linear"),
    }


def test_normalizations_residuals_and_masks_let_pass() -> None:
    def body(x: jax.Array, train: bool) -> jax.Array:
        h = linen.BatchNorm(use_running_average=not train)(linen.Conv(3, (3, 3), name="a")(x))
        x = jax.nn.relu(linen.GroupNorm(3)(linen.Conv(3, (3, 3), name="b")(jax.nn.tanh(h))) + x)
        h = linen.LayerNorm()(jax.nn.relu(dense(16, "c")(x)))
        h = jnp.where(jnp.arange(16) % 2 == 0, dense(16, "d")(h), 0.0)
        return dense(2, "head")(jnp.tanh(h))

    for train in (False, True):
        found = rows(body, IMAGE, variables=ones(body, IMAGE, train=train), train=train)
        assert [found[n].activation for n in "abcd"] == ["tanh", "relu", "relu", "tanh"]
        assert found["a"].notes == (("normalized",) if train else ())
        assert found["b"].notes == ("normalized", "residual")
        assert found["d"].notes == ("masked",)


POOLED: dict[str, Callable[[jax.Array], jax.Array]] = {
    "after": lambda x: linen.avg_pool(jax.nn.relu(x), (2, 2)),
    "before": lambda x: jax.nn.relu(linen.avg_pool(x, (2, 2))),
    "padded": lambda x: jax.nn.relu(linen.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)),
    "cumulative": lambda x: jax.nn.relu(jnp.cumsum(x, 1) / jnp.arange(1, 9)[:, None, None]),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", POOLED)
def test_average_pooling_is_no_factor(place: str) -> None:
    def body(x: jax.Array) -> jax.Array:
        x = POOLED[place](linen.Conv(4, (3, 3), name="conv")(x))
        return dense(2, "head")(x.reshape(len(x), -1))

    found = rows(body, IMAGE)["conv"]
    assert (found.activation, found.gain) == ("relu", 2**0.5)

    class Pooled(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.conv = nnx.Conv(3, 4, (3, 3), rngs=rngs)

        def __call__(self, x: jax.Array) -> jax.Array:
            return POOLED[place](self.conv(x))

    _, report = ji.match(Pooled(nnx.Rngs(0)), IMAGE, KEY)
    assert [(row.activation, row.gain) for row in report.layers] == [("relu", 2**0.5)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("written", "activation", "gain", "notes"),
    [
        (lambda z: 5.0 * z, "linear", 1.0, ("×5",)),
        (lambda z: z / 4 + 1, "linear", 1.0, ("×0.25",)),
        (lambda z: jax.nn.relu(0.1 * z), "relu(0.1·z)", 10 * 2**0.5, ()),
        (lambda z: jaxacts.relu(0.1 * z), "relu(0.1·z)", 10 * 2**0.5, ()),
        (lambda z: 1.7 * jax.nn.relu(z), "1.7·relu(z)", 2**0.5 / 1.7, ()),
        (lambda z: 3 * (jax.nn.relu(z) + 1), "3·(relu(z) + 1)", None, ()),
        (lambda z: jnp.maximum(z, 0.1) ** 2, "max(z, 0.1)^2", None, ()),
        (lambda z: jnp.where(z > 0, z, 0.2 * z), "where(z > 0, z, 0.2·z)", (2 / 1.04) ** 0.5, ()),
    ],
)
def test_constant_factors_belong_to_an_activation_alone(
    written: Callable[[jax.Array], jax.Array], activation: str, gain: float | None, notes: tuple[str, ...]
) -> None:
    found = rows(lambda x: dense(3, "head")(written(dense(8, "z")(x))), X)["z"]
    assert (found.activation, found.notes) == (activation, notes)
    assert found.gain == pytest.approx(gain or ji.gain(written), rel=1e-6)


def test_kernels_of_zeros_are_left_alone() -> None:
    net = Net(lambda x: linen.Dense(3, name="last", kernel_init=linen.initializers.zeros)(jax.nn.relu(x)))
    new, report = ji.match(net, X, KEY)
    assert not new["params"]["last"]["kernel"].any()
    assert dict(report.left) == {"last/kernel": "all zero, which it may have to be; name it in choices to draw it"}
    new, _ = ji.match(net, X, KEY, choices={"last/*": 1.0})
    assert new["params"]["last"]["kernel"].all()


@pytest.mark.slow
def test_biases_of_several_axes_are_not_worth_a_line() -> None:
    attention = nnx.MultiHeadAttention(2, 16, decode=False, rngs=nnx.Rngs(0))
    assert not ji.match(attention, jnp.ones((2, 5, 16)), KEY)[1].left


def test_transformer_block() -> None:
    def body(x: jax.Array) -> jax.Array:
        h = linen.MultiHeadDotProductAttention(4, name="attention")(linen.LayerNorm()(x))
        x = x + h
        h = linen.LayerNorm()(x)
        x = x + dense(16, "down")(gelu(dense(64, "up")(h)))
        h = linen.RMSNorm()(x)
        x = x + dense(16, "out")(jax.nn.silu(dense(32, "gate")(h)) * dense(32, "value")(h))
        return jax.nn.log_softmax(dense(10, "head")(linen.LayerNorm()(x)))

    x = jnp.ones((2, 5, 16))
    found = rows(body, x, variables=ones(body, x))
    activations = {name: row.activation for name, row in found.items()}
    assert activations == {
        "attention/query": "linear",
        "attention/key": "linear",
        "attention/value": "linear",
        "attention/out": "linear",
        "up": "gelu (exact)",
        "down": "linear",
        "gate": "silu",
        "value": "linear",
        "out": "linear",
        "head": "linear",
    }
    assert (found["attention/query"].fan_in, found["attention/out"].fan_in) == (16, 16)
    assert "gated" in found["value"].notes


@pytest.mark.slow
def test_scanned_and_recurrent_layers_have_the_fans_of_one_step() -> None:
    class Block(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
            return x + dense(8, "b")(jax.nn.relu(dense(32, "a")(x))), None

    def body(x: jax.Array) -> jax.Array:
        block = linen.scan(linen.remat(Block), variable_axes={"params": 0}, split_rngs={"params": True}, length=6)
        return dense(3, "head")(block(name="blocks")(x, None)[0])

    assert not ji.match(Net(body), jnp.ones((2, 8)), KEY)[1].left
    found = rows(body, jnp.ones((2, 8)))
    assert (found["blocks/a"].shape, found["blocks/a"].fan_in, found["blocks/a"].activation) == ((6, 8, 32), 8, "relu")
    assert (found["blocks/b"].fan_in, found["blocks/b"].activation) == (32, "linear")
    _, report = ji.match(linen.RNN(linen.SimpleCell(4)), jnp.ones((2, 5, 3)), KEY)
    assert {(row.path, row.fan_in, row.activation) for row in report.layers} == {
        ("cell/i/kernel", 3, "tanh"),
        ("cell/h/kernel", 4, "tanh"),
    }


def test_learned_slopes_are_read_from_the_variables() -> None:
    from jaxacts.linen import PReLU

    body = lambda x: dense(3, "head")(PReLU(negative_slope_init=0.5, name="act")(dense(32, "layer")(x)))  # noqa: E731
    assert rows(body, X)["layer"].gain == pytest.approx((2 / 1.25) ** 0.5, rel=1e-6)


class Small(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(16, 64, rngs=rngs)
        self.norm = nnx.BatchNorm(64, rngs=rngs)
        self.last = nnx.Linear(64, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(jax.nn.silu(self.norm(self.first(x))))


@pytest.mark.slow
def test_nnx_is_pure_and_reproducible() -> None:
    model = Small(nnx.Rngs(0))
    before = jax.tree.leaves(nnx.state(model))
    new, report = ji.match(model, X, KEY)
    assert all(a is b for a, b in zip(before, jax.tree.leaves(nnx.state(model)), strict=True))
    assert [(row.path, row.activation, row.notes) for row in report.layers] == [
        ("first/kernel", "silu", ("normalized",)),
        ("last/kernel", "linear", ()),
    ]
    again, _ = ji.match(model, X, KEY)
    np.testing.assert_array_equal(new.first.kernel[...], again.first.kernel[...])
    assert float(new.last.kernel[...].std()) == pytest.approx(1 / 8, rel=0.15)
    assert new(X).shape == (2, 3)


def test_what_it_draws() -> None:
    net = Net(lambda x: dense(256, "b")(jax.nn.relu(linen.Dense(256, name="a", param_dtype=jnp.bfloat16)(x))))
    x = jnp.ones((1, 512))
    given = net.init(KEY, x)
    given["params"]["a"]["bias"] = jnp.ones(256, jnp.bfloat16)
    new, report = ji.match(net, x, KEY, variables=given, distribution="uniform", criterion="backward", mode="fan_out")
    a, b = new["params"]["a"]["kernel"], new["params"]["b"]["kernel"]
    assert a.dtype == jnp.bfloat16
    assert float(abs(a).max()) == pytest.approx((3 * 2 / 256) ** 0.5, rel=5e-3)
    assert float(b.std()) == pytest.approx(1 / 16, rel=0.02)
    assert new["params"]["a"]["bias"].all()
    assert [row.std for row in report.layers] == pytest.approx([(2 / 256) ** 0.5, 1 / 16])
    # Each kernel has a key of its own, which is not the bare one.
    plain = ji.variance_scaling(1 / 256, "fan_in", "uniform", (), (), (0, 1))
    assert float(abs(b - plain(KEY, b.shape)).mean()) > 0.01
    # Keys follow the paths, so that another layer changes nothing here.
    alone, _ = ji.match(Net(lambda x: dense(256, "b")(x)), jnp.ones((1, 256)), KEY, distribution="uniform")
    np.testing.assert_allclose(alone["params"]["b"]["kernel"], b)


def test_each_kernel_has_its_own_draws() -> None:
    new, _ = ji.match(Net(lambda x: dense(16, "b")(jnp.tanh(dense(16, "a")(x)))), X, KEY, distribution="uniform")
    a, b = (new["params"][name]["kernel"] for name in "ab")
    assert abs(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]) < 0.3


def test_convention() -> None:
    body = lambda x: dense(3, "head")(jax.nn.relu(dense(8, "z")(x)))  # noqa: E731
    found = rows(body, X, convention="variance")["z"].gain
    assert found == pytest.approx((2 / (1 - 1 / np.pi)) ** 0.5, rel=1e-9)


def test_the_sharding_is_kept() -> None:
    net = Net(lambda x: dense(8, "z")(x))
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x", None))
    given = jax.device_put(net.init(KEY, X), jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))
    given["params"]["z"]["kernel"] = jax.device_put(given["params"]["z"]["kernel"], spread)
    new, _ = ji.match(net, X, KEY, variables=given)
    assert new["params"]["z"]["kernel"].sharding == spread


def test_arrays_of_numpy() -> None:
    net = Net(lambda x: dense(3, "head")(jax.nn.relu(dense(8, "z")(x))))
    given = net.init(KEY, X)
    ours, theirs = (ji.match(net, np.asarray(X), KEY, variables=v)[0] for v in (given, jax.tree.map(np.asarray, given)))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.slow
def test_a_deep_network_keeps_its_second_moment() -> None:
    def body(x: jax.Array) -> jax.Array:
        for i in range(20):
            x = jnp.tanh(dense(256, f"layer{i}")(x))
        return x

    x = jax.random.normal(KEY, (64, 256))
    variables, _ = ji.match(Net(body), x, KEY)
    step = ji.variance_map(jaxacts.tanh, ji.gain(jaxacts.tanh) ** 2)
    q = ji.gain(jaxacts.tanh) ** 2
    for _ in range(19):
        q = step(q)
    out = Net(body).apply(variables, x)
    assert float((out**2).mean()) == pytest.approx(ji.moments(jaxacts.tanh, q).second_moment, rel=0.1)
