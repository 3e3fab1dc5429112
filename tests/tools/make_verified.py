"""Compare all results of 8 and 16 bits with mpmath, and record those that are right.

``python tests/tools/make_verified.py [NAME ...]`` does so with each instruction set in a process of its own, and
replaces the digests of these functions (of all, without names). It takes about twenty seconds a function where
``tests/.exact`` does not have the exact results yet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "accuracy")]

from rich.console import Console
from rich.progress import track
from subjects import SUBJECTS
from test_rounding import WIDTHS, digest_of, misrounded, results
from verified import RECORD, recorded


def right(label: str, width: int) -> str:
    """The digest of the results of a function in dtypes of this width, which must be right."""
    subject = SUBJECTS[label]
    found = results(label, WIDTHS[width])
    for (what, way, dtype), got in found.items():
        x, _ = misrounded(subject, what, dtype, got)
        if x.size:
            sys.exit(f"{what} {way} of {label} in {dtype} is rounded wrongly at {x.size} inputs, the first {x[0]}")
    return digest_of(subject, found)


def main(names: list[str]) -> None:
    if unknown := set(names) - {s.name for s in SUBJECTS.values()}:
        sys.exit(f"not in the catalogue, or not elementwise: {', '.join(sorted(unknown))}")
    found: dict[str, set[str]] = {}
    for isa in ("", "AVX2", "AVX"):
        environment = {**os.environ, "XLA_FLAGS": f"--xla_cpu_max_isa={isa}" if isa else ""}
        command = [sys.executable, __file__, "--print", isa or "all instructions", *names]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        for label, digests in json.loads(done.stdout).items():
            found.setdefault(label, set()).update(digests)
    kept = {label: digests for label, digests in recorded().items() if label in SUBJECTS}
    record = kept | {label: sorted(digests) for label, digests in found.items()}
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1) + "\n", encoding="utf-8")


def child(isa: str, names: list[str]) -> None:
    """Print the digests of these functions, or of all, with the instructions of this process."""
    labels = [label for label, s in SUBJECTS.items() if not names or s.name in names]
    progress = track(labels, isa, console=Console(stderr=True))
    print(json.dumps({label: [right(label, width) for width in WIDTHS] for label in progress}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--print", isa, *names]:
            child(isa, names)
        case names:
            main(names)
