"""Two lines with a logistic passage between them: p1·x where β·(p1 - p2)·x is positive, p2·x where it is negative."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from ..arithmetic.double_word import two_prod, two_sum
from ..arithmetic.elementary import by_size, finite
from ..arithmetic.products import bump
from .blend import Tail, blend_slope, logistic

__all__ = ["acon_c_by_beta", "acon_c_by_p1", "acon_c_by_p2", "acon_c_slope"]


def _half_step(x: Array, p1: Array, p2: Array) -> tuple[Array, Array]:
    """(p1 - p2)/2, and what its rounding lost, as a share of it."""
    p1, p2, _ = jnp.broadcast_arrays(p1, p2, x)
    step, lo = two_sum(p1 / 2, -p2 / 2)
    return step, lax.stop_gradient(jnp.where(step == 0, 0, lo / step))


def _passage(x: Array, p1: Array, p2: Array, beta: Array) -> tuple[Array, Tail]:
    """z = β·(p1 - p2)·x, and the tail there."""
    step, share = _half_step(x, p1, p2)
    a, b, c = by_size(jnp.broadcast_to(beta, x.shape), step, finite(x))
    small = jnp.abs(c) <= 1
    a, b = jnp.where(small, a, b), jnp.where(small, b, a)
    first, first_lo = two_prod(a, c)
    half, half_lo = two_prod(first, b)
    z = finite(2 * half)
    lo = 2 * (half_lo + first_lo * b) + z * share
    return z, logistic(z, lax.stop_gradient(jnp.where(jnp.abs(z) < 1e4, lo, 0)))


def acon_c_slope(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    """p1 and p2 blended along s(z) = σ(z) + z·σ(z)·σ(-z)."""
    return blend_slope(p2, p1, *_passage(x, p1, p2, beta))


def acon_c_by_p1(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    """x·s(z)."""
    return blend_slope(0.0, finite(x), *_passage(x, p1, p2, beta))


def acon_c_by_p2(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    """x·s(-z)."""
    return blend_slope(finite(x), 0.0, *_passage(x, p1, p2, beta))


def acon_c_by_beta(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    """((p1 - p2)·x)²·σ(z)·σ(-z)."""
    z, tail = _passage(x, p1, p2, beta)
    rise = finite(2 * _half_step(x, p1, p2)[0] * finite(x))
    return bump(rise, rise, jnp.ones_like(rise), z, tail.e)
