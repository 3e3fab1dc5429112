"""Errors in units in the last place."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from .exact import Exact, Reals

__all__ = ["errors_in_ulps", "ulp"]


def ulp(values: Reals, dtype: DTypeLike) -> Reals:
    """The unit in the last place of the dtype at these magnitudes, that of the smallest normal number below it."""
    info = jnp.finfo(dtype)
    exponent = np.frexp(np.maximum(np.abs(values), float(info.smallest_normal)))[1]
    return np.ldexp(float(info.eps), exponent - 1)


def errors_in_ulps(got: Reals, exact: Exact, dtype: DTypeLike, floor: Reals | float = 0.0) -> Reals:
    """|got - exact| in ulps of the exact result (of ``floor`` where that is larger).

    A result below the smallest normal number may be flushed, and one beyond the largest may be infinite.
    """
    info = jnp.finfo(dtype)
    unit = ulp(np.maximum(np.abs(exact.high), floor), dtype)
    with np.errstate(invalid="ignore"):
        error = np.abs((got - exact.high) - exact.low) / unit
    tiny = (np.abs(exact.high) <= float(info.smallest_normal)) & (np.abs(got) <= float(info.smallest_normal))
    huge = (np.abs(exact.high) > float(info.max)) & np.isinf(got) & (np.sign(got) == np.sign(exact.high))
    same = (got == exact.high) & (exact.low == 0)
    return np.where(tiny | huge | same, 0.0, error)
