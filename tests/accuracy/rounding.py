"""Correct rounding of exact results to a narrower dtype."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxacts._contract.exact import Exact, Reals

FLOAT8 = (
    "float8_e3m4",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
)
NARROW = ("bfloat16", "float16", *FLOAT8)


def every_input(dtype: str) -> np.ndarray[Any, Any]:
    """All finite numbers of a dtype of 8 or 16 bits."""
    bits = jnp.finfo(dtype).bits
    x = np.arange(2**bits, dtype=f"uint{bits}").view(jnp.dtype(dtype))
    with np.errstate(invalid="ignore"):
        return x[np.isfinite(x.astype(np.float64))]


def spacing(y: Reals, dtype: str) -> Reals:
    """The distance between two numbers of the dtype beside y."""
    info = jnp.finfo(dtype)
    return 2.0 ** (np.floor(np.log2(np.maximum(np.abs(y), float(info.smallest_normal)))) - info.nmant)


def rounded(y: Exact, dtype: str) -> Reals:
    """y rounded once to the dtype, ties to even; beyond its range inf, or NaN where it has no inf."""
    unit = spacing(y.high, dtype)
    share = y.high / unit
    out = np.rint(share)
    # A middle in float64 is one if the rest is no more than the error of the derivative.
    rest = np.sign(y.low) * (np.abs(y.low) > 1e-25 * np.abs(y.high))
    out = np.where((np.abs(share - np.floor(share)) == 0.5) & (rest != 0), np.floor(share) + (rest > 0), out) * unit
    outside = np.nan if np.isnan(np.asarray(np.inf).astype(jnp.dtype(dtype))) else np.inf
    return np.where(np.abs(out) > float(jnp.finfo(dtype).max), np.copysign(outside, y.high), out)


def comparable(got: Any, x: Reals) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What of the results is looked at: numbers, without the sign of 0 and of NaN, and 0 for what XLA takes as 0."""
    y = np.asarray(got).astype(np.float32)
    y = np.where(np.isnan(y), np.float32(np.nan), y) + np.float32(0)
    return np.where((np.abs(y) <= 2.0**-126) | (np.abs(x) < 2.0**-126) & (x != 0), np.float32(0), y)


def wrong(got: Reals, exact: Exact, x: Reals, dtype: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Where got is not the correctly rounded exact result.

    A float16 result below the smallest normal number may be its other neighbour: there float32 has few digits more.
    XLA's CPU backend takes what is below float32's smallest normal number as 0, in inputs and results; bfloat16
    has such numbers.
    """
    expected = rounded(exact, dtype)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    info = jnp.finfo(dtype)
    if dtype == "float16":
        with np.errstate(invalid="ignore"):
            neighbours = np.abs(got - expected) <= float(info.smallest_subnormal)
        same |= (np.abs(expected) < float(info.smallest_normal)) & neighbours
    flushed = (np.abs(expected) <= 2.0**-126) & (np.abs(got) <= 2.0**-126)
    return ~(same | flushed | ((np.abs(x) < 2.0**-126) & (x != 0)))
