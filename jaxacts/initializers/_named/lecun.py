"""LeCun initializers: the variance that a linear layer leaves unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax.typing import DTypeLike

from jaxacts.initializers._checks import Axes
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._fans.kernel import Layer
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._theory.gains import squared_gain
from jaxacts.initializers._variance import Mode, scaled

__all__ = [
    "lecun_normal",
    "lecun_truncated_normal",
    "lecun_uniform",
]


def lecun_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 1.0,
    mode: Mode = "fan_in",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""LeCun's Gaussian weights, for layers before a selu or none.

    .. math::
        \operatorname{std}(w) = \frac{\text{gain}}{\sqrt{\text{fan\_in}}}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; 1 is none, and gain 1.
        mode: ``"fan_in"`` keeps the second moment forward, ``"fan_out"`` backward; also ``"fan_avg"`` and
            ``"fan_geo_avg"``.
        gain: replaces √(2/(1+negative_slope²)), which is 1, as the factor of the standard deviation; at least 0, not
            together with a slope.
        activation: any elementwise function, whose forward :func:`gain` replaces it; not together with gain or slope.
            Its parameters are fixed by ``functools.partial``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, two of gain, slope and activation, an unknown mode, what :func:`gain` refuses; at
            the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        ``jax.nn.initializers.lecun_normal`` and keras's ``LecunNormal`` are :func:`lecun_truncated_normal`. This one is
        Gaussian, as its name says.

    Example:
        >>> import jax
        >>> round(float(lecun_normal()(jax.random.key(0), (512, 256)).std()), 3)
        0.044

    References:
        LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998,
        http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("lecun_normal", negative_slope, gain, activation, default=1.0)
    return scaled("lecun_normal", scale, mode, "normal", kernel, dtype)


def lecun_truncated_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 1.0,
    mode: Mode = "fan_in",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""LeCun's weights from a Gaussian cut at ±2.274 std, for layers before a selu or none.

    .. math::
        \operatorname{std}(w) = \frac{\text{gain}}{\sqrt{\text{fan\_in}}}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; 1 is none, and gain 1.
        mode: ``"fan_in"`` keeps the second moment forward, ``"fan_out"`` backward; also ``"fan_avg"`` and
            ``"fan_geo_avg"``.
        gain: replaces √(2/(1+negative_slope²)), which is 1, as the factor of the standard deviation; at least 0, not
            together with a slope.
        activation: any elementwise function, whose forward :func:`gain` replaces it; not together with gain or slope.
            Its parameters are fixed by ``functools.partial``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, two of gain, slope and activation, an unknown mode, what :func:`gain` refuses; at
            the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        float32 values have the bits of ``jax.nn.initializers.lecun_normal``, which is truncated whatever its name says;
        keras's likewise. torch has no such function.

    Example:
        >>> import jax
        >>> round(float(lecun_truncated_normal()(jax.random.key(0), (512, 256)).std()), 3)
        0.044

    References:
        LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998,
        http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("lecun_truncated_normal", negative_slope, gain, activation, default=1.0)
    return scaled("lecun_truncated_normal", scale, mode, "truncated_normal", kernel, dtype)


def lecun_uniform(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 1.0,
    mode: Mode = "fan_in",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""LeCun's uniform weights, for layers before a selu or none.

    .. math::
        w \sim \mathcal U[-b, b), \qquad b = \text{gain} \cdot \sqrt{\frac{3}{\text{fan\_in}}}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; 1 is none, and gain 1.
        mode: ``"fan_in"`` keeps the second moment forward, ``"fan_out"`` backward; also ``"fan_avg"`` and
            ``"fan_geo_avg"``.
        gain: replaces √(2/(1+negative_slope²)), which is 1, as the factor of the standard deviation; at least 0, not
            together with a slope.
        activation: any elementwise function, whose forward :func:`gain` replaces it; not together with gain or slope.
            Its parameters are fixed by ``functools.partial``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, two of gain, slope and activation, an unknown mode, what :func:`gain` refuses; at
            the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        float32 values have the bits of ``jax.nn.initializers.lecun_uniform``. keras has the same bound; torch has no
        such function.

    Example:
        >>> import jax
        >>> round(float(lecun_uniform()(jax.random.key(0), (512, 256)).std()), 3)
        0.044

    References:
        LeCun, Bottou, Orr & Müller, "Efficient BackProp", 1998,
        http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("lecun_uniform", negative_slope, gain, activation, default=1.0)
    return scaled("lecun_uniform", scale, mode, "uniform", kernel, dtype)
