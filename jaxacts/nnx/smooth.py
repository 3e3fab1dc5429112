"""Exponential and sigmoidal units whose parameters are learned."""

from __future__ import annotations

from dataclasses import InitVar

from jaxacts import linen
from jaxacts._modules.parameters import Initial

from ._base import PerChannel

__all__ = ["MPELU", "PELU", "XIELU", "Derf", "DyT", "Softplus"]


class PELU(PerChannel, twin=linen.PELU):
    a_init: InitVar[Initial] = 1.0
    b_init: InitVar[Initial] = 1.0


class MPELU(PerChannel, twin=linen.MPELU):
    alpha_init: InitVar[Initial] = 1.0
    beta_init: InitVar[Initial] = 1.0


class Softplus(PerChannel, twin=linen.Softplus):
    beta_init: InitVar[Initial] = 1.0


class XIELU(PerChannel, twin=linen.XIELU):
    alpha_p_init: InitVar[Initial] = 0.8
    alpha_n_init: InitVar[Initial] = 0.8
    beta: float = 0.5


class DyT(PerChannel, twin=linen.DyT):
    axis: int | None = -1
    alpha_init: InitVar[Initial] = 0.5
    gamma_init: InitVar[Initial] = 1.0
    beta_init: InitVar[Initial] = 0.0


class Derf(PerChannel, twin=linen.Derf):
    axis: int | None = -1
    alpha_init: InitVar[Initial] = 0.5
    shift_init: InitVar[Initial] = 0.0
    gamma_init: InitVar[Initial] = 1.0
    beta_init: InitVar[Initial] = 0.0
