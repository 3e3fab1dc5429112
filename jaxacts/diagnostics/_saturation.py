"""Where the slope of an activation is below a threshold: as bounds of its input where these are known beforehand."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._trace.units.execute import Moment
from jaxacts._trace.units.sites import Site
from jaxacts.lookup import catalogue

__all__ = ["Saturation", "saturation_of"]

_REACH, _POINTS, _MOST = 40.0, 2561, 4


class Saturation(NamedTuple):
    """The intervals of inputs with small slopes, None where only the slope itself tells; and the kind on each side."""

    epsilon: float
    left: tuple[tuple[float, float], ...] | None
    right: tuple[tuple[float, float], ...] | None
    kinds: tuple[str, str]

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


def _tabulated(function: Callable[..., Any], epsilon: float) -> Saturation:
    @jax.jit
    def slopes(x: Array) -> Array:
        return jnp.abs(jax.jvp(function, (x,), (jnp.ones_like(x),))[1])

    def slopes_at(z: Any) -> Any:
        with jax.ensure_compile_time_eval(), jax.enable_x64(True):
            return np.asarray(slopes(jnp.asarray(z)))

    grid = np.linspace(-_REACH, _REACH, _POINTS)
    small = slopes_at(grid) < epsilon
    edges = [-np.inf] * bool(small[0])
    for at in np.flatnonzero(small[1:] != small[:-1]):
        low, high = grid[at], grid[at + 1]
        for _ in range(3):
            finer = np.linspace(low, high, _POINTS)
            changes = np.flatnonzero((slopes_at(finer) < epsilon) != small[at])
            if not len(changes):  # closer than the numbers of a program in float32
                break
            low, high = finer[changes[0] - 1], finer[changes[0]]
        edges.append(float(np.float32(low if small[at] else high)))
    edges += [np.inf] * bool(small[-1])
    intervals = list(zip(edges[::2], edges[1::2], strict=True))
    left = tuple((a, min(b, 0.0)) for a, b in intervals if a < 0)
    right = tuple((max(a, 0.0), b) for a, b in intervals if b > 0)
    beyond = slopes_at(
        np.linspace((left[0][1] if left else 0.0) - 1.0, (right[-1][0] if right else 0.0) + 1.0, _POINTS)
    )
    kinds = tuple(
        "" if not bands or not tail else "hard" if slope == 0 else "soft"
        for bands, tail, slope in ((left, small[0], beyond[0]), (right, small[-1], beyond[-1]))
    )
    if len(left) + len(right) > _MOST:
        return Saturation(epsilon, None, None, kinds)  # pyright: ignore[reportArgumentType] (a pair)
    return Saturation(epsilon, left, right, kinds)  # pyright: ignore[reportArgumentType] (a pair)


def saturation_of(site: Site, epsilon: float) -> Saturation:
    """The bounds for activations without parameters of the model in them."""
    name = site.activation.removesuffix(" (exact)")
    if site.function is None:
        return Saturation(epsilon, None, None, ("", ""))
    if name in catalogue():
        return _of(name, epsilon, name != site.activation)
    return _tabulated(site.function, epsilon)
