"""The sine of a product in plain form, which the periodic units share."""

from __future__ import annotations

from typing import Protocol

import jax.numpy as jnp
from jax import Array

from jaxacts._kernels.arithmetic.elementary import finite

__all__ = ["Wave", "phase", "wave"]


class Wave(Protocol):
    """sin(rate·x), or the cosine for an ``order`` of 1."""

    def __call__(self, x: Array, rate: Array, order: int = 0) -> Array: ...


def phase(x: Array, rate: Array) -> Array:
    """rate·x, the largest finite number where it overflows."""
    return finite(rate * finite(x))


def wave(x: Array, rate: Array, order: int = 0) -> Array:
    """sin(rate·x), or the cosine for an ``order`` of 1."""
    return (jnp.sin, jnp.cos)[order](phase(x, rate))
