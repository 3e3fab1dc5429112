"""Saturation is where the slope is small, at any distance from 0; hard where it is 0, soft where it tends to 0."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts
from jaxacts import diagnostics


def watched(function: Any, z: Any, epsilon: float = 0.01) -> Any:
    watch = diagnostics.watch(lambda w, x: function(x @ w), z[:, None], variables=jnp.ones((1, 1)), epsilon=epsilon)
    return watch(jnp.ones((1, 1)), z[:, None])[1].layers[0]


def cosh2(x: Any) -> Any:
    return np.cosh(np.minimum(np.abs(x), 300)) ** -2.0


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", [n for n, e in jaxacts.catalogue().items() if e.elementwise and n != "identity"])
def test_every_activation_of_the_catalogue_is_recognized_and_its_saturation_is_that_of_its_slope(name: str) -> None:
    entry = jaxacts.catalogue()[name]
    arguments = entry.arguments()

    def model(w: jax.Array, x: jax.Array) -> jax.Array:
        return entry.function(x * w[0] @ w, **arguments)

    z = jnp.linspace(-12, 12, 1201)[:, None]
    watch = diagnostics.watch(model, z, variables=jnp.ones((1, 1)))
    (layer,) = watch.layers
    assert layer.activation == name
    _, state = watch(jnp.ones((1, 1)), z)
    slope = np.asarray(jax.vmap(jax.grad(lambda x: entry.function(x, **arguments)))(z[:, 0]))
    small, z_ = np.abs(slope) < 0.01, np.asarray(z[:, 0])
    assert abs(float(state.layers[0].left[0]) - (small & (z_ < 0)).sum()) <= 1
    assert abs(float(state.layers[0].right[0]) - (small & (z_ >= 0)).sum()) <= 1
    facts, shape = entry.facts(), entry.shape()
    assert facts.left is None or layer.left == (shape.left or "")
    assert facts.right is None or layer.right == (shape.right or "")


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (lambda z: jnp.arctan(3 * z) ** 3, ("soft", "soft")),
        (lambda z: jnp.clip(z, -2, 3), ("hard", "hard")),
        (lambda z: z * jax.nn.sigmoid(3 * z) + 0.1 * jnp.sin(z), ("", "")),
    ],
)
def test_saturation_of_functions_outside_of_the_catalogue_is_that_of_their_slope(function: Any, kinds: Any) -> None:
    z = jnp.linspace(-12, 12, 1201)[:, None]
    watch = diagnostics.watch(lambda w, x: function(x @ w), z, variables=jnp.ones((1, 1)))
    (layer,) = watch.layers
    assert layer.activation not in jaxacts.catalogue()
    assert (layer.left, layer.right) == kinds
    sums = watch(jnp.ones((1, 1)), z)[1].layers[0]
    small, z_ = np.abs(np.asarray(jax.vmap(jax.grad(function))(z[:, 0]))) < 0.01, np.asarray(z[:, 0])
    assert abs(float(sums.left[0]) - (small & (z_ < 0)).sum()) <= 1
    assert abs(float(sums.right[0]) - (small & (z_ >= 0)).sum()) <= 1


Z = np.concatenate([60 * np.random.default_rng(0).standard_normal(2000), np.linspace(-3, 3, 1999)])


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("function", "slope", "kinds"),
    [
        (lambda z: jaxacts.soft_cap(z, 30.0), lambda z: cosh2(z / 30), ("soft", "soft")),
        (lambda z: jnp.clip(z, -50, 50), lambda z: np.abs(z) < 50, ("hard", "hard")),
        (lambda z: jnp.clip(z, 0, 60), lambda z: (z > 0) & (z < 60), ("hard", "hard")),
        (lambda z: jnp.log1p(jax.nn.relu(z)), lambda z: np.where(z > 0, 1 / (1 + np.abs(z)), 0), ("hard", "soft")),
        (lambda z: jnp.tanh(5 * z), lambda z: 5 * cosh2(5 * z), ("soft", "soft")),
        (lambda z: jnp.tanh(z / 0.2), lambda z: 5 * cosh2(5 * z), ("soft", "soft")),
        (lambda z: jaxacts.tanh(5 * z), lambda z: 5 * cosh2(5 * z), ("soft", "soft")),
        (
            lambda z: jax.scipy.special.erf(8 * z),
            lambda z: 16 / np.sqrt(np.pi) * np.exp(-((8 * z) ** 2)),
            ("soft", "soft"),
        ),
        (lambda z: jax.nn.elu(20 * z), lambda z: 20 * np.exp(np.minimum(20 * z, 0)), ("soft", "")),
        (lambda z: jax.nn.sigmoid(20 * z), lambda z: 5 * cosh2(10 * z), ("soft", "soft")),
        (lambda z: jax.nn.sigmoid(1000 * (z - 0.7)), lambda z: 250 * cosh2(500 * (z - 0.7)), ("soft", "soft")),
        (lambda z: jax.nn.relu(z) ** 3, lambda z: 3 * np.maximum(z, 0) ** 2, ("hard", "")),
        (lambda z: jax.nn.leaky_relu(z, 0.001), lambda z: np.where(z > 0, 1, 0.001), ("", "")),
        (jnp.round, np.zeros_like, ("hard", "hard")),
        (
            lambda z: jaxacts.hard_silu(5 * z),
            lambda z: np.where(np.abs(z) < 0.6, 5 * (10 * z + 3) / 6, 5 * (z > 0)),
            ("hard", ""),
        ),
        (jnp.sqrt, lambda z: 0.5 / np.sqrt(z), ("", "soft")),
    ],
)
def test_counts_are_those_of_the_slope_at_any_distance(function: Any, slope: Any, kinds: Any) -> None:
    z = 1 + np.abs(Z) * 100 if function is jnp.sqrt else Z
    sums = watched(function, jnp.asarray(z, jnp.float32))
    small = np.abs(slope(z)) < 0.01
    assert abs(float(sums.left[0]) - (small & (z < 0)).sum()) <= 1
    assert abs(float(sums.right[0]) - (small & (z >= 0)).sum()) <= 1
    assert (sums.layer.left, sums.layer.right) == kinds


def test_another_threshold() -> None:
    sums = watched(lambda z: jnp.log1p(jnp.abs(z)), jnp.asarray(100 * Z, jnp.float32), epsilon=2e-4)
    far = 1 / (1 + np.abs(100 * Z)) < 2e-4
    np.testing.assert_array_equal(sums.left + sums.right, far.sum())
