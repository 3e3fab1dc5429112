"""Variance scaling: one rule, from which every He, Xavier and LeCun initializer is a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Axes, Shape
from jaxacts.initializers._fans.fans import FAN, Layer, described, fans_of
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler

__all__ = ["Distribution", "Mode", "scaled", "variance_scaling"]

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg"]
Distribution: TypeAlias = Literal["truncated_normal", "normal", "uniform"]


class _Law(NamedTuple):
    """A sampler, and √(times · variance) / over, the factor that gives its draws the variance."""

    sample: Sampler
    times: float = 1.0
    over: float = 1.0


_TRUNCATED = _samplers.TruncatedNormal(-2.0, 2.0)

_REAL: Mapping[str, _Law] = MappingProxyType(
    {
        "truncated_normal": _Law(_TRUNCATED, over=_TRUNCATED.std),
        "normal": _Law(_samplers.normal),
        "uniform": _Law(_samplers.symmetric, times=3.0),
    }
)
_COMPLEX: Mapping[str, _Law] = MappingProxyType(
    {
        "truncated_normal": _Law(_samplers.complex_truncated, over=_samplers.COMPLEX_TRUNCATED_STD),
        "normal": _Law(_samplers.normal),
        "uniform": _Law(_samplers.disk),
    }
)


@dataclass(frozen=True)
class VarianceScaling(RandomInitializer):
    scale: float
    mode: str
    distribution: str
    in_axis: Axes | None
    out_axis: Axes | None
    batch_axis: Axes
    layer: Layer | None

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.known(self.function, "mode", self.mode, FAN)
        _checks.known(self.function, "distribution", self.distribution, _REAL)
        described(self.function, self.layer)

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, np.floating[Any]]:
        both = fans_of(self.function, shape, self.in_axis, self.out_axis, self.batch_axis, self.layer)
        fan = FAN[self.mode](*both)
        laws = _COMPLEX if jnp.issubdtype(dtype, jnp.complexfloating) else _REAL
        sample, times, over = laws[self.distribution]
        # In the dtype of the draws and in this order, so that float32 has the bits of jax.nn.
        real = np.finfo(dtype).dtype.type
        with np.errstate(over="ignore"):
            return sample, np.sqrt(real(times) * real(self.scale / fan)) / real(over)


def variance_scaling(
    scale: float,
    mode: Mode,
    distribution: Distribution,
    in_axis: Axes | None = None,
    out_axis: Axes | None = None,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
) -> Initializer:
    r"""Random weights of mean zero whose variance is ``scale`` over a fan of the kernel.

    .. math::
        \operatorname{std}(w) = \sqrt{\frac{\text{scale}}{n}}, \qquad
        n = \begin{cases}
            \text{fan\_in} & \text{inputs that each output sums over} \\
            \text{fan\_out} & \text{outputs that each input reaches} \\
            (\text{fan\_in} + \text{fan\_out}) / 2 & \text{fan\_avg} \\
            \sqrt{\text{fan\_in} \cdot \text{fan\_out}} & \text{fan\_geo\_avg}
        \end{cases}

    With ``fan_in`` a linear layer maps inputs of second moment q to outputs of second moment scale·q.

    Args:
        scale: the variance times the fan; finite and at least 0.
        mode: ``"fan_in"``, ``"fan_out"``, ``"fan_avg"`` or ``"fan_geo_avg"``.
        distribution: ``"normal"``; ``"truncated_normal"``, cut at ±2 deviations of its parent and rescaled, so that
            no weight is larger than 2.274 std; or ``"uniform"`` on ±√3 std.
        in_axis: axis or axes of the kernel that hold the inputs; None is the last but one beside the batch axes.
        out_axis: axis or axes that hold the outputs; None is the last one.
        batch_axis: axis or axes along which independent kernels are stacked. The axes that are named nowhere are the
            window of a convolution and count in both fans.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        layer: what the axes cannot say: :class:`Conv`, :class:`Einsum`, :class:`Embed` or :class:`Dense`, as in
            :func:`fans`. None is a dense layer for kernels of two axes, a plain convolution for four and five.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a scale that is negative or not finite, an unknown mode or distribution; at the call, a kernel of
            three axes about which neither axes nor layer are given, fewer than two axes, an axis that ``shape`` lacks
            or that has two roles, an axis of size zero, or a layer that does not fit.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        float32 values have the bits of ``jax.nn.initializers.variance_scaling``. 16-bit and 8-bit dtypes are drawn in
        float32 and rounded once; jax's bfloat16 has 128 distinct values and its float8 is NaN. Complex weights are
        rotation-invariant with E|w|² = scale/n, also where truncated (jax's is 1.018 times that). jax
        takes any kernel of three axes for a 1-d convolution, and returns a number for an axis that is both in_axis and
        out_axis; both are refused here, see :func:`fans`. keras has the same scales and names, torch has none.

    Example:
        >>> import jax
        >>> init = variance_scaling(2.0, "fan_avg", "uniform")
        >>> w = init(jax.random.key(0), (300, 500))
        >>> w.shape, w.dtype.name, round(float(w.std()), 3)
        ((300, 500), 'float32', 0.071)

    References:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    _checks.no_key("variance_scaling", scale, "scale, mode, distribution")
    return scaled("variance_scaling", scale, mode, distribution, in_axis, out_axis, batch_axis, dtype, layer)


def scaled(
    function: str,
    scale: float,
    mode: Mode,
    distribution: Distribution,
    in_axis: Axes | None,
    out_axis: Axes | None,
    batch_axis: Axes,
    dtype: DTypeLike | None,
    layer: Layer | None = None,
) -> Initializer:
    """:func:`variance_scaling` under the name of the member that errors should mention."""
    _checks.no_key(function, in_axis)
    checked = _checks.magnitude(function, "scale", scale)
    inputs, outputs = (
        None if axis is None else _checks.listed(function, argument, axis)
        for argument, axis in (("in_axis", in_axis), ("out_axis", out_axis))
    )
    batch = _checks.listed(function, "batch_axis", batch_axis)
    return VarianceScaling(function, dtype, checked, mode, distribution, inputs, outputs, batch, layer)
