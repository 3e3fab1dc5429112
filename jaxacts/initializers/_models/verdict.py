"""What the gains mean over the depth of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from jaxacts._trace.graph import Graph, Op
from jaxacts._trace.layers.additions import Additions
from jaxacts.initializers._models.draw import Residual
from jaxacts.initializers._models.found import Found

__all__ = ["verdict"]

_ADDITIONS = 3
_DRIFT = 1e3


def verdict(
    graph: Graph,
    paths: Sequence[str],
    additions: Additions,
    found: Mapping[int, Found],
    residual: Residual | None,
) -> tuple[float, tuple[str, ...]]:
    """The factor of the squared gradient over the depth, and warnings of what grows or dies, or is not scaled."""
    plain = [one for one in found.values() if "normalized" not in one.notes]
    drift, warnings = _drift(graph, [one for one in plain if "gated" not in one.notes]), list[str]()
    sums = sum(_steps(op) for op in {id(op): op for one in plain for op in one.branches}.values())
    if sums > _ADDITIONS and residual is None:
        warnings.append(
            f"{sums} residual additions without normalization may multiply the second moment by 2^{sums}; "
            f"pass residual='depth_scaled', or normalize"
        )
    if residual is not None:
        warnings += _unscaled(paths, additions, found, residual)
    if not 1 / _DRIFT <= drift <= _DRIFT:
        warnings.append(
            f"squared gradients change by {drift:.3g} over the layers without normalization; "
            f"see critical for variances that keep them, or normalize"
        )
    return drift, tuple(warnings)


def _unscaled(
    paths: Sequence[str], additions: Additions, found: Mapping[int, Found], residual: Residual
) -> Iterator[str]:
    """What a residual scaling does not reach."""
    taken = {id(op) for one in found.values() for op in one.branches}
    missed, kept = dict[str, None](), False
    for op, ends in additions.residual():
        leaves = [use.leaf for use in ends if use.leaf in found]
        kept |= not leaves
        if leaves and id(op) not in taken:
            missed[paths[leaves[-1]]] = None
    if missed:
        yield (
            f"residual={residual!r} does not scale the residual branches after {', '.join(missed)}, for what lies "
            f"between these kernels and the additions is not followed; scale what is added there yourself"
        )
    elif not taken:
        ends = "the kernels that end residual branches are left alone" if kept else "no kernel ends a residual branch"
        yield (
            f"{ends}, so residual={residual!r} scales nothing; leave it out, or "
            f"{'name them in choices' if kept else 'scale these kernels by choices'}"
        )
    if undone := [paths[index] for index, one in found.items() if one.undone and residual != "zero"]:
        yield (
            f"residual={residual!r} has no effect on the output behind {', '.join(undone)}, since a normalization "
            f"comes before the residual addition; give the scale of that normalization this factor instead"
        )


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
