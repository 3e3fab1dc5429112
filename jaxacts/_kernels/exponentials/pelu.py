"""What pelu and mpelu need beside the exponential unit: exponentials of half a quotient and half a product.

They occur squared with factors of any size, so that they may be normal numbers where their squares are not.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.elementary import finite, negative_part
from ..arithmetic.exponential import decay_of_product, decay_of_quotient
from .elu import expm1

__all__ = ["expm1", "root_exp_of_product", "root_exp_of_quotient"]


def root_exp_of_quotient(x: Array, y: Array) -> Array:
    """exp(x/(2y)) for x < 0, else 1."""
    small = y < 1  # the half of x may be subnormal, and the double of y infinite
    return decay_of_quotient(
        negative_part(finite(x)) * jnp.where(small, 1.0, 0.5), y * jnp.where(small, 2.0, 1.0)
    ).value


def root_exp_of_product(x: Array, y: Array) -> Array:
    """exp(x·y/2) for x < 0, else 1."""
    small = y < 1
    return decay_of_product(negative_part(finite(x)) * jnp.where(small, 0.5, 1.0), y * jnp.where(small, 1.0, 0.5)).value
