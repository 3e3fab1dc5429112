"""Self-gated and periodic units whose parameters are learned."""

from __future__ import annotations

from dataclasses import InitVar

from jaxacts import linen
from jaxacts._modules.parameters import Initial

from ._base import PerChannel

__all__ = ["SMU", "AconC", "Snake", "SnakeBeta", "Swish"]


class Swish(PerChannel, twin=linen.Swish):
    beta_init: InitVar[Initial] = 1.0


class AconC(PerChannel, twin=linen.AconC):
    axis: int | None = -1
    p1_init: InitVar[Initial] = 1.0
    p2_init: InitVar[Initial] = 0.0
    beta_init: InitVar[Initial] = 1.0


class SMU(PerChannel, twin=linen.SMU):
    alpha_init: InitVar[Initial] = 0.25
    mu_init: InitVar[Initial] = 1.0


class Snake(PerChannel, twin=linen.Snake):
    axis: int | None = -1
    alpha_init: InitVar[Initial] = 1.0
    log_scale: bool = False


class SnakeBeta(PerChannel, twin=linen.SnakeBeta):
    axis: int | None = -1
    alpha_init: InitVar[Initial] = 1.0
    beta_init: InitVar[Initial] = 1.0
    log_scale: bool = True
