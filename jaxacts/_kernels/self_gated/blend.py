"""x times a slope that turns from one number to another along a sigmoid, with the digits of both lines and of the tail.

(left·S(-z) + right·S(z))·x for a sigmoid S is the nearer line and the tail S(-|z|) of the step between both.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from ..arithmetic.double_word import product_error
from ..arithmetic.elementary import clipped_abs, finite, two_factors
from ..arithmetic.exponential import Decay, exp_of_minus, underflow
from ..arithmetic.products import product

__all__ = ["Tail", "blend", "blend_slope", "logistic", "nothing_beyond", "words"]


class Tail(NamedTuple):
    """S(-|z|) as e·value, and the derivative of z·S(z) at -|z| as e·slope."""

    e: Decay
    value: Array
    slope: Array


def _lines(left: ArrayLike, right: ArrayLike, z: Array) -> tuple[Array, Array, Array]:
    """The slope of the nearer line, the step to the other, and a unit that keeps the step in range."""
    left, right = jnp.broadcast_arrays(left, right)
    unit = jnp.where(jnp.maximum(jnp.abs(left), jnp.abs(right)) > 2.0**60, 0.5, 1).astype(z.dtype)
    left, right = left * unit, right * unit
    return jnp.where(z < 0, left, right), jnp.where(z < 0, right - left, left - right), unit


def blend(x: Array, left: ArrayLike, right: ArrayLike, z: Array, tail: Tail) -> Array:
    """(left·S(-z) + right·S(z))·x."""
    nearer, step, unit = _lines(left, right, z)
    small = jnp.abs(x) < 1  # then it comes last, since a part of the sum may underflow
    factor, last = jnp.where(small, 1, x).astype(x.dtype), jnp.where(small, x, 1).astype(x.dtype)
    line = jnp.where(nearer == 0, 0, factor * nearer)
    rest = product(tail.e, *two_factors(finite(factor), step, tail.value), jnp.ones_like(x))
    return jnp.where(jnp.isinf(line), line, line + rest) * last / unit


def blend_slope(left: ArrayLike, right: ArrayLike, z: Array, tail: Tail) -> Array:
    """The derivative by x where z is proportional to it: left and right blended along the derivative of z·S(z)."""
    nearer, step, unit = _lines(left, right, z)
    one = jnp.ones_like(z)
    return (nearer + product(tail.e, *two_factors(step, tail.slope, one), one)) / unit


def words(a: Array, b: Array, b_lo: ArrayLike = 0.0) -> tuple[Array, Array]:
    """a·(b + b_lo) as a sum of two words, the second without derivative; below 10⁻⁴ and beyond 10⁴ as one."""
    a, b = jnp.broadcast_arrays(finite(a), b)
    y = finite(a * b)
    lo = product_error(a, b) + a * b_lo
    return y, lax.stop_gradient(jnp.where((jnp.abs(y) > 1e-4) & (jnp.abs(y) < 1e4), lo, 0))


def logistic(z: Array, z_lo: Array) -> Tail:
    """The tail of the logistic function at z + z_lo."""
    a = clipped_abs(z, underflow(z))
    lo = jnp.where(z < 0, -z_lo, z_lo)
    e = exp_of_minus(a, -lo)
    n = e.value
    return Tail(nothing_beyond(e, a < underflow(z)), 1 / (1 + n), ((1 + n - a) - lo) / jnp.square(1 + n))


def nothing_beyond(e: Decay, inside: Array) -> Decay:
    """0 where the argument was clipped: a factor of any size may come."""
    return e._replace(power=jnp.where(inside, e.power, 0))
