"""Xavier (Glorot) initializers: the variance between what forward and backward pass ask for."""

from __future__ import annotations

from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Axes
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._variance import scaled

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
    gain: float = 1.0,
) -> Initializer:
    r"""Glorot's Gaussian weights, for layers before a tanh or a gate.

    .. math::
        \operatorname{std}(w) = \text{gain} \cdot \sqrt{\frac{2}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        in_axis, out_axis, batch_axis, dtype: as in :func:`variance_scaling`.
        gain: factor of the standard deviation; finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain; at the call, a shape without these axes or with an axis of size zero.
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
    return scaled(
        "xavier_normal",
        _checks.magnitude("xavier_normal", "gain", gain) ** 2,
        "fan_avg",
        "normal",
        in_axis,
        out_axis,
        batch_axis,
        dtype,
    )


def xavier_truncated_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    gain: float = 1.0,
) -> Initializer:
    r"""Glorot's weights from a Gaussian cut at ±2.274 std, for layers before a tanh or a gate.

    .. math::
        \operatorname{std}(w) = \text{gain} \cdot \sqrt{\frac{2}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        in_axis, out_axis, batch_axis, dtype: as in :func:`variance_scaling`.
        gain: factor of the standard deviation; finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain; at the call, a shape without these axes or with an axis of size zero.
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
    return scaled(
        "xavier_truncated_normal",
        _checks.magnitude("xavier_truncated_normal", "gain", gain) ** 2,
        "fan_avg",
        "truncated_normal",
        in_axis,
        out_axis,
        batch_axis,
        dtype,
    )


def xavier_uniform(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    gain: float = 1.0,
) -> Initializer:
    r"""Glorot's uniform weights, for layers before a tanh or a gate.

    .. math::
        w \sim \mathcal U[-b, b), \qquad b = \text{gain} \cdot \sqrt{\frac{6}{\text{fan\_in} + \text{fan\_out}}}

    Args:
        in_axis, out_axis, batch_axis, dtype: as in :func:`variance_scaling`.
        gain: factor of the standard deviation; finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain; at the call, a shape without these axes or with an axis of size zero.
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
    return scaled(
        "xavier_uniform",
        _checks.magnitude("xavier_uniform", "gain", gain) ** 2,
        "fan_avg",
        "uniform",
        in_axis,
        out_axis,
        batch_axis,
        dtype,
    )


glorot_normal = xavier_normal
glorot_truncated_normal = xavier_truncated_normal
glorot_uniform = xavier_uniform
