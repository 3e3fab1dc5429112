r"""Activations that adapt to the distribution of their input."""

from . import dice as _dice
from .dice import *

__all__: list[str] = []
__all__ += _dice.__all__
