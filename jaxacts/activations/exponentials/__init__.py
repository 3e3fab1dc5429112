r"""Exponential units: smooth relatives of ReLU whose left side saturates or vanishes.

ELU and its scaled and continuously differentiable forms let the mean of a layer's outputs come near zero, which ReLU
cannot; softplus and squareplus are ReLU with the corner rounded; ISRLU is an ELU without an exponential. Slopes on the
left are computed from the exponential itself, never from the value plus a constant, so they keep every digit where the
curve is already flat.
"""

from . import elu as _elu
from . import inverse_root as _inverse_root
from . import parametric as _parametric
from . import softplus as _softplus
from . import xielu as _xielu
from .elu import *
from .inverse_root import *
from .parametric import *
from .softplus import *
from .xielu import *

__all__: list[str] = []
__all__ += _elu.__all__
__all__ += _inverse_root.__all__
__all__ += _parametric.__all__
__all__ += _softplus.__all__
__all__ += _xielu.__all__
