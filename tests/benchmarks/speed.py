"""Speed beside jax.nn with two instruction sets: ``python tests/benchmarks/speed.py``.

Everything is measured twice, in one child process for each instruction set: what XLA chooses by itself, and AVX2
(``XLA_FLAGS=--xla_cpu_max_isa=AVX2``). Each pair of functions is timed in turns, and the median of the ratios is taken,
so that whatever else the machine does affects both. "forward" is ``f(x)``; "both" is one program that gives value and
gradient; "stored" is two programs, the value and what is kept for the backward pass, then the gradient from that, as
where other layers lie between. The sizes are 2^20 and 2^23 elements (4 and 32 MiB in float32). Then follow the time of
an eager call of 8 elements, the time to trace and to compile 100 unrolled layers with their gradient, and the numbers
of operations. Options: names of functions; ``--quick`` for the small size alone; ``--noisy`` to use all cores and fresh
memory; ``--output`` for another file than ``docs/measured/speed.json``, which only a complete run writes.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import operations
from jax import Array
from peers import Pair, pairs
from rich.console import Console
from rich.progress import track
from rich.table import Table
from timing import (
    INSTRUCTION_SETS,
    MEASURED,
    geometric_mean,
    in_child,
    instruction_sets,
    machine,
    paired,
    paired_stages,
    quiet,
    save,
    stages,
)

import jaxacts

WAYS = ("forward", "both", "stored")
MOST = {"float32": (0.8, 0.95), "bfloat16": (0.6, 0.7), "float16": (0.7, 0.8)}
"""The bars for the geometric means at 2^20 elements, forward and both."""
WORST, COMPILE, TRACE = 1.3, {"bfloat16": 1.1, "float32": 1.4}, 1.2
LAYERED = ("relu", "gelu", "silu", "tanh")

Program = Callable[[Array, Array], Any]


class Settings(NamedTuple):
    """How much is measured."""

    sizes: tuple[int, ...] = (20, 23)
    repetitions: tuple[int, ...] = (21, 5)
    layers: int = 100
    compilations: int = 3
    eager: int = 300


FULL, QUICK, TINY = Settings(), Settings((20,), (21,), 100, 2), Settings((8,), (2,), 2, 1, 2)


def programs(f: Callable[[Array], Array]) -> tuple[Program, ...]:
    """The three ways."""

    def both(x: Array, g: Array) -> tuple[Array, Array]:
        y, back = jax.vjp(f, x)
        return y, back(g)[0]

    first, second = jax.jit(lambda x: jax.vjp(f, x)), jax.jit(lambda back, g: back(g)[0])

    def stored(x: Array, g: Array) -> tuple[Array, Array]:
        y, back = first(x)
        return y, second(back, g)

    compiled = jax.jit(f)
    return lambda x, g: compiled(x), jax.jit(both), stored


def row(label: str, pair: Pair, dtype: str, size: int, repetitions: int) -> dict[str, Any]:
    """Nanoseconds an element, and the ratios."""
    assert pair.theirs
    rng = np.random.default_rng(0)
    x, g = (jnp.asarray(rng.normal(size=2**size) * scale, dtype) for scale in (3, 1))
    found: dict[str, Any] = {"function": label, "dtype": dtype, "size": size}
    for way, ours, theirs in zip(WAYS, programs(pair.ours), programs(pair.theirs), strict=True):
        runs = (functools.partial(run, x, g) for run in (ours, theirs))
        found[way] = paired(*runs, repetitions, unit=2**size * 1e-9)
    return found


def summaries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Geometric means of the ratios, and the worst ratio, of each dtype and size."""
    found: list[dict[str, Any]] = []
    for dtype, size in dict.fromkeys((r["dtype"], r["size"]) for r in rows):
        of_these = [r for r in rows if (r["dtype"], r["size"]) == (dtype, size)]
        means = {way: geometric_mean(r[way]["ratio"] for r in of_these) for way in WAYS}
        ratio, function, way = max((r[way]["ratio"], r["function"], way) for r in of_these for way in WAYS)
        worst = {"function": function, "way": way, "ratio": ratio}
        found.append({"dtype": dtype, "size": size, **means, "worst": worst})
    return found


def eager(names: Iterable[str], repetitions: int) -> dict[str, dict[str, float]]:
    """Microseconds of a call of 8 elements outside of jit."""
    x = jnp.ones(8)
    found: dict[str, dict[str, float]] = {}
    for name in names:
        runs = (functools.partial(f, x) for f in (jaxacts.get(name), getattr(jax.nn, name)))
        found[name] = paired(*runs, repetitions, unit=1e-6)
    return found


def compile_layers(f: Callable[[Array], Array], dtype: str, layers: int) -> tuple[float, float, Any]:
    """Trace and compile the gradient of unrolled layers."""

    def loss(w: Array, x: Array) -> Array:
        for i in range(layers):
            x = f(x @ w[i])
        return x.sum()

    return stages(jax.grad(loss), jnp.ones((layers, 16, 16), dtype), jnp.ones((4, 16), dtype))


