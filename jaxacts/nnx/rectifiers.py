"""Piecewise linear and quadratic units whose parameters are learned."""

from __future__ import annotations

from dataclasses import InitVar

from jaxacts import linen
from jaxacts._modules.parameters import Initial
from jaxacts.initializers import normal

from ._base import PerChannel

__all__ = ["APL", "TLU", "AReLU", "PReLU", "SReLU", "StarReLU"]


class PReLU(PerChannel, twin=linen.PReLU):
    negative_slope_init: InitVar[Initial] = 0.25


class StarReLU(PerChannel, twin=linen.StarReLU):
    scale_init: InitVar[Initial] = 0.8944
    bias_init: InitVar[Initial] = -0.4472


class TLU(PerChannel, twin=linen.TLU):
    axis: int | None = -1
    tau_init: InitVar[Initial] = 0.0


class SReLU(PerChannel, twin=linen.SReLU):
    axis: int | None = -1
    left_threshold_init: InitVar[Initial] = 0.0
    left_slope_init: InitVar[Initial] = 0.2
    right_threshold_init: InitVar[Initial] = 1.0
    right_slope_init: InitVar[Initial] = 1.0


class APL(PerChannel, twin=linen.APL):
    axis: int | None = -1
    pieces: int = 2
    slopes_init: InitVar[Initial] = 0.0
    hinges_init: InitVar[Initial] = normal(1.0)


class AReLU(PerChannel, twin=linen.AReLU):
    alpha_init: InitVar[Initial] = 0.9
    beta_init: InitVar[Initial] = 2.0
