"""The fans of a kernel: how many inputs each output sums over, and how many outputs each input reaches."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Axes, Shape

__all__ = ["FAN", "Fans", "Kernel", "Layer", "Parts", "described", "fans", "fans_of", "ratio"]

FAN: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "fan_in": lambda fan_in, fan_out: fan_in,
        "fan_out": lambda fan_in, fan_out: fan_out,
        "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
        "fan_geo_avg": lambda fan_in, fan_out: math.sqrt(fan_in * fan_out),
    }
)
"""The number that the variance is divided by, for each mode, from fan_in and fan_out."""


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
    """One kernel without its batch axes; the axes are counted from 0, and None where nothing was said."""

    function: str
    shape: Shape
    in_axis: Shape | None
    out_axis: Shape | None

    def parts(self) -> Parts:
        """The sizes, with the last two axes as inputs and outputs where nothing was said."""
        rank = len(self.shape)
        if rank < 2 and None in (self.in_axis, self.out_axis):
            raise ValueError(
                f"{self.function}: a kernel must have at least 2 axes besides batch_axis, for inputs and outputs, "
                f"got {self.shape}; name in_axis and out_axis, or use zeros or normal for a bias."
            )
        in_axis = (rank - 2,) if self.in_axis is None else self.in_axis
        out_axis = (rank - 1,) if self.out_axis is None else self.out_axis
        if set(in_axis) & set(out_axis):
            raise ValueError(
                f"{self.function}: every axis has one role, got in_axis {in_axis} and out_axis {out_axis} for shape "
                f"{self.shape}; name both, and each axis once."
            )
        inputs, outputs = (math.prod(self.shape[a] for a in named) for named in (in_axis, out_axis))
        return Parts(inputs, outputs, math.prod(self.shape) // (inputs * outputs))


class Layer(abc.ABC):
    """What a layer does with its kernel, where the shape does not tell."""

    @abc.abstractmethod
    def fans(self, kernel: Kernel) -> Fans:
        """The fans of the kernel in this layer."""


class _Unsaid(Layer):
    """A matrix, or a convolution of two or three dimensions, by the number of axes; anything else must be said."""

    def fans(self, kernel: Kernel) -> Fans:
        inputs, outputs, window = kernel.parts()
        rank = len(kernel.shape)
        named = None not in (kernel.in_axis, kernel.out_axis)
        if rank == 3 and window > 1 and not named:
            raise ValueError(
                f"{kernel.function}: a kernel of 3 axes has several meanings, got {kernel.shape}; say "
                f"layer=Conv() for a 1-d convolution (window, in, out), in_axis=0, out_axis=(1, 2) for an attention "
                f"projection (in, heads, size) or in_axis=(0, 1), out_axis=2 for (heads, size, out), "
                f"batch_axis=0 for a stack of matrices (layers, in, out)."
            )
        if rank > 5 and window > 1 and not named:
            raise ValueError(
                f"{kernel.function}: no convention says which axes of {kernel.shape} are which; "
                f"name in_axis and out_axis, or pass layer."
            )
        return Fans(inputs * window, outputs * window)


def described(function: str, layer: object) -> Layer:
    """``layer`` where it is one; None stands for what the number of axes says."""
    if layer is None:
        return _Unsaid()
    if isinstance(layer, Layer):
        return layer
    raise TypeError(
        f"{function}: layer must be Conv(), Dense(), Einsum(spec), Embed() or None, got {layer!r}; pass an instance."
    )


def ratio(whole: int, parts: int) -> float:
    """``whole / parts``, an int where it is one."""
    return whole // parts if whole % parts == 0 else whole / parts


def fans_of(
    function: str, shape: Shape, in_axis: Axes | None, out_axis: Axes | None, batch_axis: Axes, layer: Layer | None
) -> Fans:
    """:func:`fans` under the name of the function that errors should mention."""
    named = {
        argument: _checks.axes(function, argument, value, shape)
        for argument, value in (("in_axis", in_axis), ("out_axis", out_axis), ("batch_axis", batch_axis))
        if value is not None
    }
    listed = [a for group in named.values() for a in group]
    if len(set(listed)) < len(listed):
        said = ", ".join(f"{argument} {group}" for argument, group in named.items())
        raise ValueError(
            f"{function}: every axis has one role, got {said} for shape {shape}; name each axis once "
            f"(for an embedding table pass layer=Embed())."
        )
    _checks.nonempty(function, shape)
    own = [a for a in range(len(shape)) if a not in named["batch_axis"]]
    inputs, outputs = (
        tuple(own.index(a) for a in named[argument]) if argument in named else None
        for argument in ("in_axis", "out_axis")
    )
    kernel = Kernel(function, tuple(shape[a] for a in own), inputs, outputs)
    return described(function, layer).fans(kernel)


def fans(
    shape: Shape,
    in_axis: Axes | None = None,
    out_axis: Axes | None = None,
    batch_axis: Axes = (),
    *,
    layer: Layer | None = None,
) -> Fans:
    r"""The fans of a kernel, from its shape and what the layer does with it.

    .. math::
        y_j = \sum_{i=1}^{\text{fan\_in}} w_{ij} x_i, \qquad
        \frac{\partial L}{\partial x_i} = \sum_{j=1}^{\text{fan\_out}} w_{ij} \frac{\partial L}{\partial y_j}

    So weights of variance 1/fan_in keep the second moment of what goes forward, and 1/fan_out that of the gradients.

    Args:
        shape: shape of the kernel.
        in_axis: axis or axes that hold the inputs; None is the last but one beside the batch axes.
        out_axis: axis or axes that hold the outputs; None is the last one.
        batch_axis: axis or axes along which independent kernels are stacked. The axes that are named nowhere are the
            window of a convolution and count in both fans.
        layer: what the axes cannot say: :class:`Conv` (groups, strides, transposed), :class:`Einsum` (the
            specification says everything), :class:`Embed`, :class:`Dense` (kernels that were flattened into one
            matrix). None is a dense layer for kernels of two axes, a plain convolution for four and five.

    Returns:
        ``Fans(fan_in, fan_out)``.

    Raises:
        ValueError: a kernel of three axes without ``in_axis`` and ``out_axis``, ``batch_axis`` or ``layer``, for it
            can be a 1-d convolution, an attention projection or a stack; fewer than two axes; an axis that ``shape``
            lacks or that has two roles, or that has size zero; a layer that does not fit the shape.

    Note:
        jax, Flax, keras and torch take the last axes of any kernel (torch the first) and all others as a window. So
        their fan_in of an attention projection (512, 8, 64) is 4096 instead of 512, of twelve stacked matrices twelve
        times too large, of a 4×4 transposed convolution of stride 2 four times; their fan_out of a grouped convolution
        is too large by the number of groups.

    Example:
        >>> from jaxacts.initializers import Conv, Einsum
        >>> fans((512, 8, 64), in_axis=0, out_axis=(1, 2))
        Fans(fan_in=512, fan_out=512)
        >>> fans((512, 8, 64), layer=Einsum("btd,dhk->bthk"))
        Fans(fan_in=512, fan_out=512)
        >>> fans((4, 4, 256, 128), layer=Conv(strides=2, transposed=True))
        Fans(fan_in=1024, fan_out=2048)

    References:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
        https://proceedings.mlr.press/v9/glorot10a.html; He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015,
        section 2.2 (both directions of a convolution), https://arxiv.org/abs/1502.01852
    """
    return fans_of("fans", _checks.sizes("fans", shape), in_axis, out_axis, batch_axis, layer)
