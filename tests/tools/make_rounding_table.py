"""Regenerate ``jaxacts/_kernels/hard_cases.py``: ``python tests/accuracy/make_hard_cases.py``.

A 16-bit input is a hard case if its exact value (or slope) is within 0.6 units (bfloat16: 4) of float32's last place of
the middle between two 16-bit numbers, or if the arithmetic with or without fused multiply-add comes out on the wrong
side. Run it once for each (``XLA_FLAGS=--xla_cpu_max_isa=AVX`` for the latter): cases already listed are kept.
``--fresh`` begins with an empty list. Three hard cases or more become a range where the inputs between them come to no
harm if they move too.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rounding import every_input, from_middle, rounded, spacing, wrong
from subjects import SUBJECTS, Subject, by, forward
from wide import PARTIALS, Reals

import jaxacts
from jaxacts._core.rounding import step
from jaxacts._kernels import hard_cases
from jaxacts._kernels.hard_cases import HARD_CASES, Ranges, Sides

sys.path.insert(0, str(Path(__file__).parents[1]))
from references import REFERENCES

from jaxacts._contract.exact import directional, evaluate

LIMIT = {"bfloat16": 4.0, "float16": 0.6}
ERROR = 2.0**-22  # relative, of the arithmetic in float32
TIE = 1e-7  # closer than any 16-bit input comes to a middle without being on it
HEAD = '''"""Inputs of 16 bits whose result lies so near the middle between two numbers that float32 may miss its side.

For each activation and dtype: the values, then the slopes, that must move away from 0, and those that must move
towards it, as ranges (first, last). ``tests/accuracy/make_hard_cases.py`` writes this file;
``tests/accuracy/test_rounding.py`` checks that with it every input is rounded correctly.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["HARD_CASES", "Ranges", "Sides", "sides_of"]

Ranges: TypeAlias = tuple[tuple[float, float], ...]
Sides: TypeAlias = tuple[Ranges, Ranges]
"""Inputs whose result lies beyond the middle, seen from 0, and inputs whose result lies before it."""


def sides_of(name: str | None, static: tuple[Any, ...], dtype: str) -> tuple[Sides | None, Sides | None]:
    """The hard cases of the value and of the slope."""
    return HARD_CASES.get((name, *static, dtype), (None, None))