def layered(name: str, dtype: str, settings: Settings) -> dict[str, Any]:
    """Seconds to trace and to compile the layers, and the ratios."""
    pair = jaxacts.get(name), getattr(jax.nn, name)
    for f in pair:
        compile_layers(f, dtype, 2)
    runs = (functools.partial(compile_layers, f, dtype, settings.layers) for f in pair)
    return {"function": name, "dtype": dtype, **paired_stages(*runs, settings.compilations)}


def measure(names: Sequence[str], settings: Settings, title: str) -> dict[str, Any]:
    """Everything but the operations, with the instruction set of this process."""
    chosen, console = pairs(names), Console(stderr=True)
    todo = [
        (label, pair, dtype, size, repetitions)
        for dtype in MOST
        for size, repetitions in zip(settings.sizes, settings.repetitions, strict=True)
        for label, pair in chosen.items()
    ]
    rows = [row(*each) for each in track(todo, f"{title}: run", console=console)]
    layered_names = [name for name in LAYERED if not names or name in names]
    calls = eager(layered_names, settings.eager)
    unrolled = [(name, dtype) for dtype in COMPILE for name in layered_names]
    compiled = [layered(*each, settings) for each in track(unrolled, f"{title}: compile", console=console)]
    return {"rows": rows, "summaries": summaries(rows), "eager": calls, "layers": settings.layers, "compiled": compiled}


def shown(measured: dict[str, Any]) -> list[Table]:
    """Functions, means, eager calls and compilation, both instruction sets side by side."""
    sets = measured["instruction_sets"]
    first = next(iter(sets.values()))
    every = Table("function", "dtype", "2^n", *(f"{t} {w}" for t in sets for w in WAYS), title="ns (ratio to jax.nn)")
    for i, r in enumerate(first["rows"]):
        cells = [f"{s['rows'][i][w]['ours']:.2f} ({s['rows'][i][w]['ratio']:.2f})" for s in sets.values() for w in WAYS]
        every.add_row(r["function"], r["dtype"], str(r["size"]), *cells)
    heads = [f"{t} {w}" for t in sets for w in (*WAYS, "worst")]
    means = Table("dtype", "2^n", *heads, title="geometric means of the ratios; ! is above the bar")
    for i, r in enumerate(first["summaries"]):
        means.add_row(r["dtype"], str(r["size"]), *(c for s in sets.values() for c in _mean_cells(s["summaries"][i])))
    calls = Table("eager call of 8", *sets, title="µs, jax.nn → ours (ratio)")
    for name in first["eager"]:
        calls.add_row(name, *(_beside(s["eager"][name]) for s in sets.values()))
    title = f"{first['layers']} layers with gradient: seconds, jax.nn → ours (ratio)"
    compiled = Table("function", "dtype", *(f"{t} {w}" for t in sets for w in ("trace", "compile")), title=title)
    for i, r in enumerate(first["compiled"]):
        most = {"trace": TRACE, "compile": COMPILE[r["dtype"]]}
        cells = [_beside(s["compiled"][i][what], limit) for s in sets.values() for what, limit in most.items()]
        compiled.add_row(r["function"], r["dtype"], *cells)
    return [every, means, calls, compiled]


def _mean_cells(summary: dict[str, Any]) -> list[str]:
    most = (*MOST[summary["dtype"]], None) if summary["size"] == 20 else (None,) * 3
    cells = [_marked(summary[way], limit) for way, limit in zip(WAYS, most, strict=True)]
    worst = summary["worst"]
    limit = WORST if summary["size"] == 20 else None
    return [*cells, f"{_marked(worst['ratio'], limit)} {worst['function']}, {worst['way']}"]


def _beside(times: dict[str, float], limit: float | None = None) -> str:
    return f"{times['jax.nn']:.3g} → {times['ours']:.3g} ({_marked(times['ratio'], limit)})"


def _marked(ratio: float, limit: float | None) -> str:
    return f"{ratio:.2f}" + "!" * (limit is not None and ratio > limit)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="functions; all by default")
    parser.add_argument("--quick", action="store_true", help="2^20 elements alone")
    parser.add_argument("--tiny", action="store_true", help="a few elements, to see that everything runs")
    parser.add_argument("--noisy", action="store_true", help="use all cores and fresh memory")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--title", choices=INSTRUCTION_SETS, help=argparse.SUPPRESS)  # given to the child processes
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = arguments()
    options = parser.parse_intermixed_args(argv)
    unknown = [name for name in options.names if not pairs([name])]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(pairs())}")
    settings = TINY if options.tiny else QUICK if options.quick else FULL
    if options.title:
        if not options.noisy:
            quiet()
        save(options.output, measure(options.names, settings, options.title))
        return
    flags = [f"--{name}" for name in ("quick", "tiny", "noisy") if getattr(options, name)]
    measured = {
        "machine": machine(),
        "instruction_sets": {
            title: in_child(__file__, title, [*options.names, *flags]) for title in instruction_sets()
        },
        "operations": operations.measure(options.names),
    }
    console = Console(width=max(150, Console().width))
    for table in (*shown(measured), operations.shown(measured["operations"])):
        console.print(table)
    complete = not (options.names or flags)
    if options.output or complete:
        save(options.output or MEASURED / "speed.json", measured)


if __name__ == "__main__":
    main()
