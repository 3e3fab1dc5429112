"""Training real models with jax.nn and with jaxacts: ``python tests/benchmarks/models.py``.

A stack of six GPT blocks (gelu; silu-gated), scanned and unrolled, a ResNet (relu) and an LSTM (tanh, sigmoid), in
float32 and in bfloat16, are trained for a few steps by Adam. Both libraries start from the same parameters, see the
same batches and take their steps in turns in one process; the ratio is the median of the ratios of paired steps. Also
shown are the temporary memory of the compiled step, the time to trace and to compile it, and the losses, which must
fall. Options: parts of the models' names; ``--quick`` for the scanned GPT alone; ``--noisy`` to use all cores and fresh
memory; ``--output`` for another file than ``docs/measured/models.json``, which only a complete run writes.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import architectures
import jax
import jax.numpy as jnp
import optax
from architectures import MODELS, Model, Size
from rich.console import Console
from rich.progress import track
from rich.table import Table
from timing import MEASURED, beside, machine, paired_stages, quiet, save, stages, timed

import jaxacts

LIBRARIES = {"ours": jaxacts, "jax.nn": jax.nn}
DTYPES = ("float32", "bfloat16")
OPTIMIZER = optax.adam(3e-3)
COMPILATIONS = 3
WARM = 2
"""Steps that do not count."""
SHOWN = 6
"""So many losses of each curve are printed."""


def training_step(model: Model, library: Any) -> Any:
    """(parameters, state of the optimizer), batch → the same after one step, loss."""

    def step(carry: Any, batch: Any) -> Any:
        parameters, state = carry
        loss, gradient = jax.value_and_grad(lambda p: model.loss(library, p, batch))(parameters)
        updates, state = OPTIMIZER.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), loss

    return step


def measure(name: str, dtype: str, size: Size, compilations: int = COMPILATIONS) -> dict[str, Any]:
    """One row: ours beside jax.nn's, and the ratios."""
    model = MODELS[name](size, jnp.dtype(dtype))
    start = model.parameters, OPTIMIZER.init(model.parameters)
    batches = [jax.tree.map(lambda a, i=i: a[i], model.batches) for i in range(size.batches)]
    steps = {which: training_step(model, library) for which, library in LIBRARIES.items()}
    compiling = [lambda step=step: stages(step, start, batches[0]) for step in steps.values()]
    compiled = {which: compile_once()[2] for which, compile_once in zip(steps, compiling, strict=True)}
    bytes_ = {which: program.memory_analysis().temp_size_in_bytes for which, program in compiled.items()}
    row = {"model": name, "dtype": dtype, "size": size._asdict(), "memory": beside([tuple(bytes_.values())])}
    row |= train(compiled, start, batches)
    return row | (paired_stages(*compiling, compilations) if compilations else {})


def train(compiled: dict[str, Any], start: Any, batches: list[Any]) -> dict[str, Any]:
    """Seconds of paired steps, and the losses."""
    carries = dict.fromkeys(compiled, start)
    losses: dict[str, list[float]] = {which: [] for which in compiled}
    times: list[tuple[float, ...]] = []
    for batch in batches:
        pair: list[float] = []
        for which, step in compiled.items():
            duration, (carries[which], loss) = timed(functools.partial(step, carries[which], batch))
            pair.append(duration)
            losses[which].append(float(loss))
        times.append(tuple(pair))
    return {"step": beside(times[WARM:]), "loss": losses}


def fell(row: dict[str, Any]) -> bool:
    """Whether both losses are lower in the last quarter than in the first."""
    quarter = max(1, len(row["loss"]["ours"]) // 4)
    return all(sum(losses[-quarter:]) < sum(losses[:quarter]) for losses in row["loss"].values())


def shown(rows: list[dict[str, Any]]) -> list[Table]:
    """Costs, and the curves."""
    costs = Table("model", "dtype", "step, ms", "temporary, MiB", "trace, s", "compile, s")
    costs.title = f"jax.nn → jaxacts {jaxacts.__version__} (ratio)"
    units = {"step": 1e-3, "memory": 2**20, "trace": 1, "compile": 1}
    curves = Table("model", "dtype", "library", "losses")
    for row in rows:
        cells = [_beside(row[what], unit) if what in row else "" for what, unit in units.items()]
        costs.add_row(row["model"], row["dtype"], *cells)
        for which, losses in row["loss"].items():
            at = [round(i * (len(losses) - 1) / (SHOWN - 1)) for i in range(SHOWN)]
            curves.add_row(row["model"], row["dtype"], which, " ".join(f"{losses[i]:.3f}" for i in at))
    return [costs, curves]


def _beside(found: dict[str, float], unit: float) -> str:
    return f"{found['jax.nn'] / unit:.3g} → {found['ours'] / unit:.3g} ({found['ratio']:.2f})"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of the models' names; all by default")
    parser.add_argument("--quick", action="store_true", help="the scanned GPT alone")
    parser.add_argument("--tiny", action="store_true", help="small networks, to see that everything runs")
    parser.add_argument("--noisy", action="store_true", help="use all cores and fresh memory")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    options = parser.parse_intermixed_args(argv)
    parts = options.names or (["gpt, gelu, scanned"] if options.quick else [""])
    chosen = [name for name in MODELS if any(part.lower() in name.lower() for part in parts)]
    if not chosen:
        parser.error(f"no such model; there are {'; '.join(MODELS)}")
    if not (options.noisy or options.tiny) and jax.config.jax_platforms in (None, "cpu"):
        quiet()
    size, compilations = (architectures.TINY, 1) if options.tiny else (Size(), COMPILATIONS)
    todo = [(name, dtype, size, compilations) for name in chosen for dtype in DTYPES]
    rows = [measure(*each) for each in track(todo, "models", console=Console(stderr=True))]
    measured = {"machine": machine(), "rows": rows}
    console = Console(width=max(150, Console().width))
    for table in shown(rows):
        console.print(table)
    if options.output or (len(chosen) == len(MODELS) and not (options.tiny or options.noisy)):
        save(options.output or MEASURED / "models.json", measured)
    if risen := [f"{row['model']} in {row['dtype']}" for row in rows if not fell(row)]:
        sys.exit(f"The loss did not fall: {'; '.join(risen)}.")


if __name__ == "__main__":
    main()
