"""Operations of an activation and of its slope times a cotangent: ``python tests/benchmarks/operations.py``.

Counted are the StableHLO operations that JAX lowers to, before XLA's passes, those of private functions at every call.
Constants, broadcasts, reshapes and conversions do not count: they cost nothing in a fused loop. Nor do operations on
scalars, which run once and not for every element.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax import Array
from peers import pairs
from rich.console import Console
from rich.table import Table

FREE = {"broadcast_in_dim", "constant", "convert", "reshape", "return"}
FUNCTION = re.compile(r"func\.func\s+(?:public|private)?\s*@([\w.$-]+)")
# The name, and the type of the result, which has a shape.
OPERATION = re.compile(r"(?:^|=)\s*\"?(?:stablehlo|chlo)\.(\w+).*\btensor<\d[^<>]*>(?: loc\(.*\))?$", re.MULTILINE)
CALL = re.compile(r"\bcall @([\w.$-]+)")
MOST = {"forward": (2.0, 12), "backward": (1.5, 24)}
"""The bar: this many times jax.nn's operations, or this many, whichever is more."""


def operations(module: str) -> Counter[str]:
    """Name → how often it occurs in the main function of a module's text, with the functions that it calls inlined."""
    parts = FUNCTION.split(module)[1:]
    bodies = dict(zip(parts[::2], parts[1::2], strict=True))

    def inlined(name: str) -> Counter[str]:
        found = Counter(n for n in OPERATION.findall(bodies[name]) if n not in FREE)
        for callee in CALL.findall(bodies[name]):
            found += inlined(callee)
        return found

    return inlined("main")


def count(f: Callable[[Array], Array], dtype: Any) -> tuple[int, int]:
    """Operations of ``f(x)``, and of its gradient for a given cotangent."""
    x = jax.ShapeDtypeStruct((1024,), dtype)
    forward = jax.jit(f).lower(x)
    backward = jax.jit(lambda x, g: jax.vjp(f, x)[1](g)).lower(x, jax.eval_shape(f, x))
    return operations(forward.as_text()).total(), operations(backward.as_text()).total()


def bar(way: str, theirs: int | None, arrays: float = 1.0) -> float:
    """How many operations there may be, given how many jax.nn's function has.

    ``arrays`` is how many times as many arrays are moved as by an elementwise function, which leave so much more time.
    """
    factor, least = MOST[way]
    return max(factor * (theirs or 0), least * arrays)


def measure(names: Iterable[str] = (), dtype: str = "bfloat16") -> list[dict[str, Any]]:
    """One row for every elementwise activation: ``[ours, jax.nn's or None]`` forward and backward."""
    rows: list[dict[str, Any]] = []
    for label, (ours, theirs) in pairs(names, with_peer=False).items():
        there = count(theirs, dtype) if theirs else (None, None)
        counts = zip(MOST, count(ours, dtype), there, strict=True)
        rows.append({"function": label, "dtype": dtype, **{way: [a, b] for way, a, b in counts}})
    return rows


def shown(rows: list[dict[str, Any]]) -> Table:
    """Counts side by side; those above the bar are marked."""
    dtype = ", ".join(sorted({row["dtype"] for row in rows}))
    table = Table("function", *(f"{way}, jax.nn → ours" for way in MOST), title=f"operations, {dtype}")
    for row in rows:
        cells = []
        for way in MOST:
            ours, theirs = row[way]
            most = bar(way, theirs)
            mark = f"  above {most:g}" if ours > most else ""
            cells.append(f"{'-' if theirs is None else theirs} → {ours}{mark}")
        table.add_row(row["function"], *cells)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="activations; all by default")
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_intermixed_args()
    Console().print(shown(measure(options.names, options.dtype)))


if __name__ == "__main__":
    main()
