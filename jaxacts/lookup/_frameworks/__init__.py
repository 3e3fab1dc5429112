"""What the names of other frameworks are here: one table a framework."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .counterpart import Counterpart
from .huggingface import HUGGING_FACE
from .jax_flax import FLAX, JAX
from .keras import KERAS
from .torch import TORCH

__all__ = ["FRAMEWORKS", "Counterpart"]

FRAMEWORKS: Mapping[str, Mapping[str, Counterpart]] = MappingProxyType(
    {"flax": FLAX, "hf": HUGGING_FACE, "jax": JAX, "keras": KERAS, "torch": TORCH}
)
"""For each framework, what its names are here."""
