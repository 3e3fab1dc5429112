"""Variance scaling for any activation, by its gain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jax.typing import DTypeLike

from jaxacts.initializers._checks import Axes
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._fans.kernel import Layer
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._theory.curve import curve_of
from jaxacts.initializers._theory.gains import Convention, Criterion, gain_of
from jaxacts.initializers._variance import Distribution, Mode, scaled

__all__ = ["for_activation"]


def for_activation(
    fn: Callable[..., Any],
    *,
    criterion: Criterion = "forward",
    convention: Convention = "second_moment",
    mode: Mode = "fan_in",
    distribution: Distribution = "normal",
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    layer: Layer | None = None,
    **parameters: Any,
) -> Initializer:
    r"""The weights for layers before any given activation.

    .. math:: \operatorname{std}(w) = \frac{g}{\sqrt{n}}, \qquad g = \text{gain of } f, \quad n = \text{fan of mode}

    Args:
        fn: any elementwise function, as for :func:`moments`.
        criterion, convention: as for :func:`gain`. ``"backward"`` goes with the mode ``"fan_out"``.
        mode, distribution, in_axis, out_axis, batch_axis, dtype, layer: as for :func:`variance_scaling`.
        **parameters: the arguments of ``fn`` after the first, as for :func:`moments`.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``. The gain is computed
        once, here; the initializer is as cheap as any other.

    Raises:
        ValueError: what :func:`gain` and :func:`variance_scaling` refuse.
        TypeError: as for :func:`gain`.

    Note:
        For relu this is :func:`he_normal`, for selu :func:`lecun_normal`. About gelu, silu, mish and hard_silu in deep
        networks see the note of :func:`gain`. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax, jaxacts
        >>> init = for_activation(jaxacts.prelu, negative_slope=0.25)
        >>> round(float(init(jax.random.key(0), (512, 512)).std() * (512 / 2 * (1 + 0.25**2)) ** 0.5), 2)
        1.0

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852
    """
    caller = "for_activation"
    found = gain_of(caller, curve_of(caller, fn, parameters), criterion, convention)
    kernel = KernelSpec(in_axis, out_axis, batch_axis, layer)
    return scaled(caller, found**2, mode, distribution, kernel, dtype)
