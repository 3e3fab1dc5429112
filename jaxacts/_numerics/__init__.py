"""Elementwise kernels that keep their accuracy in the tails, where the textbook forms cancel or overflow.

Each takes and returns float32 or float64, is written for every finite input, and has a derivative made of kernels, so
every order of derivative stays finite.
"""

from .cubic import cubic_decay, cubic_steepness
from .exponential import Decay, decay, decay_of_quotient, expm1_negative, sigmoid, softplus, tanh, tanh_slope
from .normal import gelu_curve, gelu_slope
from .tools import clip, exact_product, exact_sum, finite, negative_part, opaque, product, where

__all__ = [
    "Decay",
    "clip",
    "cubic_decay",
    "cubic_steepness",
    "decay",
    "decay_of_quotient",
    "exact_product",
    "exact_sum",
    "expm1_negative",
    "finite",
    "gelu_curve",
    "gelu_slope",
    "negative_part",
    "opaque",
    "product",
    "sigmoid",
    "softplus",
    "tanh",
    "tanh_slope",
    "where",
]
