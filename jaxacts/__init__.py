"""Activation functions and weight initializers for JAX."""

from . import activations, initializers
from ._mechanism import (
    Activation,
    Facts,
    Kink,
    Line,
    Pieces,
    activation,
    catalogue,
    get,
    keep_pre_activations,
    with_kink_slope,
)
from .activations import *

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
    "get",
    "initializers",
    "keep_pre_activations",
    "with_kink_slope",
]
__all__ += activations.__all__
