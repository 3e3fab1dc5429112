"""The tables and plots of the accuracy and performance pages, from what was measured into ``docs/measured``."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

PARTS = 64
BOUNDS = (2.0, 3.0)
WAYS = ("forward", "both", "stored")
CURVES = ("gelu", "gelu tanh", "silu", "mish", "softplus", "tanh")
FLOOR, TOP = 0.2, 1e8
"""Errors are drawn between these."""


def _load(folder: Path, name: str) -> dict | None:
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _about(machine: dict[str, str]) -> str:
    known = {"jax": "jax", "python": "Python", "backend": "backend", "fma": "fused multiply-add:", "cpu": "on"}
    return ", ".join(f"{known[k]} {v}" for k, v in machine.items() if k in known)


def float32(folder: Path) -> str:
    """Largest errors over all float32 inputs, beside those of jax.nn where they were measured."""
    ours, theirs = _load(folder, "float32"), _load(folder, "float32_peer")
    if ours is None:
        return "Not measured yet.\n"
    rows, missed = [], []
    for label, row in sorted(ours["results"].items()):
        cells = [f"{error:.3f} at {x:.6g}" for error, x in row["worst"]]
        peer = (theirs or {"results": {}})["results"].get(label)
        measured = peer is not None and peer["parts"] == PARTS
        other = [_large(error) for error, _ in peer["worst"]] if measured else ["not measured"] * 2
        done = "all" if row["parts"] == PARTS else f"{row['parts']} of {PARTS} parts"
        rows.append([label.replace("_", "\\_"), cells[0], other[0], cells[1], other[1], done])
        missed += [
            f"{label} ({error:.3f}, bound {bound:g})"
            for (error, _), bound in zip(row["worst"], BOUNDS, strict=True)
            if error > bound
        ]
    head = ["function", "value, ulp", "jax.nn", "slope, ulp", "jax.nn", "inputs"]
    verdict = f"Above the bound: {', '.join(missed)}." if missed else "None is above its bound."
    return _table(head, rows) + f"\n{verdict} Measured with {_about(ours['machine'])}.\n"


def _large(error: float) -> str:
    return "NaN or inf" if math.isinf(error) else f"{error:.3g}"


def narrow(folder: Path) -> str:
    """How many of all inputs are rounded wrongly: value / slope forward / slope backward."""
    ours, theirs = _load(folder, "narrow"), _load(folder, "narrow_peer")
    if ours is None:
        return "Not measured yet.\n"
    dtypes = ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"]
    rows, wrong = [], 0
    for label, row in sorted(ours["results"].items()):
        cells = [label.replace("_", "\\_")]
        wrong += sum(c or 0 for counts in row.values() for c in counts)
        for dtype in dtypes:
            cells.append("/".join(map(str, row[dtype])))
            if dtype in dtypes[:2]:
                peer = (theirs or {"results": {}})["results"].get(label)
                cells.append("/".join("-" if c is None else str(c) for c in peer[dtype]) if peer else "")
        rows.append(cells)
    head = ["function", "bfloat16", "jax.nn", "float16", "jax.nn", "float8_e4m3fn", "float8_e5m2"]
    others = "the five other float8 kinds included"
    return _table(head, rows) + f"\nWrongly rounded in all, {others}: {wrong}. {_about(ours['machine'])}.\n"


def speed(folder: Path) -> str:
    """Geometric means on every machine, then each function on the one measured last."""
    found = _load(folder, "speed")
    if found is None:
        return "Not measured yet.\n"
    means = []
    for path in sorted(folder.glob("speed*.json")):
        measured = json.loads(path.read_text())
        for dtype, of_dtype in _by_dtype(measured["rows"]).items():
            cells = [f"{_mean([r[w]['ratio'] for r in of_dtype]):.2f}" for w in WAYS]
            means.append([measured["machine"]["cpu"], dtype, *cells])
    text = _table(["ratio to jax.nn on", "", *WAYS], means) + "\n"
    rows, lines = found["rows"], []
    dtypes = list(_by_dtype(rows))
    for label in dict.fromkeys(r["function"] for r in rows):
        cells = [label.replace("_", "\\_")]
        for dtype in dtypes:
            for way in WAYS[:2]:
                ratios = [r[way]["ratio"] for r in rows if r["function"] == label and r["dtype"] == dtype]
                cells.append(f"{_mean(ratios):.2f}")
        lines.append(cells)
    head = ["function", *(f"{d} {w}" for d in dtypes for w in WAYS[:2])]
    text += _table(head, lines) + "\n"
    overheads = [[k, f"{v:.2f}"] for k, v in found["overheads"].items()]
    return text + _table(["ratio to jax.nn", ""], overheads) + f"\nMeasured with {_about(found['machine'])}.\n"


def _by_dtype(rows: list[dict]) -> dict[str, list[dict]]:
    return {d: [r for r in rows if r["dtype"] == d] for d in dict.fromkeys(r["dtype"] for r in rows)}


def _mean(ratios: list[float]) -> float:
    return math.exp(statistics.mean(map(math.log, ratios)))


def plots(docs: Path) -> None:
    """Errors along x beside those of jax.nn, and the ratios of the speed table."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "jaxacts"
    import matplotlib.pyplot as plt

    out = docs / "reference" / "generated"
    ours, theirs = _load(docs / "measured", "curve"), _load(docs / "measured", "curve_peer")
    if ours and theirs:
        figure, grid = plt.subplots(2, len(CURVES), figsize=(14, 5), sharex=True, sharey=True, layout="constrained")
        for axes, (way, label) in zip(grid.flat, [(w, c) for w in range(2) for c in CURVES], strict=True):
            for found, name, color in ((theirs, "jax.nn", "#D55E00"), (ours, "jaxacts", "#0072B2")):
                row = found["results"][label]
                error = [TOP if e is None or not e < TOP else max(e, FLOOR) for e in row["worst"][way]]
                step = 2 * row["reach"] / len(error)
                axes.semilogy([-row["reach"] + (i + 0.5) * step for i in range(len(error))], error, color, label=name)
            axes.axhline(BOUNDS[way], color="0.5", linestyle=":", linewidth=1)
            axes.set_title(f"{label}, {('value', 'slope')[way]}")
        grid[0][0].legend()
        figure.supylabel("largest error, ulp")
        figure.supxlabel("x")
        figure.savefig(out / "_measured_errors.svg", metadata={"Date": None})
        plt.close(figure)
    found = _load(docs / "measured", "speed")
    if found:
        dtypes = list(_by_dtype(found["rows"]))
        labels = list(dict.fromkeys(r["function"] for r in found["rows"]))
        figure, grid = plt.subplots(1, len(WAYS), figsize=(14, 6), sharex=True, sharey=True, layout="constrained")
        for axes, way in zip(grid, WAYS, strict=True):
            for dtype, mark, color in zip(dtypes, "os^", ("#0072B2", "#009E73", "#D55E00"), strict=True):
                ratios = [
                    _mean([r[way]["ratio"] for r in found["rows"] if (r["function"], r["dtype"]) == (label, dtype)])
                    for label in labels
                ]
                axes.plot(ratios, range(len(labels)), mark, color=color, label=dtype)
            axes.axvline(1, color="0.5", linewidth=1)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_title(way)
            axes.grid(alpha=0.3)
        grid[0].set_yticks(range(len(labels)), labels)
        grid[0].invert_yaxis()
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
        figure.supxlabel("time, ratio to jax.nn")
        figure.savefig(out / "_measured_speed.svg", metadata={"Date": None})
        plt.close(figure)


def write(docs: Path) -> None:
    """One file for each table, which the pages include."""
    out = docs / "reference" / "generated"
    out.mkdir(parents=True, exist_ok=True)
    for make in (float32, narrow, speed):
        (out / f"_measured_{make.__name__}.md").write_text(make(docs / "measured"), encoding="utf-8")
    plots(docs)
