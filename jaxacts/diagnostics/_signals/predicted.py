"""What the theory of wide networks predicts for one layer after the other: mean squares of signals and gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from jaxacts._trace.units.sites import Site
from jaxacts.diagnostics._signals.gradients import Squares
from jaxacts.initializers import Moments, moments

__all__ = ["Predicted", "moments_at", "predictions"]


class Predicted(NamedTuple):
    """What is predicted for the mean squares of the inputs of an activation and of the gradients by them."""

    variance: float
    gradient: float


def predictions(found: Sequence[Squares]) -> list[Predicted]:
    """From the first variance and the last gradient that were measured, step by step.

    A step leads from one activation to the next where kernels and biases alone are between them and the moments of the
    first are known. Elsewhere the variance is that measured, and the gradient changes by the factor measured.
    """
    indices = {row.step: i for i, row in enumerate(found)}
    variance, back = [row.before for row in found], [row.gradient for row in found]
    following = dict[int, tuple[int, float]]()
    for i, row in enumerate(found):
        if row.link is None or row.link.source not in indices:
            continue
        source = indices[row.link.source]
        known = moments_at(found[source].site, variance[source])
        if known is not None:
            variance[i] = row.link.gain * known.second_moment
        if row.link.only:
            # Each weight leads from one unit to one of the next layer, of which there are so many to a unit on average.
            following[source] = i, row.link.gain * _size(row.site) / _size(found[source].site)
    for i in reversed(range(len(found) - 1)):
        known = moments_at(found[i].site, found[i].before) if i in following else None
        if known is not None:
            after, gain = following[i]
            back[i] = gain * known.slope * back[after]
        else:
            after = found[i + 1].gradient
            back[i] = found[i].gradient / after * back[i + 1] if after else math.nan
    return [Predicted(*both) for both in zip(variance, back, strict=True)]


def moments_at(site: Site, q: float) -> Moments | None:
    """The moments of an activation at a variance, None where it has none."""
    if site.function is None or not 1e-30 < q < math.inf:
        return None
    try:
        return moments(site.function, q)
    except (TypeError, ValueError):
        return None


def _size(site: Site) -> int:
    return math.prod(site.before.aval.shape)
