"""Wrong arguments of a watch and of its calls are named, with what to write instead."""

from __future__ import annotations

import re
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxacts
from jaxacts import diagnostics

X = jnp.ones((4, 3))
EQUINOX = eqx.nn.Sequential([eqx.nn.Lambda(jaxacts.softplus)])


class Net(nn.Module):
    def setup(self) -> None:
        self.first = nn.Dense(3)

    def __call__(self, x: jax.Array, train: bool = True) -> jax.Array:
        return jaxacts.relu(self.first(x))

    def encode(self, x: jax.Array, deeper: bool = False) -> jax.Array:
        return jnp.tanh(self(x))


class NnxNet(nnx.Module):
    def __init__(self) -> None:
        self.first = nnx.Linear(3, 3, rngs=nnx.Rngs(0))

    def __call__(self, x: jax.Array) -> jax.Array:
        return jaxacts.relu(self.first(x))


def function(w: jax.Array, x: jax.Array) -> jax.Array:
    return jaxacts.relu(x @ w)


NET, NNX_NET, SEQUENCE = Net(), NnxNet(), nn.Sequential([nn.Dense(2), nn.relu])


@pytest.mark.parametrize(
    ("model", "sample", "given", "error", "message"),
    [
        (NET, X, {"rank": True}, TypeError, "of watch or of the call of Net, got 'rank'; did you mean 'ranks' or"),
        (NET, X, {"trian": True}, TypeError, "got 'trian'; did you mean 'train'"),
        (NET, X, {"mutabel": True}, TypeError, "got 'mutabel'; did you mean 'mutable'"),
        (NET, X, {"qqqqqq": 1}, TypeError, "got 'qqqqqq'; leave it out."),
        (NET, X, {"method": "encode", "deper": True}, TypeError, "got 'deper'; did you mean 'deeper'"),
        (NET, X, {"method": Net.encode, "train": True}, TypeError, "got 'train'; did you mean"),
        (NNX_NET, X, {"epsilom": 0.1}, TypeError, "call of NnxNet, got 'epsilom'; did you mean 'epsilon'?"),
        (function, X, {"variables": X.T @ X, "bin": 4}, TypeError, "call of function, got 'bin'; did you mean 'bins'?"),
        (
            SEQUENCE,
            X,
            {"rank": True},
            ValueError,
            r"got \(float32\[4, 3\]\), but raised TypeError: .*; did you mean 'ranks'?",
        ),
        (
            NET,
            X.shape,
            {},
            ValueError,
            r"watch: the model must run on the sample, got \(int, int\), but raised \w+: .*; pass an array, or "
            r"jax.ShapeDtypeStruct\(\(4, 3\), jnp.float32\) for its shape alone\.",
        ),
        (NNX_NET, X.shape, {}, ValueError, r"watch: the model must run .* jax.ShapeDtypeStruct\(\(4, 3\)"),
        (NET, None, {}, ValueError, r"sample, got \(None\), but raised .*; pass what the model is called with\."),
        (NET, X, {"bins": 3.5}, TypeError, "watch: bins must be an int, got 3.5; pass a whole number"),
        (NET, X, {"bins": "ab"}, TypeError, "watch: bins must be an int, got 'ab'"),
        (NET, X, {"bins": -1}, ValueError, "watch: bins must be at least 0, got -1"),
        (NET, X, {"bins": [0, "b"]}, TypeError, "watch: bins must be a real number, got str"),
    ],
)
def test_wrong_arguments_of_a_watch(
    model: Any, sample: Any, given: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        diagnostics.watch(model, sample, **given)


def test_what_is_right_passes() -> None:
    shape = jax.ShapeDtypeStruct(X.shape, X.dtype)
    options = {"train": False, "rngs": {"dropout": jax.random.key(0)}, "mutable": ["batch_stats"]}
    assert [layer.activation for layer in diagnostics.watch(NET, shape, **options).layers] == ["relu"]
    encoder = diagnostics.watch(NET, shape, method="encode", deeper=True)
    assert [layer.activation for layer in encoder.layers] == ["tanh(relu(z))"]
    whole = diagnostics.watch(NET, shape, bins=np.int64(4)).layers[0].edges
    assert whole == diagnostics.watch(NET, shape, bins=np.linspace(-10, 10, 5)).layers[0].edges == (-10, -5, 0, 5, 10)


VARIABLES = {"params": {"first": {"kernel": jnp.eye(3), "bias": jnp.zeros(3)}}}
THIRD = "watch: the state must be the third argument, got it before; call watch({}, x, state)."


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (NET, lambda s: (VARIABLES, s, X), THIRD.format("variables")),
        (NET, lambda s: (s, VARIABLES), THIRD.format("variables")),
        (NET, lambda s: (VARIABLES, (X, s)), THIRD.format("variables")),
        (NNX_NET, lambda s: (X, s), THIRD.format("model")),
        (function, lambda s: (jnp.eye(3), s), THIRD.format("params")),
        (
            NET,
            lambda s: (VARIABLES, X, X),
            "watch: state must be what watch.init() or an earlier call returned, got float32[4, 3]; "
            "call watch(variables, x, state).",
        ),
        (
            NET,
            lambda s: (X, VARIABLES, s),
            "watch: variables must be what model.init returned, got float32[4, 3]; call watch(variables, x, state).",
        ),
        (
            NNX_NET,
            lambda s: (X, NNX_NET, s),
            "watch: model must be an nnx module, got float32[4, 3]; call watch(model, x, state).",
        ),
        (
            NNX_NET,
            lambda s: (nnx.state(NNX_NET), X, s),
            "watch: model must be an nnx module, got its state; pass the module, which nnx.merge makes.",
        ),
        (
            EQUINOX,
            lambda s: (X, EQUINOX, s),
            "watch: model must be a callable pytree, got float32[4, 3]; call watch(model, x, state).",
        ),
    ],
)
def test_arguments_of_a_call_in_the_places_of_others(model: Any, arguments: Any, message: str) -> None:
    given = {"variables": jnp.eye(3)} if model is function else {}
    watch = diagnostics.watch(model, jnp.ones(5) if isinstance(model, eqx.Module) else X, **given)
    with pytest.raises(TypeError) as raised:
        watch(*arguments(watch.init()))
    assert str(raised.value) == message


def _watched(activation: Any, **options: Any) -> diagnostics.Watch:
    return diagnostics.watch(lambda p, x: activation(x @ p["a"]), X, variables={"a": jnp.eye(3)}, **options)


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (_watched(jnp.tanh), "activation 'tanh' in the layer 'a', while the call has 'relu'"),
        (_watched(jax.nn.relu, bins=2), "edges (-10.0, 0.0, 10.0) in the layer 'a', while the call has ()"),
        (_watched(jax.nn.relu, ranks=True), "other arrays, as of a watch with other ranks or bins"),
        (
            diagnostics.watch(lambda p, x: jax.nn.relu(x @ p["b"]), X, variables={"b": jnp.eye(3)}),
            "the layers ['b'], while the call has ['a']",
        ),
    ],
)
def test_a_state_of_another_watch_differs_in_what_the_error_says(other: diagnostics.Watch, difference: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"got one with {difference}; start from watch.init()")):
        _watched(jax.nn.relu)({"a": jnp.eye(3)}, X, other.init())
