"""List the activations of the catalogue with their facts.

examples:
  python -m jaxacts list
  python -m jaxacts list --family rectifiers
  python -m jaxacts list --json
"""

from __future__ import annotations

import argparse
from typing import Any

from jaxacts._commands.common import Rows, UsageError
from jaxacts._core import Activation, Line
from jaxacts.lookup import catalogue

__all__ = ["add_arguments", "facts_of", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--family", help="only the activations of one family")


def run(options: argparse.Namespace) -> tuple[list[Any], Any, int]:
    entries = list(catalogue().values())
    families = sorted({entry.family for entry in entries})
    if options.family:
        if options.family not in families:
            raise UsageError(f"unknown family {options.family!r}; choose {', '.join(families)}.")
        entries = [entry for entry in entries if entry.family == options.family]
    data = [facts_of(entry) for entry in entries]
    heads = ("name", "family", "image", "at -inf", "at inf", "Lipschitz", "kinks", "summary")
    rows = [
        (d["name"], d["family"], *_curve(d), ", ".join(f"{k['at']:g}" for k in d["kinks"]) or "–", d["summary"])
        for d in data
    ]
    return [Rows(heads, rows)], data, 0


def facts_of(entry: Activation) -> dict[str, Any]:
    """What the catalogue knows, as plain data."""
    facts = entry.facts() if entry.declared is not None else None
    known = {n: entry.arguments()[n] for n in (*entry.parameters, *entry.static)} if entry.elementwise else {}
    return {
        "name": entry.name,
        "family": entry.family,
        "summary": entry.summary,
        "formula": entry.formula,
        "arguments": {name: value for name, value in known.items() if isinstance(value, int | float | str | None)},
        "elementwise": entry.elementwise,
        "image": facts and _numbers(facts.image),
        "left": facts and _numbers(facts.left),
        "right": facts and _numbers(facts.right),
        "lipschitz": facts and _number(facts.lipschitz),
        "kinks": [kink._asdict() for kink in entry.kinks()] if entry.elementwise else [],
    }


def _number(value: Any) -> float | str | None:
    """JSON has no infinity."""
    number = None if value is None else float(value)
    return number if number is None or abs(number) < float("inf") else str(number)


def _numbers(values: Any) -> list[Any] | None:
    return None if values is None else [_number(v) for v in values]


def _curve(data: dict[str, Any]) -> tuple[str, str, str, str]:
    image = "–" if data["image"] is None else f"{_short(data['image'][0])} to {_short(data['image'][1])}"
    lipschitz = "–" if data["lipschitz"] is None else _short(data["lipschitz"])
    return image, line_of(data["left"]), line_of(data["right"]), lipschitz


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def line_of(values: list[Any] | None) -> str:
    """An asymptote as an expression in x."""
    if values is None:
        return "–"
    line = Line(*map(float, values))
    if line.slope == 0:
        return f"{line.intercept:.4g}"
    slope = {1.0: "x", -1.0: "-x"}.get(line.slope, f"{line.slope:.4g} x")
    return slope + (f" {line.intercept:+.4g}" if line.intercept else "")
