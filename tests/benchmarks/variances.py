"""Variances of the outputs of real models before and after ``match``: ``python tests/benchmarks/variances.py``.

The models are those of ``tests/initializers/real_models.py``. A transformer of 124 million parameters is matched beside
them, in a process of its own. ``--tiny`` takes two models and leaves the large one out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from timing import MEASURED, machine, save

sys.path.insert(0, str(Path(__file__).parents[1] / "initializers"))
import real_models

from jaxacts import initializers as ji

LARGE = Path(real_models.__file__).with_name("large_model.py")


def measure(name: str) -> dict[str, Any]:
    """The number of kernels drawn and left, and the least and the largest variance before and after."""
    model, sample = real_models.models()[name]
    _, report = ji.match(model, sample, real_models.KEY, measure=True)
    ranges = {
        when: [min(values), max(values)]
        for when in ("before", "after")
        for values in [[getattr(row, when) for row in report.layers]]
    }
    return {"model": name, "drawn": len(report.layers), "left": len(report.left), **ranges}


def large() -> dict[str, Any]:
    """Bytes of the parameters, bytes held at most while they are matched, those included, and seconds."""
    run = subprocess.run([sys.executable, LARGE], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="two models, to see that everything runs")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_args(argv)
    names = ["VAE", "LSTM and GRU, nnx"] if options.tiny else list(real_models.models())
    found: dict[str, Any] = {"machine": machine(), "rows": [measure(name) for name in track(names, "Matching")]}
    if not options.tiny:
        found["large"] = large()
    table = Table("model", "drawn", "left", "before", "after")
    for row in found["rows"]:
        table.add_row(*(" to ".join(f"{v:.3g}" for v in c) if isinstance(c, list) else str(c) for c in row.values()))
    Console(width=120).print(table)
    if options.output or not options.tiny:
        save(options.output or MEASURED / "variances.json", found)
    return found


if __name__ == "__main__":
    main()
