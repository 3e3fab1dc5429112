"""Every activation of the library by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from jax import Array

from jaxacts import activations
from jaxacts._core import Activation, entry_of

__all__ = ["BY_NAME", "catalogue"]

BY_NAME: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {name: vars(activations)[name] for name in sorted(activations.__all__)}
)
"""The functions by all their names, ``swish`` and such included."""

_CATALOGUE = MappingProxyType({entry.name: entry for entry in map(entry_of, BY_NAME.values())})


def catalogue() -> Mapping[str, Activation]:
    """Every activation of the library by name, in alphabetical order.

    Example:
        >>> import jaxacts
        >>> jaxacts.catalogue()["relu6"].kinks()
        (Kink(at=0.0, left=0.0, right=1.0, taken=0.0), Kink(at=6.0, left=1.0, right=0.0, taken=0.0))
    """
    return _CATALOGUE
