"""Where the slope of an activation is below a threshold: as bounds of its input where these are known beforehand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from jaxacts._trace.units.execute import Moment
from jaxacts._trace.units.sites import Site
from jaxacts.lookup import catalogue

__all__ = ["Saturation", "is_of_catalogue", "saturation_of"]

Floats: TypeAlias = NDArray[np.float64]

_MOST = 4
_FAR = np.geomspace(40.0, 1e12, 769)
_GRID = np.concatenate([-_FAR[:0:-1], np.linspace(-40.0, 40.0, 2561), _FAR[1:]])


class Saturation(NamedTuple):
    """The intervals of inputs with small slopes, None where only the slope itself tells; and the kind on each side.

    ``inactive`` says whether the function is 0 for all negative inputs.
    """

    epsilon: float
    left: tuple[tuple[float, float], ...] | None
    right: tuple[tuple[float, float], ...] | None
    kinds: tuple[str, str] = ("", "")
    inactive: bool = False

    def flags(self, moment: Moment) -> tuple[Array | None, Array | None]:
        """Which elements are saturated on the left and on the right; None for none."""
        z = moment.before
        if z is None:
            return None, None
        if self.left is None or self.right is None:
            small = jnp.abs(jax.lax.stop_gradient(moment.slope())) < self.epsilon
            return small & (z < 0), small & (z >= 0)
        return _within(z, self.left), _within(z, self.right)


def _within(z: Array, intervals: tuple[tuple[float, float], ...]) -> Array | None:
    flags: Array | None = None
    for low, high in intervals:
        inside = z >= low if high == np.inf else z <= high
        if low > -np.inf and high < np.inf:
            inside = inside & (z > low)
        flags = inside if flags is None else flags | inside
    return flags


@functools.cache
def _of(name: str, epsilon: float, exact: bool) -> Saturation:
    entry = catalogue()[name]
    arguments = entry.arguments() | ({"approximate": False} if exact else {})
    return _tabulated(functools.partial(entry.function, **arguments), epsilon)


class _Curve:
    """The values and slopes of a function on a grid; beyond where they overflow, those where they last did not."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.program = jax.jit(lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),)))
        self.grid = _GRID
        self.values, self.slopes = self.at(_GRID)

    def at(self, z: Floats) -> tuple[Floats, Floats]:
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            values, slopes = (np.asarray(x, np.float64) for x in self.program(jnp.asarray(z)))
        at, middle = np.arange(len(z)), len(z) // 2
        finite = np.isfinite(values) & np.isfinite(slopes)
        inner = np.where(finite, at, middle)
        last, first = np.maximum.accumulate(inner), np.minimum.accumulate(inner[::-1])[::-1]
        source = np.where(at < middle, first, last)
        return values[source], slopes[source]

    def small(self, epsilon: float) -> NDArray[np.bool_]:
        """Where the slope is small, on a grid that has a point around each extremum of the function."""
        cells = np.flatnonzero(self.slopes[1:] * self.slopes[:-1] < 0)
        cells = [c for c in cells if np.abs(self.slopes[c : c + 2]).min() >= epsilon]
        for cell in map(int, cells[: 2 * _MOST]):
            finer = np.linspace(_GRID[cell], _GRID[cell + 1], len(_GRID))
            values, slopes = self.at(finer)
            flat = np.abs(slopes).argmin()
            if np.abs(slopes[flat]) < epsilon:
                place = int(np.searchsorted(self.grid, finer[flat]))
                self.grid = np.insert(self.grid, place, finer[flat])
                self.values = np.insert(self.values, place, values[flat])
                self.slopes = np.insert(self.slopes, place, slopes[flat])
        return np.abs(self.slopes) < epsilon

    def change(self, cell: int, test: Callable[[Floats, Floats], Any]) -> tuple[float, float]:
        """The last and first numbers, between two points of the grid, with other answers to a test."""
        low, high = self.grid[cell], self.grid[cell + 1]
        for _ in range(3):
            finer = np.linspace(low, high, len(_GRID))
            answers = test(*self.at(finer))
            changes = np.flatnonzero(answers != answers[0])
            if not len(changes):  # closer than the numbers of a program in float32
                break
            low, high = finer[changes[0] - 1], finer[changes[0]]
        return float(low), float(high)

    def steep(self, small: NDArray[np.bool_], epsilon: float) -> bool:
        """Whether the function rises between two points of the grid with small slopes."""
        rises = np.abs(np.diff(self.values)) > 2 * epsilon * np.diff(self.grid)
        return bool((small[1:] & small[:-1] & rises).any())

    def kind(self, side: int, epsilon: float, steep: bool) -> str:
        """On the side of a sign, "hard" if the slope is 0 from some point on, "soft" if it tends to 0.

        Far out every exponential is 0 in float32. On its way there it goes through many orders of magnitude, while a
        slope that is 0 by its formula is a hundredth of the largest, and then a thousandth, right before that point.
        Where slopes are steps or rounded, the distance from the last value stands for them.
        """
        last = -1 if side > 0 else 0
        if abs(self.slopes[last]) >= 1e-3 * epsilon:
            return ""
        limit = self.values[last]

        def size(values: Floats, slopes: Floats) -> Floats:
            return np.abs(values - limit) if steep else np.abs(slopes)

        sizes = size(self.values, self.slopes)
        if not steep and sizes[last]:
            return "soft"

        def tail(level: float) -> float:
            """The distance from 0 beyond which all are at most this."""
            above = np.flatnonzero(sizes > level)
            if not len(above):
                return 0.0
            cell = int(above[-1] if side > 0 else above[0] - 1)
            return side * self.change(cell, lambda *curve: size(*curve) > level)[side > 0]

        high, low, zero = (tail(level * sizes[np.abs(self.grid) <= 40].max()) for level in (1e-2, 1e-3, 0.0))
        return "soft" if low - high < 0.4 * (zero - high) else "hard"


