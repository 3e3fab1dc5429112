"""Classes that do not exist: the nearest one, or the function that needs none."""

from __future__ import annotations

from collections.abc import Iterable

from jaxacts import activations
from jaxacts._core import errors

__all__ = ["missing"]


def missing(module: str, name: str, classes: Iterable[str]) -> AttributeError:
    """An AttributeError for a name that a module lacks: ``SwiGLU`` is a function, ``Prelu`` is ``PReLU``."""
    folded = name.replace("_", "").casefold()
    function = next((n for n in activations.__all__ if n.replace("_", "") == folded), None)
    if function is None or folded in map(str.casefold, classes):
        return errors.missing(module, name, classes)
    return AttributeError(
        f"module {module!r} has no attribute {name!r}: it has nothing to learn; use the function jaxacts.{function}"
    )
