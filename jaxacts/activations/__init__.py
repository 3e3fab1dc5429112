"""The activation functions, one module or package a family.

A name in the ``__all__`` of its module is in the catalogue.
"""

from . import adaptive, exponentials, gated, over_axis, periodic, rectifiers, self_gated, sigmoids
from .adaptive import *
from .exponentials import *
from .gated import *
from .over_axis import *
from .periodic import *
from .rectifiers import *
from .self_gated import *
from .sigmoids import *

__all__: list[str] = []
__all__ += adaptive.__all__
__all__ += exponentials.__all__
__all__ += gated.__all__
__all__ += over_axis.__all__
__all__ += periodic.__all__
__all__ += rectifiers.__all__
__all__ += self_gated.__all__
__all__ += sigmoids.__all__
