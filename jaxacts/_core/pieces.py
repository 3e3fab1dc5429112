"""Slopes that jump: the kink rule, and what a piecewise slope keeps for the backward pass.

A slope formula returns :class:`Pieces` where it jumps. From the pieces follow the slope at each knot (the subgradient
of least magnitude, unless the caller chose otherwise), the list of kinks, and the linear map ``tangent -> slope *
tangent``, which keeps one byte an element where every piece is constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._kernels import where
from jaxacts._kernels.hard_cases import Sides

from .dtypes import down
from .rounding import settled, times
from .scaling import scale

__all__ = ["Choice", "Pieces", "apply", "choice_rule", "is_nan", "is_real", "least", "materialise"]

Choice: TypeAlias = Literal["left", "right"] | float | None
"""Which slope to take at a kink: one side, a weight of the right side in [0, 1], or None for the least in magnitude."""

Slope: TypeAlias = Array | float


@dataclass(frozen=True)
class Pieces:
    """A slope that is ``slopes[i]`` between ``knots[i-1]`` and ``knots[i]``.

    ``tie="left"`` takes the left slope at every knot whatever its size: for slopes that are known only when the
    function runs, where finding the smaller one would cost a second mask. ``limits`` has the slopes to the left and to
    the right of each knot where these are known; else the smaller one is found element by element.

    Raises:
        TypeError: ``knots`` or ``slopes`` are no numbers or arrays, or ``limits`` no pairs.
        ValueError: there is not one slope more than there are knots, the knots do not increase, or ``tie`` is unknown.
    """

    knots: tuple[Slope, ...]
    slopes: tuple[Slope, ...]
    tie: Literal["least", "left"] = "least"
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
        if self.tie not in ("least", "left"):
            raise ValueError(f"Pieces: tie must be 'least' or 'left', got {self.tie!r}; leave it out for 'least'.")
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

    def at_knots(self, choice: Choice) -> list[Slope]:
        """The slope taken at each knot."""
        rule = choice_rule("left" if choice is None and self.tie == "left" else choice)
        return [rule(left, right) for left, right in self.limits]


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
    return jnp.where(jnp.sign(left) * jnp.sign(right) > 0, smaller, 0.0)


def choice_rule(choice: Choice) -> Callable[[Slope, Slope], Slope]:
    """The function (left slope, right slope) -> slope at the kink."""
    if choice is None:
        return least
    weight = {"left": 0.0, "right": 1.0}[choice] if isinstance(choice, str) else choice
    if weight in (0.0, 1.0):
        return lambda left, right: right if weight else left
    return lambda left, right: (1.0 - weight) * left + weight * right


def is_nan(x: Array) -> Array:
    return x != x


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


def materialise(x: Array, slope: Array | Pieces, choice: Choice) -> Array:
    """The slope as an array of the shape of ``x``; NaN where ``x`` is."""
    if not isinstance(slope, Pieces):
        return slope
    (_, out), *later = _runs(x, slope, choice)
    for begins, value in later:
        assert begins is not None
        out = where(begins, value, out)
    return where(is_nan(x), math.nan, out)


def apply(
    x: Array, slope: Array | Pieces, tangent: Array, choice: Choice, parameters: list[Array], hard: Sides | None
) -> Array:
    """``slope · tangent`` in the dtype of ``tangent``, keeping one array of that dtype for its transpose.

    One byte an element does where every piece is a number or one of the ``parameters`` that is not as large as ``x``,
    and nothing for a straight line of slope 1.
    """
    if isinstance(slope, Pieces) and not slope.knots and _same(slope.slopes[0], 1.0):
        return tangent
    small = [p for p in parameters if p.size == 1 or p.size < x.size]
    if not isinstance(slope, Pieces) or not all(
        isinstance(s, float) or any(s is p for p in small) for s in slope.slopes
    ):
        return times(down(settled(materialise(x, slope, choice), x, hard, tangent.dtype), tangent.dtype), tangent)
    code, table = np.uint8(0), list[Slope]()
    for begins, value in _runs(x, slope, choice):
        index = next((i for i, known in enumerate(table) if _same(known, value)), len(table))
        if index == len(table):
            table.append(value)
        code = code if begins is None else where(begins, np.uint8(index), code)
    code = where(is_nan(x), np.uint8(len(table)), code)
    return scale(code, tangent, [*table, math.nan])
