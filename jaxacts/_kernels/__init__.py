"""Elementwise kernels that keep their accuracy in the tails, where the textbook forms cancel or overflow.

Each takes and returns float32 or float64, is written for every input, ±inf included, and has a derivative made of
kernels, so every order of derivative stays finite.
"""

from .algebraic import hyperbola, hyperbola_root, hyperbola_slope, inverse_square
from .cubic import cubic_gate, cubic_gate_slope
from .exponential import Decay, bounded, decay, decay_of_quotient, expm1_negative, magnitude, vanished
from .logistic import gate_slope, sigmoid, sigmoid_slope, silu_curve, softplus, tanh, tanh_slope
from .normal import gelu_curve, gelu_slope
from .precision import significand
from .selection import vary_alike, where
from .series import MISH_GATE, MISH_ROOT, SILU_ROOT, about_root, near
from .tools import clip, derivative, exact_product, exact_sum, finite, less, negative_part, opaque, polynomial, product

__all__ = [
    "MISH_GATE",
    "MISH_ROOT",
    "SILU_ROOT",
    "Decay",
    "about_root",
    "bounded",
    "clip",
    "cubic_gate",
    "cubic_gate_slope",
    "decay",
    "decay_of_quotient",
    "derivative",
    "exact_product",
    "exact_sum",
    "expm1_negative",
    "finite",
    "gate_slope",
    "gelu_curve",
    "gelu_slope",
    "hyperbola",
    "hyperbola_root",
    "hyperbola_slope",
    "inverse_square",
    "less",
    "magnitude",
    "near",
    "negative_part",
    "opaque",
    "polynomial",
    "product",
    "sigmoid",
    "sigmoid_slope",
    "significand",
    "silu_curve",
    "softplus",
    "tanh",
    "tanh_slope",
    "vanished",
    "vary_alike",
    "where",
]
