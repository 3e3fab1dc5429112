"""One row of a table: the configuration here, and how the arguments are called there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
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
    ``ignored`` are arguments that change no value, with the only values that are taken, if not all are. Where the
    function here depends on the arguments, ``made`` gives the configuration from them.
    """

    config: Mapping[str, Any] | None
    arguments: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    values: Mapping[str, Mapping[Any, Any]] = field(default_factory=lambda: _NOTHING)
    differs: str = ""
    ignored: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: _NOTHING)
    made: Callable[..., Mapping[str, Any]] | None = None

    @property
    def known(self) -> tuple[str, ...]:
        """The arguments there that have a meaning here."""
        return tuple(inspect.signature(self.made).parameters) if self.made else tuple(self.arguments)


def here(
    name: str,
    *same: str,
    differs: str = "",
    renamed: Mapping[str, str] = _NOTHING,
    values: Mapping[str, Mapping[Any, Any]] = _NOTHING,
    ignored: Mapping[str, tuple[Any, ...]] = _NOTHING,
    made: Callable[..., Mapping[str, Any]] | None = None,
    **defaults: Any,
) -> Counterpart:
    """The activation of this name, with arguments of the same name there, and renamed ones."""
    arguments = {n: n for n in same} | dict(renamed)
    return Counterpart({"name": name, **defaults}, arguments, values, differs, ignored, made)


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
    given = {n: v for n, v in arguments.items() if not (n in row.ignored and v in (row.ignored[n] or (v,)))}
    out = dict(row.config)
    for argument, value in given.items():
        if argument not in row.known:
            known = ", ".join(row.known) or "nothing"
            hint = f" ({row.differs})" if row.differs else ""
            raise ValueError(
                f"get: {framework}'s {name} has no argument {argument!r} that is known here{hint}; it takes {known}."
            )
        if row.made:
            continue
        meant = row.values.get(argument)
        if meant is not None and value not in meant:
            raise unknown_name("get", f"{argument} of {framework}'s {name}", value, map(str, meant))
        out[row.arguments[argument]] = value if meant is None else meant[value]
    return dict(row.made(**given)) if row.made else out
