"""Memory of the backward pass beside jax.nn: ``python tests/benchmarks/memory.py``.

Layers x @ W1, activation, @ W2 (batch 512, width 256, hidden 1024), differentiated by the weights: the temporary bytes
that ``memory_analysis()`` reports for the compiled program, per hidden element and layer. Eight and 32 layers are
scanned; "dots" is eight scanned layers under ``jax.checkpoint`` with ``dots_saveable``, "full" the same with
``nothing_saveable``. Options: names of functions; ``--output`` for a JSON file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from rich.console import Console
from rich.progress import track
from rich.table import Table
from timing import LIBRARIES, machine, save

import jaxacts

BATCH, WIDTH, HIDDEN = 512, 256, 1024
NAMES = ("relu", "gelu", "silu", "mish", "elu", "softplus", "tanh", "sigmoid")
DTYPES = ("bfloat16", "float32")
POLICIES = jax.checkpoint_policies


class Way(NamedTuple):
    """How the layers are put together."""

    scanned: bool
    policy: Any = None
    layers: int = 8


WAYS = {
    "scanned, 8": Way(True),
    "scanned, 32": Way(True, layers=32),
    "dots": Way(True, POLICIES.dots_saveable),
    "full": Way(True, POLICIES.nothing_saveable),
    "unrolled, 8": Way(False),
}


def temporary_bytes(act: Callable[[Array], Array], scanned: bool, policy: Any, dtype: Any, layers: int = 8) -> float:
    """Bytes per hidden element and layer of the gradient program."""

    def block(x: Array, w: tuple[Array, Array]) -> Array:
        return act(x @ w[0]) @ w[1]

    layer = jax.checkpoint(block, policy=policy) if policy else block

    def loss(w: tuple[Array, Array], x: Array) -> Array:
        if scanned:
            x = jax.lax.scan(lambda x, w: (layer(x, w), None), x, w)[0]
        else:
            for i in range(layers):
                x = layer(x, (w[0][i], w[1][i]))
        return x.sum()

    shapes = (layers, WIDTH, HIDDEN), (layers, HIDDEN, WIDTH), (BATCH, WIDTH)
    up, down, x = (jax.ShapeDtypeStruct(shape, jnp.dtype(dtype)) for shape in shapes)
    compiled = jax.jit(jax.grad(loss)).lower((up, down), x).compile()
    return compiled.memory_analysis().temp_size_in_bytes / (layers * BATCH * HIDDEN)


def gated_bytes(unit: Callable[[Array, Array], Array], dtype: Any, layers: int = 8) -> float:
    """The same of scanned layers unit(x @ W1, x @ W2) @ W3."""

    def layer(x: Array, w: tuple[Array, Array, Array]) -> tuple[Array, None]:
        return unit(x @ w[0], x @ w[1]) @ w[2], None

    def loss(w: tuple[Array, Array, Array], x: Array) -> Array:
        return jax.lax.scan(layer, x, w)[0].sum()

    shapes = *((layers, WIDTH, HIDDEN),) * 2, (layers, HIDDEN, WIDTH), (BATCH, WIDTH)
    *weights, x = (jax.ShapeDtypeStruct(shape, jnp.dtype(dtype)) for shape in shapes)
    compiled = jax.jit(jax.grad(loss)).lower(tuple(weights), x).compile()
    return compiled.memory_analysis().temp_size_in_bytes / (layers * BATCH * HIDDEN)


def measure(name: str, dtype: str, ways: Iterable[str] = WAYS) -> dict[str, Any]:
    """One row: for each way the bytes with either library."""
    row: dict[str, Any] = {"function": name, "dtype": dtype}
    functions = jaxacts.get(name), getattr(jax.nn, name)
    for way in ways:
        scanned, policy, layers = WAYS[way]
        found = (temporary_bytes(f, scanned, policy, dtype, layers) for f in functions)
        row[way] = dict(zip(LIBRARIES, found, strict=True))
    return row


def shown(rows: list[dict[str, Any]]) -> Table:
    table = Table("function", "dtype", *WAYS, title=f"bytes a hidden element, jax.nn → jaxacts {jaxacts.__version__}")
    for row in rows:
        cells = [f"{row[way]['jax.nn']:.1f} → {row[way]['ours']:.1f}" if way in row else "" for way in WAYS]
        table.add_row(row["function"], row["dtype"], *cells)
    return table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"functions; {', '.join(NAMES)} by default")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_intermixed_args(argv)
    if unknown := [n for n in options.names if n not in jaxacts.catalogue() or not hasattr(jax.nn, n)]:
        parser.error(f"not in jaxacts and in jax.nn: {', '.join(unknown)}")
    todo = [(name, dtype) for dtype in DTYPES for name in options.names or NAMES]
    rows = [measure(*each) for each in track(todo, "memory", console=Console(stderr=True))]
    Console(width=max(120, Console().width)).print(shown(rows))
    if options.output:
        save(options.output, {"machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
