r"""Self-gated units: x times a gate that opens with x.

:math:`x \cdot g(x)` with a sigmoid-like g is smooth, dips below zero on the left and tends to the identity on the
right. The forms below never multiply an infinite x by a gate that has underflowed, and compute the left tail from the
exponential, so that value and slope keep their digits until they leave the range of the dtype.
"""

from . import gelu as _gelu
from . import hard as _hard
from . import laplace as _laplace
from . import mish as _mish
from . import silu as _silu
from . import smooth_maximum as _smooth_maximum
from . import tanh as _tanh
from . import tanh_exp as _tanh_exp
from .gelu import *
from .hard import *
from .laplace import *
from .mish import *
from .silu import *
from .smooth_maximum import *
from .tanh import *
from .tanh_exp import *

__all__: list[str] = []
__all__ += _gelu.__all__
__all__ += _hard.__all__
__all__ += _laplace.__all__
__all__ += _mish.__all__
__all__ += _silu.__all__
__all__ += _smooth_maximum.__all__
__all__ += _tanh.__all__
__all__ += _tanh_exp.__all__
