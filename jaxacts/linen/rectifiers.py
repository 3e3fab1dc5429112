"""Piecewise linear and quadratic units whose parameters are learned."""

from __future__ import annotations

from jaxacts._modules.definition import above
from jaxacts._modules.parameters import Initial
from jaxacts.activations import apl, arelu, prelu, srelu, star_relu, tlu
from jaxacts.initializers import normal

from ._base import PerChannel

__all__ = ["APL", "TLU", "AReLU", "PReLU", "SReLU", "StarReLU"]


class PReLU(PerChannel, function=prelu):
    """Leaky ReLU whose left slope is learned: one slope, or one per channel.

    Args:
        negative_slope_init: 0.25 as in the paper.

    Note:
        torch starts at 0.25 too, Flax's own ``PReLU`` at 0.01 and keras at 0; Flax has the shared slope alone, keras
        one per feature unless told to share. The paper trains the slope without weight decay, which would pull it
        towards ReLU: see :mod:`jaxacts.optim`. For a sharded slope pass
        ``with_partitioning(jaxacts.initializers.constant(0.25), (...))`` of ``nn`` or ``nnx``.
    """

    negative_slope_init: Initial = 0.25


class StarReLU(PerChannel, function=star_relu):
    """Squared ReLU with a learned scale and bias.

    Args:
        scale_init: 0.8944, which makes the variance 1 where the input is standard normal.
        bias_init: -0.4472, which makes the mean 0 there.

    Note:
        Both are scalars in the paper and in timm, whose module starts them at 1 and 0.
    """

    scale_init: Initial = 0.8944
    bias_init: Initial = -0.4472


class TLU(PerChannel, function=tlu):
    """The greater of the input and a learned threshold, one per channel.

    Args:
        tau_init: 0 as in the paper, which makes it ReLU.
    """

    axis: int | None = -1
    tau_init: Initial = 0.0


class SReLU(PerChannel, function=srelu, stored={"right_threshold": above("left_threshold")}):
    """S-shaped ReLU: thresholds on both sides and the slopes beyond them are learned, per channel.

    Args:
        left_threshold_init: 0 here; it has to be less than ``right_threshold``.
        left_slope_init: 0.2 here, which makes it a leaky ReLU up to the right threshold.
        right_threshold_init: 1 here; the paper estimates it from data, as the k-th largest activation of the channel.
        right_slope_init: 1 as in the paper.

    Note:
        The paper keeps all four fixed for the first epochs.
    """

    axis: int | None = -1
    left_threshold_init: Initial = 0.0
    left_slope_init: Initial = 0.2
    right_threshold_init: Initial = 1.0
    right_slope_init: Initial = 1.0


class APL(PerChannel, function=apl, leading={"slopes": lambda m: (m.pieces,), "hinges": lambda m: (m.pieces,)}):
    """Sum of ReLU and of hinges whose places and slopes are learned, per channel.

    Args:
        pieces: the number :math:`K` of hinges; 2 here, the paper has 1 to 5.
        slopes_init: 0 here, which makes it ReLU.
        hinges_init: standard normal here: hinges that are equal, with equal slopes, would stay so.

    Note:
        The parameters have the shape ``(pieces, channels)``, or ``(pieces,)`` where they are shared. The paper has one
        set for every unit, and decays the slopes by 0.001.
    """

    axis: int | None = -1
    pieces: int = 2
    slopes_init: Initial = 0.0
    hinges_init: Initial = normal(1.0)


class AReLU(PerChannel, function=arelu):
    """Leaky ReLU that learns to dampen what is negative and to amplify what is positive.

    Args:
        alpha_init: 0.9 as in the paper.
        beta_init: 2 as in the paper.
    """

    alpha_init: Initial = 0.9
    beta_init: Initial = 2.0
