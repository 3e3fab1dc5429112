"""The normal distribution as gelu needs it: x·Φ(x), its slope and its curvature, right in the left tail.

With R(a) = Φ(-a)·exp(a²/2) for a = |x|, which is smooth and falls like 1/a, every part of gelu is R or a polynomial
times exp(-a²/2). The exponential is taken of a square split into an exact part and a rest: a rounding of a²/2 near 80
would cost 40 units in the last place of the result. The slope changes its sign at -c, where R(c) = c·φ(0); on the left
it is c - a times a smooth function, so that it keeps its digits however small it is.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from .exponential import Decay, bounded, exp_of_minus
from .precision import coarse
from .selection import where
from .series import GELU_GATE, near
from .tools import derivative, exact_square, polynomial, rounded

__all__ = ["gelu_curve", "gelu_slope"]

# Polynomials in (a - 1.5)/(a + 3), highest power first; tests/numerics/make_coefficients.py prints them.
# a·R(a) from a = 0.66 on:
_TAIL_32 = (  # error 0.19 units of 2^-24
    -0.0004966737469658256,
    -0.004307003691792488,
    0.009711844846606255,
    0.0134578887373209,
    -0.03629495948553085,
    -0.06252427399158478,
    0.2965211272239685,
    -0.4425102174282074,
    0.3166818618774414,
    0.3086709976196289,
)
_TAIL_64 = (  # error 0.58 units of 2^-53
    -7.498660936661242e-06,
    3.676116203746745e-05,
    -5.5947763284279936e-05,
    1.5955840422326702e-06,
    7.057885818866594e-05,
    -7.730091852777819e-05,
    7.553338056468905e-05,
    -1.1691367289909284e-05,
    -6.780270762367695e-05,
    -0.00010900710379203806,
    1.092125660204304e-06,
    0.0003622302350190214,
    0.0005682988584206502,
    -0.00040314396966216655,
    -0.002589422350130178,
    -0.0016076443121311786,
    0.008744874206154192,
    0.013382377090644212,
    -0.03620537896253511,
    -0.06252795129010136,
    0.2965191391679498,
    -0.44251027316371894,
    0.31668186183472674,
    0.308671000466092,
)
# g in R(a) - a·φ(0) = (c - a)·(1 + g)/2:
_STEEPNESS_32 = (  # error 0.28 units of 2^-24
    -0.00023205105389934033,
    -0.0012692707823589444,
    0.0017566269962117076,
    0.008435766212642193,
    -0.010176342912018299,
    -0.0621824711561203,
    0.23962534964084625,
    -0.4276247024536133,
    0.04952769726514816,
)
_STEEPNESS_64 = (  # error 0.22 units of 2^-53
    -2.581241277587224e-07,
    6.672679505112588e-07,
    1.787570788227792e-07,
    -1.0123125127513367e-06,
    -6.655518272170688e-07,
    -2.0555710226368654e-07,
    1.155102223784947e-06,
    4.173428743010655e-06,
    4.308177569728801e-06,
    -5.824450945847614e-06,
    -2.5356168175926946e-05,
    -2.5559925977975192e-05,
    4.795995848155697e-05,
    0.00017817824602286175,
    8.647497772778755e-05,
    -0.0006411893303520692,
    -0.00122527227983268,
    0.0019364413729810828,
    0.008403219643719349,
    -0.010204585579484636,
    -0.062177999711706906,
    0.23962688949631827,
    -0.4276248393145389,
    0.049527682679477894,
)
# P in R(a) = t·P(t), t = 1/(1 + 0.3·a), for results of fewer than 24 bits, from a = 0 on.
_RATIO_COARSE = (  # error 2.8 units of 2^-24
    0.03542391210794449,
    -0.1561591625213623,
    0.20455799996852875,
    -0.052035123109817505,
    0.1276923418045044,
    0.10017578303813934,
    0.12071216106414795,
    0.11963200569152832,
)
_DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)
_ROOT = (0.7517915246935645, -1.4956759177009883e-17)  # c, and what float64 leaves of it


def _bounded(x: Array) -> Array:
    """|x|, at most where exp(-x²/2) is below the smallest number of the dtype."""
    return bounded(x, 39.0 if x.dtype == jnp.float64 else 14.5)


def _bell(a: Array) -> Decay:
    """exp(-a²/2)."""
    high, low = exact_square(a)
    return exp_of_minus(high / 2, -low / 2)


def _quotient(a: Array) -> Array:
    return (a - 1.5) * (1 / (a + 3))  # a quotient with several uses would get a loop of its own


def _mirrored_quotient(a: Array) -> Array:
    """The same, bit for bit, for the slope: a reciprocal that it shared with the value would get a loop, too."""
    return (1.5 - a) * (1 / (-3 - a))


def _tail(a: Array) -> tuple[Array, Array]:
    """a·R(a), and what the rounding of the last sum has lost."""
    *coefficients, last = _TAIL_64 if a.dtype == jnp.float64 else _TAIL_32
    v = _quotient(a)
    steep = v * polynomial(coefficients, v)
    total = steep + last
    return total, (last - total) + steep


def _ratio(a: Array) -> Array:
    """R(a) for results of fewer than 24 bits."""
    t = 1 / (1 + 0.3 * a)
    return t * polynomial(_RATIO_COARSE, t)


@derivative(lambda x: gelu_slope(x))
def gelu_curve(x: Array) -> Array:
    """x·Φ(x)."""
    a = _bounded(x)
    if coarse():
        share = _bell(a).times(where(x < 0, -a, 1) * _ratio(a))
        return where(x < 0, share, x * (1 - share))
    lost = _bell(a).times(*_tail(a))
    return near(x, GELU_GATE, where(x < 0, -lost, x - lost), times=True)


@derivative(lambda x: _curvature(x))
def gelu_slope(x: Array) -> Array:
    """Φ(x) + x·φ(x)."""
    a, (root, root_rest) = _bounded(x), rounded(_ROOT, x.dtype)
    from_root = root - a
    g = polynomial(_STEEPNESS_64 if x.dtype == jnp.float64 else _STEEPNESS_32, _mirrored_quotient(a))
    # The rest of the root counts near it alone, where 1 + g is 2·φ(0)·(2 - c²).
    rest = root_rest * 2 * _DENSITY_AT_0 * (2 - root * root)
    left = 0.5 * _bell(a).times(from_root, from_root * g + rest)
    return where(x < 0, left, 1 - left)


def _curvature(x: Array) -> Array:
    """φ(x)·(2 - x²)."""
    a = _bounded(x)
    return _DENSITY_AT_0 * _density_ratio(a) * (2 - a * a)


def _density_slope(x: Array) -> Array:
    return -x * _density_ratio(x)


@derivative(_density_slope)
def _density_ratio(x: Array) -> Array:
    """φ(x)/φ(0) = exp(-x²/2)."""
    return _bell(x).value
