"""What a layer does with its kernel, for the fans: small descriptions that every initializer takes as ``layer``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxacts.initializers import _checks
from jaxacts.initializers._fans.kernel import Fans, Kernel, Layer, Roles, ratio

__all__ = ["Conv", "Dense", "Einsum", "Embed"]


@dataclass(frozen=True)
class Dense(Layer):
    """Matrices that came flattened into one.

    Flax's ``DenseGeneral`` and ``LinearGeneral`` show the initializer a kernel (batch, in, out) as (batch·in, out),
    and no shape tells that only ``in`` of the rows are summed over. A packed kernel (in, parts·out), as of query, key
    and value in one, or of the two halves of a gated unit, is several layers side by side: with ``packed`` it gets the
    variance that separate ones have, also where that depends on fan_out.

    Args:
        batch: how many kernels lie below each other along the inputs: the product of the sizes of the batch axes.
        packed: how many lie side by side along the outputs.

    Raises:
        ValueError: a number below 1; at the call, one that does not divide its axis, or an axis without a role.

    Example:
        >>> from jaxacts.initializers import fans
        >>> fans((4 * 128, 64), layer=Dense(batch=4))
        Fans(fan_in=128, fan_out=64)
        >>> fans((512, 3 * 512), layer=Dense(packed=3))
        Fans(fan_in=512, fan_out=512)
    """

    batch: int = 1
    packed: int = 1

    def __post_init__(self) -> None:
        for argument in ("batch", "packed"):
            object.__setattr__(self, argument, _checks.count("Dense", argument, getattr(self, argument)))

    def fans(self, kernel: Kernel) -> Fans:
        """fan_in without the batch, fan_out of one part."""
        inputs, outputs, window = kernel.parts()
        if window > 1:
            raise ValueError(
                f"{kernel.function}: layer=Dense() has inputs and outputs alone, got shape {kernel.shape} with other "
                f"axes; name them in in_axis, out_axis or batch_axis."
            )
        _checks.divides(kernel.function, "Dense(batch)", self.batch, "inputs", inputs)
        _checks.divides(kernel.function, "Dense(packed)", self.packed, "outputs", outputs)
        return Fans(inputs // self.batch, outputs // self.packed)

    def roles(self, kernel: Kernel) -> Roles:
        """One matrix for each part of each batch."""
        self.fans(kernel)
        return _split(_split(super().roles(kernel), kernel.axes()[0], self.batch), kernel.axes()[1], self.packed)


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution of any dimension, grouped, strided or transposed.

    The kernel is (\\*window, inputs / groups, outputs) where ``in_axis`` and ``out_axis`` say nothing else.

    A stride s reaches only every s-th position: each input of a convolution meets window / s taps, and so does each
    output of a transposed one. Where the stride does not divide the window this is the mean over the positions. What
    padding takes away at the edges is not counted. A dilation of the kernel changes nothing; one of the *input*
    (Flax's ``input_dilation``) makes the layer a transposed one of this stride.

    Args:
        groups: ``feature_group_count``; the number of input channels for a depthwise convolution.
        strides: of the window, one for all axes or one each.
        transposed: whether the strides spread the inputs (``ConvTranspose``) rather than skip outputs. With Flax's
            ``transpose_kernel=True`` the kernel is (\\*window, outputs, inputs): pass ``in_axis=-1, out_axis=-2`` too.

    Raises:
        ValueError: a number below 1; at the call, no window axis, groups that do not divide the outputs, or strides
            that are not one for each window axis.

    Example:
        >>> from jaxacts.initializers import fans
        >>> fans((3, 3, 16, 256), layer=Conv(groups=16))
        Fans(fan_in=144, fan_out=144)
        >>> fans((5, 64, 128), layer=Conv())
        Fans(fan_in=320, fan_out=640)
    """

    groups: int = 1
    strides: int | Sequence[int] = 1
    transposed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", _checks.count("Conv", "groups", self.groups))
        given: Any = self.strides
        strides = (
            tuple(_checks.count("Conv", "strides", s) for s in given)
            if np.iterable(given)
            else _checks.count("Conv", "strides", given)
        )
        object.__setattr__(self, "strides", strides)

    def fans(self, kernel: Kernel) -> Fans:
        """Both fans with the window, fan_out in one group, and the stride where it thins out."""
        inputs, outputs, window = kernel.parts()
        rank = len(kernel.shape) - sum(1 if axis is None else len(axis) for axis in (kernel.in_axis, kernel.out_axis))
        if rank < 1:
            raise ValueError(
                f"{kernel.function}: layer=Conv() needs a kernel (*window, inputs, outputs), got {kernel.shape}; "
                f"leave layer out for a matrix."
            )
        if not isinstance(self.strides, int) and len(self.strides) != rank:
            raise ValueError(
                f"{kernel.function}: Conv(strides) must be one number or one for each of {rank} window axes, "
                f"got {self.strides} for shape {kernel.shape}; leave none out."
            )
        _checks.divides(kernel.function, "Conv(groups)", self.groups, "outputs", outputs)
        skipped = self.strides**rank if isinstance(self.strides, int) else math.prod(self.strides)
        before, after = (skipped, 1) if self.transposed else (1, skipped)
        return Fans(ratio(window * inputs, before), ratio(window * outputs // self.groups, after))

    def roles(self, kernel: Kernel) -> Roles:
        """One matrix for each group."""
        self.fans(kernel)
        return _split(super().roles(kernel), kernel.axes()[1], self.groups)


def _split(roles: Roles, axes: Sequence[int], parts: int) -> Roles:
    """With independent parts along the first of the ``axes``."""
    if parts == 1:
        return roles
    ((size, role),) = roles[axes[0]]
    return [[(parts, "batch"), (size // parts, role)] if axis == axes[0] else r for axis, r in enumerate(roles)]


@dataclass(frozen=True)
class Einsum(Layer):
    """An einsum of inputs and kernel, which says the role of each axis of the kernel itself.

    An index that the output lacks is summed over and counts in fan_in; one that the inputs lack counts in fan_out; one
    that all three have is a batch axis; one that only the kernel has counts in both.

    Args:
        spec: as for ``jnp.einsum``, with the output written out, such as ``"btd,dhk->bthk"``. Spaces are ignored, and
            an ellipsis may stand for axes that the kernel has not.
        kernel: which of the two operands is the kernel, 0 or 1.

    Raises:
        TypeError: a spec that is not a string.
        ValueError: a specification without an output, not of two operands, with an index twice in one of the three or
            one that is not a letter, with an index of the output that neither operand has, or that
            sums over an axis which only the inputs have (its size is not in the kernel, and such terms share their
            weight, so what becomes of the variance depends on the data); at the call, a kernel of another rank, or
            axes that are named beside it.

    Example:
        >>> from jaxacts.initializers import fans
        >>> fans((512, 8, 64), layer=Einsum("btd,dhk->bthk"))
        Fans(fan_in=512, fan_out=512)
        >>> fans((8, 64, 512), layer=Einsum("bthk,hkd->btd"))
        Fans(fan_in=512, fan_out=512)
        >>> fans((512, 3, 8, 64), layer=Einsum("btd,dshk->sbthk"), batch_axis=())
        Fans(fan_in=512, fan_out=1536)
    """

    spec: str
    kernel: int = 1

    def __post_init__(self) -> None:
        self._indices()

    def _indices(self) -> tuple[str, str, str]:
        """The indices of inputs, kernel and output."""
        if not isinstance(self.spec, str):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
            raise TypeError(
                f"Einsum: spec must be a string, got {type(self.spec).__name__}; write it as for jnp.einsum, such as "
                f"'btd,dhk->bthk'."
            )
        operands, arrow, output = self.spec.replace(" ", "").partition("->")
        sides = operands.split(",")
        if not arrow or "->" in output or len(sides) != 2 or self.kernel not in (0, 1):
            raise ValueError(
                f"Einsum: spec must be 'inputs,kernel->output' and kernel 0 or 1, got {self.spec!r} and "
                f"{self.kernel}; write all three, such as 'btd,dhk->bthk'."
            )
        kernel, inputs = sides[self.kernel], sides[1 - self.kernel]
        if "." in kernel or len(set(kernel)) < len(kernel):
            raise ValueError(
                f"Einsum: the kernel must have each index once and no ellipsis, got {kernel!r} in {self.spec!r}; "
                f"name every axis of the kernel."
            )
        for side, letters in (("inputs", inputs), ("kernel", kernel), ("output", output)):
            named = letters.replace("...", "", 1)
            if not (named == "" or (named.isascii() and named.isalpha())) or len(set(named)) < len(named):
                raise ValueError(
                    f"Einsum: each index of the {side} must be another letter, got {letters!r} in "
                    f"{self.spec!r}; name every axis by a letter of its own."
                )
        unknown = set(output) - set(inputs) - set(kernel)
        if unknown:
            raise ValueError(
                f"Einsum: {''.join(sorted(unknown))!r} of the output must be in inputs or kernel, got {self.spec!r}; "
                f"name the axis there too, or leave it out."
            )
        shared = set(inputs) - set(kernel) - set(output)
        if shared:
            raise ValueError(
                f"Einsum: {''.join(sorted(shared))!r} of the inputs is summed over and not in the kernel, got "
                f"{self.spec!r}; sum it before the layer, and give the spec of the rest."
            )
        return inputs, kernel, output

    def fans(self, kernel: Kernel) -> Fans:
        """From the specification alone."""
        inputs, letters, output = self._of(kernel)
        sizes = dict(zip(letters, kernel.shape, strict=True))
        fan_in = math.prod(n for letter, n in sizes.items() if letter not in output)
        fan_out = math.prod(n for letter, n in sizes.items() if letter not in inputs)
        return Fans(fan_in, fan_out)

    def roles(self, kernel: Kernel) -> Roles:
        """From the specification alone."""
        inputs, letters, output = self._of(kernel)
        return [
            [(n, "row" if letter not in output else "batch" if letter in inputs else "column")]
            for letter, n in zip(letters, kernel.shape, strict=True)
        ]

    def _of(self, kernel: Kernel) -> tuple[str, str, str]:
        """The indices, where they fit the kernel."""
        inputs, letters, output = self._indices()
        if kernel.in_axis is not None or kernel.out_axis is not None:
            raise ValueError(
                f"{kernel.function}: layer={self} says which axes are inputs and outputs, got in_axis or out_axis "
                f"too; leave them out."
            )
        if len(letters) != len(kernel.shape):
            raise ValueError(
                f"{kernel.function}: layer={self} needs a kernel of {len(letters)} axes, {letters!r}, got "
                f"{kernel.shape}; put the axes of a stack in batch_axis."
            )
        return inputs, letters, output


@dataclass(frozen=True)
class Embed(Layer):
    """A table (entries, features) that is looked up: each output comes from one entry.

    So fan_in is 1 and the rows have the variance of the scale, as torch's ``Embedding`` has. A table that is also used
    as the last layer (Flax's ``attend``) sums over the features there: pass ``in_axis=1, out_axis=0`` without a layer
    for that, variance 1/features, as Flax's ``Embed`` has.

    Example:
        >>> from jaxacts.initializers import fans
        >>> fans((1000, 64), layer=Embed())
        Fans(fan_in=1, fan_out=64)
        >>> fans((1000, 64), in_axis=1, out_axis=0)
        Fans(fan_in=64, fan_out=1000)
    """

    def fans(self, kernel: Kernel) -> Fans:
        """One entry in, all features out."""
        _, outputs, window = kernel.parts()
        if window > 1:
            raise ValueError(
                f"{kernel.function}: layer=Embed() needs a table (entries, features), got {kernel.shape}; "
                f"put the axes of a stack in batch_axis."
            )
        return Fans(1, outputs)
