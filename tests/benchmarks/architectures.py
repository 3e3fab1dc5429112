"""Networks for the benchmarks, in plain JAX, with the library of activations as an argument.

Each function returns a :class:`Model`, whose ``loss(library, parameters, batch)`` takes ``library.gelu`` and the like
from either ``jax.nn`` or ``jaxacts``. Parameters are float32; the network computes in its dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

Tree = Any


class Model(NamedTuple):
    """A network and what it is trained on."""

    parameters: Tree
    batches: Tree
    """Arrays whose first axis counts the batches."""
    loss: Callable[[Any, Tree, Tree], Array]


class Size(NamedTuple):
    """How large the networks are."""

    layers: int = 6
    width: int = 128
    heads: int = 4
    length: int = 128
    batch: int = 4
    vocabulary: int = 64
    channels: int = 16
    image: int = 32
    batches: int = 40


TINY = Size(layers=2, width=16, heads=2, length=8, batch=2, vocabulary=8, channels=4, image=8, batches=12)
LARGE = Size(width=1024, heads=16, length=1024, batch=8, vocabulary=1024, channels=64, image=64)
"""For an accelerator."""


def normal(rng: np.random.Generator, *shape: int, fan: int | None = None) -> Array:
    """Weights of variance 1 / fan, which is the last but one axis unless it is given."""
    return jnp.asarray(rng.normal(size=shape) * (fan or shape[-2]) ** -0.5, jnp.float32)


def cast(tree: Tree, dtype: Any) -> Tree:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def tokens(size: Size, rng: np.random.Generator) -> Array:
    """Sequences in which a token follows from the one before, nine times out of ten."""
    count, vocabulary = size.batches * size.batch, size.vocabulary
    successor = rng.permutation(vocabulary)
    drawn = rng.integers(vocabulary, size=(count, size.length + 1))
    noisy = rng.random(drawn.shape) < 0.1
    for i in range(1, size.length + 1):
        drawn[:, i] = np.where(noisy[:, i], drawn[:, i], successor[drawn[:, i - 1]])
    return jnp.asarray(drawn.reshape(size.batches, size.batch, -1), jnp.int32)


def cross_entropy(logits: Array, labels: Array) -> Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels).mean()


def rms_norm(x: Array, scale: Array) -> Array:
    wide = x.astype(jnp.float32)
    return (wide * jax.lax.rsqrt(jnp.mean(wide**2, -1, keepdims=True) + 1e-6)).astype(x.dtype) * scale


def gpt(size: Size, dtype: Any, gated: bool, scanned: bool) -> Model:
    """A stack of causal transformer blocks; the feed-forward part is gelu's, or gated by silu (SwiGLU)."""
    rng = np.random.default_rng(0)
    layers, width, vocabulary = size.layers, size.width, size.vocabulary
    hidden = 8 * width // 3 if gated else 4 * width
    blocks = {
        "attention": jnp.ones((layers, width)),
        "qkv": normal(rng, layers, width, 3 * width),
        "out": normal(rng, layers, width, width),
        "feed": jnp.ones((layers, width)),
        "up": normal(rng, layers, width, hidden * (1 + gated)),
        "down": normal(rng, layers, hidden, width),
    }
    parameters = {
        "tokens": normal(rng, vocabulary, width, fan=width),
        "positions": normal(rng, size.length, width, fan=width),
        "blocks": blocks,
        "norm": jnp.ones(width),
    }

    def block(library: Any, x: Array, w: dict[str, Array]) -> Array:
        heads = (*x.shape[:2], size.heads, -1)
        q, k, v = (a.reshape(heads) for a in jnp.split(rms_norm(x, w["attention"]) @ w["qkv"], 3, -1))
        x += jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape) @ w["out"]
        up = rms_norm(x, w["feed"]) @ w["up"]
        if gated:
            gate, value = jnp.split(up, 2, -1)
            return x + (library.silu(gate) * value) @ w["down"]
        return x + library.gelu(up) @ w["down"]

    def loss(library: Any, parameters: Tree, batch: Array) -> Array:
        w = cast(parameters, dtype)
        x = w["tokens"][batch[:, :-1]] + w["positions"]
        if scanned:
            x = jax.lax.scan(lambda x, w: (block(library, x, w), None), x, w["blocks"])[0]
        else:
            for i in range(layers):
                x = block(library, x, jax.tree.map(lambda a, i=i: a[i], w["blocks"]))
        return cross_entropy(rms_norm(x, w["norm"]) @ w["tokens"].T, batch[:, 1:])

    return Model(parameters, tokens(size, rng), loss)


