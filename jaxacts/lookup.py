"""Every activation of the library by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jax import Array

from . import activations
from ._core import Activation, entry_of, unknown_name

__all__ = ["catalogue", "get"]


def catalogue() -> Mapping[str, Activation]:
    """Every activation of the library by name, in alphabetical order.

    Example:
        >>> import jaxacts
        >>> jaxacts.catalogue()["relu6"].kinks()
        (Kink(at=0.0, left=0.0, right=1.0, taken=0.0), Kink(at=6.0, left=1.0, right=0.0, taken=0.0))
    """
    entries = (entry_of(getattr(activations, name)) for name in sorted(activations.__all__))
    return MappingProxyType({entry.name: entry for entry in entries})


def get(name: str) -> Callable[..., Array]:
    """The activation of this name (``swish`` and ``hard_swish`` included).

    Raises:
        TypeError: the name is not a string.
        ValueError: the name is not in the catalogue; the message has the nearest known names.

    Example:
        >>> import jaxacts
        >>> jaxacts.get("relu") is jaxacts.relu
        True
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(f"get: name must be a str, got {type(name).__name__}; pass a name such as 'relu'.")
    if name not in activations.__all__:
        raise unknown_name("get", "activation", name, activations.__all__)
    return getattr(activations, name)
