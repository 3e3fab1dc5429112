"""Elementwise activations whose parameters are learned."""

from __future__ import annotations

from dataclasses import InitVar

from jaxacts import linen
from jaxacts._modules.parameters import Initial

from ._base import PerChannel

__all__ = ["PReLU"]


class PReLU(PerChannel, twin=linen.PReLU):
    negative_slope_init: InitVar[Initial] = 0.25
