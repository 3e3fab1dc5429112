"""Memory of the backward pass beside jax.nn: ``python tests/benchmarks/memory.py``.

Eight layers x @ W1, activation, @ W2 (batch 512, width 256, hidden 1024), scanned and unrolled, differentiated by
the weights: the temporary bytes that ``memory_analysis()`` reports for the compiled program, per hidden element and
layer. "named" keeps the pre-activation alone, by ``jax.checkpoint`` with ``jaxacts.keep_pre_activations`` (for jax.nn
the input is named by hand), "dots" is ``dots_saveable`` and "full" ``nothing_saveable``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.ad_checkpoint import checkpoint_name
from rich.console import Console
from rich.progress import track
from rich.table import Table

import jaxacts

LAYERS, BATCH, WIDTH, HIDDEN = 8, 512, 256, 1024
NAMES = ("relu", "gelu", "silu", "mish", "elu", "softplus", "tanh", "sigmoid")
POLICIES = jax.checkpoint_policies
WAYS: dict[str, tuple[bool, Any]] = {
    "scanned": (True, None),
    "named": (True, jaxacts.keep_pre_activations),
    "dots": (True, POLICIES.dots_saveable),
    "full": (True, POLICIES.nothing_saveable),
    "unrolled": (False, None),
}


def temporary_bytes(act: Callable[[Array], Array], scanned: bool, policy: Any, dtype: Any) -> float:
    """Bytes per hidden element and layer of the gradient program."""

    def block(x: Array, w: tuple[Array, Array]) -> Array:
        return act(x @ w[0]) @ w[1]

    layer = jax.checkpoint(block, policy=policy) if policy else block

    def loss(w: tuple[Array, Array], x: Array) -> Array:
        if scanned:
            x = jax.lax.scan(lambda x, w: (layer(x, w), None), x, w)[0]
        else:
            for i in range(LAYERS):
                x = layer(x, (w[0][i], w[1][i]))
        return x.sum()

    w = jnp.zeros((LAYERS, WIDTH, HIDDEN), dtype), jnp.zeros((LAYERS, HIDDEN, WIDTH), dtype)
    compiled = jax.jit(jax.grad(loss)).lower(w, jnp.zeros((BATCH, WIDTH), dtype)).compile()
    return compiled.memory_analysis().temp_size_in_bytes / (LAYERS * BATCH * HIDDEN)


def tagged(act: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The function with its input named as ours are."""
    return lambda x: act(checkpoint_name(x, "pre_activation"))


def main() -> None:
    table = Table(
        "function", "dtype", *WAYS,
        title=f"jax.nn → jaxacts {jaxacts.__version__}, jax {version('jax')}, bytes a hidden element",
    )  # fmt: skip
    rows = [(n, d) for d in (jnp.bfloat16, jnp.float32) for n in NAMES]
    for name, dtype in track(rows, console=Console(stderr=True)):
        cells = []
        for scanned, policy in WAYS.values():
            theirs, ours = tagged(getattr(jax.nn, name)), jaxacts.get(name)
            cells.append(" → ".join(f"{temporary_bytes(f, scanned, policy, dtype):.1f}" for f in (theirs, ours)))
        table.add_row(name, jnp.dtype(dtype).name, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
