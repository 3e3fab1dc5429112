"""Elementary functions with defined derivatives at 0 and at ±inf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "bounded",
    "derivative",
    "finite",
    "magnitude",
    "negative_part",
    "root_exp",
    "sigmoid",
    "sigmoid_slope",
    "two_factors",
]


def derivative(slope: Callable[[Array], Array]) -> Callable[[Callable[[Array], Array]], Callable[[Array], Array]]:
    """Give a function of one array this derivative."""

    def decorate(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
        function = jax.custom_jvp(f)

        @function.defjvp
        def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
            (x,), (t,) = primals, tangents
            return function(x), slope(x) * t

        return function

    return decorate


def magnitude(x: Array) -> Array:
    """``|x|`` with derivative 1 at 0; that of ``jnp.abs`` is 0 there, which spoils higher orders."""
    return jnp.where(x < 0, -x, x)


def negative_part(x: ArrayLike) -> Array:
    """``min(x, 0)`` with derivative 0 at 0, where ``jnp.minimum`` has 1/2; NaN stays NaN."""
    return jnp.where(x >= 0, 0, x)


def bounded(x: Array, largest: float) -> Array:
    """``min(|x|, largest)``; derivative 1 at 0, and 0 from ``largest`` on."""
    a = magnitude(x)
    return jnp.where(a > largest, largest, a)


def finite(x: Array) -> Array:
    """``x`` with the largest finite numbers for ±inf, so that 0 times it is 0; NaN stays NaN."""
    largest = float(jnp.finfo(x.dtype).max)
    return jnp.clip(x, -largest, largest)


def gated(value: Array, gate: Array) -> Array:
    """value·σ(gate), which keeps its digits where σ itself has vanished."""
    u = root_exp(-jnp.abs(gate), 1.0)
    factor = jnp.where(gate < 0, u, 1)
    return value / (1 + u * u) * factor * factor


def two_factors(a: Array, b: Array, c: Array) -> tuple[Array, Array]:
    """Two factors of a·b·c, the larger first, that leave the range of the dtype only where the product does."""
    a, b = _larger_first(a, b)
    b, c = _larger_first(b, c)
    a, b = _larger_first(a, b)
    large = jnp.abs(c) > 1
    return _larger_first(jnp.where(large, a, a * c), jnp.where(large, b * c, b))


def _larger_first(a: Array, b: Array) -> tuple[Array, Array]:
    swap = jnp.abs(a) < jnp.abs(b)
    return jnp.where(swap, b, a), jnp.where(swap, a, b)


def root_exp(x: Array, largest: float) -> Array:
    """``min(exp(x/2), largest)``: its square may vanish or overflow where a product with it as a factor twice does not.

    The minimum also keeps XLA from turning the square into another exponential.
    """
    return jnp.minimum(jnp.exp(x / 2), largest)


@derivative(lambda x: -jnp.tanh(x / 2) * sigmoid_slope(x))
def sigmoid_slope(x: Array) -> Array:
    """σ(x)·σ(-x): ``y·(1 - y)`` loses every digit where y rounds to 1."""
    e = jnp.exp(-jnp.abs(x))
    return e / (1 + e * (2 + e))


@derivative(lambda x: jnp.tanh(x / 2) / -2 * root_of_slope(x))
def root_of_slope(x: Array) -> Array:
    """The root of σ(x)·σ(-x), which may vanish where a product with it does not."""
    u = root_exp(-jnp.abs(x), 1.0)
    return u / (1 + u * u)


@derivative(sigmoid_slope)
def sigmoid(x: Array) -> Array:
    """``jax.lax.logistic``, whose derivative loses the right tail."""
    return jax.lax.logistic(x)
