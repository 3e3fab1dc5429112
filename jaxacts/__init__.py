"""Activation functions and weight initializers for JAX."""

import importlib
import types

from . import activations, initializers
from ._core import (
    Activation,
    Facts,
    Kink,
    Line,
    Pieces,
    activation,
    with_kink_slope,
)
from ._core import errors as _errors
from .activations import *
from .activations.gated.transform import gated
from .lookup import catalogue, get

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Facts",
    "Kink",
    "Line",
    "Pieces",
    "activation",
    "activations",
    "catalogue",
    "gated",
    "get",
    "initializers",
    "with_kink_slope",
]
__all__ += activations.__all__


def __getattr__(name: str) -> types.ModuleType:
    """The modules that need an extra, imported when they are first named."""
    if name in ("linen", "nnx", "plotting", "testing"):
        return importlib.import_module(f"{__name__}.{name}")
    raise _errors.missing(__name__, name, __all__)