def resnet(size: Size, dtype: Any) -> Model:
    """Eight residual blocks of two convolutions in four stages, as in ResNet-18, with relu and batch statistics."""
    rng = np.random.default_rng(0)
    classes, colours = 10, 3
    widths = [size.channels * 2**stage for stage in range(4) for _ in range(2)]

    def kernel(extent: int, inputs: int, outputs: int) -> Array:
        return normal(rng, extent, extent, inputs, outputs, fan=extent**2 * inputs) * 2**0.5

    blocks = []
    for i, (inputs, outputs) in enumerate(zip([size.channels, *widths], widths, strict=False)):
        w = {"first": kernel(3, inputs, outputs), "second": kernel(3, outputs, outputs)}
        w |= {name: jnp.ones(outputs) for name in ("scale1", "scale2")}
        w |= {name: jnp.zeros(outputs) for name in ("shift1", "shift2")}
        blocks.append(w | ({"skip": kernel(1, inputs, outputs)} if i and inputs != outputs else {}))
    parameters = {
        "stem": kernel(3, colours, size.channels),
        "blocks": blocks,
        "head": normal(rng, widths[-1], classes),
    }
    count = size.batches * 4 * size.batch
    labels = rng.integers(classes, size=count)
    shape = (size.image, size.image, colours)
    images = rng.normal(size=(classes, *shape))[labels] + rng.normal(size=(count, *shape))
    batches = (
        jnp.asarray(images.reshape(size.batches, -1, *shape), jnp.float32),
        jnp.asarray(labels.reshape(size.batches, -1), jnp.int32),
    )

    def convolution(x: Array, w: Array, stride: int = 1) -> Array:
        return jax.lax.conv_general_dilated(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def normalized(x: Array, scale: Array, shift: Array) -> Array:
        wide = x.astype(jnp.float32)
        mean, variance = jnp.mean(wide, (0, 1, 2)), jnp.var(wide, (0, 1, 2))
        return ((wide - mean) * jax.lax.rsqrt(variance + 1e-5)).astype(x.dtype) * scale + shift

    def block(library: Any, x: Array, w: dict[str, Array]) -> Array:
        stride = 2 if "skip" in w else 1
        y = library.relu(normalized(convolution(x, w["first"], stride), w["scale1"], w["shift1"]))
        y = normalized(convolution(y, w["second"]), w["scale2"], w["shift2"])
        return library.relu(y + (convolution(x, w["skip"], stride) if "skip" in w else x))

    def loss(library: Any, parameters: Tree, batch: tuple[Array, Array]) -> Array:
        w = cast(parameters, dtype)
        x = convolution(batch[0].astype(dtype), w["stem"])
        for each in w["blocks"]:
            x = block(library, x, each)
        return cross_entropy(x.mean((1, 2)) @ w["head"], batch[1])

    return Model(parameters, batches, loss)


def lstm(size: Size, dtype: Any) -> Model:
    """One LSTM layer, scanned over time: four gates by sigmoid and tanh."""
    rng = np.random.default_rng(0)
    width, vocabulary = size.width, size.vocabulary
    parameters = {
        "tokens": normal(rng, vocabulary, width, fan=width),
        "gates": normal(rng, 2 * width, 4 * width),
        "bias": jnp.zeros(4 * width),
        "head": normal(rng, width, vocabulary),
    }

    def loss(library: Any, parameters: Tree, batch: Array) -> Array:
        w = cast(parameters, dtype)

        def step(state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
            hidden, cell = state
            gates = jnp.concatenate([x, hidden], -1) @ w["gates"] + w["bias"]
            enter, forget, leave, candidate = jnp.split(gates, 4, -1)
            cell = library.sigmoid(forget) * cell + library.sigmoid(enter) * library.tanh(candidate)
            hidden = library.sigmoid(leave) * library.tanh(cell)
            return (hidden, cell), hidden

        inputs = w["tokens"][batch[:, :-1]].swapaxes(0, 1)
        start = jnp.zeros(inputs.shape[1:], dtype)
        hidden = jax.lax.scan(step, (start, start), inputs)[1]
        return cross_entropy(hidden @ w["head"], batch[:, 1:].T)

    return Model(parameters, tokens(size._replace(batch=4 * size.batch), rng), loss)


MODELS: dict[str, Callable[[Size, Any], Model]] = {
    "GPT, gelu, scanned": lambda size, dtype: gpt(size, dtype, False, True),
    "GPT, silu-gated, scanned": lambda size, dtype: gpt(size, dtype, True, True),
    "GPT, gelu, unrolled": lambda size, dtype: gpt(size, dtype, False, False),
    "GPT, silu-gated, unrolled": lambda size, dtype: gpt(size, dtype, True, False),
    "ResNet, relu": resnet,
    "LSTM, tanh and sigmoid": lstm,
}
