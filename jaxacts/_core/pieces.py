"""Slopes that jump: the kink rule, and what a piecewise slope keeps for the backward pass.

A slope formula returns :class:`Pieces` where it jumps. From the pieces follow the slope at each knot (the subgradient
of least magnitude, unless the caller chose otherwise), the list of kinks, and the linear map ``tangent -> slope *
tangent``, which keeps masks alone where every piece is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array

from .dtypes import down, up

__all__ = [
    "Choice",
    "Pieces",
    "choice_rule",
    "is_real",
    "least",
    "piecewise_constant",
    "slope_array",
    "times_tangent",
]

Choice: TypeAlias = Literal["left", "right"] | float | None
"""Which slope to take at a kink: one side, a weight of the right side in [0, 1], or None for the least in magnitude."""

Slope: TypeAlias = Array | float
Tie: TypeAlias = Literal["least", "left", "right"]


@dataclass(frozen=True)
class Pieces:
    """A slope that is ``slopes[i]`` between ``knots[i-1]`` and ``knots[i]``.

    ``tie="left"`` or ``"right"`` takes the slope of that side at every knot whatever its size, and a tuple has one word
    for each knot: for slopes that are known only when the function runs, where finding the smaller one would cost a
    second mask. ``limits`` has the slopes to the left and to the right of each knot where these are known; else the
    smaller one is found element by element.

    Raises:
        TypeError: ``knots`` or ``slopes`` are not numbers or arrays, or ``limits`` are not pairs.
        ValueError: there is not one slope more than there are knots, the knots do not increase, or ``tie`` is unknown
            or not one for each knot.
    """

    knots: tuple[Slope, ...]
    slopes: tuple[Slope, ...]
    tie: Tie | tuple[Tie, ...] = "least"
    limits: tuple[tuple[Slope, Slope], ...] = ()

    def __post_init__(self) -> None:
        for field, example in (("knots", "(0.0,)"), ("slopes", "(0.0, 1.0)")):
            given = getattr(self, field)
            values = tuple(given) if isinstance(given, Iterable) else (None,)
            if not all(map(is_real, values)):
                raise TypeError(
                    f"Pieces: {field} must be a tuple of numbers or arrays, got {given!r}; write {example}."
                )
            object.__setattr__(self, field, tuple(float(v) if isinstance(v, int) else v for v in values))
        known = all(t in ("least", "left", "right") for t in self._ties)
        if not known or len(self._ties) != len(self.knots):
            raise ValueError(
                f"Pieces: tie must be 'least', 'left' or 'right', or a tuple of one of them for each knot, "
                f"got {self.tie!r}; leave it out for 'least'."
            )
        if len(self.slopes) != len(self.knots) + 1:
            raise ValueError(
                f"Pieces: {len(self.knots)} knots need {len(self.knots) + 1} slopes, got {len(self.slopes)}."
            )
        numbers = [float(k) for k in self.knots if isinstance(k, float | np.generic)]
        if not all(a < b < math.inf for a, b in pairwise([-math.inf, *numbers])):
            raise ValueError(f"Pieces: the knots must increase, and be finite, got {self.knots}; give them in order.")
        limits: Any = self.limits or tuple(pairwise(self.slopes))
        if not isinstance(limits, tuple | list) or not all(isinstance(p, tuple | list) and len(p) == 2 for p in limits):
            raise TypeError(
                f"Pieces: limits must be a pair of slopes for each knot, got {limits!r}; write ((0.0, 1.0),)."
            )
        if len(limits) != len(self.knots):
            raise ValueError(f"Pieces: {len(self.knots)} knots need {len(self.knots)} limits, got {len(limits)}.")
        object.__setattr__(self, "limits", limits)

    @property
    def _ties(self) -> tuple[Any, ...]:
        """One word for each knot."""
        return self.tie if isinstance(self.tie, tuple) else (self.tie,) * len(self.knots)

    def at_knots(self, choice: Choice) -> list[Slope]:
        """The slope taken at each knot."""
        rules = [choice_rule(tie if choice is None and tie != "least" else choice) for tie in self._ties]
        return [rule(*limits) for rule, limits in zip(rules, self.limits, strict=True)]


def is_real(value: Any) -> bool:
    """Whether it is a real number, or an array of them."""
    if isinstance(value, Array | np.ndarray | np.generic):
        return jnp.issubdtype(value.dtype, jnp.floating) or jnp.issubdtype(value.dtype, jnp.integer)
    return isinstance(value, int | float)


def least(left: Slope, right: Slope) -> Slope:
    """The number of least magnitude between ``left`` and ``right``: 0 if they differ in sign, else the smaller."""
    if isinstance(left, float) and isinstance(right, float):
        return 0.0 if left * right <= 0 else min(left, right, key=abs)
    smaller = jnp.where(jnp.abs(left) < jnp.abs(right), left, right)
    return jnp.where((left > 0) == (right > 0), smaller, 0.0)


def choice_rule(choice: Choice) -> Callable[[Slope, Slope], Slope]:
    """The function (left slope, right slope) -> slope at the kink."""
    if choice is None:
        return least
    weight = {"left": 0.0, "right": 1.0}[choice] if isinstance(choice, str) else choice
    if weight in (0.0, 1.0):
        return lambda left, right: right if weight else left
    return lambda left, right: (1.0 - weight) * left + weight * right


def piecewise_constant(pieces: Pieces, arguments: Sequence[Array]) -> bool:
    """Whether each slope is a number, a parameter (one of ``arguments`` after x), or made of parameters alone.

    The last two have to be smaller than ``x``; nothing tells what a slope for one element is made of.
    """
    x, *parameters = arguments
    numbers = [p for p in parameters if p.size == 1]
    return all(isinstance(s, int | float) or s.size < x.size or any(s is p for p in numbers) for s in pieces.slopes)


def _runs(x: Array, pieces: Pieces, choice: Choice) -> Iterator[tuple[Array | None, Slope]]:
    """(where it begins, slope) of each maximal run of equal slope, from left to right; the first begins nowhere."""
    last = pieces.slopes[0]
    yield None, last
    for knot, here, right in zip(pieces.knots, pieces.at_knots(choice), pieces.slopes[1:], strict=True):
        if not _same(here, last):
            yield x >= knot, here
        if not _same(right, here):
            yield x > knot, right
        last = right


def _same(a: Slope, b: Slope) -> bool:
    return a is b or (isinstance(a, float) and isinstance(b, float) and a == b)


def slope_array(x: Array, slope: Array | Pieces, choice: Choice) -> Array:
    """The slope as an array of the shape of ``x``; NaN where ``x`` is."""
    if not isinstance(slope, Pieces):
        return slope
    (_, out), *later = _runs(x, slope, choice)
    for begins, value in later:
        assert begins is not None
        out = jnp.where(begins, value, out)
    return jnp.where(x != x, math.nan, out)


def times_tangent(x: Array, pieces: Pieces, tangent: Array, choice: Choice) -> Array:
    """``slope · tangent`` for constant slopes, which keeps a mask for each slope that is not the first.

    Where ``x`` is NaN it has the slope of the first piece, as in jax.nn: NaN there would cost one mask more.
    """
    (_, first), *later = _runs(x, pieces, choice)
    cases: list[tuple[Array, Slope]] = []
    for begins, value in later:
        assert begins is not None
        if _same(value, first):
            cases = [(mask & ~begins, v) for mask, v in cases]
        else:
            cases.append((begins, value))
    out = _scaled(tangent, first)
    for mask, value in cases:
        out = jnp.where(mask, _scaled(tangent, value), out)
    return out


def _scaled(tangent: Array, slope: Slope) -> Array:
    """The product, rounded once to the dtype of the tangent."""
    if isinstance(slope, float) and slope in (0.0, 1.0):
        return tangent if slope else jnp.zeros_like(tangent)
    return down(up(tangent, tangent.dtype) * slope, tangent.dtype)
