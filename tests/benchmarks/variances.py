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
    """The layers that were drawn, each with the variances of its outputs before and after, and how many were left."""
    model, sample = real_models.model(name)
    _, report = ji.match(model, sample, real_models.KEY, measure=True)
    layers = [
        {"path": row.path, "activation": row.activation, "std": row.std, "before": row.before, "after": row.after}
        for row in report.layers
    ]
    return {"model": name, "left": len(report.left), "layers": layers}


def large() -> dict[str, Any]:
    """Bytes of the parameters, bytes held at most while they are matched, those included, and seconds."""
    run = subprocess.run([sys.executable, LARGE], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", action="store_true", help="two models, to see that everything runs")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_args(argv)
    names = ["VAE", "LSTM and GRU, nnx"] if options.tiny else [*real_models.LINEN, *real_models.NNX]
    found: dict[str, Any] = {"machine": machine(), "rows": [measure(name) for name in track(names, "Matching")]}
    if not options.tiny:
        found["large"] = large()
    table = Table("model", "layer", "activation", "before", "after")
    for row in found["rows"]:
        for layer in row["layers"]:
            sizes = (f"{layer[when]:.3g}" for when in ("before", "after"))
            table.add_row(row["model"], layer["path"], layer["activation"], *sizes)
    Console(width=120).print(table)
    if options.output or not options.tiny:
        save(options.output or MEASURED / "variances.json", found)
    return found


if __name__ == "__main__":
    main()
