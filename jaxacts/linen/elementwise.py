"""Elementwise activations whose parameters are learned."""

from __future__ import annotations

from jaxacts._modules.parameters import Initial
from jaxacts.activations import prelu

from ._base import PerChannel

__all__ = ["PReLU"]


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
