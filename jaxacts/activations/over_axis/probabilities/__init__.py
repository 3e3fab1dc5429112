"""Probabilities from scores: softmax and its relatives that give exact zeros or samples."""

from . import entmax as _entmax_functions
from . import gumbel_softmax as _gumbel_softmax
from . import softmax as _softmax_functions
from .entmax import *
from .gumbel_softmax import *
from .softmax import *

__all__: list[str] = []
__all__ += _entmax_functions.__all__
__all__ += _gumbel_softmax.__all__
__all__ += _softmax_functions.__all__