'''


def distances(subject: Subject, order: int, x: Reals, dtype: str) -> Reals:
    """How far beyond the nearest middle the exact result lies, by mpmath where float64 cannot tell."""
    y = subject.exact(x)[order]
    found = from_middle(y, dtype)
    for i in np.flatnonzero((np.abs(found) < 1e-3) & (y != 0)):
        formula, at = REFERENCES[subject.name].formula, x[i : i + 1]
        arguments = dict(subject.arguments)
        exact = (
            directional(formula, True, at, arguments, np.ones(1)) if order else evaluate(formula, True, at, arguments)
        )
        unit = spacing(exact.high, dtype)
        middle = (np.floor(np.abs(exact.high) / unit) + 0.5) * unit
        apart = (np.abs(exact.high) - middle) + np.sign(exact.high) * exact.low
        found[i] = (apart / spacing(exact.high, "float32"))[0]
    return found


def hard_cases_of(subject: Subject, order: int, dtype: str, known: Sides | None) -> Sides:
    """Of the value (order 0) or the slope (1)."""
    x = every_input(dtype)
    wide = x.astype(np.float64)
    f = subject.ours if order == 0 else functools.partial(forward, subject.ours)
    exact = subject.exact(wide)
    smooth = len(np.unique(exact[2])) > 2  # else a product or a square: only what that gets wrong is listed
    return chosen(x, jax.jit(f)(x), exact[order], distances(subject, order, wide, dtype), smooth, known)


def hard_cases_by(name: str, parameter: str, dtype: str, known: Sides | None) -> Sides:
    """Of the derivative by a parameter: only what is wrong, since that of celu is near a middle at 75 inputs."""
    x, at = every_input(dtype), jaxacts.catalogue()[name].arguments()
    got = jax.jit(lambda x: by(parameter, jaxacts.get(name), x, at[parameter], False))(x)
    with np.errstate(all="ignore"):
        exact = PARTIALS[name, parameter](x.astype(np.float64), **at)
    return chosen(x, got, exact, from_middle(exact, dtype), False, known)


def chosen(x: np.ndarray, y: jax.Array, exact: Reals, apart: Reals, smooth: bool, known: Sides | None) -> Sides:
    """The inputs listed before, those close to a middle, and those that the arithmetic gets wrong."""
    dtype, wide, got = x.dtype.name, x.astype(np.float64), np.asarray(y).astype(np.float64)
    kept = smooth & (np.abs(exact) > max(float(jnp.finfo(dtype).smallest_subnormal) / 4, 2.0**-126))
    near = (np.abs(apart) < LIMIT[dtype]) & (np.abs(apart) > TIE) & kept
    hard = near | wrong(got, exact, wide, dtype)
    before = [within(wide, side) for side in known or ((), ())]
    away, towards = hard & (apart > 0) & ~before[1] | before[0], hard & (apart < 0) & ~before[0] | before[1]
    hard = away | towards
    free = [harmless(exact, sign, dtype) & ~hard for sign in (1, -1)]
    return ranges(wide, away, free[0]), ranges(wide, towards, free[1])


def within(x: Reals, side: Ranges) -> Reals:
    """Who is in one of the ranges already."""
    return np.any([np.zeros(x.shape, bool), *((x >= low) & (x <= high) for low, high in side)], axis=0)


def harmless(exact: Reals, sign: int, dtype: str) -> Reals:
    """Whose rounding stays when the result moves, give or take the error of the arithmetic."""
    moves = [step(dtype) + error for error in (-ERROR, ERROR)]
    return np.logical_and.reduce([rounded(exact * (1 + sign * m), dtype) == rounded(exact, dtype) for m in moves])


def ranges(x: Reals, hard: Reals, free: Reals) -> Ranges:
    """The hard cases in rising order, three or more in one range where all between them are free to move."""
    order = np.argsort(x, kind="stable")
    x, hard, allowed = x[order], hard[order], (hard | free)[order]
    blocked = np.concatenate([[0], np.cumsum(~allowed)])
    groups: list[list[int]] = []
    for i in np.flatnonzero(hard).tolist():
        if groups and blocked[i] == blocked[groups[-1][0]]:
            groups[-1].append(i)
        else:
            groups.append([i])
    rows = ([g] if len(g) > 2 else [[i] for i in g] for g in groups)
    return tuple(dict.fromkeys((float(x[r[0]]), float(x[r[-1]])) for row in rows for r in row))


def main() -> None:
    fresh = "--fresh" in sys.argv
    before = {} if fresh else dict(HARD_CASES)
    if fresh:
        HARD_CASES.clear()
    found: dict[tuple[Any, ...], tuple[Sides | None, Sides | None]] = {}
    for subject in SUBJECTS.values():
        static = [subject.arguments[n] for n in jaxacts.catalogue()[subject.name].static]
        for dtype in ("bfloat16", "float16"):
            key = (subject.name, *static, dtype)
            known = before.get(key, (None, None))
            value, slope = (hard_cases_of(subject, order, dtype, known[order]) for order in (0, 1))
            if any(value) or any(slope):
                found[key] = (value if any(value) else None, slope if any(slope) else None)
            print(key, [len(s) for side in (value, slope) for s in side], flush=True)
    for name, parameter in PARTIALS:
        for dtype in ("bfloat16", "float16"):
            key = (f"{name} by {parameter}", dtype)
            sides = hard_cases_by(name, parameter, dtype, before.get(key, (None, None))[1])
            if any(sides):
                found[key] = (None, sides)
            print(key, [len(s) for s in sides], flush=True)
    rows = "".join(f"    {key!r}: {row!r},\n" for key, row in found.items())
    table = f"HARD_CASES: dict[tuple[Any, ...], tuple[Sides | None, Sides | None]] = {{\n{rows}}}\n"
    head, tail = HEAD.split("def sides_of")
    path = Path(hard_cases.__file__)
    path.write_text(head + table + "\n\ndef sides_of" + tail)
    subprocess.run(["ruff", "format", "-q", str(path)], check=False)


if __name__ == "__main__":
    main()
