"""The distributions: each sampler is ``sample(key, shape, dtype)`` in a dtype of at least 32 bits.

The complex ones have the total variance, E|w - E w|², of the real ones. Those of variance scaling are
rotation-invariant, a radius and a uniform angle; :class:`Parts` serves the distributions on any interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts.initializers._checks import Shape

__all__ = [
    "COMPLEX_TRUNCATED_STD",
    "LogUniform",
    "Parts",
    "Ring",
    "TruncatedNormal",
    "complex_truncated",
    "disk",
    "normal",
    "symmetric",
    "unit",
]

_RADIUS = 2.0
_TAIL = math.exp(-(_RADIUS**2))

COMPLEX_TRUNCATED_STD = math.sqrt(1 - _RADIUS**2 * _TAIL / (1 - _TAIL))
"""The standard deviation of :func:`complex_truncated`: E|w|² of an Exp(1) variable below 4."""


def normal(key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Standard normal; complex with E|w|² = 1."""
    return jax.random.normal(key, shape, dtype)


def unit(key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Uniform on [0, 1)."""
    return jax.random.uniform(key, shape, dtype)


def symmetric(key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Uniform on [-1, 1), variance 1/3."""
    return jax.random.uniform(key, shape, dtype, -1)


def disk(key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Uniform on the complex disk of radius √2, E|w|² = 1."""
    radius_key, angle_key = jax.random.split(key)
    u = jax.random.uniform(radius_key, shape, np.finfo(dtype).dtype)
    return _polar(angle_key, jnp.sqrt(2 * u), dtype)


def complex_truncated(key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
    """The complex normal of E|w|² = 1, conditioned on |w| < 2."""
    radius_key, angle_key = jax.random.split(key)
    u = jax.random.uniform(radius_key, shape, np.finfo(dtype).dtype)
    return _polar(angle_key, jnp.sqrt(-jnp.log1p(-(1 - _TAIL) * u)), dtype)


def _polar(key: Array, radius: Array, dtype: np.dtype[Any], phase: float = 2 * math.pi) -> Array:
    angle = phase * jax.random.uniform(key, radius.shape, radius.dtype)
    return jax.lax.complex(radius * jnp.cos(angle), radius * jnp.sin(angle)).astype(dtype)


@dataclass(frozen=True)
class Parts:
    """A real sampler for complex dtypes too: real and imaginary part are independent draws over √2."""

    sample: Callable[[Array, Shape, np.dtype[Any]], Array]

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        real = np.finfo(dtype).dtype
        if dtype == real:
            return self.sample(key, shape, dtype)
        parts = [self.sample(k, shape, real) * real.type(math.sqrt(0.5)) for k in jax.random.split(key)]
        return jax.lax.complex(*parts)


@dataclass(frozen=True)
class TruncatedNormal:
    """The standard normal conditioned on (lower, upper)."""

    lower: float
    upper: float

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        return jax.random.truncated_normal(key, self.lower, self.upper, shape, dtype)

    @property
    def std(self) -> float:
        """The standard deviation, by quadrature: the closed form cancels when the interval is narrow."""
        nodes, weights = np.polynomial.legendre.leggauss(100)
        # Beyond ten parent deviations lies less than 1e-22 of the mass.
        lower, upper = max(self.lower, -10.0), min(self.upper, 10.0)
        x = (lower + upper) / 2 + (upper - lower) / 2 * nodes
        mass = weights * np.exp(-(x**2) / 2)
        mean = np.average(x, weights=mass)
        return math.sqrt(np.average((x - mean) ** 2, weights=mass))

    @property
    def resolution(self) -> float:
        """How many float32 numbers lie between the images of the bounds under erf, where the sampler draws."""
        low, high = math.erf(self.lower / math.sqrt(2)), math.erf(self.upper / math.sqrt(2))
        return (high - low) / (max(abs(low), abs(high)) * 2**-24)


@dataclass(frozen=True)
class LogUniform:
    """The exponential of a uniform variable, between two positive numbers."""

    low: float
    high: float

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        u = jax.random.uniform(key, shape, dtype)
        return jnp.clip(self.low * jnp.exp(u * math.log(self.high / self.low)), self.low, self.high)


@dataclass(frozen=True)
class Ring:
    """Uniform by area between two circles: the radius in real dtypes, the point itself in complex ones."""

    inner: float
    outer: float
    phase: float

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        real = np.finfo(dtype).dtype
        radius_key, angle_key = jax.random.split(key)
        u = jax.random.uniform(radius_key, shape, real)
        radius = jnp.clip(jnp.sqrt(self.inner**2 + u * (self.outer**2 - self.inner**2)), self.inner, self.outer)
        return radius if dtype == real else _polar(angle_key, radius, dtype, self.phase)
