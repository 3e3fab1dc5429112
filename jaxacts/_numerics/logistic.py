"""The logistic function, its integral and the hyperbolic tangent, right in both tails, from one exponential each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .exponential import decay, magnitude
from .precision import coarse
from .selection import where
from .series import SOFTPLUS, near
from .tools import horner

__all__ = ["less", "over_square", "over_sum", "sigmoid", "sigmoid_slope", "softplus", "tanh", "tanh_slope"]


def less(p: Array, share: Array) -> Array:
    """p·(1 - share) as p less a correction, for which the rounding of 1 - share counts for nothing."""
    return p * (1 - share) if coarse() else p - p * share


def over_sum(p: Array, n: Array) -> Array:
    """p/(1 + n) for 0 <= n <= 1, as p less a correction: the rounding of 1 + n counts for little."""
    return p / (1 + n) if coarse() else less(p, n / (1 + n))


def over_square(p: Array, n: Array) -> Array:
    """p/(1 + n)² for 0 <= n <= 1, for small n as p less a correction; the square is rounded once.

    The quotient is used once: with two uses XLA would store it.
    """
    far, m = n < 0.3, n * (2 + n)
    return where(far, p, 0) + where(far, -p, 1) * (where(far, m, p) / (1 + m))


@jax.custom_jvp
def sigmoid(x: Array) -> Array:
    """1/(1 + exp(-x))."""
    n = decay(x).value
    return over_sum(where(x < 0, n, 1), n)


@sigmoid.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return sigmoid(x), sigmoid_slope(x) * t


@jax.custom_jvp
def sigmoid_slope(x: Array) -> Array:
    """σ(x)·σ(-x) as n/(1 + n)² with n = exp(-|x|): y·(1 - y) would lose every digit where y rounds to 1."""
    n = decay(x).value
    return n / (1 + n * (2 + n))


@sigmoid_slope.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return sigmoid_slope(x), -tanh(x / 2) * sigmoid_slope(x) * t


# Q(u) in log(1 + u) = u + u²·Q(u) on [0, 1], highest power first; error 0.09 units in the last place.
_LOG1P_32 = (  # error 0.089 units of 2^-24
    -0.0033248532563447952,
    0.020234934985637665,
    -0.05772502347826958,
    0.1068713515996933,
    -0.15359610319137573,
    0.1969701051712036,
    -0.24958939850330353,
    0.3333055078983307,
    -0.49999934434890747,
)


@jax.custom_jvp
def softplus(x: Array) -> Array:
    """log(1 + exp(x)) as max(x, 0) + log(1 + u) with u = exp(-|x|)."""
    e = decay(x)
    u = e.value
    double = x.dtype == jnp.float64
    tail = jnp.log1p(u) if double else u + (u * u * horner(_LOG1P_32, u) + e.lost(1 - u))
    return near(x, SOFTPLUS, where(x <= 0, 0.0, x) + tail)


@softplus.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return softplus(x), sigmoid(x) * t


# T(s) in tanh(x) = x + x·s·T(s) with s = x² <= 0.625², highest power first; error 0.07 units in the last place.
_TANH_32 = (  # error 0.07 units of 2^-24
    -0.005714063532650471,
    0.020648062229156494,
    -0.053742773830890656,
    0.1333148330450058,
    -0.3333328366279602,
)


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """The hyperbolic tangent: its odd series near 0, else 1 - 2u/(1 + u) with u = exp(-2|x|); XLA's is off by 6 units
    in the last place of float64 where it nears 1."""
    u = decay(2 * x).value
    far = where(x < 0, -1, 1) * (1 - 2 * u / (1 + u))
    s = x * x
    series = jnp.tanh(x) if x.dtype == jnp.float64 else x + x * (s * horner(_TANH_32, s))
    return where(magnitude(x) < 0.625, series, far)


@tanh.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return tanh(x), tanh_slope(x) * t


@jax.custom_jvp
def tanh_slope(x: Array) -> Array:
    """1/cosh²(x) as 4u/(1 + u)² with u = exp(-2|x|): 1 - tanh² would lose every digit of the tails."""
    u = decay(2 * x).value
    return 4 * u / (1 + u * (2 + u))


@tanh_slope.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return tanh_slope(x), -2 * tanh(x) * tanh_slope(x) * t
