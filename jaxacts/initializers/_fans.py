"""The fans of a kernel: how many inputs each output sums over, and how many outputs each input reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Axes, Shape

__all__ = ["FAN", "fans"]

FAN: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "fan_in": lambda fan_in, fan_out: fan_in,
        "fan_out": lambda fan_in, fan_out: fan_out,
        "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
        "fan_geo_avg": lambda fan_in, fan_out: math.sqrt(fan_in * fan_out),
    }
)
"""The number that the variance is divided by, for each mode, from fan_in and fan_out."""


def fans(function: str, shape: Shape, in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[int, int]:
    """``(fan_in, fan_out)``; the axes that no argument names are the window of a convolution and count in both."""
    named = {
        argument: _checks.axes(function, argument, value, shape)
        for argument, value in (("in_axis", in_axis), ("out_axis", out_axis), ("batch_axis", batch_axis))
    }
    listed = [a for group in named.values() for a in group]
    if len(set(listed)) < len(listed):
        said = ", ".join(f"{argument} {group}" for argument, group in named.items())
        raise ValueError(
            f"{function}: every axis has one role, got {said} for shape {shape}; name each axis once "
            f"(an embedding table has in_axis=1, out_axis=0)."
        )
    _checks.nonempty(function, shape)
    window = math.prod(n for axis, n in enumerate(shape) if axis not in listed)
    fan_in, fan_out = (window * math.prod(shape[a] for a in named[argument]) for argument in ("in_axis", "out_axis"))
    return fan_in, fan_out
