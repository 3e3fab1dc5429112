"""The fans of a kernel: how many inputs each output sums over, and how many outputs each input reaches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Axes, Shape
from jaxacts.initializers._fans.kernel import Fans, Kernel, Layer, Roles, ratio

__all__ = ["FAN", "KernelSpec", "fans"]

FAN: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "fan_in": lambda fan_in, fan_out: fan_in,
        "fan_out": lambda fan_in, fan_out: fan_out,
        "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
        "fan_geo_avg": lambda fan_in, fan_out: (fan_in * fan_out) ** 0.5,
        "spectral": lambda fan_in, fan_out: fan_in * max(1, fan_in / fan_out) if fan_out else fan_in,
    }
)
"""The number that the variance is divided by, for each mode, from fan_in and fan_out."""


_IN_AXIS, _OUT_AXIS = -2, -1
_ROLES = ("in_axis", "out_axis", "batch_axis")


@dataclass(frozen=True)
class KernelSpec:
    """What is said about a kernel: the roles of its axes, and the layer that uses it."""

    in_axis: Axes = _IN_AXIS
    out_axis: Axes = _OUT_AXIS
    batch_axis: Axes = ()
    layer: Layer | None = None

    def checked(self, function: str) -> KernelSpec:
        """The same with hashable axes, or an error that names ``function``."""
        if not (self.layer is None or isinstance(self.layer, Layer)):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
            raise TypeError(
                f"{function}: layer must be Conv(), Dense(), Einsum(spec), Embed() or None, got {self.layer!r}; "
                f"pass an instance."
            )
        axes = {name: _checks.listed(function, name, getattr(self, name)) for name in _ROLES}
        return replace(self, **axes)

    def fans(self, function: str, shape: Shape) -> Fans:
        """The fans of a kernel of this shape."""
        if self.in_axis == _IN_AXIS and len(shape) <= 1:
            raise ValueError(
                f"{function}: Can't compute input and output sizes of a {len(shape)}-dimensional weights tensor with "
                f"default in_axis. Must be at least 2D or specify in_axis explicitly. Got shape {shape}; name in_axis "
                f"and out_axis, or use zeros or normal for a bias."
            )
        said = {name: _checks.axes(function, name, getattr(self, name), shape) for name in _ROLES}
        if self.layer is None:
            return _by_axes(shape, **said)
        if (self.in_axis, self.out_axis) == (_IN_AXIS, _OUT_AXIS):
            said = {"batch_axis": said["batch_axis"]}
        return self.layer.fans(_one_kernel(function, shape, said))

    def roles(self, function: str, shape: Shape) -> Roles:
        """The independent matrices of a kernel of this shape: all axes but those of outputs and batch are rows."""
        batch = _checks.axes(function, "batch_axis", self.batch_axis, shape)
        if self.layer is None:
            columns = _checks.axes(function, "column_axis", self.out_axis, shape)
            if set(batch) & set(columns):
                raise ValueError(
                    f"{function}: column_axis and batch_axis must be different axes, got {columns} and {batch}; name "
                    f"each axis once."
                )
            return [
                [(n, "batch" if axis in batch else "column" if axis in columns else "row")]
                for axis, n in enumerate(shape)
            ]
        rest = iter(self.layer.roles(_one_kernel(function, shape, {"batch_axis": batch})))
        return [[(n, "batch")] if axis in batch else next(rest) for axis, n in enumerate(shape)]


def _by_axes(shape: Shape, in_axis: Shape, out_axis: Shape, batch_axis: Shape) -> Fans:
    """As in jax, where an axis may have several roles: what the named sizes leave is the window."""
    inputs, outputs, batch = (math.prod(shape[a] for a in axes) for axes in (in_axis, out_axis, batch_axis))
    if 0 in shape:
        window = math.prod(n for a, n in enumerate(shape) if a not in (*in_axis, *out_axis, *batch_axis))
    else:
        window = math.prod(shape) / inputs / outputs / batch
    return Fans(ratio(inputs * window, 1), ratio(outputs * window, 1))


def _one_kernel(function: str, shape: Shape, said: Mapping[str, Shape]) -> Kernel:
    """Without the batch axes. A layer gives each axis one role; inputs and outputs are None by default."""
    listed = [a for axes in said.values() for a in axes]
    if len(set(listed)) < len(listed):
        named = ", ".join(f"{name} {axes}" for name, axes in said.items())
        raise ValueError(
            f"{function}: every axis of a layer has one role, got {named} for shape {shape}; name each axis once."
        )
    own = [a for a in range(len(shape)) if a not in said["batch_axis"]]
    inputs, outputs = (
        tuple(own.index(a) for a in said[name]) if name in said else None for name in ("in_axis", "out_axis")
    )
    return Kernel(function, tuple(shape[a] for a in own), inputs, outputs)


def fans(
    shape: Shape,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
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
        in_axis: axis or axes that hold the inputs.
        out_axis: axis or axes that hold the outputs.
        batch_axis: axis or axes along which independent kernels are stacked. The axes that are named nowhere are the
            window of a convolution and count in both fans.
        layer: what the axes cannot say: :class:`Conv` (groups, strides, transposed), :class:`Einsum` (the
            specification says everything), :class:`Embed`, :class:`Dense` (kernels that were flattened into one
            matrix). With a layer, the default axes are the last two besides ``batch_axis``, and each axis has one role.

    Returns:
        ``Fans(fan_in, fan_out)``. Both are 0 where the named axes are empty.

    Raises:
        ValueError: fewer than two axes where ``in_axis`` is the default, an axis that ``shape`` lacks, or a layer that
            does not fit the shape.
        TypeError: axes that are not ints, a layer that is not one.

    Note:
        Without a layer this is how jax, Flax and keras count: the last two axes of any kernel are inputs and outputs,
        all others are a window, and an axis with two roles counts twice. So a kernel of three axes is a 1-d
        convolution, and **for other layers the fans are wrong unless axes or layer say so**: without them the fan_in
        of an attention projection (512, 8, 64) is 4096 instead of 512, that of twelve stacked matrices twelve times
        too large, that of a 4×4 transposed convolution of stride 2 four times, and the fan_out of a grouped
        convolution is too large by the number of groups. torch has the same fans for its own layout.

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
    spec = KernelSpec(in_axis, out_axis, batch_axis, layer).checked("fans")
    return spec.fans("fans", _checks.sizes("fans", shape))
