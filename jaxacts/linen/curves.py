"""Curves that are learned as a whole, by the coefficients of rational functions and splines."""

from __future__ import annotations

from collections.abc import Callable

from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike

from jaxacts._modules import documentation
from jaxacts._modules.parameters import Initial
from jaxacts._modules.rational import check_groups, per_group, starts
from jaxacts.activations import poly_norm, rational, spline

from ._base import Learnable, PerChannel

__all__ = ["PolyNorm", "Rational", "Spline"]


class Rational(Learnable, function=rational, leading={"numerator": lambda m: (6,), "denominator": lambda m: (4,)}):
    """Rational function of degrees 5 and 4 whose coefficients are learned: one in all, or one per group of channels.

    Args:
        groups: into how many groups of neighbouring channels ``axis`` is divided, with a function each; 1 here, 8 in
            the Kolmogorov-Arnold transformer.
        axis: the axis of the channels.
        approximates: the activation, by name or as a function, that it starts as: a least-squares fit on [-3, 3], with
            little weight on what is beyond, up to ±10; its denominator has no kinks.
        numerator_init: initializer of the ``numerator``, of shape ``(6, groups)``, or a number; None for the fit.
        denominator_init: initializer of the ``denominator``, of shape ``(4, groups)``, or a number; None for the fit.

    Note:
        The fit is off by at most 0.002 for gelu on [-3, 3] and by 0.08 up to ±10, for silu by 1e-4 and 0.02, for tanh
        by 5e-5 and 0.01, for relu by 0.06 and 0.8. Beyond, a rational function of these degrees becomes one line on
        both sides: for gelu it is 67 at 100 and -33 at -100. The Kolmogorov-Arnold transformer starts at gelu or swish,
        the Padé activation units of Molina et al. at leaky ReLU.
    """

    groups: int = 1
    axis: int = -1
    approximates: str | Callable[[Array], Array] = "gelu"
    numerator_init: Initial | None = None
    denominator_init: Initial | None = None

    @classmethod
    def _example(cls) -> str:
        return documentation.linen_example(cls, "", (1,))

    @nn.compact
    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array with at least one axis, in its dtype."""
        module = type(self).__name__
        check_groups(module, self.groups)
        arguments = {n: per_group(module, self.axis, v, x) for n, v in self._arguments((self.groups,)).items()}
        return self.definition(module, self.axis, x, arguments)

    def _starts(self) -> dict[str, Initial]:
        return starts(self.approximates, super()._starts())


class Spline(PerChannel, function=spline, leading={"coefficients": lambda m: (m.intervals + 3,)}):
    """Cubic spline with learned coefficients beside a learned multiple of SiLU, per channel.

    Args:
        intervals: the number :math:`G` of intervals of the grid; 5 as in the paper.
        coefficients_init: 0 here, which makes it SiLU; the paper starts with small random ones. The shape is
            ``(intervals + 3, channels)``, or ``(intervals + 3,)`` where they are shared.
        scale_init: 1 as in the paper.
    """

    axis: int | None = -1
    intervals: int = 5
    grid: tuple[float, float] = (-1.0, 1.0)
    coefficients_init: Initial = 0.0
    scale_init: Initial = 1.0


class PolyNorm(Learnable, function=poly_norm, leading={"weight": lambda m: (3,)}):
    """Polynomial of normalized powers with learned coefficients, for the feed-forward layers of transformers.

    Args:
        axis: the axis or axes over which the powers are normalized.
        weight_init: 1/3 as in the paper; of shape ``(3,)``, the cube first.
        bias_init: 0 as in the paper.
    """

    axis: int | tuple[int, ...] | None = -1
    epsilon: float = 1e-6
    weight_init: Initial = 1 / 3
    bias_init: Initial = 0.0
