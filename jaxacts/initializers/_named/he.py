"""He (Kaiming) initializers: the variance that a relu, leaky or not, leaves unchanged."""

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
    "he_normal",
    "he_truncated_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_truncated_normal",
    "kaiming_uniform",
]


def he_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 0.0,
    mode: Mode = "fan_in",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""He's Gaussian weights, for layers before a relu.

    .. math::
        \operatorname{std}(w) = \sqrt{\frac{2}{(1 + \text{negative\_slope}^2) \, n}}, \qquad n = \text{fan of mode}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; any finite number.
        mode: ``"fan_in"`` keeps the second moment forward, ``"fan_out"`` backward; also ``"fan_avg"`` and
            ``"fan_geo_avg"``.
        gain: replaces √(2/(1+negative_slope²)), so that std = gain/√n; at least 0, not together with a slope.
        activation: any elementwise function, whose forward :func:`gain` replaces it; not together with gain or slope.
            Its parameters are fixed by ``functools.partial``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, two of gain, slope and activation, an unknown mode, what :func:`gain` refuses; at
            the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        ``jax.nn.initializers.he_normal`` and keras's ``HeNormal`` are :func:`he_truncated_normal`. This one is
        Gaussian, as its name says and as in the paper and torch's ``kaiming_normal_``. ``kaiming_normal`` is the same
        function.

    Example:
        >>> import jax
        >>> round(float(he_normal()(jax.random.key(0), (800, 256)).std()), 3)
        0.05

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("he_normal", negative_slope, gain, activation, default=0.0)
    return scaled("he_normal", scale, mode, "normal", kernel, dtype)


def he_truncated_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 0.0,
    mode: Mode = "fan_in",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""He's weights from a Gaussian cut at ±2.274 std, for layers before a relu.

    .. math::
        \operatorname{std}(w) = \sqrt{\frac{2}{(1 + \text{negative\_slope}^2) \, n}}, \qquad n = \text{fan of mode}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; any finite number.
        mode: ``"fan_in"`` keeps the second moment forward, ``"fan_out"`` backward; also ``"fan_avg"`` and
            ``"fan_geo_avg"``.
        gain: replaces √(2/(1+negative_slope²)), so that std = gain/√n; at least 0, not together with a slope.
        activation: any elementwise function, whose forward :func:`gain` replaces it; not together with gain or slope.
            Its parameters are fixed by ``functools.partial``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, two of gain, slope and activation, an unknown mode, what :func:`gain` refuses; at
            the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        float32 values have the bits of ``jax.nn.initializers.he_normal``, which is truncated whatever its name says;
        keras's likewise. torch has no such function. ``kaiming_truncated_normal`` is the same function.

    Example:
        >>> import jax
        >>> round(float(he_truncated_normal()(jax.random.key(0), (800, 256)).std()), 3)
        0.05

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("he_truncated_normal", negative_slope, gain, activation, default=0.0)
    return scaled("he_truncated_normal", scale, mode, "truncated_normal", kernel, dtype)


def he_uniform(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    negative_slope: float = 0.0,
    mode: Mode = "fan_in",
    gain: float | None = None,
    activation: Callable[..., Any] | None = None,
) -> Initializer:
    r"""He's uniform weights, for layers before a relu.

    .. math::
        w \sim \mathcal U[-b, b), \qquad b = \sqrt{\frac{6}{(1 + \text{negative\_slope}^2) \, n}},
        \qquad n = \text{fan of mode}

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        negative_slope: slope left of zero of the leaky relu that follows; any finite number.
        mode: ``"fan_in"`` keeps the second moment forward, ``"fan_out"`` backward; also ``"fan_avg"`` and
            ``"fan_geo_avg"``.
        gain: replaces √(2/(1+negative_slope²)), so that std = gain/√n; at least 0, not together with a slope.
        activation: any elementwise function, whose forward :func:`gain` replaces it; not together with gain or slope.
            Its parameters are fixed by ``functools.partial``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, two of gain, slope and activation, an unknown mode, what :func:`gain` refuses; at
            the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        float32 values have the bits of ``jax.nn.initializers.he_uniform``. torch's ``kaiming_uniform_`` has a slope
        argument of the same meaning, keras has none. ``kaiming_uniform`` is the same function.

    Example:
        >>> import jax
        >>> round(float(he_uniform()(jax.random.key(0), (800, 256)).std()), 3)
        0.05

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852
    """
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    scale = squared_gain("he_uniform", negative_slope, gain, activation, default=0.0)
    return scaled("he_uniform", scale, mode, "uniform", kernel, dtype)


kaiming_normal = he_normal
kaiming_truncated_normal = he_truncated_normal
kaiming_uniform = he_uniform
