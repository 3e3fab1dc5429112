"""The normal distribution as gelu needs it: x·Φ(x), its slope and its curvature, right in the left tail.

With R(a) = Φ(-a)·exp(a²/2) for a = |x|, which is smooth and falls like 1/a, every part of gelu is R or a polynomial
times exp(-a²/2). The exponential is taken of a square split into an exact part and a rest: a rounding of a²/2 near 80
would cost 40 units in the last place of the result. The slope changes its sign where R(a) = a·φ(0); about there
it is computed by its series, so that it keeps its digits.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
from jax import Array

from .exponential import Decay, bounded, exp_of_minus, magnitude
from .precision import coarse
from .selection import where
from .series import GELU_GATE, GELU_ROOT, near
from .tools import derivative, exact_square, halves, leading, polynomial

__all__ = ["gelu_curve", "gelu_slope"]

# a·R(a) from a = 3/8 on, a polynomial in (a - 1)/(a + 1), highest power first; see tests/numerics/make_coefficients.py.
_TAIL_32 = (  # error 0.26 units of 2^-24
    0.003959329798817635,
    -0.008762971498072147,
    -0.0003497858706396073,
    0.003896559588611126,
    0.001568987499922514,
    0.005904080346226692,
    0.009075653739273548,
    0.0031318264082074165,
    -0.019442077726125717,
    -0.057455696165561676,
    -0.052598219364881516,
    0.24842862784862518,
    0.2615782916545868,
)
_TAIL_64 = (  # error 0.6 units of 2^-53
    -0.0040300346925713215,
    0.031083152982066792,
    -0.09819242176624711,
    0.15308124256686514,
    -0.08925290829210805,
    -0.07565584289214586,
    0.15530009741846082,
    -0.06040151830096826,
    -0.05970199714654242,
    0.06261426218801686,
    -0.0009534979517634977,
    -0.023238947423582065,
    0.0075737582807350505,
    0.004370433956341723,
    -0.002761852935331196,
    -0.0002498879399195977,
    0.0006981167391071978,
    0.00014931921586598028,
    6.060083183676974e-05,
    -3.4907465674229974e-05,
    -0.0003685803452045711,
    -0.0008168377330501369,
    -0.0011782298968906215,
    -0.0010604579169798812,
    0.00011190990211313281,
    0.0028005857432038847,
    0.006586093475206045,
    0.008798966067545329,
    0.003077409359188179,
    -0.019420129990526495,
    -0.057453773327425926,
    -0.052598740829977224,
    0.24842860665762817,
    0.2615782918651234,
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
_DENSITY_AT_0, _DENSITY_REST = 1 / math.sqrt(2 * math.pi), -2.49232720227773e-17


def _bounded(x: Array) -> Array:
    """|x|, at most where exp(-x²/2) is below the smallest number of the dtype."""
    return bounded(x, 39.0 if x.dtype == jnp.float64 else 14.5)


def _bell(a: Array) -> Decay:
    """exp(-a²/2)."""
    high, low = exact_square(a)
    return exp_of_minus(high / 2, -low / 2)


def _tail(a: Array) -> tuple[Array, Array]:
    """a·R(a), and what the rounding of the last sum has lost."""
    *coefficients, last = _TAIL_64 if a.dtype == jnp.float64 else _TAIL_32
    v = (a - 1) * (1 / (a + 1))
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
    a = _bounded(x)
    if coarse():
        left = _bell(a).times(_ratio(a) - a * _DENSITY_AT_0)
    else:
        density, rest = halves(_DENSITY_AT_0, _DENSITY_REST, a.dtype)
        h = leading(a)  # of half the significand, so that h·density is exact
        left = _bell(a).times(_tail(a)[0] / a - h * density, -((a - h) * density + a * rest))
    return near(x, GELU_ROOT, where(x < 0, left, 1 - left))


def _curvature(x: Array) -> Array:
    """φ(x)·(2 - x²)."""
    a = _bounded(x)
    return _DENSITY_AT_0 * _density_ratio(a) * (2 - a * a)


def _density_slope(x: Array) -> Array:
    return -x * _density_ratio(x)


@derivative(_density_slope)
def _density_ratio(x: Array) -> Array:
    """φ(x)/φ(0) = exp(-x²/2)."""
    return _bell(magnitude(x)).value
