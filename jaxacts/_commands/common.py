"""What the commands share: errors, tables of plain rows, and what the user names by ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxacts._core import Activation
from jaxacts._core.errors import nearest
from jaxacts.lookup import catalogue, get

__all__ = ["Rows", "UsageError", "entry", "loaded"]


class UsageError(Exception):
    """What the user asked for cannot be done; the message says why, and what to do."""


@dataclass(frozen=True)
class Rows:
    """A table of texts."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (self.heads, *self.rows)
        )

    def __rich__(self) -> Any:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(*self.heads, box=SIMPLE_HEAD, pad_edge=False)
        for row in self.rows:
            table.add_row(*row)
        return table


def entry(name: str) -> Activation:
    """The entry of an activation."""
    try:
        return catalogue()[get(name).__name__]
    except ValueError as error:
        raise UsageError(str(error).removeprefix("get: ")) from None


def loaded(target: str, what: str) -> Any:
    """What ``module:attribute`` names, imported from the working directory or the path."""
    module_name, colon, attribute = target.partition(":")
    if not (colon and module_name and attribute):
        raise UsageError(f"{what} must be module:attribute, got {target!r}; write mymodule:{attribute or 'name'}.")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name.removesuffix(".py").replace("/", "."))
    except ImportError as error:
        raise UsageError(f"{what}: cannot import {module_name!r} ({error}); run it where that module is.") from None
    except Exception as error:
        kind = type(error).__name__
        raise UsageError(f"{what}: importing {module_name!r} raises {kind}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = "".join(f"; did you mean {n!r}?" for n in nearest(part, dir(found))[:1])
            raise UsageError(f"{what}: {module_name!r} has no attribute {part!r}{near}")
        found = getattr(found, part)
    return found
