"""LeCun initializers: the variance that a linear layer leaves unchanged."""

from __future__ import annotations

from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Axes
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._variance import scaled

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
    gain: float = 1.0,
) -> Initializer:
    r"""LeCun's Gaussian weights, for layers before a selu or none.

    .. math::
        \operatorname{std}(w) = \frac{\text{gain}}{\sqrt{\text{fan\_in}}}

    Args:
        in_axis, out_axis, batch_axis, dtype: as in :func:`variance_scaling`.
        gain: factor of the standard deviation; finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain; at the call, a shape without these axes or with an axis of size zero.
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
    return scaled(
        "lecun_normal",
        _checks.magnitude("lecun_normal", "gain", gain) ** 2,
        "fan_in",
        "normal",
        in_axis,
        out_axis,
        batch_axis,
        dtype,
    )


def lecun_truncated_normal(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    gain: float = 1.0,
) -> Initializer:
    r"""LeCun's weights from a Gaussian cut at ±2.274 std, for layers before a selu or none.

    .. math::
        \operatorname{std}(w) = \frac{\text{gain}}{\sqrt{\text{fan\_in}}}

    Args:
        in_axis, out_axis, batch_axis, dtype: as in :func:`variance_scaling`.
        gain: factor of the standard deviation; finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain; at the call, a shape without these axes or with an axis of size zero.
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
    return scaled(
        "lecun_truncated_normal",
        _checks.magnitude("lecun_truncated_normal", "gain", gain) ** 2,
        "fan_in",
        "truncated_normal",
        in_axis,
        out_axis,
        batch_axis,
        dtype,
    )


def lecun_uniform(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    gain: float = 1.0,
) -> Initializer:
    r"""LeCun's uniform weights, for layers before a selu or none.

    .. math::
        w \sim \mathcal U[-b, b), \qquad b = \text{gain} \cdot \sqrt{\frac{3}{\text{fan\_in}}}

    Args:
        in_axis, out_axis, batch_axis, dtype: as in :func:`variance_scaling`.
        gain: factor of the standard deviation; finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain; at the call, a shape without these axes or with an axis of size zero.
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
    return scaled(
        "lecun_uniform",
        _checks.magnitude("lecun_uniform", "gain", gain) ** 2,
        "fan_in",
        "uniform",
        in_axis,
        out_axis,
        batch_axis,
        dtype,
    )
