"""What a differentiated scan of layers keeps, and that checkpoint policies work through the derivative rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxacts

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from memory import temporary_bytes

POLICIES = jax.checkpoint_policies


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
@pytest.mark.parametrize(
    ("policy", "bound"),
    [
        (None, 15.0),
        (jaxacts.keep_pre_activations, 11.5),
        (POLICIES.dots_saveable, 11.5),
        (POLICIES.nothing_saveable, 7.5),
    ],
    ids=["scanned", "named", "dots", "nothing"],
)
def test_bytes_a_hidden_element(name: str, policy: Any, bound: float) -> None:
    assert temporary_bytes(jaxacts.get(name), True, policy, jnp.bfloat16) <= bound


@pytest.mark.parametrize("policy", [jaxacts.keep_pre_activations, POLICIES.dots_saveable, POLICIES.nothing_saveable])
def test_policies_do_not_change_the_gradient(policy: Any) -> None:
    w = jax.random.normal(jax.random.key(0), (2, 16, 16)) / 4
    x = jax.random.normal(jax.random.key(1), (8, 16))

    def loss(w: jax.Array, policy: Any) -> jax.Array:
        def block(x: jax.Array, w: jax.Array) -> jax.Array:
            return jaxacts.silu(x @ w)

        layer = jax.checkpoint(block, policy=policy) if policy else block
        return jax.lax.scan(lambda x, w: (layer(x, w), None), x, w)[0].sum()

    with_policy, without = (jax.grad(loss)(w, p) for p in (policy, None))
    assert jnp.allclose(with_policy, without, rtol=1e-6, atol=1e-7)
