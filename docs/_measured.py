"""The tables and the plot of the performance page, from what was measured into ``docs/measured``."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

WAYS = ("forward", "both", "stored")


def _load(folder: Path, name: str) -> dict | None:
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _about(machine: dict[str, str]) -> str:
    known = {"jax": "jax", "python": "Python", "backend": "backend", "fma": "fused multiply-add:", "cpu": "on"}
    return ", ".join(f"{known[k]} {v}" for k, v in machine.items() if k in known)


def speed(folder: Path) -> str:
    """Means, each function, eager calls, compilation and operations; where several instruction sets were measured,
    the figures of each stand beside each other."""
    found = _load(folder, "speed")
    if found is None:
        return "Not measured yet.\n"
    sets = found["instruction_sets"]
    each = list(sets.values())
    means = []
    for name, measured in sets.items():
        for row in measured["summaries"]:
            worst = f"{row['worst']['ratio']:.2f} ({_name(row['worst']['function'])}, {row['worst']['way']})"
            means.append([name, row["dtype"], f"2^{row['size']}", *(f"{row[w]:.2f}" for w in WAYS), worst])
    text = _table(["instruction set", "dtype", "elements", *WAYS, "slowest"], means) + "\n"
    text += f"Ratios to jax.nn, {' / '.join(sets)}:\n\n"
    head = ["function", *(f"{d} {w}" for d in _by_dtype(each[0]["rows"]) for w in WAYS[:2])]
    lines = []
    for label in dict.fromkeys(r["function"] for r in each[0]["rows"]):
        cells = [
            " / ".join(f"{_mean([r[w]['ratio'] for r in s['rows'] if _is(r, label, d)]):.2f}" for s in each)
            for d in _by_dtype(each[0]["rows"])
            for w in WAYS[:2]
        ]
        lines.append([_name(label), *cells])
    text += _table(head, lines) + "\n"
    text += _overheads(each) + _operations(found.get("operations", []))
    return text + f"Measured with {_about(found['machine'])}.\n"


def _overheads(each: list[dict]) -> str:
    """Ratios of compiling unrolled layers with their gradient, and of eager calls."""
    text = ""
    if each[0]["compiled"]:
        rows = [
            [r["function"], r["dtype"]]
            + [" / ".join(f"{s['compiled'][i][w]['ratio']:.2f}" for s in each) for w in ("trace", "compile")]
            for i, r in enumerate(each[0]["compiled"])
        ]
        head = [f"{each[0]['layers']} layers with gradient", "dtype", "trace", "compile"]
        text += _table(head, rows) + "\n"
    if each[0]["eager"]:
        rows = [[n, " / ".join(f"{s['eager'][n]['ratio']:.2f}" for s in each)] for n in each[0]["eager"]]
        text += _table(["eager call of 8 elements", "ratio to jax.nn"], rows) + "\n"
    return text


def _operations(rows: list[dict]) -> str:
    """StableHLO operations of the forward pass and of the slope times a cotangent, in bfloat16."""
    if not rows:
        return ""
    lines = [
        [_name(r["function"]), *(f"{'–' if r[w][1] is None else r[w][1]} → {r[w][0]}" for w in ("forward", "backward"))]
        for r in rows
    ]
    return _table(["operations, jax.nn → jaxacts", "forward", "backward"], lines) + "\n"


def models(folder: Path) -> str:
    """Training steps of whole networks."""
    found = _load(folder, "models")
    if found is None:
        return "Not measured yet.\n"
    return _models(found["rows"]) + f"\nMeasured with {_about(found['machine'])}.\n"


def _models(rows: list[dict]) -> str:
    units = {"step": 1e-3, "memory": 2**20, "trace": 1, "compile": 1}
    shown = {what: unit for what, unit in units.items() if all(what in row for row in rows)}
    heads = {"step": "step, ms", "memory": "temporary, MiB", "trace": "trace, s", "compile": "compile, s"}
    lines = []
    for row in rows:
        costs = [_beside(row[what], unit) for what, unit in shown.items()]
        losses = [f"{row['loss'][which][-1]:.3f}" for which in ("jax.nn", "ours")]
        lines.append([row["model"], row["dtype"], *costs, f"{row['loss']['ours'][0]:.3f} → {' / '.join(losses)}"])
    return _table(
        ["model", "dtype", *(heads[what] for what in shown), "loss, first → last with jax.nn / jaxacts"], lines
    )


def variances(folder: Path) -> str:
    """Real models before and after ``match``."""
    found = _load(folder, "variances")
    if found is None:
        return "Not measured yet.\n"
    lines, details = [], ""
    for row in found["rows"]:
        layers = row["layers"]
        ranges = [[layer[when] for layer in layers] for when in ("before", "after")]
        spans = [f"{min(some):.3g} to {max(some):.3g}" for some in ranges]
        lines.append([row["model"], str(len(layers)), str(row["left"]), *spans])
        each = [
            [layer["path"], layer["activation"].replace("|", "\\|"), *(f"{layer[w]:.3g}" for w in ("before", "after"))]
            for layer in layers
        ]
        table = _table(["layer", "activation", "variance before", "after"], each)
        details += f"<details><summary>{row['model']}</summary>\n\n{table}\n</details>\n"
    text = _table(["model", "kernels drawn", "left alone", "variances before", "after"], lines) + f"\n{details}\n"
    if large := found.get("large"):
        text += (
            f"A transformer of {large['bytes'] / 4e6:.0f} million float32 parameters is matched in "
            f"{large['seconds']:.0f} s, and holds at most {large['held'] / large['bytes']:.1f} times their memory, "
            "the old ones included. "
        )
    return text + f"Measured with {_about(found['machine'])}.\n"


def rows(folder: Path) -> str:
    """Functions over an axis."""
    found = _load(folder, "rows")
    if found is None:
        return "Not measured yet.\n"
    each = [s["rows"] for s in found["instruction_sets"].values()]
    lines = []
    for beside in zip(*each, strict=True):
        row = beside[0]
        cells = [
            " / ".join(f"{r[way]['ours']:.2f} ({r[way]['ratio']:.2f})" for r in beside) for way in ("forward", "both")
        ]
        lines.append([_name(row["function"]), str(row["length"]), *cells])
    head = [f"ns an element, {' / '.join(found['instruction_sets'])}", "length", "forward", "both"]
    return _table(head, lines) + f"\nMeasured with {_about(found['machine'])}.\n"


def watch(folder: Path) -> str:
    """What a watch costs."""
    found = _load(folder, "watch")
    if found is None:
        return "Not measured yet.\n"
    ways = list(found["rows"][0]["seconds"])
    rows = [
        [row["activation"], *(f"{1e3 * row['seconds'][w]:.1f} ({row['ratio'][w] - 1:+.1%})" for w in ways)]
        for row in found["rows"]
    ]
    return _table(["ms a step", *ways], rows) + f"\nMeasured with {_about(found['machine'])}.\n"


def accelerator(folder: Path) -> str:
    """One section for each device; says so where there is none."""
    paths = sorted(folder.glob("accelerator-*.json"))
    if not paths:
        return "Nothing was measured on an accelerator yet: there is no `docs/measured/accelerator-*.json`.\n"
    return "\n".join(_device(json.loads(path.read_text())) for path in paths)


def _device(found: dict) -> str:
    copies = ", ".join(f"{r['copy']:.0f} GB/s in {r['dtype']}" for r in found["bandwidth"])
    machine = found["machine"]
    text = f"**{machine.get('device', machine['cpu'])}**, jax {machine['jax']}; a copy reaches {copies or '–'}.\n\n"
    lines = []
    for row in found["speed"]:
        cells = [c for w in ("forward", "backward") for c in (_beside(row[w], 1), f"{row[w]['GB/s']:.0f}")]
        lines.append([_name(row["function"]), row["dtype"], *cells])
    head = ["function", "dtype", "forward, ps an element", "GB/s", "backward, ps an element", "GB/s"]
    text += _table(head, lines) + "\n" if lines else ""
    counts = {(r["function"], r["dtype"]): f"{r['value']}/{r['slope']}" for r in found["misroundings"]}
    wide = {r["function"]: f"{r['value']['ulp']:.3g}/{r['slope']['ulp']:.3g}" for r in found["float32"]}
    labels = dict.fromkeys([*(label for label, _ in counts), *wide])
    lines = [
        [_name(label), *(counts.get((label, d), "–") for d in ("bfloat16", "float16")), wide.get(label, "–")]
        for label in labels
    ]
    head = ["value/slope", "bfloat16, rounded wrongly", "float16, rounded wrongly", "float32, largest error in ulp"]
    text += _table(head, lines) + "\n" if lines else ""
    text += _models(found["models"]) + "\n" if found["models"] else ""
    missing = [*found["left_out"], *found["failed"]]
    return text + (f"Not measured: {'; '.join(map(_name, missing))}.\n" if missing else "")


def _beside(times: dict[str, float], unit: float) -> str:
    ours = f"{times['ours'] / unit:.3g}"
    return f"{times['jax.nn'] / unit:.3g} → {ours} ({times['ratio']:.2f})" if "jax.nn" in times else ours


def _name(label: str) -> str:
    return label.replace("_", "\\_")


def _is(row: dict, label: str, dtype: str) -> bool:
    return (row["function"], row["dtype"]) == (label, dtype)


def _by_dtype(rows: list[dict]) -> dict[str, list[dict]]:
    return {d: [r for r in rows if r["dtype"] == d] for d in dict.fromkeys(r["dtype"] for r in rows)}


def _mean(ratios: list[float]) -> float:
    return math.exp(statistics.mean(map(math.log, ratios)))


def plot(docs: Path) -> None:
    """The ratios of the speed table."""
    import matplotlib as mpl

    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "jaxacts"
    import matplotlib.pyplot as plt

    found = _load(docs / "measured", "speed")
    if found:
        _plot_speed(plt, found["instruction_sets"], docs / "reference" / "generated" / "_measured_speed.svg")


def _plot_speed(plt: Any, sets: dict[str, dict], path: Path) -> None:
    """One row of pictures for each instruction set."""
    rows = next(iter(sets.values()))["rows"]
    dtypes, labels = list(_by_dtype(rows)), list(dict.fromkeys(r["function"] for r in rows))
    size = (14, 6 * len(sets))
    figure, grid = plt.subplots(len(sets), len(WAYS), figsize=size, sharex=True, sharey=True, layout="constrained")
    for axes, (name, way) in zip(grid.flat, [(n, w) for n in sets for w in WAYS], strict=True):
        for dtype, mark, color in zip(dtypes, "os^", ("#0072B2", "#009E73", "#D55E00"), strict=True):
            ratios = [_mean([r[way]["ratio"] for r in sets[name]["rows"] if _is(r, label, dtype)]) for label in labels]
            axes.plot(ratios, range(len(labels)), mark, color=color, label=dtype)
        axes.axvline(1, color="0.5", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(f"{way}, {name}" if len(sets) > 1 else way)
        axes.grid(alpha=0.3)
    grid.flat[0].set_yticks(range(len(labels)), labels)
    grid.flat[0].invert_yaxis()
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    figure.supxlabel("time, ratio to jax.nn")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def write(docs: Path) -> None:
    """One file for each table, which the pages include."""
    out = docs / "reference" / "generated"
    out.mkdir(parents=True, exist_ok=True)
    for make in (speed, rows, models, variances, watch, accelerator):
        (out / f"_measured_{make.__name__}.md").write_text(make(docs / "measured"), encoding="utf-8")
    plot(docs)
