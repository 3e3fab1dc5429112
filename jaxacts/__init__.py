"""Activation functions and weight initializers for JAX."""

import importlib
import types

from . import activations, initializers
from ._core import (
    Activation,
    Facts,
    Kink,
    Line,
    Paper,
    Pieces,
    Shape,
    activation,
    with_kink_slope,
)
from ._core import errors as _errors
from ._describe import Description, describe
from ._transforms import clipped, split_complex, with_slope
from .activations import *
from .activations.exponentials.softplus import softplus_inverse
from .activations.gated.transform import gated
from .lookup import catalogue, config_of, get

__version__ = "0.1.0"

__all__ = [
    "Activation",
    "Description",
    "Facts",
    "Kink",
    "Line",
    "Paper",
    "Pieces",
    "Shape",
    "activation",
    "activations",
    "catalogue",
    "clipped",
    "config_of",
    "describe",
    "gated",
    "get",
    "initializers",
    "softplus_inverse",
    "split_complex",
    "with_kink_slope",
    "with_slope",
]
__all__ += activations.__all__


def __getattr__(name: str) -> types.ModuleType:
    """The modules that not every program needs, imported when they are first named."""
    if name in ("diagnostics", "linen", "nnx", "optim", "plotting", "testing"):
        return importlib.import_module(f"{__name__}.{name}")
    raise _errors.missing(__name__, name, __all__)
