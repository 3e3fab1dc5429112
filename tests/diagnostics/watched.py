"""The kinds of models that a watch has to find its way through: each with its variables, a sample and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

import jaxacts
import jaxacts.linen as jl

KEY = jax.random.key(0)


class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.avg_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.max_pool(jaxacts.elu(nn.Conv(6, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.tanh(nn.Dense(5)(x.reshape(len(x), -1)))
        return nn.log_softmax(nn.Dense(3)(x))


class ResidualBlock(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        norm = lambda y: nn.BatchNorm(use_running_average=not train)(y)  # noqa: E731
        y = nn.relu(norm(nn.Conv(self.features, (3, 3))(x)))
        y = norm(nn.Conv(self.features, (3, 3))(y))
        if x.shape != y.shape:
            x = nn.Conv(self.features, (1, 1))(x)
        return nn.relu(x + y)


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(4, (3, 3))(x)))
        for features in (4, 6):
            x = ResidualBlock(features)(x, train)
        return nn.Dense(3)(x.mean((1, 2)))


class TransformerBlock(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
        half = jnp.bfloat16
        mask = nn.make_causal_mask(jnp.ones(x.shape[:2]))
        h = nn.LayerNorm(dtype=half)(x)
        h = nn.MultiHeadDotProductAttention(2, dtype=half)(h, h, mask=mask)
        x = x + nn.Dropout(0.1, deterministic=False)(h)
        h = nn.gelu(nn.Dense(16, dtype=half)(nn.LayerNorm(dtype=half)(x)))
        return x + nn.Dense(8, dtype=half)(h), None


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(8, dtype=jnp.bfloat16)(x)
        scanned = nn.scan(
            nn.remat(TransformerBlock),
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            length=3,
        )
        return nn.Dense(5)(scanned(name="blocks")(x, None)[0])


class Lstm(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(2)(nn.RNN(nn.LSTMCell(3))(x)[:, -1])


class Gru(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(2)(nn.RNN(nn.GRUCell(3))(x)[:, -1])


class Parametric(nn.Module):
    """Activations with parameters or statistics, and those that are written out."""

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = jl.PReLU(axis=-1)(nn.Dense(4)(x))
        x = nn.PReLU()(nn.Dense(4)(x))
        x = jl.Dice(use_running_average=not train)(nn.Dense(4)(x))
        x = jaxacts.glu(nn.Dense(8)(jl.Maxout(4)(x)))
        x = nn.Dense(4)(x)
        x = nn.Dense(4)(x * jax.nn.sigmoid(x))
        x = nn.Dense(4)(jnp.square(jnp.maximum(x, 0)))
        return nn.Dense(3)(x / (1 + jnp.abs(x)))


class Normalized(nn.Module):
    """The squares in the variances are not activations."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.LayerNorm()(nn.relu(nn.Dense(4)(x)))
        x = nn.RMSNorm()(nn.relu(nn.Dense(4)(x)))
        x = nn.BatchNorm(use_running_average=False)(nn.relu(nn.Dense(4)(x)))
        x = nn.relu(nn.Dense(4)(x))
        x = nn.Dense(4)(x / jnp.sqrt((x**2).sum(-1, keepdims=True) + 1e-6))
        return nn.Dense(3)(jnp.square(nn.relu(x)).mean(0))


class NnxMlp(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.layers = nnx.List([nnx.Linear(5, 6, rngs=rngs), nnx.Linear(6, 4, rngs=rngs)])
        self.norm = nnx.BatchNorm(6, rngs=rngs)
        self.drop = nnx.Dropout(0.2, rngs=rngs)
        self.head = nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.drop(jaxacts.mish(self.norm(self.layers[0](x))))
        return self.head(nnx.relu(self.layers[1](x)))


def equinox_model() -> eqx.nn.Sequential:
    """Layers of Equinox, which take one example at a time."""
    first, second, last = jax.random.split(KEY, 3)
    return eqx.nn.Sequential(
        [
            eqx.nn.Linear(5, 6, key=first),
            eqx.nn.Lambda(jaxacts.softplus),
            eqx.nn.Linear(6, 4, key=second),
            eqx.nn.Lambda(jaxacts.softplus),
            eqx.nn.Linear(4, 3, key=last),
        ]
    )


@dataclass(frozen=True)
class Case:
    """A linen model, the sample, the options of its call, and the activations by layer, in order."""

    model: nn.Module
    shape: tuple[int, ...]
    found: tuple[tuple[str, str], ...]
    options: dict[str, Any] = field(default_factory=dict)

    def variables(self) -> Any:
        known = {n: v for n, v in self.options.items() if n not in ("rngs", "mutable")}
        return self.model.init({"params": KEY, "dropout": KEY}, self.sample(), **known)

    def sample(self) -> jax.Array:
        return jax.random.normal(jax.random.key(1), self.shape)


LSTM = "LSTMCell_0"
CASES = {
    "cnn": Case(Cnn(), (4, 8, 8, 2), (("Conv_0", "relu"), ("Conv_1", "elu"), ("Dense_0", "tanh"))),
    "resnet in training": Case(
        ResNet(),
        (4, 8, 8, 2),
        (
            ("Conv_0", "relu"),
            ("ResidualBlock_0/Conv_0", "relu"),
            ("ResidualBlock_0/Conv_1", "relu"),
            ("ResidualBlock_1/Conv_0", "relu"),
            ("ResidualBlock_1/Conv_2", "relu"),
        ),
        {"train": True, "mutable": ["batch_stats"]},
    ),
    "transformer, scanned, remat, bfloat16": Case(
        Transformer(), (2, 6, 4), (("blocks/Dense_0", "gelu"),), {"rngs": {"dropout": KEY}}
    ),
    "lstm": Case(
        Lstm(),
        (2, 5, 4),
        (
            (f"{LSTM}/hi", "sigmoid"),
            (f"{LSTM}/hf", "sigmoid"),
            (f"{LSTM}/hg.tanh", "tanh"),
            (f"{LSTM}/ho", "sigmoid"),
            (f"{LSTM}/hg.tanh.2", "tanh"),
        ),
    ),
    "gru": Case(Gru(), (2, 5, 4), (("GRUCell_0/hr", "sigmoid"), ("GRUCell_0/hz", "sigmoid"), ("GRUCell_0/hn", "tanh"))),
    "normalized after relu": Case(
        Normalized(),
        (8, 5),
        (*((f"Dense_{i}", "relu") for i in range(4)), ("Dense_4", "relu_squared")),
        {"mutable": ["batch_stats"]},
    ),
    "parametric, in training": Case(
        Parametric(),
        (8, 5),
        (
            ("Dense_0", "prelu"),
            ("Dense_1", "prelu"),
            ("Dense_2", "dice"),
            ("Maxout_0", "maxout"),
            ("Dense_3", "glu"),
            ("Dense_4", "silu"),
            ("Dense_5", "relu_squared"),
            ("Dense_6", "soft_sign"),
        ),
        {"train": True, "mutable": ["batch_stats"]},
    ),
}
