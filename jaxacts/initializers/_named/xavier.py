"""Xavier (Glorot) initializers: the variance between what forward and backward pass ask for."""

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
    "glorot_normal",
    "glorot_truncated_normal",
    "glorot_uniform",
    "xavier_normal",
    "xavier_truncated_normal",
    "xavier_uniform",
]


def xavier_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 1.0,
    mode: Mode = "fan_avg",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""Glorot's Gaussian weights, for layers before a tanh or a gate.

    .. math::
        \operatorname{std}(w) = \text{gain} \cdot \sqrt{\frac{2}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; 1 is none, and gain 1.
        mode: ``"fan_avg"``, or ``"fan_in"``, ``"fan_out"``, ``"fan_geo_avg"``: the fan to divide by.
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
        ``jax.nn.initializers.glorot_normal`` and keras's ``GlorotNormal`` are :func:`xavier_truncated_normal`. This one
        is Gaussian, as its name says and as in the paper and torch's ``xavier_normal_``. ``glorot_normal`` is the same
        function.

    Example:
        >>> import jax
        >>> round(float(xavier_normal()(jax.random.key(0), (512, 256)).std()), 3)
        0.051

    References:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("xavier_normal", negative_slope, gain, activation, default=1.0)
    return scaled("xavier_normal", scale, mode, "normal", kernel, dtype)


def xavier_truncated_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 1.0,
    mode: Mode = "fan_avg",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""Glorot's weights from a Gaussian cut at ±2.274 std, for layers before a tanh or a gate.

    .. math::
        \operatorname{std}(w) = \text{gain} \cdot \sqrt{\frac{2}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; 1 is none, and gain 1.
        mode: ``"fan_avg"``, or ``"fan_in"``, ``"fan_out"``, ``"fan_geo_avg"``: the fan to divide by.
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
        float32 values have the bits of ``jax.nn.initializers.glorot_normal``, which is truncated whatever its name
        says; keras's likewise. torch has no such function. ``glorot_truncated_normal`` is the same function.

    Example:
        >>> import jax
        >>> round(float(xavier_truncated_normal()(jax.random.key(0), (512, 256)).std()), 3)
        0.051

    References:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("xavier_truncated_normal", negative_slope, gain, activation, default=1.0)
    return scaled("xavier_truncated_normal", scale, mode, "truncated_normal", kernel, dtype)


def xavier_uniform(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 1.0,
    mode: Mode = "fan_avg",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""Glorot's uniform weights, for layers before a tanh or a gate.

    .. math::
        w \sim \mathcal U[-b, b), \qquad b = \text{gain} \cdot \sqrt{\frac{6}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; 1 is none, and gain 1.
        mode: ``"fan_avg"``, or ``"fan_in"``, ``"fan_out"``, ``"fan_geo_avg"``: the fan to divide by.
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
        float32 values have the bits of ``jax.nn.initializers.glorot_uniform``. torch and keras have the same bound.
        ``glorot_uniform`` is the same function.

    Example:
        >>> import jax
        >>> round(float(xavier_uniform()(jax.random.key(0), (512, 256)).std()), 3)
        0.051

    References:
        Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010,
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("xavier_uniform", negative_slope, gain, activation, default=1.0)
    return scaled("xavier_uniform", scale, mode, "uniform", kernel, dtype)


glorot_normal = xavier_normal
glorot_truncated_normal = xavier_truncated_normal
glorot_uniform = xavier_uniform
