r"""Periodic and radial units, for signals: they take part of their input modulo a period, or vanish far from 0.

A network of sines represents functions with all their derivatives, and :math:`x + \sin^2(\alpha x)/\alpha` extrapolates
what repeats itself. In float32 and float64 the rounding of the phase :math:`\alpha x` is made good, so that large
arguments are right as far as the product is finite; in 16 bits the phase is the product in float32.
"""

from . import gaussian as _gaussian
from . import sine as _sine
from . import snake as _snake
from .gaussian import *
from .sine import *
from .snake import *

__all__: list[str] = []
__all__ += _gaussian.__all__
__all__ += _sine.__all__
__all__ += _snake.__all__
