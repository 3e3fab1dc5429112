"""Gauss-Legendre panels: nodes, weights, and how the last coefficients tell whether a panel is fine enough."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["NODES", "REACH", "TAIL", "Floats", "nodes", "normal_density", "power_of_two"]

Floats: TypeAlias = NDArray[np.float64]

REACH = 12.0
"""Standard deviations on each side that are integrated over; 4e-33 of the mass lies beyond."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(16)
# The last two of sixteen Legendre coefficients, by the values at the nodes.
TAIL = (np.polynomial.legendre.legvander(NODES, 15) * WEIGHTS[:, None] * (np.arange(16) + 0.5))[:, -2:]


def nodes(edges: Floats) -> tuple[Floats, Floats]:
    """The points and weights of the panels between ``edges`` (..., n)."""
    half = np.diff(edges)[..., None] / 2
    z = edges[..., :-1, None] + half * (1 + NODES)
    shape = (*edges.shape[:-1], -1)
    return z.reshape(shape), (half * WEIGHTS).reshape(shape)


def normal_density(t: Any) -> Any:
    return np.exp(-np.square(t) / 2) / np.sqrt(2 * np.pi)


def power_of_two(reach: float) -> float:
    return float(max(16.0, 2.0 ** np.ceil(np.log2(reach))))
