"""Kernels made of one exponential of a negative number, which neither overflows nor cancels.

XLA flushes numbers below the smallest normal one to zero, so x·exp(-|x|) would vanish while it is still a normal
number. :class:`Decay` therefore carries exp(-|x|) as a factor times a constant unit, and a product with it takes the
unit last.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from .tools import exact_product, negative_part, where

__all__ = ["Decay", "decay", "decay_of_quotient", "expm1_negative", "sigmoid", "softplus", "tanh", "tanh_slope"]


class Decay(NamedTuple):
    """The number factor · unit in [0, 1]."""

    factor: Array
    unit: Array

    @property
    def value(self) -> Array:
        return self.factor * self.unit

    def times(self, y: ArrayLike) -> Array:
        """y · factor · unit, flushed only if the product is subnormal."""
        return self.factor * y * self.unit

    def scaled(self, y: ArrayLike) -> Decay:
        """The same number times y."""
        return Decay(self.factor * y, self.unit)


def exp_of_minus(a: Array) -> Decay:
    """exp(-a) for a >= 0. The shift of a large a is exact, so only the constant exp(-shift) is rounded."""
    start, shift = (512.0, 256.0) if a.dtype == jnp.float64 else (64.0, 32.0)
    far = a > start
    return Decay(jnp.exp(where(far, shift, 0.0) - a), where(far, jnp.asarray(math.exp(-shift), a.dtype), 1.0))


def decay(x: Array) -> Decay:
    """exp(-|x|). Its derivative at 0 is taken from the right."""
    return exp_of_minus(where(x < 0, -x, x))


def decay_of_quotient(x: Array, y: Array, x_low: ArrayLike = 0.0, y_low: ArrayLike = 0.0) -> Decay:
    """exp(-|(x + x_low)/(y + y_low)|) for y > 0, with all rounding errors of the quotient made good to first order."""
    q = x / y
    back, back_low = exact_product(q, jnp.broadcast_to(y, q.shape))
    rest = (x - back) - back_low + (x_low - q * y_low)
    error = jax.lax.stop_gradient(where(jnp.abs(q) < 1e4, rest / y, 0.0))
    return decay(q).scaled(1 - where(q < 0, -error, error))


@jax.custom_jvp
def sigmoid(x: Array) -> Array:
    """1/(1 + exp(-x)), to the last digit in both tails."""
    e = decay(x).value
    return where(x < 0, e, 1) / (1 + e)


@sigmoid.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return sigmoid(x), sigmoid(x) * sigmoid(-x) * t


@jax.custom_jvp
def softplus(x: Array) -> Array:
    """log(1 + exp(x)), to the last digit in both tails."""
    return where(x <= 0, 0.0, x) + jnp.log1p(decay(x).value)


@softplus.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return softplus(x), sigmoid(x) * t


@jax.custom_jvp
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(x)


@tanh.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return tanh(x), tanh_slope(x) * t


@jax.custom_jvp
def tanh_slope(x: Array) -> Array:
    """1/cosh²(x) as 4u/(1+u)² with u = exp(-2|x|): 1 - tanh² would lose every digit of the tails."""
    u = decay(2 * x)
    return u.times(4 / jnp.square(1 + u.value))


@tanh_slope.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return tanh_slope(x), -2 * tanh(x) * tanh_slope(x) * t


@jax.custom_jvp
def expm1_negative(x: Array) -> Array:
    """exp(x) - 1 for x < 0, and 0 from there on."""
    r = negative_part(x)
    return where(r > -1e-20, r, jnp.expm1(r))


@expm1_negative.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return expm1_negative(x), where(x < 0, decay(x).value, 0.0) * t
