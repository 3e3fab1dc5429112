"""The normal distribution as gelu needs it: x·Φ(x), its slope and its curvature, right in the left tail.

With R(a) = Φ(-a)·exp(a²/2) for a = |x|, which is smooth and falls like 1/a, every part of gelu is R or a polynomial
times exp(-a²/2). The exponential is taken of a square split into an exact part and a rest: a rounding of a²/2 near 80
would cost 40 units in the last place of the result.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .exponential import Decay, exp_of_minus
from .tools import clip, exact_square, where

__all__ = ["gelu_curve", "gelu_slope"]

# h(u) with R(a) = t·h(2t - 1), t = 4/(a + 4), highest power first; tests/numerics/make_coefficients.py prints them.
_TAIL_32 = (  # relative error 1.3e-08
    3.074578925131652e-05,
    4.870046278561636e-05,
    -0.00039232841127306156,
    -0.0008808935140879765,
    0.0018818032279199638,
    0.01510161743707591,
    0.046630751474346914,
    0.09678416994867665,
    0.15197415151845228,
    0.18882128462759265,
)
_TAIL_64 = (  # relative error 1.1e-16
    -2.413356355057126e-10,
    -1.8173863697566723e-11,
    3.4810059983754273e-09,
    -3.644648336759115e-09,
    -1.9095205133726126e-08,
    3.856580134192769e-08,
    6.592062144101906e-08,
    -2.549512129533793e-07,
    -1.56283026011967e-07,
    1.479723182940809e-06,
    1.7875139898040247e-07,
    -8.786045289440243e-06,
    -4.769666329153394e-07,
    5.777370457984405e-05,
    3.333606350476228e-05,
    -0.0004077046104725899,
    -0.0008699230905606333,
    0.0018850472413982648,
    0.015099143722674867,
    0.04663046448992354,
    0.09678435018555472,
    0.15197416049297294,
    0.18882128260393788,
)
_LARGEST = 39.0  # exp(-39²/2) is below the smallest float64
_DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)


def _scaled_tail(a: Array) -> Array:
    """R(a) = Φ(-a)·exp(a²/2) for 0 <= a <= _LARGEST."""
    t = 4 / (a + 4)
    u = 2 * t - 1
    coefficients = _TAIL_64 if a.dtype == jnp.float64 else _TAIL_32
    h = jnp.full_like(u, coefficients[0])
    for c in coefficients[1:]:
        h = h * u + c
    return t * h


def _bell(a: Array) -> Decay:
    """exp(-a²/2). The rest of the square is below 0.06 where the result is not 0, so a few terms of its series do."""
    high, low = exact_square(a)
    d = -low / 2
    return exp_of_minus(high / 2).scaled(1 + d * (1 + d / 2 * (1 + d / 3 * (1 + d / 4))))


@jax.custom_jvp
def gelu_curve(x: Array) -> Array:
    """x·Φ(x)."""
    a = jnp.minimum(jnp.abs(x), _LARGEST)
    tail = _bell(a).times(a * _scaled_tail(a))
    return where(x < 0, -tail, x - tail)


@gelu_curve.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return gelu_curve(x), gelu_slope(x) * t


@jax.custom_jvp
def gelu_slope(x: Array) -> Array:
    """Φ(x) + x·φ(x)."""
    a = jnp.minimum(jnp.abs(x), _LARGEST)
    left = _bell(a).times(_scaled_tail(a) - a * _DENSITY_AT_0)
    return where(x < 0, left, 1 - left)


@gelu_slope.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    y = clip(x, _LARGEST)
    return gelu_slope(x), _DENSITY_AT_0 * _density_ratio(y) * (2 - y * y) * t


@jax.custom_jvp
def _density_ratio(x: Array) -> Array:
    """φ(x)/φ(0) = exp(-x²/2)."""
    return _bell(jnp.abs(x)).value


@_density_ratio.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return _density_ratio(x), -x * _density_ratio(x) * t
