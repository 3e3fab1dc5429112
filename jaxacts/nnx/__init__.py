r"""Activations with parameters or a state of their own as ``flax.nnx`` modules.

Everything else is a function: write ``jaxacts.gelu(x)``. The twins in :mod:`jaxacts.linen` have the same parameters,
names, defaults and results; there
the number of channels is read off the first input, here it is given. ``nnx.view``, ``model.train()`` and ``eval()``
switch what draws or keeps statistics along with ``nnx.Dropout``.
"""

try:
    import flax.nnx as _flax
except ImportError as error:
    raise ImportError('jaxacts.nnx needs flax; install it with pip install "jaxacts[flax]".') from error

del _flax

from jaxacts._modules.missing import missing as _missing

from . import curves, layers, rectifiers, self_gated, smooth, stateful
from .curves import *
from .layers import *
from .rectifiers import *
from .self_gated import *
from .smooth import *
from .stateful import *

__all__: list[str] = []
__all__ += curves.__all__
__all__ += layers.__all__
__all__ += rectifiers.__all__
__all__ += self_gated.__all__
__all__ += smooth.__all__
__all__ += stateful.__all__


def __getattr__(name: str) -> None:
    raise _missing(__name__, name, __all__)
