"""The classifier of ``train_mnist.py`` in flax.linen and in flax.nnx, as pure functions that jax can transform.

Which layer and which initializer belong to an activation is said here, and nowhere else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax import Array

import jaxacts
import jaxacts.linen
import jaxacts.nnx
from jaxacts import diagnostics
from jaxacts.initializers import he_normal, lecun_normal, xavier_normal

__all__ = ["BUILDERS", "HIDDEN", "Network", "Output", "initializer_of", "is_hidden_activation", "kernel_init"]

PIXELS = 28 * 28
DIGITS = 10
HIDDEN = "hidden"
"""What the names begin with by which the outputs of hidden layers are watched."""

PyTree = Any
Layer = Callable[[Array], Array]
Initializer = Callable[..., Array]


class Output(NamedTuple):
    """What a network gives for a batch of images: ten scores an image, and the units of each hidden layer."""

    logits: Array
    hidden: list[Array]


class Network(NamedTuple):
    """A classifier as two pure functions, the same for both frameworks.

    ``init(key)`` gives ``(params, state)``: what the optimizer changes, and what the network itself changes while it
    trains (running statistics, random keys). ``apply(params, state, images, train)`` gives ``(output, state)``.
    """

    init: Callable[[Array], tuple[PyTree, PyTree]]
    apply: Callable[[PyTree, PyTree, Array, bool], tuple[Output, PyTree]]


_HE = (he_normal, {})  # He et al. 2015: variance 2/fan_in, for whatever is zero on the left and a line on the right.
_LECUN = (lecun_normal, {})  # LeCun et al. 1998: variance 1/fan_in, which a straight line leaves as it is.
_XAVIER = (xavier_normal, {})  # Glorot & Bengio 2010: for S-shaped curves, between what both passes ask for.

# Activations that are not named here take _HE.
_MATCHING: dict[str, tuple[Callable[..., Initializer], dict[str, float]]] = {
    "abs": (he_normal, {"negative_slope": -1.0}),
    "leaky_relu": (he_normal, jaxacts.catalogue()["leaky_relu"].arguments()),
    "prelu": (he_normal, jaxacts.catalogue()["prelu"].arguments()),
    "rrelu": (he_normal, {"negative_slope": (1 / 8 + 1 / 3) / 2}),  # the mean of its random slopes
    "identity": _LECUN,
    "selu": _LECUN,  # Klambauer et al. 2017
    "hard_sigmoid": _XAVIER,
    "hard_tanh": _XAVIER,
    "sigmoid": _XAVIER,
    "soft_sign": _XAVIER,
    "sparse_sigmoid": _XAVIER,
    "tanh": _XAVIER,
}


def kernel_init(activation: str) -> Initializer:
    """The initializer of a dense layer before this activation."""
    initializer, arguments = _MATCHING.get(activation, _HE)
    return initializer(**arguments)


def initializer_of(activation: str) -> str:
    """The initializer of this activation's layer, for a reader."""
    if activation == "maxout":
        return "Maxout's own"
    initializer, arguments = _MATCHING.get(activation, _HE)
    return ", ".join([initializer.__name__, *(f"{name} {value:.2g}" for name, value in arguments.items())])


def is_hidden_activation(activation: str) -> bool:
    """Whether a hidden layer can be built from it: it is elementwise, or has a layer of its own below."""
    entry = jaxacts.catalogue()[jaxacts.get(activation).__name__]
    return entry.elementwise or entry.name in ("glu", "maxout", "rrelu")


def _function(activation: str) -> Layer:
    """The activation, with the typical values of parameters that have no default."""
    typical = jaxacts.catalogue()[jaxacts.get(activation).__name__].typical
    return functools.partial(jaxacts.get(activation), **typical)


# ---------------------------------------------------------------------------------------------------- flax.linen


def _linen_layer(activation: str, width: int, train: bool) -> list[Layer]:
    def dense(features: int) -> Layer:
        return nn.Dense(features, kernel_init=kernel_init(activation))

    match activation:
        case "prelu":
            return [dense(width), jaxacts.linen.PReLU()]
        case "rrelu":
            return [dense(width), jaxacts.linen.RReLU(deterministic=not train)]
        case "dice":
            return [dense(width), jaxacts.linen.Dice(use_running_average=not train)]
        case "maxout":
            return [jaxacts.linen.Maxout(width)]
        case "glu":
            return [dense(2 * width), jaxacts.glu]
        case _:
            return [dense(width), _function(activation)]


