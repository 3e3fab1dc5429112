"""Write ``jaxacts/_core/rounding/table.py``: ``python tests/tools/make_rounding_table.py [--only NAME]...``.

For every elementwise activation, or those named by ``--only``, it looks at all inputs of 8 and 16 bits, and lists
those whose value, slope or derivative by a parameter comes out wrong. It does so with each instruction set in a process
of its own, until nothing new is found, and prints what is wrong for another reason than its rounding.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "accuracy")]

from rounding import NARROW, rounded, spacing
from subjects import SUBJECTS
from test_rounding import misrounded, results

from jaxacts._core.rounding import table as rounding_table

HEAD = '''"""Written by ``tests/tools/make_rounding_table.py``: inputs whose result float32 rounds to the wrong side.

Under (function, "value", "slope" or parameter, static arguments, dtype): those to move away from 0, and towards it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["TABLE"]

# fmt: off
TABLE: dict[tuple[Any, ...], tuple[tuple[float, ...], tuple[float, ...]]] = {
'''


Table = dict[tuple[Any, ...], tuple[tuple[float, ...], tuple[float, ...]]]


def found(names: set[str]) -> list[tuple[list[Any], float, int]]:
    """(key, input, direction) of each wrong rounding of these activations with the instructions of this process."""
    rows: list[tuple[list[Any], float, int]] = []
    for label, subject in ((n, s) for n, s in SUBJECTS.items() if s.name in names):
        static = [subject.arguments[n] for n in subject.entry.static]
        for (what, _, dtype), got in results(label, NARROW).items():
            for x, high, low in zip(*_columns(misrounded(subject, what, dtype, got)), strict=True):
                unit = spacing(np.array([high]), dtype)[0]
                share = abs(high) / unit
                side = (share - np.floor(share) - 0.5) * unit or low * np.sign(high)
                if abs(share - np.floor(share) - 0.5) > 0.22:
                    right = rounded(_one(high, low), dtype)[0]
                    print(f"{subject.label} {what} {dtype}: {right} is right at {x}", file=sys.stderr)
                else:
                    rows.append(([subject.name, what, *static, dtype], float(x), 1 if side > 0 else -1))
    return rows


def _columns(misrounded: Any) -> tuple[Any, ...]:
    x, exact = misrounded
    return x, exact.high, exact.low


def _one(high: float, low: float) -> Any:
    return type("One", (), {"high": np.array([high]), "low": np.array([low])})


def write(table: Table) -> None:
    rows = "".join(f"    {key!r}: {row!r},\n" for key, row in sorted(table.items(), key=lambda item: repr(item[0])))
    Path(rounding_table.__file__).write_text(HEAD + rows + "}\n# fmt: on\n")


def main() -> None:
    every = {s.name for s in SUBJECTS.values()}
    parser = argparse.ArgumentParser(description="Write the table of inputs that float32 rounds to the wrong side.")
    parser.add_argument("--only", action="append", metavar="NAME", choices=sorted(every), help="keep all other rows")
    parser.add_argument("--here", action="store_true", help="print what is wrong with the instructions of this process")
    options = parser.parse_args()
    names = set(options.only or every)
    if options.here:
        print(json.dumps(found(names)))
        return
    table: Table = {key: row for key, row in rounding_table.TABLE.items() if key[0] not in names}
    write(table)
    command = [sys.executable, __file__, "--here", *(f"--only={n}" for n in names)]
    for _ in range(4):
        new = 0
        for isa in track(["", "AVX2", "AVX"], description="instruction sets"):
            flags = f"--xla_cpu_max_isa={isa}" if isa else ""
            done = subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, stdout=subprocess.PIPE, check=True)
            for key, x, direction in json.loads(done.stdout):
                away, towards = table.get(tuple(key), ((), ()))
                if x not in (away, towards)[direction < 0]:
                    away, towards = (
                        tuple(sorted({*away, x} if direction > 0 else away)),
                        tuple(sorted({*towards, x} if direction < 0 else towards)),
                    )
                    new += 1
                table[tuple(key)] = away, towards
            write(table)
        print(f"{new} new")
        if not new:
            break


if __name__ == "__main__":
    main()
