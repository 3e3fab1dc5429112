r"""The family of sparse softmaxes: their largest probability by Newton's method, their derivatives in closed form.

With :math:`s = \alpha - 1` and z the input minus the largest of its row, the probabilities are
:math:`P\,E(z_i P^{-s})`, where P is the largest of them, which makes the sum 1, and
:math:`E(v) = [1 + s v]_+^{1/s}`, which is the exponential for s = 0. P lies between 1/n and 1 for rows of n elements.
The logarithm of E is :math:`\log(1 + s v)/s`, which keeps its digits for every s.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import down, up
from jaxacts.activations.over_axis._axes import below_maximum, masked
from jaxacts.activations.over_axis.probabilities._softmax import projected

__all__ = ["entmax", "entmax_of"]

Axes: TypeAlias = tuple[int, ...]
STEPS = 100
"""A limit that is never reached."""


def _over(y: Array, x: Array | float) -> Array:
    """y/x where x is not 0."""
    return y / jnp.where(jnp.equal(x, 0), 1, x)


def _log1p(v: Array, s: Array | float) -> Array:
    """log(1 + s·v)/s, which is v for s = 0."""
    y = s * v
    return v * jnp.where(y == 0, 1, _over(jnp.log1p(y), y))


def _powers(v: Array, s: Array | float) -> tuple[Array, Array]:
    """E(v), and its power 1 - s, which is its derivative (0 where it is 0)."""
    u = 1 + s * v
    inside = ~(u <= 0)  # NaN is
    if isinstance(s, float) and s in (0.5, 1.0):
        root = jnp.where(inside, u, 0)
        return (root, inside.astype(v.dtype)) if s == 1.0 else (root * root, root)
    logarithm = _log1p(jnp.where(inside, v, 0), s)
    e, w = jnp.exp(logarithm), jnp.exp((1 - s) * logarithm)
    e = jnp.where(jnp.equal(s, 1), u, jnp.where(jnp.equal(s, 0.5), u * u, e))
    w = jnp.where(jnp.equal(s, 0.5), u, w)
    return jnp.where(inside, e, 0), jnp.where(inside, w, 0)


class _Search(NamedTuple):
    """The logarithm of P, the interval that it lies in, the last step, and how many were taken."""

    at: Array
    low: Array
    high: Array
    step: Array
    taken: Array


def _sums(z: Array, s: Array | float, axes: Axes, log_largest: Array) -> tuple[Array, Array, Array]:
    """E of every element, the sum, and that of the derivatives."""
    e, w = _powers(z * jnp.exp(jnp.minimum(-s * log_largest, 80)), s)
    return e, jnp.sum(e, axes, keepdims=True), jnp.sum(w, axes, keepdims=True)


def _log_largest(z: Array, s: Array | float, axes: Axes, count: Array) -> Array:
    """log P by Newton's method for the norm (Σ p)ˢ = 1, from P = 1 on, and by bisection where it would leave.

    The norm is convex for s ≤ 1, so that every step but the first goes in the same direction; for others bisection
    takes the place of a step that is more than half of the one before it.
    """
    precision = float(jnp.finfo(z.dtype).eps)

    def unfinished(search: _Search) -> Array:
        return jnp.any(jnp.abs(search.step) > 2 * precision * (1 - search.at)) & (search.taken < STEPS)

    def improved(search: _Search) -> _Search:
        at = search.at
        _, total, steep = _sums(z, s, axes, at)
        excess = at + jnp.log(total)  # the logarithm of Σ p
        low, high = jnp.where(excess <= 0, at, search.low), jnp.where(excess >= 0, at, search.high)
        shrunk = -s * excess
        ratio = jnp.where(shrunk == 0, -excess, _over(jnp.expm1(shrunk), s))
        newton = at + _log1p(total / steep * ratio, s)
        slow = jnp.greater(s, 1) & (jnp.abs(newton - at) > jnp.abs(search.step) / 2)
        new = jnp.where((newton >= low) & (newton <= high) & ~slow, newton, (low + high) / 2)
        new = jnp.where(total > 0, new, at)  # a row that nothing takes part in
        return _Search(new, low, high, new - at, search.taken + 1)

    one_each = jnp.sum(z, axes, keepdims=True) * s
    zero = jnp.zeros_like(one_each)
    low = zero - jnp.log(jnp.maximum(count, 1).astype(z.dtype))
    return jax.lax.while_loop(unfinished, improved, _Search(zero, low, zero, low - 1, jnp.int32(0))).at


def _probabilities(x: Array, s: Array | float, mask: Array | None, axes: Axes) -> Array:
    """In the compute dtype, of which x is."""
    z, _ = below_maximum(x, axes, mask)
    lowest = float(jnp.finfo(x.dtype).min)
    taking = masked(mask, x != -jnp.inf, False)
    z = jnp.where(taking, jnp.maximum(z, lowest), lowest)
    largest = _log_largest(z, s, axes, jnp.sum(taking, axes, keepdims=True))
    e, total, _ = _sums(z, s, axes, largest)
    return e / jnp.where(total == 0, 1, total)


def _weights(p: Array, s: Array | float) -> Array:
    """p to the power 1 - s, where it is not 0."""
    positive = p > 0
    if isinstance(s, float) and s == 1.0:
        return jnp.where(positive, 1, p)
    safe = jnp.where(positive, p, 1)
    power = jnp.sqrt(safe) if isinstance(s, float) and s == 0.5 else jnp.exp((1 - s) * jnp.log(safe))
    return jnp.where(positive, power, p)


def _bend(y: Array) -> Array:
    """(exp(y) - 1 - y)/y², which is 1/2 at 0."""
    series = 1 / 2 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120 + y * (1 / 720 + y / 5040))))
    small = jnp.abs(y) < 0.25
    safe = jnp.where(small, 1, y)
    return jnp.where(small, series, (jnp.expm1(safe) - safe) / (safe * safe))


def _over_total(w: Array, axes: Axes) -> tuple[Array, Array]:
    total = jnp.sum(w, axes, keepdims=True)
    return total, jnp.where(total == 0, 1, total)


@functools.partial(jax.checkpoint, static_argnums=(0, 1), prevent_cse=False)
def _tangent(axes: Axes, s: float, p: Array, t: Array) -> Array:
    """For a fixed s, from the probabilities, which are kept in their own dtype."""
    w = _weights(up(p, p.dtype), s)
    return down(projected(w, None, _over_total(w, axes)[1], up(t, p.dtype), None, axes)[0], p.dtype)


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _tangent_of_both(axes: Axes, s: Array, p: Array, t: Array, of_s: Array) -> Array:
    wide = up(p, p.dtype)
    w = _weights(wide, s)
    _, total = _over_total(w, axes)
    by_x, _ = projected(w, None, total, up(t, p.dtype), None, axes)
    logarithm = jnp.log(jnp.where(wide > 0, wide, 1))
    curved = wide * logarithm * logarithm * _bend(-s * logarithm)
    by_s = w * (jnp.sum(curved, axes, keepdims=True) / total) - curved
    return down(by_x + by_s * of_s, p.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def entmax(axes: Axes, s: float, x: Array, mask: Array | None) -> Array:
    """For a number s."""
    return down(_probabilities(up(x, x.dtype), s, mask, axes), x.dtype)


@entmax.defjvp
def _(axes: Axes, s: float, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    p = entmax(axes, s, *primals)
    return p, _tangent(axes, s, p, tangents[0])


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def entmax_of(axes: Axes, x: Array, s: Array, mask: Array | None) -> Array:
    """For an array s of the compute dtype, one number a row."""
    return down(_probabilities(up(x, x.dtype), s, mask, axes), x.dtype)


@entmax_of.defjvp
def _(axes: Axes, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    p = entmax_of(axes, *primals)
    return p, _tangent_of_both(axes, primals[1], p, *tangents[:2])
