"""Activations by name: the catalogue, configurations that can be saved, and the names of other frameworks.

``get`` makes a function of a name or of a configuration, ``config_of`` a configuration of a function. Names are looked
up in explicit tables alone. Imports ``_core``, the activations and the transforms.
"""

from ._configuration import config_of, get
from ._entries import catalogue
from ._frameworks import FRAMEWORKS, Counterpart
from ._models import USED_BY, Model

__all__ = ["FRAMEWORKS", "USED_BY", "Counterpart", "Model", "catalogue", "config_of", "get"]
