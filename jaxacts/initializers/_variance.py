"""Variance scaling: one rule, from which every He, Xavier and LeCun initializer is a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Axes, Multiplier, Shape
from jaxacts.initializers._fans.fans import FAN, KernelSpec
from jaxacts.initializers._fans.kernel import Layer
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler

__all__ = ["Distribution", "Mode", "of_variance", "scaled", "variance_scaling"]

Mode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg", "fan_geo_avg", "spectral"]
Distribution: TypeAlias = Literal["truncated_normal", "normal", "uniform"]


class _Law(NamedTuple):
    """A sampler, and √(times · variance) / over, the factor that gives its draws the variance."""

    sample: Sampler
    times: float = 1.0
    over: float = 1.0

    def factor(self, variance: Any, dtype: np.dtype[Any]) -> Any:
        """In the dtype of the draws and in this order, so that float32 has the bits of jax.nn."""
        real = np.finfo(dtype).dtype
        kind = np.result_type(real, np.complex64) if np.iscomplexobj(variance) else real
        xp: Any = jnp if isinstance(variance, jax.Array) else np
        with np.errstate(over="ignore"):
            root = xp.sqrt(xp.asarray(self.times, kind) * xp.asarray(variance, kind))
            return root / xp.asarray(self.over, kind)


# The standard deviation to the last bit, as jax has it; the quadrature of the sampler leaves some.
_TRUNCATED, _TRUNCATED_STD = _samplers.TruncatedNormal(-2.0, 2.0), 0.87962566103423978

_REAL: Mapping[str, _Law] = MappingProxyType(
    {
        "truncated_normal": _Law(_TRUNCATED, over=_TRUNCATED_STD),
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


def _law(distribution: str, dtype: np.dtype[Any]) -> _Law:
    return (_COMPLEX if jnp.issubdtype(dtype, jnp.complexfloating) else _REAL)[distribution]


@dataclass(frozen=True)
class VarianceScaling(RandomInitializer):
    scale: Multiplier
    mode: str
    distribution: str
    kernel: KernelSpec

    def __post_init__(self) -> None:
        super().__post_init__()
        for argument, names in (("mode", FAN), ("distribution", _REAL)):
            jaxs = f"invalid {argument} for variance scaling initializer"
            _checks.known(self.function, argument, getattr(self, argument), names, jaxs)

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        fan = FAN[self.mode](*self.kernel.fans(self.function, shape))
        law = _law(self.distribution, dtype)
        # An empty kernel may have a fan of 0.
        return law.sample, law.factor(_checks.plain(self.scale) / (fan if 0 not in shape else 1), dtype)


@dataclass(frozen=True)
class OfVariance(RandomInitializer):
    """Draws of one variance, whatever the shape, or of one variance for each weight."""

    variance: Any
    distribution: str

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        law = _law(self.distribution, dtype)
        return law.sample, law.factor(self.variance, dtype)


def of_variance(function: str, variance: Any, distribution: Distribution) -> Initializer:
    """For kernels whose fans are known already: the variance is a number or an array of the shape of the kernel."""
    return OfVariance(function, None, variance, distribution)


def variance_scaling(
    scale: float,
    mode: Mode,
    distribution: Distribution,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
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
            \sqrt{\text{fan\_in} \cdot \text{fan\_out}} & \text{fan\_geo\_avg} \\
            \text{fan\_in} \cdot \max(1, \text{fan\_in} / \text{fan\_out}) & \text{spectral}
        \end{cases}

    With ``fan_in`` a linear layer maps inputs of second moment q to outputs of second moment scale·q.

    Args:
        scale: the variance times the fan: a number that is not negative, or an array of such numbers that broadcasts
            to the kernel; may be traced. For complex weights it may be complex.
        mode: ``"fan_in"``, ``"fan_out"``, ``"fan_avg"``, ``"fan_geo_avg"`` or ``"spectral"``, that of :func:`spectral`.
        distribution: ``"normal"``; ``"truncated_normal"``, cut at ±2 deviations of its parent and rescaled, so that
            no weight is larger than 2.274 std; or ``"uniform"`` on ±√3 std.
        in_axis: axis or axes of the kernel that hold the inputs.
        out_axis: axis or axes that hold the outputs.
        batch_axis: axis or axes along which independent kernels are stacked. The axes that are named nowhere are the
            window of a convolution and count in both fans.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        layer: what the axes cannot say: :class:`Conv`, :class:`Einsum`, :class:`Embed` or :class:`Dense`, as in
            :func:`fans`.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``, also of an empty one.

    Raises:
        ValueError: a scale that is negative or not finite, an unknown mode or distribution; at the call, what
            :func:`fans` raises, or weights that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex scale for real weights.

    Note:
        float32 values have the bits of ``jax.nn.initializers.variance_scaling``. 16-bit and 8-bit dtypes are drawn in
        float32 and rounded once; jax's bfloat16 has 128 distinct values and its float8 is NaN. Complex weights are
        rotation-invariant with E|w|² = scale/n, also where truncated (jax's is 1.018 times that). Axes mean what they
        mean in jax: a kernel of three axes is a 1-d convolution, and an axis that is both in_axis and out_axis, as
        ``out_axis=0`` in the embedding table of Flax, counts in both fans; other layers need axes or ``layer``, see
        :func:`fans`. keras has the same scales and names, torch has none.

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
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    return scaled("variance_scaling", scale, mode, distribution, kernel, dtype)


def scaled(
    function: str, scale: Any, mode: Mode, distribution: Distribution, kernel: KernelSpec, dtype: DTypeLike | None
) -> Initializer:
    """:func:`variance_scaling` under the name of the member that errors should mention."""
    _checks.no_key(function, kernel.in_axis)
    checked = _checks.multiplier(function, "scale", scale)
    known = _checks.plain(checked)
    if not (isinstance(known, jax.Array) or np.iscomplexobj(known)) and np.min(known) < 0:
        raise ValueError(f"{function}: scale must not be negative, got {scale}; pass 0 or a number above.")
    return VarianceScaling(function, dtype, checked, mode, distribution, kernel.checked(function))