def _tabulated(function: Callable[..., Any], epsilon: float) -> Saturation:
    curve = _Curve(function)
    small = curve.small(epsilon)
    steep = curve.steep(small, epsilon)
    kinds = (
        curve.kind(-1, epsilon, steep) if small[0] else "",
        curve.kind(1, epsilon, steep) if small[-1] else "",
    )
    inactive = not curve.values[curve.grid < 0].any()
    cells = np.flatnonzero(small[1:] != small[:-1])
    if len(cells) > 2 * _MOST or steep:
        return Saturation(epsilon, None, None, kinds, inactive)
    edges = [-np.inf] * bool(small[0])
    for cell in map(int, cells):
        low, high = curve.change(cell, lambda _, slopes: np.abs(slopes) < epsilon)
        edges.append(float(np.float32(low if small[cell] else high)))
    edges += [np.inf] * bool(small[-1])
    intervals = list(zip(edges[::2], edges[1::2], strict=True))
    left = tuple((a, min(b, 0.0)) for a, b in intervals if a < 0)
    right = tuple((max(a, 0.0), b) for a, b in intervals if b > 0)
    if len(left) + len(right) > _MOST:
        return Saturation(epsilon, None, None, kinds, inactive)
    return Saturation(epsilon, left, right, kinds, inactive)


def is_of_catalogue(site: Site, name: str) -> bool:
    """Whether an activation is this one of the catalogue, with its parameters, and does not only have its name."""
    entry = catalogue().get(name)
    return entry is not None and getattr(site.function, "func", site.function) is entry.function


def saturation_of(site: Site, epsilon: float) -> Saturation:
    """The bounds for activations without parameters of the model in them."""
    name = site.activation.removesuffix(" (exact)")
    if site.function is None:
        return Saturation(epsilon, None, None)
    if is_of_catalogue(site, name):
        return _of(name, epsilon, name != site.activation)
    return _tabulated(site.function, epsilon)
