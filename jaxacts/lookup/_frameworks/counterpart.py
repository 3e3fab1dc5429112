"""One row of a table: the configuration here, and how the arguments are called there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jaxacts._core import unknown_name

__all__ = ["Counterpart", "absent", "here", "translated"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Counterpart:
    """What a name of another framework is here.

    ``config`` is the configuration for :func:`jaxacts.get`, with the other framework's defaults where they are not
    those of this library, or None for what has no counterpart. ``arguments`` has the name here of each argument there,
    ``values`` what special values of an argument there mean here, and ``differs`` what else is not the same.
    """

    config: Mapping[str, Any] | None
    arguments: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    values: Mapping[str, Mapping[Any, Any]] = field(default_factory=lambda: _NOTHING)
    differs: str = ""


def here(
    name: str,
    *same: str,
    differs: str = "",
    renamed: Mapping[str, str] = _NOTHING,
    values: Mapping[str, Mapping[Any, Any]] = _NOTHING,
    **defaults: Any,
) -> Counterpart:
    """The activation of this name, with arguments of the same name there, and renamed ones."""
    return Counterpart({"name": name, **defaults}, {n: n for n in same} | dict(renamed), values, differs)


def absent(instead: str) -> Counterpart:
    """A name that has no counterpart: what to use instead."""
    return Counterpart(None, differs=instead)


def translated(
    framework: str, table: Mapping[str, Counterpart], name: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The configuration here of a name there, with arguments of there."""
    if name not in table:
        raise unknown_name("get", f"activation of {framework}", name, table)
    row = table[name]
    if row.config is None:
        raise ValueError(f"get: {name} of {framework} has no counterpart in jaxacts; {row.differs}.")
    out = dict(row.config)
    for argument, value in arguments.items():
        if argument not in row.arguments:
            known = ", ".join(row.arguments) or "nothing"
            hint = f" ({row.differs})" if row.differs else ""
            raise ValueError(
                f"get: {framework}'s {name} has no argument {argument!r} that is known here{hint}; it takes {known}."
            )
        meant = row.values.get(argument)
        if meant is not None and value not in meant:
            raise unknown_name("get", f"{argument} of {framework}'s {name}", value, map(str, meant))
        out[row.arguments[argument]] = value if meant is None else meant[value]
    return out
