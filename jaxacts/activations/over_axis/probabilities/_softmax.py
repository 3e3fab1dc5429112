"""Softmax and its logarithm with their derivatives, for :mod:`softmax` and what is made of it."""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from jaxacts._core import down, up
from jaxacts.activations.over_axis._axes import below_maximum, is_first_maximum, masked

__all__ = ["log_softmax", "projected", "softmax"]

Axes: TypeAlias = tuple[int, ...]
Row: TypeAlias = Array | None
"""One number a row, with axes of length 1 in the place of those summed over; None if there is no sink."""


def _total(e: Array, sink: Row, axes: Axes) -> Array:
    total = jnp.sum(e, axes, keepdims=True)
    return total if sink is None else total + sink


def _times(a: Row, b: Row) -> Row:
    return None if a is None or b is None else a * b


def _exponentials(x: Array, axes: Axes, mask: Array | None, sink: Row) -> tuple[Array, Array, Row]:
    """x minus the maximum of mask and sink, the exponential of that (0 off the mask), and that of the sink."""
    shifted, largest = below_maximum(x, axes, mask, sink)
    of_sink = None if sink is None else jnp.exp(jnp.where(sink == largest, 0, sink - largest))
    return shifted, masked(mask, jnp.exp(shifted), 0), of_sink


def _winners(p: Array, q: Row, axes: Axes) -> tuple[Array, Array | bool]:
    """The first maximum of each row, and whether the sink is larger; one of them is true in each row."""
    winner = is_first_maximum(p, axes)
    if q is None:
        return winner, False
    sink_wins = q > jnp.max(p, axes, keepdims=True, initial=0)
    return winner & ~sink_wins, sink_wins


def _relative(t: Array, s: Row, winner: Array, sink_wins: Array | bool, axes: Axes) -> tuple[Array, Row]:
    """The tangents less that of the winner: a constant changes nothing, and what is 0 there does not cancel."""
    at_winner = jnp.sum(jnp.where(winner, t, 0), axes, keepdims=True)
    if s is None:
        return t - at_winner, None
    at_winner = jnp.where(sink_wins, s, at_winner)
    return t - at_winner, s - at_winner


def projected(p: Array, q: Row, total: Array | float, t: Array, s: Row, axes: Axes) -> tuple[Array, Row]:
    """(diag(p) - p·pᵀ/total)·t for the weights p of each row (and q of its sink), which have this total.

    The result sums to 0 in each row, and the winner has minus the sum of the others: with a total of 1 its 1 - p would
    have lost its digits.
    """
    winner, sink_wins = _winners(p, q, axes)
    u, v = _relative(t, s, winner, sink_wins, axes)
    mean = _total(p * u, _times(q, v), axes) / total
    dp, dq = p * (u - mean), None if v is None else _times(q, v - mean)
    others = jnp.sum(jnp.where(winner, 0, dp), axes, keepdims=True)
    dp = jnp.where(winner, -others if dq is None else -(others + dq), dp)
    return dp, None if dq is None else jnp.where(sink_wins, -others, dq)


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _softmax_tangent(axes: Axes, p: Array, q: Row, t: Array, s: Row) -> tuple[Array, Row]:
    """In the compute dtype; checkpointed, so that p is kept in its own dtype, beside one number a row."""
    dp, dq = projected(up(p, p.dtype), q, 1.0, up(t, p.dtype), s, axes)
    return down(dp, p.dtype), dq


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def softmax(axes: Axes, dtype: DTypeLike, x: Array, mask: Array | None, sink: Row) -> tuple[Array, Row]:
    """The probabilities in this dtype, and that of the sink in the compute dtype, of which it is."""
    _, e, of_sink = _exponentials(up(x, x.dtype), axes, mask, sink)
    total = _total(e, of_sink, axes)
    total = jnp.where(total == 0, 1, total)
    return down(e / total, dtype), None if of_sink is None else of_sink / total


@softmax.defjvp
def _(axes: Axes, dtype: DTypeLike, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    p, q = softmax(axes, dtype, *primals)
    return (p, q), _softmax_tangent(axes, p, q, tangents[0], tangents[2])


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _log_softmax_tangent(axes: Axes, x: Array, mask: Array | None, sink: Row, t: Array, s: Row) -> Array:
    """(1 - 1·pᵀ)·t in the compute dtype, from x, which is kept."""
    _, e, of_sink = _exponentials(up(x, x.dtype), axes, mask, sink)
    total = _total(e, of_sink, axes)
    u, v = _relative(up(t, x.dtype), s, *_winners(e, of_sink, axes), axes)
    mean = _total(e * u, _times(of_sink, v), axes) / jnp.where(total == 0, 1, total)
    return down(masked(mask, u - mean, 0), x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def log_softmax(axes: Axes, x: Array, mask: Array | None, sink: Row) -> Array:
    """The sink is of the compute dtype."""
    shifted, e, of_sink = _exponentials(up(x, x.dtype), axes, mask, sink)
    # The sum but for one maximum, which is exactly 1: log(1 + rest) keeps the digits that log(sum) has lost.
    rest = _total(jnp.where(e == 1, 0, e), None if of_sink is None else jnp.where(of_sink == 1, 0, of_sink), axes)
    ties = jnp.sum(e == 1, axes, keepdims=True, dtype=rest.dtype)
    if of_sink is not None:
        ties += of_sink == 1
    return down(masked(mask, shifted - jnp.log1p(rest + jnp.maximum(ties - 1, 0)), -jnp.inf), x.dtype)


@log_softmax.defjvp
def _(axes: Axes, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return log_softmax(axes, *primals), _log_softmax_tangent(axes, *primals, tangents[0], tangents[2])
