"""Exact values and derivatives from an mpmath formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import mpmath as mp  # pyright: ignore[reportMissingTypeStubs] (it has none)
import numpy as np
from numpy.typing import NDArray

__all__ = ["Exact", "Reals", "directional", "evaluate"]

Formula: TypeAlias = Callable[..., Any]
Reals: TypeAlias = NDArray[np.float64]


def _digits() -> int:
    """Enough for differences with a relative step of 1e-45, of functions that cancel to 1e-76 (1e-320 in float64)."""
    return 420 if jax.config.read("jax_enable_x64") else 160


class Exact:
    """Real numbers as unevaluated sums of two float64, which is 30 digits more than any dtype here can tell apart."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.high: Reals = np.array([_float(v) for v in values])
        self.low: Reals = np.array(
            [_float(v - h) if np.isfinite(h) else 0.0 for v, h in zip(values, self.high, strict=True)]
        )

    @classmethod
    def of(cls, high: Reals, low: Reals) -> Exact:
        """The sums of these."""
        found = cls([])
        found.high, found.low = high, low
        return found


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")


def _rows(formula: Formula, elementwise: bool, xs: Sequence[Any], arguments: dict[str, Any]) -> list[Any]:
    try:
        return [formula(x, **arguments) for x in xs] if elementwise else list(formula(list(xs), **arguments))
    except Exception as error:
        got = "an mpmath number" if elementwise else "a list of mpmath numbers, as elements depend on each other"
        remedy = "write it for one" if elementwise else "pass elementwise=True if it takes one number"
        raise AssertionError(
            f"the reference was given {got}, and raises {type(error).__name__}: "
            f"{str(error).removesuffix('.')}; {remedy}"
        ) from error


def _exactly(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype == np.float64:
        return np.vectorize(lambda v: mp.mpf(float(v)), otypes=[object])(value)
    return mp.mpf(float(value)) if isinstance(value, float | np.floating) else value


def _difference(a: Any, b: Any) -> Any:
    """a - b, and 0 for equal infinities."""
    return mp.mpf(0) if a == b else a - b


def evaluate(formula: Formula, elementwise: bool, xs: Reals, arguments: dict[str, Any]) -> Exact:
    """The formula at each x."""
    with mp.workdps(_digits()):
        exact = {n: _exactly(v) for n, v in arguments.items()}
        return Exact(_rows(formula, elementwise, [mp.mpf(float(x)) for x in xs], exact))


def directional(
    formula: Formula, elementwise: bool, xs: Reals, arguments: dict[str, Any], tangent: Reals, by: str | None = None
) -> Exact:
    """The derivative of the formula along ``tangent`` in x, or by the parameter ``by``, from a central difference."""
    with mp.workdps(_digits()):
        exact = {n: _exactly(v) for n, v in arguments.items()}
        points = [mp.mpf(float(x)) for x in xs]
        step = mp.mpf(10) ** -45
        if by is not None:
            sides = [_rows(formula, elementwise, points, {**exact, by: exact[by] + s * step}) for s in (1, -1)]
            return Exact([_difference(p, m) / (2 * step) for p, m in zip(*sides, strict=True)])
        # Relative to the point where the formula is elementwise, so that the step is small beside tiny arguments too.
        steps = [step * (mp.fabs(x) if elementwise and x else 1) for x in points]
        moved = [[x + s * h * float(t) for x, h, t in zip(points, steps, tangent, strict=True)] for s in (1, -1)]
        sides = [_rows(formula, elementwise, m, exact) for m in moved]
        width = steps if elementwise else [step] * len(sides[0])
        return Exact([_difference(p, m) / (2 * h) for p, m, h in zip(*sides, width, strict=True)])
