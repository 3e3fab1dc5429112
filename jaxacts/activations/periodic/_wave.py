"""The sine of a product in plain form, which the periodic units share."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array

from jaxacts._kernels.arithmetic.elementary import finite

__all__ = ["Wave", "phase", "wave"]


Wave = Callable[[Array, Array], tuple[Array, Array]]
"""Sine and cosine of rate·x."""


def phase(x: Array, rate: Array) -> Array:
    """rate·x, the largest finite number where it overflows."""
    return finite(rate * finite(x))


def wave(x: Array, rate: Array) -> tuple[Array, Array]:
    """Sine and cosine of rate·x."""
    y = phase(x, rate)
    return jnp.sin(y), jnp.cos(y)
