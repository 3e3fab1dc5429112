"""The distribution function of a normal variable and what is made of it, at numbers that are sums of two words."""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from numpy.polynomial import Polynomial

from ..arithmetic.coefficients import GELU_GATE
from ..arithmetic.double_word import opaque, product_error, two_square, two_sum, two_words
from ..arithmetic.elementary import clipped_abs, finite
from ..arithmetic.exponential import Decay, exp_of_minus
from ..arithmetic.polynomial import polynomial, series_value
from ..arithmetic.products import product
from .blend import Tail, blend, blend_slope, nothing_beyond, words
from .gelu import DENSITY_AT_0, slope_over_density, tail_over_density

__all__ = ["laplace", "laplace_slope", "smu", "smu_by_alpha", "smu_by_mu", "smu_slope"]

_ROOT_HALF = (0.7071067811865476, -4.833646656726457e-17)
_ROOT_4PI = (3.544907701811032, -1.5333172999651597e-16)
_ROOT_2 = (math.sqrt(2), -9.667293313452913e-17)


def _density(z: Array, z_lo: Array) -> tuple[Array, Decay]:
    """|z|, at most where the result is below the smallest number of the dtype, and exp(-(z + z_lo)²/2)."""
    largest = 39.0 if z.dtype == jnp.float64 else 14.5
    a = clipped_abs(z, largest)
    hi, lo = two_square(a)
    e = exp_of_minus(hi / 2, -(lo / 2 + a * jnp.where(z < 0, -z_lo, z_lo)))
    return a, nothing_beyond(e, a < largest)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _bell(z: Array, z_lo: Array, factor: tuple[float, ...]) -> Array:
    """The polynomial with these coefficients, lowest power first, times exp(-(z + z_lo)²/2)."""
    a, e = _density(z, z_lo)
    return e.multiply(polynomial((0.0, *factor[::-1]), jnp.where(z < 0, -a, a)))


@_bell.defjvp
def _(factor: tuple[float, ...], primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    p = Polynomial(factor)
    following = tuple((p.deriv() - p * Polynomial((0, 1))).coef.tolist())
    return _bell(*primals, factor), _bell(*primals, following) * tangents[0]


def _tail(z: Array, z_lo: Array) -> Tail:
    """That of the distribution function."""
    a, e = _density(z, z_lo)
    far = tail_over_density(a)[0] / jnp.maximum(a, 0.5)
    value = jnp.where(a < GELU_GATE.limit, series_value(-a, GELU_GATE, far) / e.value, far)
    hi, lo = slope_over_density(a)
    return Tail(e, value, (hi + lo) / 2)


# laplace


def _standardized(x: Array) -> tuple[Array, Array]:
    """(x - sqrt(1/2))·sqrt(4·pi)."""
    mean, scale = two_words(_ROOT_HALF, x.dtype), two_words(_ROOT_4PI, x.dtype)
    centred, lo = two_sum(jnp.clip(x, -50, 50), opaque(-mean[0], x))
    z, z_lo = words(centred, jnp.asarray(scale[0], x.dtype), scale[1])
    return z, z_lo + lax.stop_gradient(lo - mean[1]) * scale[0]


def laplace(x: Array) -> Array:
    """The distribution function at z, without derivative."""
    z, lo = _standardized(x)
    a, e = _density(z, lo)
    below = e.multiply(tail_over_density(a)[0]) * (1 / jnp.maximum(a, 0.5))  # a quotient would get a loop of its own
    return series_value(z, GELU_GATE, jnp.where(z < 0, below, 1 - below))


def laplace_slope(x: Array) -> Array:
    """sqrt(2)·exp(-z²/2)."""
    return _bell(*_standardized(x), _ROOT_2[:1])


# smu


def _passage(x: Array, alpha: Array, mu: Array) -> tuple[Array, Array]:
    """z = sqrt(2)·mu·(1 - alpha)·x as a sum of two words."""
    root, root_lo = two_words(_ROOT_2, x.dtype)
    alpha = jnp.broadcast_to(alpha, x.shape)
    step, step_lo = two_sum(opaque(1.0, alpha), -alpha)
    mu = jnp.broadcast_to(mu, x.shape)
    rate = finite(step * mu)
    lost = product_error(step, mu) + step_lo * mu
    w, w_lo = words(x, rate, lax.stop_gradient(jnp.where(jnp.isfinite(lost), lost, 0)))
    z, z_lo = words(w, jnp.asarray(root, x.dtype), root_lo)
    return z, z_lo + lax.stop_gradient(w_lo * root)


def smu(x: Array, alpha: Array, mu: Array) -> Array:
    """alpha and 1 blended along Φ(z), times x."""
    z, lo = _passage(x, alpha, mu)
    return blend(x, alpha, 1.0, z, _tail(z, lo))


@jax.custom_jvp
def smu_slope(x: Array, alpha: Array, mu: Array) -> Array:
    """alpha and 1 blended along g(z) = Φ(z) + z·φ(z)."""
    z, lo = _passage(x, alpha, mu)
    return blend_slope(alpha, 1.0, z, _tail(z, lo))


@jax.custom_jvp
def smu_by_alpha(x: Array, alpha: Array, mu: Array) -> Array:
    """x·g(-z)."""
    z, lo = _passage(x, alpha, mu)
    return blend_slope(finite(x), 0.0, z, _tail(z, lo))


@jax.custom_jvp
def smu_by_mu(x: Array, alpha: Array, mu: Array) -> Array:
    """((1 - alpha)·x)²·exp(-z²/2)/sqrt(pi)."""
    rise = finite((1 - alpha) * finite(x))
    e = _density(*_passage(x, alpha, mu))[1]
    return product(e, rise, rise, jnp.ones_like(rise)) / math.sqrt(math.pi)


def _curvature(z: Array, z_lo: Array) -> Array:
    """g'(z) = φ(z)·(2 - z²)."""
    return _bell(z, z_lo, (2 * DENSITY_AT_0, 0.0, -DENSITY_AT_0))


def _moved(primals: tuple[Array, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """z, what it lacks, and its tangent."""
    (x, alpha, mu), (dx, d_alpha, d_mu) = primals, tangents
    moved = (1 - alpha) * (x * d_mu + mu * dx) - finite(mu * x) * d_alpha
    return *_passage(x, alpha, mu), math.sqrt(2) * moved


@smu_slope.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    (_, alpha, _), (_, d_alpha, _) = primals, tangents
    z, lo, dz = _moved(primals, tangents)
    by_alpha = blend_slope(1.0, 0.0, z, _tail(z, lo))
    return smu_slope(*primals), by_alpha * d_alpha + (1 - alpha) * _curvature(z, lo) * dz


@smu_by_alpha.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    z, lo, dz = _moved(primals, tangents)
    steep = blend_slope(1.0, 0.0, z, _tail(z, lo))
    return smu_by_alpha(*primals), steep * tangents[0] - primals[0] * _curvature(z, lo) * dz


@smu_by_mu.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
    (x, alpha, _), (dx, d_alpha, _) = primals, tangents
    z, lo, dz = _moved(primals, tangents)
    rise, moved = (1 - alpha) * x, (1 - alpha) * dx - x * d_alpha
    bell = _bell(z, lo, (1 / math.sqrt(math.pi),))
    return smu_by_mu(*primals), jnp.where(bell == 0, 0, rise * bell * (2 * moved - rise * z * dz))
