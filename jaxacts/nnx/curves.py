"""Curves that are learned as a whole, by the coefficients of rational functions and splines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from jaxacts import linen
from jaxacts._modules import documentation
from jaxacts._modules.parameters import Initial, Shape
from jaxacts._modules.rational import check_groups, per_group, starts

from ._base import Learnable, PerChannel

__all__ = ["PolyNorm", "Rational", "Spline"]


class Rational(Learnable, twin=linen.Rational):
    groups: int = 1
    axis: int = -1
    approximates: str | Callable[[Array], Array] = "gelu"
    numerator_init: InitVar[Initial | None] = None
    denominator_init: InitVar[Initial | None] = None

    def _starts(self, given: dict[str, Any]) -> dict[str, Initial]:
        check_groups(type(self).__name__, self.groups)
        return starts(self.approximates, given)

    @classmethod
    def _example(cls) -> str:
        return documentation.nnx_example(cls, "", (1,))

    def _channels(self) -> Shape:
        return (self.groups,)

    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array with at least one axis, in its dtype."""
        module = type(self).__name__
        arguments = {n: per_group(module, self.axis, v, x) for n, v in self._arguments().items()}
        return self.definition(module, self.axis, x, arguments)


class Spline(PerChannel, twin=linen.Spline):
    axis: int | None = -1
    intervals: int = 5
    grid: tuple[float, float] = (-1.0, 1.0)
    coefficients_init: InitVar[Initial] = 0.0
    scale_init: InitVar[Initial] = 1.0


class PolyNorm(Learnable, twin=linen.PolyNorm):
    axis: int | tuple[int, ...] | None = -1
    epsilon: float = 1e-6
    weight_init: InitVar[Initial] = 1 / 3
    bias_init: InitVar[Initial] = 0.0
