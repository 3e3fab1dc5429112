r"""Rectifiers: straight lines joined at a kink.

:math:`\max(x, 0)` and its relatives cost one comparison, do not saturate to the right, and give exact zeros: about half
of the units of a freshly initialized ReLU layer are silent on any input. A unit that is silent on *every* input gets no
gradient any more; the leaky, parametric and randomized forms keep a small slope on the left so that it can come back.
At the kink the slope is the subgradient of least magnitude: 0 for ReLU, the leak for leaky ReLU.
"""

from . import hinges as _hinges
from . import leaky as _leaky
from . import relu as _relu
from . import shrinkage as _shrinkage
from .hinges import *
from .leaky import *
from .relu import *
from .shrinkage import *

__all__: list[str] = []
__all__ += _hinges.__all__
__all__ += _leaky.__all__
__all__ += _relu.__all__
__all__ += _shrinkage.__all__
