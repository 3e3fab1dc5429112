"""softplus, and what it needs for a beta that is not 1."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.coefficients import LOG1P, SOFTPLUS
from ..arithmetic.elementary import finite, gradient, square_times
from ..arithmetic.exponential import decay, decay_of_product
from ..arithmetic.polynomial import polynomial, series_value
from ..sigmoids.hyperbolic import sech_of_product

__all__ = ["linear_from", "root_exp", "sigmoid", "softplus", "softplus_by_beta", "softplus_with_beta"]


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) as max(x, 0) + log(1 + u) with u = exp(-|x|), without derivative."""
    e = decay(x)
    u = e.value
    if x.dtype == jnp.float64:
        return jnp.maximum(x, 0) + jnp.log1p(u)
    tail = u + (u * u * polynomial(LOG1P, u) + e.rounding_error(1 - u))
    return series_value(x, SOFTPLUS, jnp.maximum(x, 0) + tail)


def linear_from(x: Array) -> float:
    """Where log(1 + exp(-a)) has become exp(-a)."""
    return 38.0 if x.dtype == jnp.float64 else 18.0


def root_exp(x: Array, beta: Array) -> Array:
    """exp(-|x·beta|/2)."""
    small = jnp.abs(beta) < 1
    return decay_of_product(finite(x) * jnp.where(small, 0.5, 1.0), beta * jnp.where(small, 1.0, 0.5)).value


def softplus_with_beta(x: Array, beta: Array) -> Array:
    """log(1 + exp(x·beta))/beta, without derivative."""
    root = root_exp(x, beta)
    u = root * root
    log = jnp.log1p(u) if x.dtype == jnp.float64 else u + u * u * polynomial(LOG1P, u)
    tail = jnp.where(jnp.abs(x * beta) > linear_from(x), root * (root / beta), log / beta)
    return jnp.maximum(x, 0) + tail


def _bump(x: Array, beta: Array, factor: Array) -> Array:
    """factor·σ(z)·σ(-z) at z = x·beta."""
    small = jnp.abs(beta) < 1
    sech = sech_of_product(finite(x) * jnp.where(small, 0.5, 1.0), beta * jnp.where(small, 1.0, 0.5))
    return square_times(sech, factor, jnp.full_like(beta, 0.25))


@gradient(lambda x, beta: _bump(x, beta, beta), lambda x, beta: _bump(x, beta, finite(x)))
def sigmoid(x: Array, beta: Array) -> Array:
    """1/(1 + exp(-x·beta)) for beta > 0."""
    root = root_exp(x, beta)
    u = root * root
    return jnp.where(x < 0, u, 1) / (1 + u)


def _by_both(x: Array, beta: Array) -> Array:
    return finite(x) / beta * _bump(x, beta, finite(x)) - 2 * softplus_by_beta(x, beta) / beta


@gradient(lambda x, beta: _bump(x, beta, finite(x)), _by_both)
def softplus_by_beta(x: Array, beta: Array) -> Array:
    """-(log(1 + exp(-a)) + a·σ(-a))/beta² at a = |x·beta|, a sum without cancellation."""
    root, a = root_exp(x, beta), jnp.minimum(jnp.abs(x * beta), 1e4)
    u, inverse = root * root, 1 / beta  # XLA would divide by the square, which may underflow
    near = (jnp.log1p(u) + a * (u / (1 + u))) * inverse * inverse
    return -jnp.where(a > linear_from(x), root / beta * (1 + a) * (root / beta), near)
