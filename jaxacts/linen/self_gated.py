"""Self-gated and periodic units whose parameters are learned."""

from __future__ import annotations

from jaxacts._modules.definition import logarithm
from jaxacts._modules.parameters import Initial
from jaxacts.activations import acon_c, silu, smu, snake, snake_beta

from ._base import PerChannel

__all__ = ["SMU", "AconC", "Snake", "SnakeBeta", "Swish"]


class Swish(PerChannel, function=silu):
    """SiLU whose sharpness is learned: from a line with slope 1/2 to ReLU.

    Args:
        beta_init: 1, which makes it SiLU.
    """

    beta_init: Initial = 1.0


class AconC(PerChannel, function=acon_c):
    """Smooth maximum of two learned lines, which learns how sharply it turns, per channel.

    Args:
        p1_init: 1 here, which makes it Swish with ``p2``; the paper draws it from a standard normal distribution.
        p2_init: 0 here; the paper draws it likewise.
        beta_init: 1 as in the paper.
    """

    axis: int | None = -1
    p1_init: Initial = 1.0
    p2_init: Initial = 0.0
    beta_init: Initial = 1.0


class SMU(PerChannel, function=smu):
    """Leaky ReLU with a rounded corner; slope and sharpness are learned.

    Args:
        alpha_init: 0.25 as in the paper, which keeps it there.
        mu_init: 1 here; the paper starts at 1000000, where the gradient is 0 but for the smallest inputs.
    """

    alpha_init: Initial = 0.25
    mu_init: Initial = 1.0


class Snake(PerChannel, function=snake, stored={"alpha": logarithm}):
    """The identity and a wave of learned frequency, per channel.

    Args:
        alpha_init: 1 as in BigVGAN and the Descript Audio Codec.
        log_scale: store the logarithm, as BigVGAN does where ``snake_logscale`` is set; then ``alpha`` is positive.
    """

    axis: int | None = -1
    alpha_init: Initial = 1.0
    log_scale: bool = False


class SnakeBeta(PerChannel, function=snake_beta, stored={"alpha": logarithm, "beta": logarithm}):
    """The identity and a wave of learned frequency and magnitude, per channel.

    Args:
        alpha_init: 1 as in BigVGAN.
        beta_init: 1 as in BigVGAN.
        log_scale: store the logarithms, as the published models of BigVGAN do; both are positive then.
    """

    axis: int | None = -1
    alpha_init: Initial = 1.0
    beta_init: Initial = 1.0
    log_scale: bool = True
