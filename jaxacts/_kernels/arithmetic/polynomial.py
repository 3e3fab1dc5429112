"""Polynomials, and series where the forms made of exp(-|x|) lose a digit: near 0 and near the root of a slope.

Near 0 those forms add and divide numbers of one size, and each operation rounds; a polynomial about the value there
rounds once or twice. About the root of a slope its leading term is the distance from the root, so that the slope keeps
its digits however small it is.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from .double_word import two_words

__all__ = ["Series", "about_root", "horner_pairs", "polynomial", "series_value"]


def polynomial(coefficients: Sequence[float | Array], x: Array) -> Array:
    """The polynomial with these coefficients, highest power first.

    Long ones are evaluated in pairs but for the last two steps, whose roundings count.
    """
    *head, first, last = coefficients
    if len(head) >= 6:
        return (horner_pairs(head, x) * x + first) * x + last
    total = coefficients[0] * x + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def horner_pairs(coefficients: Sequence[float | Array], x: Array) -> Array:
    """The same as ``p·x² + (a·x + b)``: a chain of dependent operations half as long, which a short loop waits for."""
    odd, square = len(coefficients) % 2, x * x
    first, *rest = (a * x + b for a, b in zip(coefficients[odd::2], coefficients[odd + 1 :: 2], strict=True))
    total = coefficients[0] * square + first if odd else first
    for pair in rest:
        total = total * square + pair
    return total


class Series(NamedTuple):
    """``start + d·P`` with d = x - centre and P a polynomial in d² (odd) or d, highest power first.

    About a value it holds for |d| < limit, about a root, where start is 0, for |d - shift| <= limit. ``double`` has the
    coefficients of float64, where it needs the series.
    """

    coefficients: tuple[float, ...]
    limit: float
    shift: float = 0.0
    odd: bool = False
    start: tuple[float, float] = (0.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)
    double: tuple[float, ...] | None = None

    def of(self, x: Array) -> tuple[float, ...] | None:
        """The coefficients for the dtype of x."""
        return self.double if x.dtype == jnp.float64 else self.coefficients


def about_root(x: Array, series: Series, otherwise: Array) -> Array:
    """The series where it holds, without derivative."""
    coefficients = series.of(x)
    if coefficients is None:
        return otherwise
    centre, centre_lo = two_words(series.centre, x.dtype)
    *others, last = coefficients
    d = x - centre
    part = d * polynomial(others, d)
    p = part + last
    # With what the rounding of p lost, and the low word of the centre, which counts near it alone, where P is ``last``.
    total = d * p + (d * ((last - p) + part) - centre_lo * last)
    lower, upper = (centre + series.shift + side * series.limit for side in (-1, 1))
    return jnp.where((x < lower) | (x > upper), otherwise, total)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 3))
def series_value(x: Array, series: Series, otherwise: Array, times_x: bool = False) -> Array:
    """The series, or x times it, where it holds. Its derivative is that of ``otherwise``: a polynomial that is right to
    the last digit has a derivative that is not."""
    coefficients = series.of(x)
    if coefficients is None:
        return otherwise
    (start, start_lo), (centre, _) = (two_words(n, x.dtype) for n in (series.start, series.centre))
    d = x - centre if centre else x
    total = start + (d * polynomial(coefficients, d * d if series.odd else d) + start_lo)
    return jnp.where(jnp.abs(d) < series.limit, x * total if times_x else total, otherwise)


@series_value.defjvp
def _(series: Series, times_x: bool, primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    x, otherwise = primals
    return series_value(x, series, otherwise, times_x), tangents[1]