class _LinenClassifier(nn.Module):
    activation: str
    hidden: tuple[int, ...]

    @nn.compact
    def __call__(self, images: Array, train: bool) -> Output:
        x, hidden = images, []
        for width in self.hidden:
            x = nn.Sequential(_linen_layer(self.activation, width, train))(x)
            hidden.append(diagnostics.tap(x, f"{HIDDEN} {len(hidden)}"))
        return Output(nn.Dense(DIGITS, kernel_init=lecun_normal())(x), hidden)


def linen_network(activation: str, hidden: tuple[int, ...]) -> Network:
    """The classifier in flax.linen; its state are the running statistics and a key."""
    classifier = _LinenClassifier(activation, hidden)

    def init(key: Array) -> tuple[PyTree, PyTree]:
        variables = classifier.init(key, jnp.zeros((1, PIXELS)), train=False)
        return variables["params"], (variables.get("batch_stats", {}), jax.random.fold_in(key, 1))

    def apply(params: PyTree, state: PyTree, images: Array, train: bool) -> tuple[Output, PyTree]:
        statistics, key = state
        key, now = jax.random.split(key)
        variables = {"params": params, "batch_stats": statistics}
        output, changed = classifier.apply(variables, images, train, rngs={"rrelu": now}, mutable="batch_stats")
        return output, (changed.get("batch_stats", {}), key)

    return Network(init, apply)


# ------------------------------------------------------------------------------------------------------ flax.nnx


def _nnx_layer(activation: str, inputs: int, width: int, rngs: nnx.Rngs) -> list[Layer]:
    def dense(features: int) -> Layer:
        return nnx.Linear(inputs, features, kernel_init=kernel_init(activation), rngs=rngs)

    match activation:
        case "prelu":
            return [dense(width), jaxacts.nnx.PReLU()]
        case "rrelu":
            return [dense(width), jaxacts.nnx.RReLU(rngs=rngs)]
        case "dice":
            return [dense(width), jaxacts.nnx.Dice(width)]
        case "maxout":
            return [jaxacts.nnx.Maxout(inputs, width, rngs=rngs)]
        case "glu":
            return [dense(2 * width), jaxacts.glu]
        case _:
            return [dense(width), _function(activation)]


class _NnxClassifier(nnx.Module):
    def __init__(self, activation: str, hidden: tuple[int, ...], rngs: nnx.Rngs):
        sizes = zip((PIXELS, *hidden), hidden, strict=False)
        self.layers = nnx.List(nnx.Sequential(*_nnx_layer(activation, *size, rngs)) for size in sizes)
        self.head = nnx.Linear(hidden[-1], DIGITS, kernel_init=lecun_normal(), rngs=rngs)

    def __call__(self, images: Array) -> Output:
        x, hidden = images, []
        for layer in self.layers:
            x = layer(x)
            hidden.append(diagnostics.tap(x, f"{HIDDEN} {len(hidden)}"))
        return Output(self.head(x), hidden)


def nnx_network(activation: str, hidden: tuple[int, ...]) -> Network:
    """The classifier in flax.nnx, split and merged at each step; its state is everything that is not a parameter."""

    def build(key: Array) -> _NnxClassifier:
        return _NnxClassifier(activation, hidden, nnx.Rngs(key))

    graph = nnx.graphdef(nnx.eval_shape(build, jax.random.key(0)))

    def init(key: Array) -> tuple[PyTree, PyTree]:
        _, params, state = nnx.split(build(key), nnx.Param, ...)
        return params, state

    def apply(params: PyTree, state: PyTree, images: Array, train: bool) -> tuple[Output, PyTree]:
        classifier = nnx.merge(graph, params, state, copy=True)  # its own variables: the caller's stay as they are
        if train:
            classifier.train()
        else:
            classifier.eval()
        output = classifier(images)
        return output, nnx.state(classifier, nnx.Not(nnx.Param))

    return Network(init, apply)


BUILDERS: dict[str, Callable[[str, tuple[int, ...]], Network]] = {"linen": linen_network, "nnx": nnx_network}
