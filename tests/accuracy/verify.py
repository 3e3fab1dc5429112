"""The accuracy tables: ``python tests/accuracy/verify.py narrow``, the same with ``float32``, and with ``curve``.

``narrow`` counts the wrongly rounded values and slopes among all inputs of 8 and 16 bits. ``float32`` finds the largest
errors of value and slope over all 2^32 inputs; it takes a few minutes a function, saves what it has after each 64th
part and goes on from there when it is started again with the same code. ``curve`` samples the errors along x for the
plots. Each checks what is named after it (all by default), and with ``--peer`` the functions of jax.nn. Results go to
``docs/measured/``, where the accuracy page reads them; ``--fresh`` forgets those that are there.

References are float64 (:mod:`wide`), which ``test_wide.py`` compares with mpmath; what lies within float64's reach of
the middle between two numbers is decided by mpmath when the hard cases are listed (:mod:`make_hard_cases`).
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import Array
from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn
from rich.table import Table
from rounding import NARROW, every_input, wrong
from subjects import INFLECTIONS, ROOTS, SUBJECTS, Subject, backward, forward
from wide import Reals

import jaxacts

MEASURED = Path(__file__).parents[2] / "docs" / "measured"
PACKAGE = Path(jaxacts.__file__).parent
WAYS = ("value", "slope")
PARTS, BLOCK = 64, 2**20
REACH, BINS = 20.0, 160
TINY, LARGEST = 2.0**-126, float(np.finfo(np.float32).max)
FLUSHED = 2.0**-110
"""A second derivative below this may come out as 0: it is a sum of products of which XLA flushes the subnormal ones."""


def machine() -> dict[str, str]:
    """Where and with what this is measured."""
    flags = os.environ.get("XLA_FLAGS", "")
    return {
        "jax": version("jax"),
        "python": platform.python_version(),
        "backend": jax.default_backend(),
        "fma": "no" if "max_isa=AVX" in flags.split() or flags.endswith("max_isa=AVX") else "yes",
    }


def code() -> str:
    """Tells one state of the arithmetic from another, so that parts of two are not mixed."""
    files = sorted(p for name in ("_kernels", "_core", "activations") for p in (PACKAGE / name).glob("*.py"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:12]


def roots_of(subject: Subject, way: int) -> tuple[float, ...]:
    """Where the slope (way 1) or the second derivative (2) changes its sign."""
    if way == 1 and subject.label in ROOTS:
        return (ROOTS[subject.label],)
    return INFLECTIONS[subject.label] if way == 2 else ()


def errors(subject: Subject, way: int, got: Reals, exact: Reals, x: Reals) -> Reals:
    """In units of the last place of the exact result, or of 1/4 near a change of sign; NaN counts as infinite."""
    size = np.abs(exact)
    floor = np.full_like(x, TINY)
    for root in roots_of(subject, way):
        floor[np.abs(x - root) <= (2.0**-4 if way == 1 else 2.0**-2)] = 0.25
    exponent = np.maximum(size, floor).view(np.int64) & (0x7FF << 52)
    with np.errstate(all="ignore"):
        error = np.abs(got - exact) / (exponent.view(np.float64) * 2.0**-23)
    flushed = FLUSHED if way == 2 else TINY
    error[(size < flushed) & (np.abs(got) <= 2 * flushed)] = 0
    error[(size >= LARGEST) & (np.abs(got) >= LARGEST)] = 0
    error[np.isnan(error)] = np.inf
    error[(np.abs(x) < TINY) & (x != 0)] = 0
    return error


def programs(f: Callable[[Array], Array]) -> list[Callable[[Any], Array]]:
    """Value and slope, compiled."""
    return [jax.jit(way) for way in (f, functools.partial(forward, f))]


def worst(
    subject: Subject, compiled: list[Callable[[Any], Array]], x: np.ndarray[Any, Any]
) -> list[tuple[float, float]]:
    """(largest error, where) of each way over these float32 numbers."""
    x = x[np.isfinite(x)]
    if not x.size:
        return [(0.0, 0.0)] * len(compiled)
    wide = x.astype(np.float64)
    exact = subject.exact(wide)
    found: list[tuple[float, float]] = []
    for way, program in enumerate(compiled):
        error = errors(subject, way, np.asarray(program(x), np.float64), exact[way], wide)
        at = int(np.argmax(error))
        found.append((float(error[at]), float(x[at])))
    return found


def part_of(
    subject: Subject, compiled: list[Callable[[Any], Array]], part: int, pool: ThreadPoolExecutor
) -> list[tuple[float, float]]:
    """The worst of all numbers whose bits lie in this part of 0 to 2^32."""
    size = 2**32 // PARTS
    starts = range(part * size, (part + 1) * size, BLOCK)

    def block(start: int) -> list[tuple[float, float]]:
        bits = np.arange(start, start + BLOCK, dtype=np.uint64).astype(np.uint32)
        return worst(subject, compiled, bits.view(np.float32))

    return [max(column) for column in zip(*pool.map(block, starts), strict=True)]


def verify_float32(subjects: list[Subject], peer: bool, results: dict[str, Any], save: Callable[[], None]) -> None:
    """All 2^32 inputs, part after part."""
    with Progress(*Progress.get_default_columns()[:-1], TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        for subject in subjects:
            f = subject.peer if peer else subject.ours
            if f is None:
                continue
            compiled = programs(f)
            state = results.get(subject.label)
            if state is None or (state["parts"] < PARTS and state.get("code") != code()):
                state = results[subject.label] = {"parts": 0, "worst": [[0.0, 0.0]] * len(compiled), "code": code()}
            task = bar.add_task(subject.label, total=PARTS, completed=state["parts"])
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for part in range(state["parts"], PARTS):
                    new = part_of(subject, compiled, part, pool)
                    state["worst"] = [list(max(tuple(a), b)) for a, b in zip(state["worst"], new, strict=True)]
                    state["parts"] = part + 1
                    bar.advance(task)
                    save()


def verify_curve(subjects: list[Subject], peer: bool, results: dict[str, Any], save: Callable[[], None]) -> None:
    """The largest errors over float32 numbers in each of BINS intervals of -REACH to REACH: value, then slope."""
    edges = np.linspace(-REACH, REACH, BINS + 1)
    x = np.random.default_rng(0).uniform(edges[:-1, None], edges[1:, None], (BINS, 20_000)).astype(np.float32)
    wide = x.astype(np.float64).ravel()
    with Progress(console=Console(stderr=True)) as bar:
        for subject in bar.track(subjects):
            f = subject.peer if peer else subject.ours
            if f is None:
                continue
            exact = subject.exact(wide)
            got = [np.asarray(run(x.ravel()), np.float64) for run in programs(f)]
            rows = [errors(subject, way, y, exact[way], wide).reshape(x.shape).max(1) for way, y in enumerate(got)]
            results[subject.label] = {"reach": REACH, "worst": [np.round(row, 3).tolist() for row in rows]}
            save()


def verify_narrow(subjects: list[Subject], peer: bool, results: dict[str, Any], save: Callable[[], None]) -> None:
    """All inputs of 8 and 16 bits: how many values, slopes forward and slopes backward are wrong."""
    with Progress(console=Console(stderr=True)) as bar:
        for subject in bar.track(subjects):
            f = subject.peer if peer else subject.ours
            if f is None:
                continue
            row: dict[str, list[int | None]] = {}
            for dtype in NARROW:
                x = every_input(dtype)
                value, slope, _ = subject.exact(x.astype(np.float64))
                counts: list[int | None] = []
                for way, exact in ((f, value), *((functools.partial(d, f), slope) for d in (forward, backward))):
                    try:
                        got = np.asarray(jax.jit(way)(x)).astype(np.float64)
                    except (TypeError, ValueError, jax.errors.JaxRuntimeError):  # jax.nn lacks some dtypes
                        counts.append(None)
                    else:
                        counts.append(int(wrong(got, exact, x.astype(np.float64), dtype).sum()))
                row[dtype] = counts
            results[subject.label] = row
            save()


def shown(kind: str, results: dict[str, Any]) -> Table:
    """The results as a table for the terminal."""
    columns = NARROW if kind == "narrow" else WAYS
    table = Table("function", *columns, title="wrongly rounded" if kind == "narrow" else "largest error, ulp")
    for label, row in results.items():
        if kind == "narrow":
            table.add_row(label, *("/".join("-" if c is None else str(c) for c in row[d]) for d in columns))
        else:
            cells = [f"{error:.3g} at {x:.7g}" for error, x in row["worst"]]
            table.add_row(label, *cells, "" if row["parts"] == PARTS else f"{row['parts']} of {PARTS} parts")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=("narrow", "float32", "curve"))
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(SUBJECTS)}; all by default")
    parser.add_argument("--peer", action="store_true", help="the functions of jax.nn instead")
    parser.add_argument("--fresh", action="store_true", help="forget the results of these functions")
    options = parser.parse_intermixed_args()
    unknown = sorted(set(options.names) - set(SUBJECTS))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; known are {', '.join(SUBJECTS)}")
    here = machine()
    name = f"{options.kind}{'_peer' if options.peer else ''}{'' if here['fma'] == 'yes' else '_without_fma'}.json"
    path = MEASURED / name
    stored = json.loads(path.read_text()) if path.exists() else {"results": {}}
    stored["machine"] = here

    def save() -> None:
        MEASURED.mkdir(exist_ok=True)
        path.write_text(json.dumps(stored, indent=1) + "\n")

    subjects = [s for s in SUBJECTS.values() if not options.names or s.label in options.names]
    if options.fresh:
        for subject in subjects:
            stored["results"].pop(subject.label, None)
    verify = {"narrow": verify_narrow, "float32": verify_float32, "curve": verify_curve}[options.kind]
    verify(subjects, options.peer, stored["results"], save)
    if options.kind != "curve":
        Console(width=160).print(shown(options.kind, stored["results"]))


if __name__ == "__main__":
    main()
