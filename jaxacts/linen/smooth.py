"""Exponential and sigmoidal units whose parameters are learned."""

from __future__ import annotations

from jaxacts._modules.definition import above, positive
from jaxacts._modules.parameters import Initial
from jaxacts.activations import derf, dyt, mpelu, pelu, softplus, xielu

from ._base import PerChannel

__all__ = ["MPELU", "PELU", "XIELU", "Derf", "DyT", "Softplus"]


class PELU(PerChannel, function=pelu, stored={"a": positive, "b": positive}):
    """ELU whose saturation and bend are learned, with a slope that has no jump at 0.

    Args:
        a_init: 1 here, which makes it ELU with ``b``; greater than 0.
        b_init: 1 here; greater than 0.

    Note:
        The paper keeps both above 0.1 by clipping them after each step, and learns one pair for a layer.
    """

    a_init: Initial = 1.0
    b_init: Initial = 1.0


class MPELU(PerChannel, function=mpelu, stored={"beta": positive}):
    """ELU whose saturation and decay are learned, which reaches from ReLU to PReLU and ELU.

    Args:
        alpha_init: 1 here; with ``beta`` 1 it is ELU. The paper tries 0.25 and 1.
        beta_init: 1 here; greater than 0.
    """

    alpha_init: Initial = 1.0
    beta_init: Initial = 1.0


class Softplus(PerChannel, function=softplus, stored={"beta": positive}):
    """Softplus whose sharpness is learned.

    Args:
        beta_init: 1, that of the function; greater than 0.
    """

    beta_init: Initial = 1.0


class XIELU(PerChannel, function=xielu, stored={"alpha_p": positive, "alpha_n": above("beta")}):
    """Expanded integral of ELU: quadratic on the right, integrated exponential on the left, with learned weights.

    Args:
        alpha_p_init: 0.8 as in the paper; greater than 0.
        alpha_n_init: 0.8 as in the paper; greater than ``beta``.
        beta: the slope at 0, which is not learned; 0.5 as in the paper.

    Note:
        One pair for a layer in the paper and in Apertus, whose weights are stored alike.
    """

    alpha_p_init: Initial = 0.8
    alpha_n_init: Initial = 0.8
    beta: float = 0.5


class DyT(PerChannel, function=dyt, shared=("alpha",)):
    """Dynamic tanh: a learned scale, tanh, and a learned affine map per channel, in place of a normalization.

    Args:
        alpha_init: 0.5 as in the paper, which has other values for large language models; one for all channels.
        gamma_init: 1 as in the paper.
        beta_init: 0 as in the paper.
    """

    axis: int | None = -1
    alpha_init: Initial = 0.5
    gamma_init: Initial = 1.0
    beta_init: Initial = 0.0


class Derf(PerChannel, function=derf, shared=("alpha", "shift")):
    """Dynamic erf: a learned scale and shift, erf, and a learned affine map per channel, in place of a normalization.

    Args:
        alpha_init: 0.5 as in the paper; one for all channels.
        shift_init: 0 as in the paper; one for all channels.
        gamma_init: 1 as in the paper.
        beta_init: 0 as in the paper.
    """

    axis: int | None = -1
    alpha_init: Initial = 0.5
    shift_init: Initial = 0.0
    gamma_init: Initial = 1.0
    beta_init: Initial = 0.0
