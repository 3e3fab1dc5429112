r"""Functions over axes.

softmax turns scores into probabilities, and its relatives give exact zeros or samples; maxout takes the best of several
linear pieces; gaussian_topk and poly_norm measure an element by the others of its row, frelu by its surroundings.
"""

from . import entmax as _entmax_functions
from . import frelu as _frelu
from . import gaussian_topk as _gaussian_topk
from . import gumbel_softmax as _gumbel_softmax
from . import maxout as _maxout
from . import poly_norm as _poly_norm
from . import softmax as _softmax_functions
from .entmax import *
from .frelu import *
from .gaussian_topk import *
from .gumbel_softmax import *
from .maxout import *
from .poly_norm import *
from .softmax import *

__all__: list[str] = []
__all__ += _entmax_functions.__all__
__all__ += _frelu.__all__
__all__ += _gaussian_topk.__all__
__all__ += _gumbel_softmax.__all__
__all__ += _maxout.__all__
__all__ += _poly_norm.__all__
__all__ += _softmax_functions.__all__
