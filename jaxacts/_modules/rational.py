"""Where a rational function starts: at a least-squares fit to another activation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from jaxacts._core import checked_axis, checked_int
from jaxacts.initializers import constant
from jaxacts.lookup import get

from .parameters import Initial

__all__ = ["check_groups", "fitted", "per_group", "starts"]

Reals: TypeAlias = NDArray[np.floating[Any]]

DEGREES = 5, 4
_RADIUS = 3.0
_FAR, _FAR_WEIGHT = 10.0, 0.03
_STEPS = 200
_TRIALS = ((0.2, 0.05, 0.3), (0.5, 0.2, 0.5), (1.0, 0.5, 1.0), (-0.2, 0.1, 0.3))


@functools.cache
def fitted(function: str | Callable[[Array], Array]) -> tuple[Reals, Reals]:
    """The coefficients of the numerator and the denominator that fit a function on [-3, 3] best.

    Points up to ±10 count a little: a fit that ignores them may grow like x² beyond 3, or faster. The sum in the
    denominator is x²((u + v·x)² + w²): it is nowhere negative, and the fit has no kinks.
    """
    inner, outer = _RADIUS * np.cos(np.pi * (np.arange(401) + 0.5) / 401), np.geomspace(_RADIUS, _FAR, 40)
    at, weight = np.concatenate([inner, outer, -outer]), np.repeat([1.0, _FAR_WEIGHT], [401, 80])
    with jax.ensure_compile_time_eval():
        y = np.asarray(get(function)(at) if isinstance(function, str) else function(jnp.asarray(at)), np.float64)
    best = min((_fit(at, y, weight, np.array(trial)) for trial in _TRIALS), key=lambda found: found[0])
    return best[1:]


def _fit(x: Reals, y: Reals, weight: Reals, shape: Reals) -> tuple[float, Reals, Reals]:
    """Levenberg-Marquardt from the best numerator for a denominator: the squared error and the coefficients."""
    powers, squares = x[:, None] ** np.arange(DEGREES[0] + 1), x[:, None] ** np.arange(1, DEGREES[1] + 1)

    def denominator(shape: Reals) -> tuple[Reals, Reals]:
        u, v, w = shape
        jacobian = np.array([[0, 2 * u, 2 * v, 0], [0, 0, 2 * u, 2 * v], [0, 2 * w, 0, 0]]).T
        return np.array([0, u * u + w * w, 2 * u * v, v * v]), jacobian

    def residual(found: Reals) -> tuple[Reals, Reals]:
        a, (b, by_shape) = found[: DEGREES[0] + 1], denominator(found[DEGREES[0] + 1 :])
        below = (1 + squares @ b)[:, None]
        value = powers @ a / below[:, 0]
        jacobian = np.concatenate([powers / below, -value[:, None] / below * (squares @ by_shape)], 1)
        return weight * (value - y), weight[:, None] * jacobian

    below = 1 + squares @ denominator(shape)[0]
    design = (weight / below)[:, None] * powers
    found = np.concatenate([np.linalg.lstsq(design, weight * y, rcond=None)[0], shape])
    (error, jacobian), damping = residual(found), 1e-3
    for _ in range(_STEPS):
        damped = np.concatenate([jacobian, np.diag(np.sqrt(damping * (np.sum(jacobian**2, 0) + 1e-12)))])
        step = np.linalg.lstsq(damped, np.concatenate([-error, np.zeros(len(found))]), rcond=None)[0]
        tried, slopes = residual(found + step)
        gained = 1 - tried @ tried / (error @ error)
        if gained > 0:
            found, error, jacobian, damping = found + step, tried, slopes, max(damping / 5, 1e-12)
        else:
            damping *= 4
        if 0 < gained < 1e-10 or damping > 1e12 or error @ error < 1e-20:
            break
    return float(error @ error), found[: DEGREES[0] + 1], denominator(found[DEGREES[0] + 1 :])[0]


def starts(approximates: str | Callable[[Array], Array], given: Mapping[str, Initial | None]) -> dict[str, Initial]:
    """The initializers of both polynomials: the given ones, or those of the fit for None."""
    fit = fitted(approximates) if None in given.values() else (np.empty(0), np.empty(0))
    return {n: constant(f[:, None]) if g is None else g for (n, g), f in zip(given.items(), fit, strict=True)}


def check_groups(module: str, groups: object) -> None:
    """An error if ``groups`` is not a positive int."""
    if checked_int(module, "groups", groups) < 1:
        raise ValueError(f"{module}: groups must be at least 1, got {groups}; pass 1 for one function in all.")


def per_group(module: str, axis: int, values: Any, x: ArrayLike) -> Array:
    """Values that have one entry per group in their last axis, with one per channel."""
    channels, groups = jnp.shape(x)[checked_axis(module, axis, jnp.ndim(x))], values.shape[-1]
    if channels % groups:
        raise ValueError(
            f"{module}: {groups} groups do not divide the {channels} channels on axis {axis} of an input of shape "
            f"{jnp.shape(x)}; choose a divisor, or the axis that holds the channels."
        )
    return jnp.repeat(values, channels // groups, axis=-1)
