"""One kernel and its axes, as the description of a layer sees it."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from jaxacts.initializers._checks import Shape

__all__ = ["Fans", "Kernel", "Layer", "Parts", "Roles", "ratio"]

Roles: TypeAlias = list[list[tuple[int, Literal["batch", "row", "column"]]]]
"""For each axis the sizes it splits into, outermost first, and where each of them is in the matrices of the kernel."""


class Fans(NamedTuple):
    """What :func:`fans` returns; a fan that a stride divides need not be whole."""

    fan_in: float
    """How many inputs each output sums over."""
    fan_out: float
    """How many outputs each input reaches."""


class Parts(NamedTuple):
    """The numbers of entries along the three kinds of axes."""

    inputs: int
    outputs: int
    window: int


@dataclass(frozen=True)
class Kernel:
    """One kernel without its batch axes; its axes are counted from 0, or both None, which are the last two."""

    function: str
    shape: Shape
    in_axis: Shape | None
    out_axis: Shape | None

    def axes(self) -> tuple[Shape, Shape]:
        """The axes of the inputs and of the outputs."""
        rank = len(self.shape)
        if rank < 2 and self.in_axis is None:
            raise ValueError(
                f"{self.function}: a kernel must have at least 2 axes besides batch_axis, for inputs and outputs, "
                f"got {self.shape}; name in_axis and out_axis, or use zeros or normal for a bias."
            )
        in_axis = (rank - 2,) if self.in_axis is None else self.in_axis
        out_axis = (rank - 1,) if self.out_axis is None else self.out_axis
        return in_axis, out_axis

    def parts(self) -> Parts:
        """The sizes of the three kinds of axes."""
        in_axis, out_axis = self.axes()
        window = [axis for axis in range(len(self.shape)) if axis not in (*in_axis, *out_axis)]
        return Parts(*(math.prod(self.shape[a] for a in axes) for axes in (in_axis, out_axis, window)))


class Layer(abc.ABC):
    """What a layer does with its kernel, where the shape does not tell."""

    @abc.abstractmethod
    def fans(self, kernel: Kernel) -> Fans:
        """The fans of the kernel in this layer."""

    def roles(self, kernel: Kernel) -> Roles:
        """The independent matrices that the kernel holds: one of all inputs by all outputs."""
        _, outputs = kernel.axes()
        return [[(n, "column" if axis in outputs else "row")] for axis, n in enumerate(kernel.shape)]


def ratio(whole: float, parts: float) -> float:
    """``whole / parts``, an int where it is one; an array where a size is symbolic."""
    result: Any = whole / parts
    return int(result) if isinstance(result, float) and result.is_integer() else result
