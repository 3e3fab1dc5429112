"""Time of the functions over an axis: ``python tests/benchmarks/rows.py``.

Value, and value with gradient, of rows of several lengths (2^20 elements in all), in nanoseconds an element, beside
jax.nn's softmax, and beside the sorting algorithms of the papers for sparsemax and entmax15. Everything is measured
twice, as by ``speed.py``. Options: names of functions; ``--dtype``; ``--noisy`` and ``--output`` as there.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from rich.console import Console
from rich.progress import track
from rich.table import Table
from timing import INSTRUCTION_SETS, MEASURED, in_child, instruction_sets, machine, paired, quiet, save

import jaxacts

LENGTHS = (64, 1024, 32768)
SIZE = 2**20


def sorted_sparsemax(x: Array) -> Array:
    """The algorithm of Martins & Astudillo 2016."""
    ordered = -jnp.sort(-x)
    sums, counts = jnp.cumsum(ordered, -1), jnp.arange(1, x.shape[-1] + 1)
    size = (1 + counts * ordered > sums).sum(-1, keepdims=True)
    return jnp.maximum(x - (jnp.take_along_axis(sums, size - 1, -1) - 1) / size, 0)


def sorted_entmax15(x: Array) -> Array:
    """The algorithm of Peters et al. 2019."""
    x = (x - x.max(-1, keepdims=True)) / 2
    ordered, counts = -jnp.sort(-x), jnp.arange(1, x.shape[-1] + 1)
    mean = jnp.cumsum(ordered, -1) / counts
    variance = jnp.cumsum(ordered**2, -1) / counts - mean**2
    threshold = mean - jnp.sqrt(jnp.maximum((1 - counts * variance) / counts, 0))
    size = (threshold <= ordered).sum(-1, keepdims=True)
    return jnp.square(jnp.maximum(x - jnp.take_along_axis(threshold, size - 1, -1), 0))


PEERS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "softmax": (jaxacts.softmax, jax.nn.softmax),
    "log_softmax": (jaxacts.log_softmax, jax.nn.log_softmax),
    "softmax with a sink": (functools.partial(jaxacts.softmax, sink=0.0), jax.nn.softmax),
    "sparsemax": (jaxacts.sparsemax, sorted_sparsemax),
    "entmax15": (jaxacts.entmax15, sorted_entmax15),
    "entmax at 1.25": (functools.partial(jaxacts.entmax, alpha=1.25), jax.nn.softmax),
    "gaussian_topk": (jaxacts.gaussian_topk, jax.nn.softmax),
}


def both(f: Callable[[Array], Array]) -> Callable[[Array, Array], Any]:
    """Value and gradient."""

    def run(x: Array, g: Array) -> tuple[Array, Array]:
        y, back = jax.vjp(f, x)
        return y, back(g)[0]

    return jax.jit(run)


def measure(name: str, length: int, dtype: str, size: int = SIZE, repetitions: int = 11) -> dict[str, Any]:
    """One row: nanoseconds an element of ours and the peer, and the ratio."""
    x, g = (jax.random.normal(jax.random.key(i), (size // length, length)).astype(dtype) for i in range(2))
    row: dict[str, Any] = {"function": name, "dtype": dtype, "length": length}
    for way in ("forward", "both"):
        programs = (jax.jit(f) if way == "forward" else both(f) for f in PEERS[name])
        arguments = (x,) if way == "forward" else (x, g)
        row[way] = paired(*(functools.partial(p, *arguments) for p in programs), repetitions, unit=size * 1e-9)
    return row


def shown(rows: Iterable[dict[str, Any]], title: str = "") -> Table:
    head = f"ns an element (ratio to the peer) {title}"
    table = Table("function", "dtype", "length", "forward", "both", title=head)
    for row in rows:
        cells = (f"{row[way]['ours']:.2f} ({row[way]['ratio']:.2f})" for way in ("forward", "both"))
        table.add_row(row["function"], row["dtype"], str(row["length"]), *cells)
    return table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"{', '.join(PEERS)}; all by default")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--tiny", action="store_true", help="a few elements, to see that everything runs")
    parser.add_argument("--noisy", action="store_true", help="use all cores and fresh memory")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--title", choices=INSTRUCTION_SETS, help=argparse.SUPPRESS)  # given to the child processes
    options = parser.parse_intermixed_args(argv)
    if options.title:
        if not options.noisy:
            quiet()
        lengths, *others = ((64,), 2**8, 1) if options.tiny else (LENGTHS,)
        todo = [(name, n, options.dtype, *others) for name in options.names or PEERS for n in lengths]
        rows = [measure(*each) for each in track(todo, options.title, console=Console(stderr=True))]
        save(options.output, {"rows": rows})
        return
    flags = [f"--{name}" for name in ("tiny", "noisy") if getattr(options, name)]
    given = [*options.names, "--dtype", options.dtype, *flags]
    sets = {title: in_child(__file__, title, given) for title in instruction_sets()}
    for title, found in sets.items():
        Console().print(shown(found["rows"], title))
    complete = not (options.names or flags) and options.dtype == "float32"
    if options.output or complete:
        save(options.output or MEASURED / "rows.json", {"machine": machine(), "instruction_sets": sets})


if __name__ == "__main__":
    main()
