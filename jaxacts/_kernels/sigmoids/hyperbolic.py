"""1/cosh, whose square is the slope of tanh, at a product and at a quotient.

Where the argument is large, its rounding error counts as often in the result: tanh'(44) is off by 88 units in the last
place for each unit of the argument.
"""

from __future__ import annotations

from jax import Array

from ..arithmetic.elementary import finite, gradient
from ..arithmetic.exponential import Decay, decay_of_product, decay_of_quotient
from .tanh import tanh

__all__ = ["sech_of_product", "sech_of_quotient"]


def _sech(e: Decay) -> Array:
    """2v/(1 + v²) with v = exp(-|z|)."""
    v = e.value
    return v * (2 * (1 / (1 + v * v)))  # a quotient with several uses would get a loop of its own


@gradient(
    lambda x, y: -tanh(x * y) * sech_of_product(x, y) * y,
    lambda x, y: -tanh(x * y) * sech_of_product(x, y) * x,
)
def sech_of_product(x: Array, y: Array) -> Array:
    """1/cosh(x·y) for a finite x."""
    return _sech(decay_of_product(x, y))


@gradient(
    lambda x, y: -tanh(x / y) * sech_of_quotient(x, y) / y,
    lambda x, y: tanh(x / y) * sech_of_quotient(x, y) / y * finite(x / y),
)
def sech_of_quotient(x: Array, y: Array) -> Array:
    """1/cosh(x/y) for a finite x and y > 0."""
    return _sech(decay_of_quotient(x, y))
