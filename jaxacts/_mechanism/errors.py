"""Error messages: they name the function, the argument, what was expected, what came, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest", "unknown_name"]


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names among ``known`` that look most like ``name``, best first (possibly none)."""
    by_folded = {k.casefold(): k for k in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    return [by_folded[f] for f in found]


def unknown_name(function: str, argument: str, got: object, known: Iterable[str]) -> ValueError:
    """A ValueError for a name that is not in ``known``, with the nearest ones, or all if none is near."""
    names = sorted(known)
    *others, last = map(repr, nearest(str(got), names) or names)
    choice = f"{', '.join(others)} or {last}" if others else last
    return ValueError(f"{function}: unknown {argument} {got!r}; did you mean {choice}?")
