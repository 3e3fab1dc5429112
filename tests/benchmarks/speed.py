"""Speed beside jax.nn, and torch where it is installed: ``python tests/benchmarks/speed.py``.

Each pair of functions is timed in turns in one process, and the median of the ratios is taken, so that what else the
machine does hits both. "forward" is ``f(x)``; "both" is one program that gives value and gradient; "stored" is two
programs, value and what is kept for the backward pass, then the gradient from that, as where other layers lie between.
The sizes are 2^20 and 2^23 elements (4 and 32 MiB in float32). Options: names of functions; ``--quick`` for the small
size alone; ``--disturbed`` to use all cores and fresh memory. Then follow the time of an eager call of 8 elements and
the time to trace and compile 100 unrolled layers.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from rich.console import Console
from rich.progress import track
from rich.table import Table

import jaxacts

DTYPES = ("float32", "bfloat16", "float16")
WAYS = ("forward", "both", "stored")
TORCH = {"gelu tanh": ("gelu", {"approximate": "tanh"}), "gelu exact": ("gelu", {}), "hard_silu": ("hardswish", {})}
RESULTS = Path(__file__).parents[2] / "docs" / "measured" / "speed.json"

Program = Callable[[Array, Array], Any]


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


def undisturbed() -> None:
    """Before JAX starts its threads: one core, and freed memory kept, of which there is enough from the start.

    Otherwise the scheduler may leave both halves of a loop to one core, for a whole run, and arrays of 32 MiB come from
    the kernel, which clears every page: on Linux that takes several times as long as most functions here.
    """
    if sys.platform != "linux":
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    trim_threshold, mmap_threshold, arenas = -1, -3, -8
    for parameter, value in {trim_threshold: 2**30, mmap_threshold: 2**30, arenas: 1}.items():
        if ctypes.CDLL(None).mallopt(parameter, value) != 1:
            sys.exit("speed.py: mallopt failed; pass --disturbed.")
    np.ones(2**26)


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], repetitions: int) -> tuple[float, float, float]:
    """Median seconds of both, and the median of the ratios."""
    for _ in range(2):
        seconds(ours), seconds(theirs)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repetitions)]
    return *(statistics.median(column) for column in zip(*pairs, strict=True)), statistics.median(
        a / b for a, b in pairs
    )


def subjects(names: list[str]) -> dict[str, tuple[Callable[..., Array], Callable[..., Array]]]:
    """Label → (ours, jax.nn's)."""
    found: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {}
    for name, entry in jaxacts.catalogue().items():
        if entry.elementwise and hasattr(jax.nn, name):
            variants = {f"{name} tanh": True, f"{name} exact": False} if name == "gelu" else {name: None}
            for label, approximate in variants.items():
                options = {} if approximate is None else {"approximate": approximate}
                pair = (functools.partial(f, **options) for f in (entry.function, getattr(jax.nn, name)))
                found[label] = tuple(pair)
    return {n: p for n, p in found.items() if not names or n in names or n.partition(" ")[0] in names}


def torch_seconds(label: str, x: Array, g: Array, repetitions: int) -> list[float | None]:
    """Forward, and forward with backward, by torch."""
    try:
        import torch
    except ImportError:
        return [None, None]
    name, options = TORCH.get(label, (label.replace("_", ""), {}))
    names = {"leakyrelu": "leaky_relu", "logsigmoid": "logsigmoid"}
    f = getattr(torch.nn.functional, names.get(name, name), None) or getattr(torch, name, None)
    if f is None:
        return [None, None]
    wide = [torch.tensor(np.asarray(a, np.float32)).to(getattr(torch, x.dtype.name)) for a in (x, g)]
    leaf = wide[0].clone().requires_grad_()

    def backward() -> None:
        leaf.grad = None
        f(leaf, **options).backward(wide[1])

    runs = (lambda: f(wide[0], **options), backward)
    return [statistics.median([seconds(run) for _ in range(repetitions)][1:]) for run in runs]


def processor() -> str:
    """Its name, and whether it calculates in float16 itself, which makes jax.nn's functions much faster there."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    name = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "")
    return (name or platform.processor()) + (" with AVX512-FP16" if "avx512_fp16" in text else "")


def overheads(console: Console) -> dict[str, float]:
    """Ratios to jax.nn of an eager call, and of tracing and compiling a 100-layer MLP, alone and with its gradient."""
    x = jnp.ones(8)
    found: dict[str, float] = {}
    for name in ("relu", "gelu", "silu"):
        ours, theirs = jaxacts.get(name), getattr(jax.nn, name)
        found[f"eager {name}"] = paired(lambda f=ours: f(x), lambda f=theirs: f(x), 300)[2]

    def compiling(f: Callable[[Array], Array], gradient: bool) -> None:
        def loss(w: Array, x: Array) -> Array:
            for i in range(100):
                x = f(x @ w[i])
            return x.sum()

        jax.clear_caches()
        program = jax.jit(jax.grad(loss) if gradient else loss)
        program.lower(jnp.ones((100, 16, 16)), jnp.ones((4, 16))).compile()

    for name in ("relu", "gelu", "silu"):
        pair = jaxacts.get(name), getattr(jax.nn, name)
        for gradient in (False, True):
            runs = (functools.partial(compiling, f, gradient) for f in pair)
            found[f"compile {name}" + " with gradient" * gradient] = paired(*runs, 5)[2]
    for what, ratio in found.items():
        console.print(f"{what}: {ratio:.2f} of jax.nn")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--disturbed", action="store_true")
    options = parser.parse_intermixed_args()
    if not options.disturbed:
        undisturbed()
    chosen = subjects(options.names)
    if not chosen:
        parser.error(f"no such function; known are {', '.join(subjects([]))}")
    sizes = (20,) if options.quick else (20, 23)
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for dtype, size, label in track(
        [(d, s, n) for d in DTYPES for s in sizes for n in chosen], console=Console(stderr=True)
    ):
        x, g = (jnp.asarray(rng.normal(size=2**size) * s, dtype) for s in (3, 1))
        repetitions = 21 if size == 20 else 5
        row: dict[str, Any] = {"function": label, "dtype": dtype, "size": size}
        for way, ours, theirs in zip(WAYS, *map(programs, chosen[label]), strict=True):
            a, b, ratio = paired(functools.partial(ours, x, g), functools.partial(theirs, x, g), repetitions)
            row[way] = {"ours": a / 2**size * 1e9, "jax.nn": b / 2**size * 1e9, "ratio": ratio}
        times = torch_seconds(label, x, g, repetitions)
        row["torch"] = [None if t is None else t / 2**size * 1e9 for t in times]
        rows.append(row)
    console = Console(width=140)
    table = Table("function", "dtype", "2^n", *(f"{w}, ns" for w in WAYS), "torch, ns")
    for row in rows:
        cells = [f"{row[w]['jax.nn']:.2f} → {row[w]['ours']:.2f}  ({row[w]['ratio']:.2f})" for w in WAYS]
        torch = " / ".join("-" if t is None else f"{t:.2f}" for t in row["torch"])
        table.add_row(row["function"], row["dtype"], str(row["size"]), *cells, torch)
    console.print(table)
    means = {
        f"{dtype} {way}": math.exp(statistics.mean(math.log(r[way]["ratio"]) for r in rows if r["dtype"] == dtype))
        for dtype in DTYPES
        for way in WAYS
    }
    for what, mean in means.items():
        console.print(f"geometric mean of the ratios, {what}: {mean:.2f}")
    about = {"jax": version("jax"), "backend": jax.default_backend(), "cpu": processor()}
    measured = {"machine": about, "rows": rows, "means": means, "overheads": overheads(console)}
    if not (options.names or options.quick or options.disturbed):
        RESULTS.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
