"""The left side of elu, celu and selu: expm1, and what celu needs for an alpha that is not 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..arithmetic.elementary import derivative, finite, negative_part
from ..arithmetic.exponential import decay, decay_of_quotient, power_and_rest
from ..arithmetic.polynomial import polynomial

__all__ = ["celu", "celu_by_alpha", "celu_decay", "elu", "elu_by_alpha", "selu", "selu_decay"]


@derivative(lambda x: jnp.where(x < 0, decay(x).value, 0.0))
def expm1(x: Array) -> Array:
    """exp(x) - 1 for x < 0, and 0 from there on; error 1 unit in the last place."""
    if x.dtype == jnp.float64:
        return jnp.where(x >= 0, 0, jnp.expm1(x))
    p, r = power_and_rest(lax.clamp(np.float32(0), -x, np.float32(30)))  # exp(-30) is lost beside 1
    return (p - 1) + p * r


def elu(x: Array, alpha: Array) -> Array:
    """alpha·(exp(x) - 1) on the left."""
    return jnp.where(x > 0, x, expm1(x) * alpha)


def elu_by_alpha(x: Array, alpha: Array) -> Array:
    """exp(x) - 1 on the left, 0 on the right."""
    return expm1(x)


def selu(x: Array, scale: float, left: float) -> Array:
    """scale·x on the right, left·(exp(x) - 1) with both words of left else."""
    hi = float(np.asarray(left, x.dtype))
    y = expm1(x)
    return jnp.where(x > 0, scale * x, y * hi + y * (left - hi))


def selu_decay(x: Array, left: float) -> Array:
    """left·exp(x) for x < 0."""
    return decay(negative_part(x)).multiply(left)


def celu(x: Array, alpha: Array) -> Array:
    """alpha·(exp(x/alpha) - 1) on the left; the identity there too, where the square of x/alpha is lost."""
    r = x / alpha
    return jnp.where((x > 0) | (jnp.abs(r) < 1e-20), x, expm1(r) * alpha)


def celu_decay(x: Array, alpha: Array) -> Array:
    """exp(x/alpha) for x < 0."""
    return decay_of_quotient(negative_part(finite(x)), alpha).value


def celu_by_alpha(x: Array, alpha: Array, expm1: Callable[[Array], Array] = expm1) -> Array:
    """expm1(r) - r·exp(r) at r = x/alpha < 0; near 0, where that cancels, minus the sum of r^k (k-1)/k! for k >= 2."""
    r = jnp.maximum(negative_part(finite(x)) / alpha, -1e4)
    small = jnp.maximum(r, -1)
    series = small * small * polynomial([-(k - 1) / math.factorial(k) for k in range(20, 1, -1)], small)
    return jnp.where(r > -1, series, expm1(r) - r * jnp.exp(r))
