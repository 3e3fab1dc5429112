"""What the gains mean over the depth of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping

from jaxacts._trace.graph import Graph, Op
from jaxacts.initializers._models.draw import Residual
from jaxacts.initializers._models.found import Found

__all__ = ["verdict"]

_ADDITIONS = 3
_DRIFT = 1e3


def verdict(graph: Graph, found: Mapping[int, Found], residual: Residual | None) -> tuple[float, tuple[str, ...]]:
    """The factor of the squared gradient over the depth, and warnings of what grows or dies."""
    plain = [one for one in found.values() if "normalized" not in one.notes]
    drift, warnings = _drift(graph, [one for one in plain if "gated" not in one.notes]), list[str]()
    sums = sum(_steps(op) for op in {id(op): op for one in plain for op in one.branches}.values())
    if sums > _ADDITIONS and residual is None:
        warnings.append(
            f"{sums} residual additions without normalization may multiply the second moment by 2^{sums}; "
            f"pass residual='depth_scaled', or normalize"
        )
    if residual is not None and not any(one.branches for one in found.values()):
        warnings.append(
            f"no kernel ends a residual branch, so residual={residual!r} scales nothing; leave it out, or scale these "
            f"kernels by choices"
        )
    if not 1 / _DRIFT <= drift <= _DRIFT:
        warnings.append(
            f"squared gradients change by {drift:.3g} over the layers without normalization; "
            f"see critical for variances that keep them, or normalize"
        )
    return drift, tuple(warnings)


def _steps(op: Op) -> int:
    return math.prod(loop.length for loop in op.loops)


def _drift(graph: Graph, plain: list[Found]) -> float:
    """The product of χ₁ of the activated layers, along the path through the model where it is largest."""
    logs = {
        id(one.use.op): _steps(one.use.op) * math.log(max(1e-300, max(part.chi_1 for part in one.parts)))
        for one in plain
        if any(part.name not in ("linear", "chosen") for part in one.parts)
    }
    along = dict.fromkeys(graph.data, 0.0)
    for op in graph.ops:
        before = [along[v] for v in op.inputs if v in along]
        if before:
            along |= dict.fromkeys(op.outputs, max(before) + logs.get(id(op), 0.0))
    return math.exp(min(700.0, max((along[v] for v in graph.outputs if v in along), default=0.0)))
