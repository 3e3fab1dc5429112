"""What the theory of wide networks predicts for one layer after the other: mean squares of signals and gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxacts._trace.units.sites import Site
from jaxacts.diagnostics._signals.gradients import Squares
from jaxacts.initializers import Moments, moments

__all__ = ["Predicted", "moments_at", "predictions"]


class Predicted(NamedTuple):
    """The standard deviation of the kernel of a layer, and what is predicted for the squares of inputs and gradients.

    Each has an axis for every scan over layers around it.
    """

    std: Any
    variance: Any
    gradient: Any


def predictions(found: Sequence[Squares], kernels: Mapping[str, tuple[str, Any] | None]) -> list[Predicted]:
    """From the first variance and the last gradient that were measured.

    ``kernels`` are paths and standard deviations by the names of the sites. Where a kernel or the moments of an
    activation are not known, the prediction goes on from what was measured.
    """
    stds = [_spread(kernels[row.site.name], row.before.shape) for row in found]
    flat = [(row, at) for row in found for at in np.ndindex(row.before.shape)]
    fan_in = [row.site.use.fan_in if row.site.use else math.nan for row, _ in flat]
    spread = [float(std[at]) for row, std in zip(found, stds, strict=True) for at in np.ndindex(row.before.shape)]
    size = [math.prod(row.site.before.aval.shape) for row, _ in flat]
    measured = [float(row.before[at]) for row, at in flat]
    variance, gradient = list(measured), [float(row.gradient[at]) for row, at in flat]
    back = list(gradient)
    for i in range(1, len(flat)):
        known, weights = moments_at(flat[i - 1][0].site, variance[i - 1]), fan_in[i] * spread[i] ** 2
        if known is not None and math.isfinite(weights):
            variance[i] = weights * known.second_moment
    for i in reversed(range(len(flat) - 1)):
        # Each weight leads from one unit to one of the next layer, of which there are so many to a unit on average.
        fan_out = fan_in[i + 1] * size[i + 1] / size[i]
        known, weights = moments_at(flat[i][0].site, measured[i]), fan_out * spread[i + 1] ** 2
        if known is not None and math.isfinite(weights):
            back[i] = weights * known.slope * back[i + 1]
        else:
            back[i] = gradient[i] / gradient[i + 1] * back[i + 1] if gradient[i + 1] else math.nan
    ends = np.cumsum([row.before.size for row in found])
    return [
        Predicted(std, *(np.reshape(x[end - std.size : end], std.shape) for x in (variance, back)))
        for std, end in zip(stds, ends, strict=True)
    ]


def moments_at(site: Site, q: float) -> Moments | None:
    """The moments of an activation at a variance, None where it has none."""
    if site.function is None or not 1e-30 < q < math.inf:
        return None
    try:
        return moments(site.function, q)
    except (TypeError, ValueError):
        return None


def _spread(kernel: tuple[str, Any] | None, shape: tuple[int, ...]) -> Any:
    std = math.nan if kernel is None else kernel[1]
    # Of loops over layers that share the kernel there is one standard deviation.
    return np.broadcast_to(std if np.ndim(std) in (0, len(shape)) else np.mean(std), shape)
