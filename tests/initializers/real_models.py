"""Models as people write them, small, in linen, nnx and Equinox, each with a sample of random data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import linen, nnx

KEY = jax.random.key(9)
TOKENS = jax.random.randint(KEY, (4, 16), 0, 200)
IMAGES = jax.random.normal(KEY, (4, 16, 16, 3))
SERIES = jax.random.normal(KEY, (4, 12, 24))
VECTORS = jax.random.normal(KEY, (32, 48))


class Model(linen.Module):
    body: Callable[[Any], Any]

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return self.body(x)


def resnet(x: jax.Array, train: bool = True) -> jax.Array:
    def norm(scale: Any = linen.initializers.ones) -> linen.BatchNorm:
        return linen.BatchNorm(use_running_average=not train, scale_init=scale)

    x = linen.relu(norm()(linen.Conv(32, (3, 3), use_bias=False)(x)))
    for width, stride in ((32, 1), (64, 2), (64, 1)):
        h = linen.relu(norm()(linen.Conv(width, (3, 3), (stride, stride), use_bias=False)(x)))
        h = norm(linen.initializers.zeros)(linen.Conv(width, (3, 3), use_bias=False)(h))
        if h.shape != x.shape:
            x = norm()(linen.Conv(width, (1, 1), (stride, stride), use_bias=False)(x))
        x = linen.relu(x + h)
    return linen.Dense(10)(x.mean((1, 2)))


def swiglu(x: jax.Array) -> jax.Array:
    gate, value = jnp.split(linen.Dense(4 * x.shape[-1], use_bias=False)(x), 2, -1)
    return linen.Dense(x.shape[-1], use_bias=False)(jax.nn.silu(gate) * value)


def gelu_block(x: jax.Array) -> jax.Array:
    return linen.Dense(x.shape[-1])(linen.gelu(linen.Dense(4 * x.shape[-1])(x)))


def prenorm(ids: jax.Array, dense: Callable[[jax.Array], jax.Array] = gelu_block, norm: Any = linen.LayerNorm) -> Any:
    table = linen.Embed(200, 64)
    x = table(ids)
    for _ in range(3):
        x = x + linen.MultiHeadDotProductAttention(4)(norm()(x))
        x = x + dense(norm()(x))
    return table.attend(norm()(x))


def postnorm(ids: jax.Array) -> jax.Array:
    x = linen.Embed(200, 64)(ids)
    for _ in range(3):
        x = linen.LayerNorm()(x + linen.MultiHeadDotProductAttention(4)(x))
        x = linen.LayerNorm()(x + swiglu(x))
    return linen.Dense(200)(x)


class Block(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
        x = x + linen.MultiHeadDotProductAttention(4)(linen.RMSNorm()(x))
        return x + swiglu(linen.RMSNorm()(x)), None


def scanned(ids: jax.Array) -> jax.Array:
    blocks = linen.scan(linen.remat(Block), variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
    x, _ = blocks()(linen.Embed(200, 64)(ids), None)
    return linen.Dense(200)(linen.RMSNorm()(x))


def lstm(x: jax.Array) -> jax.Array:
    return linen.Dense(5)(linen.RNN(linen.OptimizedLSTMCell(32))(linen.RNN(linen.LSTMCell(32))(x))[:, -1])


def gru(x: jax.Array) -> jax.Array:
    return linen.Dense(5)(linen.RNN(linen.GRUCell(32))(x)[:, -1])


def unet(x: jax.Array) -> jax.Array:
    time = linen.Dense(32)(linen.silu(linen.Dense(32)(jnp.sin(jnp.arange(32.0) + x[:, 0, 0, :1]))))

    def block(x: jax.Array, width: int) -> jax.Array:
        h = linen.Conv(width, (3, 3))(linen.silu(linen.GroupNorm(4)(x)))
        h = h + linen.Dense(width)(linen.silu(time))[:, None, None]
        h = linen.Conv(width, (3, 3))(linen.silu(linen.GroupNorm(4)(h)))
        return h + (x if x.shape == h.shape else linen.Conv(width, (1, 1))(x))

    first = block(linen.Conv(16, (3, 3))(x), 16)
    low = block(linen.Conv(16, (3, 3), (2, 2))(first), 32)
    up = linen.Conv(16, (3, 3))(jax.image.resize(low, (*first.shape[:3], 32), "nearest"))
    h = block(jnp.concatenate([up, first], -1), 16)
    return linen.Conv(3, (3, 3))(linen.silu(linen.GroupNorm(4)(h)))


def convnext(x: jax.Array) -> jax.Array:
    x = linen.LayerNorm()(linen.Conv(32, (4, 4), (4, 4))(x))
    for i in range(3):
        h = linen.LayerNorm()(linen.Conv(32, (7, 7), feature_group_count=32)(x))
        h = linen.Dense(32)(linen.gelu(linen.Dense(128)(h)))
        x = x + LayerScale(name=f"scale{i}")(h)
    return linen.Dense(10)(linen.LayerNorm()(x.mean((1, 2))))


class LayerScale(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return x * self.param("scale", linen.initializers.constant(1e-6), x.shape[-1:])


def mixer(x: jax.Array) -> jax.Array:
    x = linen.Conv(32, (4, 4), (4, 4))(x).reshape(len(x), 16, 32)
    for _ in range(2):
        h = linen.LayerNorm()(x).swapaxes(1, 2)
        x = x + linen.Dense(16)(linen.gelu(linen.Dense(64)(h))).swapaxes(1, 2)
        x = x + gelu_block(linen.LayerNorm()(x))
    return linen.Dense(10)(linen.LayerNorm()(x).mean(1))


def vae(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    mean, log_variance = jnp.split(linen.Dense(16)(linen.relu(linen.Dense(64)(x))), 2, -1)
    z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(KEY, mean.shape)
    return linen.Dense(x.shape[-1])(linen.relu(linen.Dense(64)(z))), log_variance


def llama(ids: jax.Array) -> jax.Array:
    return prenorm(ids, swiglu, linen.RMSNorm)


class Residual(nnx.Module):
    """A pre-normalized block: attention and a dense part, or convolutions."""

    def __init__(self, width: int, rngs: nnx.Rngs) -> None:
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(2)])
        self.attention = nnx.MultiHeadAttention(4, width, decode=False, rngs=rngs)
        self.up, self.down = nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(2 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.norms[0](x))
        gate, value = jnp.split(self.up(self.norms[1](x)), 2, -1)
        return x + self.down(nnx.silu(gate) * value)


class Transformer(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.table = nnx.Embed(200, 64, rngs=rngs)
        self.blocks = nnx.List([Residual(64, rngs) for _ in range(2)])
        self.norm = nnx.LayerNorm(64, rngs=rngs)

    def __call__(self, ids: jax.Array) -> jax.Array:
        x = self.table(ids)
        for block in self.blocks:
            x = block(x)
        return self.table.attend(self.norm(x))


class ResNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(3, 32, (3, 3), rngs=rngs)
        self.convs = nnx.List([nnx.Conv(32, 32, (3, 3), rngs=rngs) for _ in range(4)])
        self.norms = nnx.List([nnx.BatchNorm(32, rngs=rngs) for _ in range(5)])
        self.head = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.norms[0](self.stem(x)))
        for i in (0, 2):
            h = nnx.relu(self.norms[i + 1](self.convs[i](x)))
            x = nnx.relu(x + self.norms[i + 2](self.convs[i + 1](h)))
        return self.head(x.mean((1, 2)))


class Recurrent(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.lstm = nnx.RNN(nnx.OptimizedLSTMCell(24, 32, rngs=rngs))
        self.gru = nnx.RNN(nnx.GRUCell(32, 32, rngs=rngs))
        self.head = nnx.Linear(32, 5, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(self.gru(self.lstm(x))[:, -1])


class Series(eqx.Module):
    """A recurrent cell over sequences, a batch at a time."""

    cell: eqx.nn.GRUCell | eqx.nn.LSTMCell
    head: eqx.nn.Linear

    def __init__(self, cell: type[eqx.nn.GRUCell | eqx.nn.LSTMCell], key: jax.Array) -> None:
        first, last = jax.random.split(key)
        self.cell, self.head = cell(24, 32, key=first), eqx.nn.Linear(32, 5, key=last)

    def __call__(self, x: jax.Array) -> jax.Array:
        zeros = jnp.zeros(32)
        start: Any = zeros if isinstance(self.cell, eqx.nn.GRUCell) else (zeros, zeros)

        def last(series: jax.Array) -> jax.Array:
            state, _ = jax.lax.scan(lambda state, now: (self.cell(now, state), None), start, series)
            return self.head(state if isinstance(self.cell, eqx.nn.GRUCell) else state[0])

        return jax.vmap(last)(x)


class Perceptron(eqx.Module):
    mlp: eqx.nn.MLP

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.vmap(self.mlp)(x)


LINEN: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "ResNet, BatchNorm": (resnet, IMAGES),
    "ResNet in evaluation": (lambda x: resnet(x, train=False), IMAGES),
    "transformer, pre-norm, gelu, tied": (prenorm, TOKENS),
    "transformer, RMSNorm, packed swiglu, tied": (llama, TOKENS),
    "transformer, post-norm, swiglu": (postnorm, TOKENS),
    "transformer, scanned and rematerialized": (scanned, TOKENS),
    "LSTM, two kinds of cell": (lstm, SERIES),
    "GRU": (gru, SERIES),
    "U-Net with time embedding": (unet, IMAGES),
    "ConvNeXt with layer scale": (convnext, IMAGES),
    "MLP-Mixer": (mixer, IMAGES),
    "VAE": (vae, VECTORS),
}
NNX: dict[str, tuple[type[nnx.Module], Any]] = {
    "transformer, nnx": (Transformer, TOKENS),
    "ResNet, nnx": (ResNet, IMAGES),
    "LSTM and GRU, nnx": (Recurrent, SERIES),
}
EQUINOX: dict[str, tuple[Callable[[], eqx.Module], Any]] = {
    "MLP, Equinox": (lambda: Perceptron(eqx.nn.MLP(48, 5, 64, 2, activation=jax.nn.gelu, key=KEY)), VECTORS),
    "LSTM, Equinox": (lambda: Series(eqx.nn.LSTMCell, KEY), SERIES),
    "GRU, Equinox": (lambda: Series(eqx.nn.GRUCell, KEY), SERIES),
}


def model(name: str) -> tuple[Any, Any]:
    """A module of linen or nnx and its sample."""
    if name in LINEN:
        body, sample = LINEN[name]
        return Model(body), sample
    make, sample = NNX[name]
    return make(nnx.Rngs(0)), sample
