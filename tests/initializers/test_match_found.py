"""What the whole-model call finds behind a layer: one row for each way in which both are joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen
from test_match import KEY, Net, X, dense, ones, rows

import jaxacts
from jaxacts import initializers as ji

ROOT2 = 2**0.5
relu = jax.nn.relu


def head(x: jax.Array) -> jax.Array:
    return dense(3, "head")(x)


# What is computed, and for some of its layers the activation, the gain and a note.
FOUND: dict[str, tuple[Callable[[jax.Array], Any], dict[str, tuple[str, float, str]]]] = {
    "a branch scale before relu": (
        lambda x: head(relu(x + 1e-6 * dense(16, "z")(x))),
        {"z": ("relu", ROOT2, "×1e-06")},
    ),
    "0.17 of Inception-ResNet": (
        lambda x: head(relu(x + 0.17 * dense(16, "z")(relu(x)))),
        {"z": ("relu", ROOT2, "×0.17")},
    ),
    "ReZero": (lambda x: head(relu(x + 0.0 * dense(16, "z")(x))), {"z": ("relu", ROOT2, "×0")}),
    "a branch scale after relu": (
        lambda x: head(x + 1e-6 * relu(dense(16, "z")(x))),
        {"z": ("relu", ROOT2, "×1e-06")},
    ),
    "0.17 after relu, before another": (
        lambda x: head(relu(x + 0.17 * relu(dense(16, "z")(x)))),
        {"z": ("relu", ROOT2, "×0.17")},
    ),
    "ReZero after relu": (lambda x: head(x - -(0.0 * relu(dense(16, "z")(x)))), {"z": ("relu", ROOT2, "×0")}),
    "two scales and a bias after gelu, in 16 bits": (
        lambda x: head(x + (0.25 * jaxacts.gelu(dense(16, "z")(x)).astype(jnp.bfloat16) + jnp.ones(16)) / 2),
        {"z": ("gelu", ji.gain(jaxacts.gelu), "×0.125")},
    ),
    "different layer scales after relu": (
        lambda x: head(x + 0.5 * (jnp.array([1.0, 7.0] * 8) * relu(dense(16, "z")(x)))),
        {"z": ("relu", ROOT2, "×2.5")},
    ),
    "the scale of selu is its own": (
        lambda x: head(x + 0.1 * jax.nn.selu(dense(16, "z")(x))),
        {"z": ("selu", 1.0, "×0.1")},
    ),
    "tanh by sigmoid is not a scaled branch": (
        lambda x: head(x + (2 * jax.nn.sigmoid(2 * dense(16, "z")(x)) - 1)),
        {"z": ("tanh", ji.gain(jaxacts.tanh), "residual")},
    ),
    "a pooled branch": (
        lambda x: head(x + 0.1 * relu(dense(16, "z")(x.reshape(2, 1, 16))).mean(1)),
        {"z": ("relu", ROOT2, "residual")},
    ),
    "a branch scale before a normalization": (
        lambda x: head(linen.LayerNorm()(x + 0.1 * dense(16, "z")(x))),
        {"z": ("linear", 1.0, "×0.1")},
    ),
    "data times what relu takes": (
        lambda x: head(relu(dense(16, "z")(x) * x)),
        {"z": ("relu", ROOT2, "gated")},
    ),
    "a maximum over positions": (
        lambda x: head(relu(dense(16, "z")(x.reshape(2, 4, 4)).max(1))),
        {"z": ("relu", ROOT2, "")},
    ),
    "a table that one-hot vectors look up": (
        lambda x: (e := linen.Embed(20, 16, name="e")).attend(jax.nn.one_hot(x.astype(int)[:, 0], 20) @ e.embedding),
        {"e/embedding": ("linear", 1.0, "looked up too")},
    ),
    "a scaled sum": (
        lambda x: head(jnp.tanh((x + dense(16, "z")(x)) / ROOT2)),
        {"z": ("tanh", ji.gain(jaxacts.tanh), "×0.7071")},
    ),
    "two layers": (
        lambda x: head(relu(dense(16, "a")(x) + dense(16, "b")(jnp.tanh(x)))),
        {"a": ("relu", 1.0, "sum of 2"), "b": ("relu", 1.0, "sum of 2")},
    ),
    "three layers": (
        lambda x: head(jnp.tanh(dense(16, "a")(x) + (dense(16, "b")(relu(x)) + dense(16, "c")(x)))),
        {n: ("tanh", ji.gain(jaxacts.tanh) / 3**0.5, "sum of 3") for n in "abc"},
    ),
    "a residual stream is not such a sum": (
        lambda x: head(relu((h := dense(16, "a")(x)) + dense(16, "b")(relu(linen.LayerNorm()(h))))),
        {"a": ("relu", ROOT2, "residual"), "b": ("relu", ROOT2, "residual")},
    ),
    "a mean over positions": (
        lambda x: head(relu(dense(16, "z")(x.reshape(2, 4, 4)).mean(1))),
        {"z": ("relu", ROOT2, "")},
    ),
    "a deep set": (
        lambda x: head(jnp.tanh(dense(16, "z")(x.reshape(2, 4, 4)).sum(1))),
        {"z": ("tanh", ji.gain(jaxacts.tanh), "summed")},
    ),
    "neighbours": (
        lambda x: head(relu(jnp.ones((2, 2)) @ dense(16, "z")(x))),
        {"z": ("relu", ROOT2, "summed")},
    ),
    "segments": (
        lambda x: head(relu(jax.ops.segment_sum(dense(16, "z")(x), jnp.array([0, 1]), 2))),
        {"z": ("relu", ROOT2, "summed")},
    ),
    "statistics that are not a normalization": (
        lambda x: head(jax.nn.silu(dense(16, "z")(x.reshape(2, 4, 4)).mean(1) + dense(16, "c")(x))),
        {"z": ("silu", ji.gain(jaxacts.silu), "residual"), "c": ("silu", ji.gain(jaxacts.silu), "residual")},
    ),
    "gated before a normalization": (
        lambda x: head(linen.RMSNorm()(relu(dense(16, "g")(x)) * dense(16, "v")(x))),
        {"g": ("relu", ROOT2, "gated"), "v": ("linear", 1.0, "normalized")},
    ),
    "gated, normalized and activated": (
        lambda x: head(jnp.tanh(linen.LayerNorm()(dense(16, "v")(x) * x))),
        {"v": ("tanh", ji.gain(jaxacts.tanh), "gated")},
    ),
    "a packed gate": (
        lambda x: head(jax.nn.silu((z := dense(8, "z")(x))[:, :4]) * z[:, 4:]),
        {"z": ("silu | linear", ((ji.gain(jaxacts.silu) ** 2 + 1) / 2) ** 0.5, "")},
    ),
    "glu of jax.nn": (
        lambda x: head(jax.nn.glu(dense(8, "z")(x))),
        {"z": ("linear | sigmoid", ((ji.gain(jaxacts.sigmoid) ** 2 + 1) / 2) ** 0.5, "")},
    ),
    "queries, keys and values in one": (
        lambda x: head(sum(jnp.split(dense(24, "z")(x), 3, -1), jnp.zeros(()))),
        {"z": ("linear", 1.0, "")},
    ),
    "two heads of one layer": (
        lambda x: (z := dense(8, "z")(x), z[:, :4], jnp.exp(z[:, 4:]))[1:],
        {"z": ("linear | exp(z)", ((1 + ji.gain(jnp.exp) ** 2) / 2) ** 0.5, "")},
    ),
    "noise times what it became": (
        lambda x: head(x[:, :4] + jnp.exp(0.5 * dense(4, "z")(x)) * jax.random.normal(KEY, (2, 4))),
        {"z": ("exp(0.5·z)", ji.gain(lambda z: jnp.exp(0.5 * z)), "")},
    ),
    "a tied table": (
        lambda x: (e := linen.Embed(20, 16, name="e")).attend(jnp.tanh(dense(16, "z")(e(x.astype(int)[:, 0])))),
        {"e/embedding": ("linear", 1.0, "looked up too"), "z": ("tanh", ji.gain(jaxacts.tanh), "")},
    ),
    "a stream into an activation": (
        lambda x: head((h := dense(16, "a")(x)) + dense(16, "b")(relu(h))),
        {"a": ("linear", 1.0, "goes into relu too")},
    ),
    "sine of SIREN": (
        lambda x: head(jnp.sin(30 * dense(16, "z")(x))),
        {"z": ("sin(30·z)", ROOT2, "")},
    ),
    "the formula of a sum": (
        lambda x: head(jnp.sin(3 * (dense(16, "a")(x) + dense(16, "b")(relu(x))))),
        {"a": ("sin(3·z)", 1.0, "sum of 2")},
    ),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FOUND)
def test_found(name: str) -> None:
    body, expected = FOUND[name]
    found = rows(body, X, variables=ones(body, X) if "tied" not in name else None)
    for layer, (activation, gain, note) in expected.items():
        row = found[layer]
        assert row.activation == activation
        assert row.gain == pytest.approx(gain, rel=1e-5)
        assert not note or note in row.notes


def test_the_squared_gradient_of_sines_is_reported() -> None:
    _, report = ji.match(Net(FOUND["sine of SIREN"][0]), X, KEY)
    assert report.layers[0].chi_1 == pytest.approx(900, rel=1e-3)
    with pytest.raises(AssertionError, match=r"z/kernel has χ₁ 900"):
        report.assert_healthy()
