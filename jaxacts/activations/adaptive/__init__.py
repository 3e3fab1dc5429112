r"""Activations that adapt: to the distribution of their input, or as a whole curve that is learned."""

from . import dice as _dice
from . import rational as _rational
from . import spline as _spline
from .dice import *
from .rational import *
from .spline import *

__all__: list[str] = []
__all__ += _dice.__all__
__all__ += _rational.__all__
__all__ += _spline.__all__
