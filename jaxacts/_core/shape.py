"""What the shape of a curve follows from its values: where it rises, symmetry, saturation, exact zeros."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .facts import Facts, Line

__all__ = ["Shape", "shape_of"]

Reals: TypeAlias = NDArray[np.float64]
Curve: TypeAlias = Callable[[Reals], Reals]
Saturation: TypeAlias = Literal["hard", "soft"] | None


@dataclass(frozen=True)
class Shape:
    """Facts that follow from the values of a curve in float64; they are computed, not declared.

    ``monotone`` is ``"increasing"`` (never falling), ``"decreasing"`` or None, ``parity`` is ``"odd"``, ``"even"`` or
    None. ``left`` and ``right`` say how the curve saturates on that side: ``"hard"`` if it is constant from some point
    on, ``"soft"`` if it only approaches a constant, None if it does neither. ``zeros`` are the intervals where the
    value is exactly 0.

    Example:
        >>> import jaxacts
        >>> jaxacts.catalogue()["relu"].shape()
        Shape(monotone='increasing', parity=None, left='hard', right=None, zeros=((-inf, 0.0),))
        >>> jaxacts.catalogue()["tanh"].shape()
        Shape(monotone='increasing', parity='odd', left='soft', right='soft', zeros=())
    """

    monotone: Literal["increasing", "decreasing"] | None
    parity: Literal["odd", "even"] | None
    left: Saturation
    right: Saturation
    zeros: tuple[tuple[float, float], ...]


def shape_of(f: Curve, knots: tuple[float, ...], facts: Facts) -> Shape:
    """The shape of an elementwise function, whose formula switches at the knots."""
    sizes = np.concatenate([np.geomspace(1e-6, 1e-2, 40), np.linspace(0.01, 40, 4000), np.geomspace(40, 1e3, 60)])
    around = [k + s * d for k in knots for s in (-1, 1) for d in (0.0, 1e-6, 1e-3)]
    xs = np.unique(np.concatenate([-sizes, [0.0], sizes, around]))
    pieces = tuple(pairwise((-math.inf, *knots, math.inf)))
    inside = np.array([_inside(*piece) for piece in pieces])
    ys, mirrored, in_pieces = np.split(f(np.concatenate([xs, -xs, inside.ravel()])), [xs.size, 2 * xs.size])
    in_pieces = in_pieces.reshape(inside.shape)

    least = 1e-13 * np.maximum(1, np.abs(ys))
    steps, allowed = np.diff(ys), np.maximum(least[1:], least[:-1])
    rising, falling = bool((steps >= -allowed).all()), bool((steps <= allowed).all())
    odd, even = (bool((np.abs(mirrored - sign * ys) <= least).all()) for sign in (-1, 1))

    def saturation(line: Line | None, values: Reals) -> Saturation:
        if line is None or line.slope != 0:
            return None
        return "hard" if knots and np.unique(values).size == 1 else "soft"

    return Shape(
        "increasing" if rising else "decreasing" if falling else None,
        "odd" if odd else "even" if even else None,
        saturation(facts.left, in_pieces[0]),
        saturation(facts.right, in_pieces[-1]),
        _joined([piece for piece, values in zip(pieces, in_pieces, strict=True) if not values.any()]),
    )


def _inside(low: float, high: float) -> Reals:
    """Points between two knots, or up to 8 beyond the outermost one."""
    low = max(low, min(high, 8) - 8)
    high = min(high, low + 8)
    return low + (high - low) * np.array([0.03, 0.21, 0.5, 0.77, 0.96])


def _joined(intervals: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The intervals, with those that touch made one."""
    out: list[tuple[float, float]] = []
    for low, high in intervals:
        if out and out[-1][1] == low:
            low = out.pop()[0]
        out.append((low, high))
    return tuple(out)
