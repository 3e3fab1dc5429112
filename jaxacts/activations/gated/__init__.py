r"""Gated linear units: one half of the features decides how much of the other half passes.

``glu`` takes the value first and the gate second, as jax.nn and torch do. All others take the gate first, as fused
projections of language models have it, either packed in one array or as two.
"""

from . import clamped as _clamped
from . import glu as _glu
from . import units as _units
from .clamped import *
from .glu import *
from .units import *

__all__: list[str] = []
__all__ += _clamped.__all__
__all__ += _glu.__all__
__all__ += _units.__all__
