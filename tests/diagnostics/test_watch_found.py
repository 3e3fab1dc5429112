"""What counts as an activation: around pooling and normalizations, and not what is inside of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from watched import KEY

import jaxacts.linen as jl
from jaxacts import diagnostics

SHAPE = (5, 4, 8)
ACTIVATIONS = {
    "tanh(2·z)": lambda z: jnp.tanh(2 * z),
    "where(z > 0, z, 0.1·z)": lambda z: jnp.where(z > 0, z, 0.1 * z),
    "z·logistic(2·z)": lambda z: z * jax.nn.sigmoid(2 * z),
    "relu(z)^3": lambda z: nn.relu(z) ** 3,
    "sin(30·z)": lambda z: jnp.sin(30 * z),
    "exp(z)": jnp.exp,
    "z^2": jnp.square,
}
AFTER = {
    "layer norm": nn.LayerNorm(),
    "rms norm": nn.RMSNorm(),
    "batch norm": nn.BatchNorm(use_running_average=False),
    "group norm": nn.GroupNorm(2),
    "mean": lambda h: h.mean(1),
    "sum": lambda h: h.sum(1),
    "maximum": lambda h: h.max(1),
    "variance": lambda h: h.var(1),
    "softmax": nn.softmax,
    "log-sum-exp": lambda h: h - jax.nn.logsumexp(h, axis=-1, keepdims=True),
    "softmax, written out": lambda h: (e := jnp.exp(h - h.max(-1, keepdims=True))) / e.sum(-1, keepdims=True),
    "softmax without its maximum": lambda h: (e := jnp.exp(h)) / e.sum(-1, keepdims=True),
    "unit norm": lambda h: h / jnp.linalg.norm(h, axis=-1, keepdims=True),
    "largest 1": lambda h: h / jnp.abs(h).max(-1, keepdims=True),
}
BEFORE = {
    "mean": lambda z: z.mean(1),
    "sum": lambda z: z.sum(1),
    "maximum": lambda z: z.max(1),
    "windows": lambda z: nn.avg_pool(z, (2,), (2,)),
    "mean, normalized": lambda z: nn.LayerNorm()(z.mean(1)),
    "normalized": nn.LayerNorm(),
}


class Between(nn.Module):
    """Two layers with functions between them."""

    between: tuple[Callable[[Any], Any], ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        z = nn.Dense(8)(x)
        for function in self.between:
            z = function.copy()(z) if isinstance(function, nn.Module) else function(z)
        return nn.Dense(2)(z)


def rows(*between: Any, shape: tuple[int, ...] = SHAPE) -> list[tuple[str, str]]:
    watch = diagnostics.watch(Between(between), jnp.ones(shape), mutable=["batch_stats"])
    assert watch.unfollowed == ()
    return [(layer.name, layer.activation) for layer in watch.layers]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("after", AFTER)
def test_activations_before_a_normalization_or_pooling_and_nothing_of_these(after: str) -> None:
    names = list(ACTIVATIONS) if after in ("layer norm", "mean") else ["tanh(2·z)"]
    for name in names:
        assert rows(ACTIVATIONS[name], AFTER[after]) == [("Dense_0", name)]


@pytest.mark.parametrize("after", AFTER)
def test_nothing_in_a_normalization_is_an_activation(after: str) -> None:
    with pytest.raises(ValueError, match="must have activations, got none; mark"):
        rows(AFTER[after])


@pytest.mark.parametrize("before", BEFORE)
def test_activations_of_what_has_been_pooled(before: str) -> None:
    assert rows(BEFORE[before], nn.relu) == [("Dense_0", "relu")]


@pytest.mark.slow
def test_sums_of_activations_around_pooling_are_those_of_the_values() -> None:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            h = nn.relu(nn.Dense(8)(x))
            h = nn.LayerNorm()(jnp.tanh(2 * nn.Dense(8)(h)))
            return nn.Dense(2)(nn.relu(nn.Dense(8)(h).mean(1)))

    x = jax.random.normal(KEY, SHAPE)
    variables = Model().init(KEY, x)
    watch = diagnostics.watch(Model(), x)
    _, state = watch(variables, x)
    found = [(layer.layer.name, layer.layer.activation) for layer in state.layers]
    assert found == [("Dense_0", "relu"), ("Dense_1", "tanh(2·z)"), ("Dense_3", "relu")]
    assert watch.unfollowed == ()

    p = jax.tree.map(np.asarray, variables["params"])
    dense = lambda i, h: h @ p[f"Dense_{i}"]["kernel"] + p[f"Dense_{i}"]["bias"]  # noqa: E731
    z = 2 * dense(1, np.maximum(dense(0, np.asarray(x)), 0))
    h = np.tanh(z)
    np.testing.assert_allclose(state.layers[1].total, h.sum((0, 1)), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(state.layers[1].left, ((2 / np.cosh(z) ** 2 < 0.01) & (z < 0)).sum((0, 1)))
    pooled = dense(3, (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-6)).mean(1)
    np.testing.assert_allclose(state.layers[2].total, np.maximum(pooled, 0).sum(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(state.layers[2].left, (pooled <= 0).sum(0))
    assert state.layers[2].count == len(x)


def test_convolution_pooling_activation_pooling() -> None:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nn.relu(nn.avg_pool(nn.Conv(4, (3, 3))(x), (2, 2), (2, 2))).mean((1, 2))

    watch = diagnostics.watch(Model(), jnp.ones((2, 4, 4, 3)))
    assert [(layer.name, layer.activation) for layer in watch.layers] == [("Conv_0", "relu")]


def test_gate_of_a_mean_of_the_same_layer() -> None:
    gate = lambda z: z * jax.nn.sigmoid(z.mean(1, keepdims=True))  # noqa: E731
    assert rows(gate, jnp.tanh) == [("Dense_0.sigmoid", "sigmoid"), ("Dense_0.tanh", "tanh")]


@pytest.mark.parametrize(
    ("between", "named"),
    [
        (lambda z: jnp.tanh(z.var(1)), "Dense_0 (tanh of a variance or norm)"),
        (lambda z: z * jax.lax.rsqrt(1 + z.sum(-1, keepdims=True)), "may be the scale of a normalization)"),
        (lambda z: jnp.square(z).sum(-1, keepdims=True), "Dense_0 (z^2 may be the square in a norm)"),
        (lambda z: jnp.broadcast_to(jnp.tanh(z.sum()), (2, 2)), "Dense_0 (a single number)"),
    ],
)
def test_what_may_be_an_activation_is_named(between: Any, named: str) -> None:
    watch = diagnostics.watch(Between((nn.relu, nn.Dense(4), between)), jnp.ones(SHAPE))
    assert [layer.activation for layer in watch.layers] == ["relu"]
    (reason,) = watch.unfollowed
    assert named.removeprefix("Dense_0") in reason


def test_functions_of_the_data_alone_are_no_layers() -> None:
    with pytest.raises(ValueError, match="must have activations, got none; mark"):
        diagnostics.watch(lambda w, x: jnp.sin(30 * x) ** 2 @ w, jnp.ones((3, 2)), variables=jnp.eye(2))


def test_the_square_of_a_loss_is_no_activation() -> None:
    def loss(w: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.square(jnp.tanh(x @ w) @ w - x).mean()

    watch = diagnostics.watch(loss, jnp.ones((3, 2)), variables=jnp.eye(2))
    assert [layer.activation for layer in watch.layers] == ["tanh"]
    assert watch.unfollowed == ()


@pytest.mark.slow
def test_parameters_stand_in_formulas_by_their_names() -> None:
    class Learned(nn.Module):
        @nn.compact
        def __call__(self, z: jax.Array) -> jax.Array:
            return z * jax.nn.sigmoid(self.param("beta", nn.initializers.constant(1.5), ()) * z)

    assert rows(Learned()) == [("Dense_0", "z·logistic(beta·z)")]
    assert rows(jl.SReLU()) == [("Dense_0", "srelu")]


@pytest.mark.slow
def test_every_operation_of_an_unrolled_loop_is_looked_at_once() -> None:
    """Along each of the paths from the result to z it would be 2³² times."""

    def unrolled(z: jax.Array) -> jax.Array:
        for _ in range(16):
            z = jnp.sin(z + 0.5 * z)
        return z

    ((_, name),) = rows(lambda z: unrolled(unrolled(z)) + 1)
    assert name.startswith("sin(sin(sin(")
    assert name.endswith("…")


def test_a_function_with_nan_on_the_way_has_its_name_where_nan_is_an_error() -> None:
    def silu(z: jax.Array) -> jax.Array:
        e = jnp.exp(z)
        return jnp.where(z > 20, z, z * e / (1 + e))

    with jax.debug_nans(True):
        assert rows(silu) == [("Dense_0", "silu")]


def test_functions_that_agree_on_small_inputs_alone_have_no_name_of_the_catalogue() -> None:
    ((_, name),) = rows(lambda z: jnp.clip(z, 0, 60))
    assert name not in ("relu", "relu6")
    assert rows(lambda z: jnp.log(1 + jnp.exp(z))) == [("Dense_0", "softplus")]


def test_a_bare_parameter_in_nested_scans_has_the_name_of_its_activation() -> None:
    def model(w: jax.Array, x: jax.Array) -> jax.Array:
        step = lambda h, w: (jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), h, w)[0], None)  # noqa: E731
        return jax.lax.scan(step, x, w)[0]

    watch = diagnostics.watch(model, jnp.ones((4, 3)), variables=jnp.ones((2, 2, 3, 3)))
    assert [layer.name for layer in watch.layers] == ["tanh"]
    watch = diagnostics.watch(lambda w, x: nn.relu(nn.relu(x @ w) @ w), jnp.ones((4, 3)), variables=jnp.eye(3))
    assert [layer.name for layer in watch.layers] == ["relu", "relu.2"]
