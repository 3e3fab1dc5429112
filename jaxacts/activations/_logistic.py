"""The logistic function and its relatives in plain form, which several families share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._kernels.arithmetic.elementary import derivative

__all__ = ["gated", "root_exp", "root_of_slope", "sigmoid", "sigmoid_slope", "tanh_slope"]


def root_exp(x: Array, largest: float) -> Array:
    """``min(exp(x/2), largest)``: its square may leave the range where a product with it as a factor twice does not.

    The minimum also keeps XLA from turning the square into another exponential.
    """
    return jnp.minimum(jnp.exp(x / 2), largest)


def gated(value: Array, gate: Array) -> Array:
    """value·σ(gate), which keeps its digits where σ itself has underflowed."""
    u = root_exp(-jnp.abs(gate), 1.0)
    factor = jnp.where(gate < 0, u, 1)
    return value / (1 + u * u) * factor * factor


def _sigmoid_curvature(x: Array) -> Array:
    return -jnp.tanh(x / 2) * sigmoid_slope(x)


@derivative(_sigmoid_curvature)
def sigmoid_slope(x: Array) -> Array:
    """σ(x)·σ(-x): ``y·(1 - y)`` loses every digit where y rounds to 1."""
    e = jnp.exp(-jnp.abs(x))
    return e / (1 + e * (2 + e))


def _root_steepness(x: Array) -> Array:
    return jnp.tanh(x / 2) / -2 * root_of_slope(x)


@derivative(_root_steepness)
def root_of_slope(x: Array) -> Array:
    """The root of σ(x)·σ(-x), which may underflow where a product with it does not."""
    u = root_exp(-jnp.abs(x), 1.0)
    return u / (1 + u * u)


@derivative(sigmoid_slope)
def sigmoid(x: Array) -> Array:
    """``jax.lax.logistic``, whose derivative loses the right tail."""
    return jax.lax.logistic(x)


def _tanh_curvature(x: Array) -> Array:
    return -2 * jnp.tanh(x) * tanh_slope(x)


@derivative(_tanh_curvature)
def tanh_slope(x: Array) -> Array:
    """(2u/(1 + u²))² with u = exp(-|x|)."""
    u = root_exp(-2 * jnp.abs(x), 1.0)
    share = 2 * u / (1 + u * u)
    return share * share
