"""What a watch costs: ``python tests/benchmarks/watch.py``.

A training step (Adam) of an MLP of 8 layers of 512 units at batch 256 is timed in turns without and with a watch, with
captured intermediates, and with a watch that looks at every tenth step; the overhead is the median of the ratios of
paired steps. ``--noisy`` uses all cores and fresh memory, ``--tiny`` only shows that everything runs.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from rich.console import Console
from rich.table import Table
from timing import MEASURED, machine, quiet, save, seconds

import jaxacts
from jaxacts import diagnostics

OPTIMIZER = optax.adam(1e-3)
ACTIVATIONS = ("relu", "gelu", "tanh")
BAR = 0.06


class Mlp(nn.Module):
    """Dense layers with one activation, and a linear one at the end."""

    activation: str
    depth: int
    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(self.depth):
            x = jaxacts.get(self.activation)(nn.Dense(self.width)(x))
        return nn.Dense(10)(x)


def steps_of(model: nn.Module, x: jax.Array, labels: jax.Array) -> dict[str, Callable[[], Any]]:
    """A training step in each way, each a call without arguments."""
    variables = model.init(jax.random.key(0), x)
    optimizer = OPTIMIZER.init(variables)
    watches = {f"watch, every {n}": diagnostics.watch(model, x, every=n) for n in (1, 10)}

    def captured(variables: Any, x: jax.Array, _: Any) -> Any:
        y, found = model.apply(variables, x, capture_intermediates=True)
        return y, jax.tree.map(lambda h: ((h == 0).all(0), jnp.abs(h).mean(0)), found)

    ways = {
        "plain": (lambda variables, x, state: (model.apply(variables, x), state), ()),
        "captured": (captured, ()),
        **{name: (watch, watch.init()) for name, watch in watches.items()},
    }

    def run(forward: Callable[..., Any], state: Any) -> Callable[[], Any]:
        def loss(variables: Any, state: Any) -> Any:
            logits, state = forward(variables, x, state)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), state

        @jax.jit
        def step(variables: Any, optimizer: Any, state: Any) -> Any:
            gradient, state = jax.grad(loss, has_aux=True)(variables, state)
            updates, optimizer = OPTIMIZER.update(gradient, optimizer)
            return optax.apply_updates(variables, updates), optimizer, state

        carry = [variables, optimizer, state]

        def once() -> Any:
            found = step(carry[0], carry[1], carry[2] if state != () else ())
            carry[:] = [*found[:2], found[2] if state != () else ()]
            return found

        return once

    return {name: run(*way) for name, way in ways.items()}


def measure(activation: str, depth: int, width: int, batch: int, repetitions: int) -> dict[str, Any]:
    """Median seconds of each way, and the median of its ratio to the plain step."""
    x = jax.random.normal(jax.random.key(0), (batch, width))
    labels = jax.random.randint(jax.random.key(1), (batch,), 0, 10)
    ways = steps_of(Mlp(activation, depth, width), x, labels)
    for _ in range(3):
        for way in ways.values():
            seconds(way)
    times = [{name: seconds(way) for name, way in ways.items()} for _ in range(repetitions)]
    medians = {name: statistics.median(row[name] for row in times) for name in ways}
    ratios = {name: statistics.median(row[name] / row["plain"] for row in times) for name in ways}
    return {"activation": activation, "seconds": medians, "ratio": ratios}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="a small network, to see that everything runs")
    parser.add_argument("--noisy", action="store_true", help="use all cores and fresh memory")
    parser.add_argument("--repetitions", type=int, default=60)
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_args(argv)
    if not (options.tiny or options.noisy):
        quiet()
    depth, width, batch, repetitions = (2, 8, 4, 2) if options.tiny else (8, 512, 256, options.repetitions)
    rows = [measure(name, depth, width, batch, repetitions) for name in ACTIVATIONS]
    table = Table("activation", *rows[0]["seconds"], title="ms a step (overhead)")
    for row in rows:
        cells = (f"{1e3 * row['seconds'][n]:.2f} ({row['ratio'][n] - 1:+.1%})" for n in row["seconds"])
        table.add_row(row["activation"], *cells)
    Console(width=120).print(table)
    if options.output or not (options.tiny or options.noisy):
        save(options.output or MEASURED / "watch.json", {"machine": machine(), "bar": BAR, "rows": rows})
    return rows


if __name__ == "__main__":
    main()
