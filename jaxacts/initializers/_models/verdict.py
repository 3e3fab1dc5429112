"""What the gains mean over the depth of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping

from jaxacts.initializers._models.draw import Residual
from jaxacts.initializers._models.found import Found

__all__ = ["verdict"]


def verdict(found: Mapping[int, Found], residual: Residual | None) -> tuple[float, tuple[str, ...]]:
    """What becomes of the squared gradient over all layers without normalization, and what is wrong with that."""
    plain = [one for one in found.values() if "normalized" not in one.notes]
    depth = [math.prod(loop.length for loop in one.use.op.loops) if one.use.op.loops else 1 for one in plain]
    bent = [(max(p.chi_1 for p in one.parts), n) for one, n in zip(plain, depth, strict=True) if _activated(one)]
    drift = math.exp(min(700.0, sum(n * math.log(max(chi, 1e-300)) for chi, n in bent)))
    warnings = list[str]()
    sums = sum(
        math.prod(loop.length for loop in op.loops) for one in plain for op in {id(b): b for b in one.branches}.values()
    )
    if sums > 3 and residual is None:
        warnings.append(
            f"{sums} residual additions without normalization may multiply the second moment by 2^{sums}; "
            f"pass residual='depth_scaled', or normalize"
        )
    if not 1e-3 <= drift <= 1e3:
        warnings.append(
            f"squared gradients change by {drift:.3g} over the layers without normalization; "
            f"see critical for variances that keep them, or normalize"
        )
    return drift, tuple(warnings)


def _activated(one: Found) -> bool:
    return any(part.name not in ("linear", "chosen") for part in one.parts)
