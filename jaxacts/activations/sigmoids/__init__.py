r"""Sigmoids: S-shaped curves that saturate on both sides, and their piecewise relatives.

They turn a score into a bounded response. Where they saturate the slope vanishes: that of the logistic sigmoid is at
most 1/4, so a gradient that passes through a few such layers is gone. Slopes are computed from the exponential in the
tail, not as :math:`y(1-y)`, which loses every digit there.
"""

from . import distribution as _distribution
from . import hard as _hard
from . import scaled as _scaled
from . import sigmoid as _sigmoid
from .distribution import *
from .hard import *
from .scaled import *
from .sigmoid import *

__all__: list[str] = []
__all__ += _distribution.__all__
__all__ += _hard.__all__
__all__ += _scaled.__all__
__all__ += _sigmoid.__all__
