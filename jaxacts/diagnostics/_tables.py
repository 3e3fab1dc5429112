"""What every report can do: print itself, and become a dict, JSON, Markdown, a rich table, or scalars for a logger."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["Tabular", "cell"]


def cell(value: Any) -> str:
    """A value for a reader: four digits for numbers, a dash for none."""
    if value is None:
        return "–"
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return f"{float(value):.4g}"
    return str(value)


@dataclass(frozen=True)
class Tabular:
    """A report of rows, which are named tuples; ``notes`` are sentences below the table.

    ``shares`` are the fields that are shown as percentages, ``labels`` the headings where they are not the names of
    the fields. Fields that are None in all rows are left out of tables.
    """

    rows: tuple[Any, ...]
    notes: tuple[str, ...]

    shares: ClassVar[frozenset[str]] = frozenset()
    title: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """The rows as dicts, and the notes; None for what is not finite, which JSON does not have."""
        rows = [{name: _plain(value) for name, value in row._asdict().items()} for row in self.rows]
        return {"rows": rows, "notes": list(self.notes)}

    def to_json(self, indent: int | None = 1) -> str:
        """The same as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def to_markdown(self) -> str:
        """A Markdown table, and the notes as a list."""
        heads, rows = self._cells()
        lines = [heads, ["---" for _ in heads], *rows]
        table = "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)
        return "\n\n".join([table, *(["\n".join(f"- {note}" for note in self.notes)] if self.notes else [])])

    def scalars(self, prefix: str = "") -> dict[str, float]:
        """``{"encoder/layers_0/dead": 0.125, ...}``, for TensorBoard, wandb or clu."""
        found: dict[str, float] = {}
        for row in self.rows:
            for name, value in row._asdict().items():
                if isinstance(value, numbers.Real) and name != "layer":
                    found[f"{prefix}{row[0]}/{name}"] = float(value)
        return found

    def __str__(self) -> str:
        heads, rows = self._cells()
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (heads, *rows)]
        return "\n".join([*lines, *self.notes])

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table

        heads, rows = self._cells()
        table = Table(title=self.title or None)
        for name, head in zip(heads, heads, strict=True):
            table.add_column(head, justify="left" if name in ("layer", "activation", "verdict", "advice") else "right")
        for row in rows:
            bad = row[heads.index("verdict")] != "healthy" if "verdict" in heads else False
            table.add_row(*row, style="yellow" if bad else None)
        return Group(table, *self.notes)

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        fields: Sequence[str] = self.rows[0]._fields if self.rows else ("layer",)
        shown = [name for name in fields if any(getattr(row, name) is not None for row in self.rows)]
        heads = [name.replace("_", " ") for name in shown]
        return heads, [[self._shown(name, getattr(row, name)) for name in shown] for row in self.rows]

    def _shown(self, name: str, value: Any) -> str:
        return f"{100 * value:.1f}%" if name in self.shares and value is not None else cell(value)


def _plain(value: Any) -> Any:
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return value
