r"""Functions over an axis: softmax turns scores into probabilities, maxout takes the best of several linear pieces."""

from . import maxout as _maxout
from . import softmax as _softmax
from .maxout import *
from .softmax import *

__all__: list[str] = []
__all__ += _maxout.__all__
__all__ += _softmax.__all__
