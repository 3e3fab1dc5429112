"""What every report can do: print itself, and become a dict, JSON, Markdown, a rich table, or scalars for a logger."""

from __future__ import annotations

import json
import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxacts.initializers._models.reports import plain

__all__ = ["Tabular", "cell"]

_TEXTS = ("layer", "activation", "verdict", "advice")
"""The columns that are read from the left."""


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
        rows = [{name: plain(value) for name, value in row._asdict().items()} for row in self.rows]
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

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """One table, or on a console that is too small for it several, which all have the first column."""
        from rich.table import Table

        heads, rows = self._cells()
        widths = [max(map(len, (*head.split(), *cells))) for head, *cells in zip(heads, *rows, strict=True)]
        bad = [row[heads.index("verdict")] != "healthy" if "verdict" in heads else False for row in rows]
        for i, columns in enumerate(_fitting(heads, widths, options.max_width)):
            table = Table(title=self.title or None if i == 0 else None)
            for at in columns:
                if heads[at] in _TEXTS:
                    table.add_column(heads[at], overflow="fold")
                else:
                    table.add_column(heads[at], justify="right", width=widths[at])
            for row, is_bad in zip(rows, bad, strict=True):
                table.add_row(*(row[at] for at in columns), style="yellow" if is_bad else None)
            yield table
        yield from self.notes

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        fields: Sequence[str] = self.rows[0]._fields if self.rows else ("layer",)
        shown = [name for name in fields if any(getattr(row, name) is not None for row in self.rows)]
        heads = [name.replace("_", " ") for name in shown]
        return heads, [[self._shown(name, getattr(row, name)) for name in shown] for row in self.rows]

    def _shown(self, name: str, value: Any) -> str:
        return f"{100 * value:.1f}%" if name in self.shares and value is not None else cell(value)


def _fitting(heads: Sequence[str], widths: Sequence[int], console: int) -> list[list[int]]:
    """The columns of each table, so that each fits into a console of that width with texts folded to a third of it."""
    border = 3  # of a column: a line and two spaces
    taken = [border + (min(w, console // 3) if h in _TEXTS else w) for h, w in zip(heads, widths, strict=True)]
    tables = [[0]]
    for at in range(1, len(heads)):
        if sum(taken[i] for i in tables[-1]) + taken[at] < console or tables[-1] == [0]:
            tables[-1].append(at)
        else:
            tables.append([0, at])
    return tables
