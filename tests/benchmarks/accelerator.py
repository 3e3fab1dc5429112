"""What one accelerator makes of the activations: ``python tests/benchmarks/accelerator.py``.

Measured, the most useful first: the bandwidth that a copy reaches; forward and backward of every elementwise activation
in bfloat16 beside jax.nn; the training step of GPT stacks; all 16-bit inputs against float64 references; float32 speed;
the largest float32 errors on a sample. It stops when ``--budget`` seconds (450) are over, and says what was left out.
The results go to ``docs/measured/accelerator-<kind of device>.json``, or where ``--output`` says, after each
measurement. On a CPU, or with ``--tiny``, sizes are small, and only ``--output`` writes a file.
"""

from __future__ import annotations

import argparse
import functools
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import architectures
import device
import jax
import models
from architectures import Size
from peers import pairs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from timing import MEASURED, machine, save

import jaxacts

BUDGET = 450.0
SECTIONS = ("bandwidth", "speed", "models", "misroundings", "float32")


class Settings(NamedTuple):
    """How much is measured."""

    size: int = 27
    calls: int = 50
    sample: int = 100_000
    network: Size = architectures.LARGE._replace(batches=24)


FULL, TINY = Settings(), Settings(12, 2, 1000, architectures.TINY)


class Task(NamedTuple):
    """One measurement, which gives one row."""

    section: str
    what: str
    run: Callable[[], dict[str, Any]]


def tasks(settings: Settings, names: Sequence[str] = ()) -> list[Task]:
    """Everything, the most useful first."""
    chosen = pairs(names, with_peer=False)
    known = [label for label in chosen if label in device.REFERENCES]
    size, calls = settings.size, settings.calls

    def speeds(dtype: str) -> list[Task]:
        return [
            Task("speed", f"{label}, {dtype}", functools.partial(device.speed, label, pair, dtype, size, calls))
            for label, pair in sorted(chosen.items(), key=lambda item: item[1].theirs is None)
        ]

    def roundings(dtype: str) -> list[Task]:
        run = device.misroundings
        return [Task("misroundings", f"{label}, {dtype}", functools.partial(run, label, dtype)) for label in known]

    def ulps() -> list[Task]:
        run = device.ulps
        return [Task("float32", f"{label}, errors", functools.partial(run, label, settings.sample)) for label in known]

    def steps(dtype: str, way: str) -> list[Task]:
        run, network = models.measure, settings.network
        gpts = [name for name in architectures.MODELS if name.startswith("GPT") and name.endswith(way)]
        return [Task("models", f"{name}, {dtype}", functools.partial(run, name, dtype, network, 0)) for name in gpts]

    return [
        *(Task("bandwidth", d, functools.partial(device.bandwidth, d, size, calls)) for d in ("bfloat16", "float32")),
        *speeds("bfloat16"),
        *steps("bfloat16", "scanned"),
        *roundings("bfloat16"),
        *speeds("float32"),
        *(
            Task("float32", f"{label}, errors", functools.partial(device.ulps, label, settings.sample))
            for label in known
        ),
        *roundings("float16"),
        *steps("float32", "scanned"),
        *steps("bfloat16", "unrolled"),
        *steps("float32", "unrolled"),
    ]


def measure(todo: list[Task], budget: float, store: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Rows by section, what was left out for want of time, and what failed; stored after each measurement."""
    start = time.monotonic()
    measured: dict[str, Any] = {"jaxacts": jaxacts.__version__, "machine": machine()}
    measured |= {section: [] for section in SECTIONS} | {"left_out": [], "failed": {}, "without_reference": []}
    measured["without_reference"] = [label for label in pairs(with_peer=False) if label not in device.REFERENCES]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=len(todo))
        for task in todo:
            progress.update(bar, description=f"{task.section}: {task.what}")
            if time.monotonic() - start > budget:
                measured["left_out"].append(f"{task.section}: {task.what}")
                continue
            try:
                measured[task.section].append(task.run())
            except Exception as error:  # a device may lack a dtype or memory; the rest is worth its time
                measured["failed"][f"{task.section}: {task.what}"] = f"{type(error).__name__}: {error}"[:500]
            progress.advance(bar)
            store(measured)
    measured["seconds"] = round(time.monotonic() - start, 1)
    store(measured)
    return measured


def shown(measured: dict[str, Any]) -> list[Table]:
    """One table for each section, and one for both kinds of errors."""
    ways = [f"{way}, {unit}" for way in device.WAYS for unit in ("ps: jax.nn → ours (ratio)", "GB/s")]
    speed = Table("function", "dtype", *ways, title=_bandwidth(measured["bandwidth"]))
    for row in measured["speed"]:
        cells = [c for way in device.WAYS for c in (_beside(row[way]), f"{row[way]['GB/s']:.4g}")]
        speed.add_row(row["function"], row["dtype"], *cells)
    accuracy = Table(
        "function", "bfloat16", "float16", "float32, ulp", title="value/slope: wrongly rounded; largest errors"
    )
    counts = {(r["function"], r["dtype"]): f"{r['value']}/{r['slope']}" for r in measured["misroundings"]}
    wide = {r["function"]: f"{r['value']['ulp']:.3g}/{r['slope']['ulp']:.3g}" for r in measured["float32"]}
    for label in dict.fromkeys([*(label for label, _ in counts), *wide]):
        cells = [counts.get((label, dtype), "") for dtype in ("bfloat16", "float16")]
        accuracy.add_row(label, *cells, wide.get(label, ""))
    return [speed, accuracy, *models.shown(measured["models"])]


def _bandwidth(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"{r['dtype']}: copy {r['copy']:.4g} GB/s, negation {r['negation']:.4g} GB/s" for r in rows)


def _beside(times: dict[str, float]) -> str:
    if "jax.nn" not in times:
        return f"- → {times['ours']:.3g}"
    return f"{times['jax.nn']:.3g} → {times['ours']:.3g} ({times['ratio']:.2f})"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="activations; all by default")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds after which nothing more is begun")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that everything runs; so on a CPU")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_intermixed_args(argv)
    if unknown := [name for name in options.names if not pairs([name], with_peer=False)]:
        parser.error(f"unknown: {', '.join(unknown)}")
    tiny = options.tiny or jax.default_backend() == "cpu"
    kind = re.sub(r"[^a-z0-9]+", "-", jax.devices()[0].device_kind.lower())
    path = options.output or (None if tiny or options.names else MEASURED / f"accelerator-{kind}.json")
    todo = tasks(TINY if tiny else FULL, options.names)
    measured = measure(todo, options.budget, lambda found: save(path, found) if path else None)
    console = Console(width=max(130, Console().width))
    for table in shown(measured):
        console.print(table)
    for what, why in measured["failed"].items():
        console.print(f"failed: {what}: {why}", markup=False)
    if left_out := measured["left_out"]:
        console.print(f"Left out after {measured['seconds']:.0f} s: {'; '.join(left_out)}.", markup=False)
    if missing := measured["without_reference"]:
        console.print(f"Without a float64 reference, so their accuracy was not measured: {', '.join(missing)}.")
    console.print(f"{path or 'no file'} written, {measured['seconds']} s.", markup=False)


if __name__ == "__main__":
    main()
