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


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("name", [n for n, e in jaxacts.catalogue().items() if e.elementwise])
def test_value_and_gradient_take_two_loops(name: str, dtype: Any) -> None:
    """A quotient or root that both have gets a loop and an array of its own, which takes longer than to do it twice."""
    entry = jaxacts.catalogue()[name]
    for options in ({"approximate": False}, {"approximate": True}) if name == "gelu" else ({},):
        arguments = entry.arguments(**options)

        def both(x: jax.Array, g: jax.Array, arguments: Any = arguments) -> Any:
            y, back = jax.vjp(lambda x: entry.function(x, **arguments), x)
            return y, back(g)

        x = jnp.ones(4096, dtype)
        text = jax.jit(both).lower(x, x).compile().as_text()
        assert text[text.index("ENTRY") :].count(" fusion(") <= 2, "a loop beside those of value and gradient"
