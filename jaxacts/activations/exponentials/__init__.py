r"""Exponential units: smooth relatives of ReLU whose left side saturates or vanishes.

ELU and its scaled and continuously differentiable forms let the mean of a layer's outputs come near zero, which ReLU
cannot; softplus and squareplus are ReLU with the corner rounded. Slopes on the left are computed from the exponential
itself, never from the value plus a constant, so they keep every digit where the curve is already flat.
"""

from . import elu as _elu
from . import softplus as _softplus
from .elu import *
from .softplus import *

__all__: list[str] = []
__all__ += _elu.__all__
__all__ += _softplus.__all__
