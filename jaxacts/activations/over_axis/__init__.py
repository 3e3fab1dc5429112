r"""Functions over axes.

softmax turns scores into probabilities, and its relatives give exact zeros or samples; maxout takes the best of several
linear pieces; gaussian_topk and poly_norm measure an element by the others of its row, frelu by its surroundings.
"""

from . import frelu as _frelu
from . import gaussian_topk as _gaussian_topk
from . import maxout as _maxout
from . import poly_norm as _poly_norm
from . import probabilities as _probabilities
from .frelu import *
from .gaussian_topk import *
from .maxout import *
from .poly_norm import *
from .probabilities import *

__all__: list[str] = []
__all__ += _frelu.__all__
__all__ += _gaussian_topk.__all__
__all__ += _maxout.__all__
__all__ += _poly_norm.__all__
__all__ += _probabilities.__all__
