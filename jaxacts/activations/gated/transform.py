"""Any activation as the gate of a unit."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Variant, activation, variant
from jaxacts.activations.gated._product import by_activation, gate_and_value, is_wide, product

__all__ = ["gated"]


@functools.lru_cache(maxsize=256)
def _unit(function: Callable[..., Array]) -> Callable[..., Array]:
    def unit(x: Array, value: ArrayLike | None = None, axis: int = -1, interleaved: bool = False) -> Array:
        form = by_activation(function, is_wide(x))
        return product(form, *gate_and_value(unit.__name__, x, value, axis, interleaved))

    unit.__name__ = unit.__qualname__ = f"gated_{getattr(function, '__name__', 'activation')}"
    return activation(static=("axis", "interleaved"))(unit)


def _call(function: Callable[..., Array], /, *args: Any, **kwargs: Any) -> Array:
    return _unit(function)(*args, **kwargs)


def gated(function: Callable[..., Array]) -> Callable[..., Array]:
    r"""The gated linear unit of an activation.

    .. math::

        f(g, v) = a(g)\,v

    Args:
        function: any activation of this library, a variant or a ``functools.partial`` of one, or any elementwise
            function of an array that JAX can differentiate.

    Returns:
        A function ``(x, value=None, axis=-1, interleaved=False)``: of gate and value, or of one array that holds both
        along ``axis``, the gate in its first half, or alternating if ``interleaved``. It can be pickled if ``function``
        can.

    Raises:
        TypeError: ``function`` is not callable.

    Note:
        In 16 bits the product is rounded once, and the backward pass keeps gate and value alone. Where the activation
        is 0, so is the product, for infinite values, too. :func:`swiglu`, :func:`geglu`, :func:`reglu` and
        :func:`bilinear` are the usual ones; ``gated(jaxacts.sigmoid)`` has the gate first, :func:`glu` the value.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.gated(jaxacts.relu6)(jnp.array([-1.0, 2.0, 9.0]), jnp.array([3.0, 3.0, 3.0]))
        Array([ 0.,  6., 18.], dtype=float32)

    References:
        Shazeer 2020, "GLU variants improve transformer", https://arxiv.org/abs/2002.05202
    """
    if not callable(function):
        raise TypeError(
            f"gated: function must be an activation, got {type(function).__name__}; pass jaxacts.silu or such."
        )
    return variant(Variant(gated, _call, {"function": function}), _unit(function))
