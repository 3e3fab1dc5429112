r"""Functions over axes: softmax turns scores into probabilities, maxout takes the best of several linear pieces, and
frelu compares each pixel with its surroundings.
"""

from . import frelu as _frelu
from . import maxout as _maxout
from . import softmax as _softmax
from .frelu import *
from .maxout import *
from .softmax import *

__all__: list[str] = []
__all__ += _frelu.__all__
__all__ += _maxout.__all__
__all__ += _softmax.__all__
