"""Any activation as the gate of a unit."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Activation, Variant, activation, plain_form, variant, variant_of
from jaxacts.activations.gated._product import (
    Form,
    by_activation,
    by_fixed_activation,
    gate_and_value,
    is_wide,
    product,
    product_of_open,
)

__all__ = ["gated"]


def _unit(function: Callable[..., Array], form_of: Callable[..., Form], product: Form) -> Callable[..., Array]:
    def unit(x: Array, value: ArrayLike | None = None, axis: int = -1, interleaved: bool = False) -> Array:
        form = form_of(function, is_wide(x))
        return product(form, *gate_and_value(unit.__name__, x, value, axis, interleaved))

    unit.__name__ = unit.__qualname__ = f"gated_{getattr(function, '__name__', 'activation')}"
    return activation(static=("axis", "interleaved"))(unit)


@functools.lru_cache(maxsize=256)
def _of_fixed(function: Callable[..., Array]) -> Callable[..., Array]:
    return _unit(function, by_fixed_activation, product)


def _of_open(function: Callable[..., Array]) -> Callable[..., Array]:
    """Neither kept nor compiled: what the function contains may have changed at the next call, or be traced."""
    return plain_form(_unit(function, by_activation, product_of_open))


def _is_fixed(function: Any) -> bool:
    """Whether it is made of activations and of numbers alone, so that it is the same in every call."""
    if (made := variant_of(function)) is not None:
        settings = made.settings
    elif isinstance(function, functools.partial):
        settings = {"": function.func, **dict(enumerate(function.args)), **function.keywords}
    else:
        entry = getattr(function, "__activation__", None)
        return isinstance(entry, Activation) and entry.function is function
    plain = bool | int | float | str | None
    return all(_is_fixed(v) if callable(v) else isinstance(v, plain) for v in settings.values())


def _call(function: Callable[..., Array], /, *args: Any, **kwargs: Any) -> Array:
    return (_of_fixed if _is_fixed(function) else _of_open)(function)(*args, **kwargs)


def gated(function: Callable[..., Array]) -> Callable[..., Array]:
    r"""The gated linear unit of an activation.

    .. math::

        f(g, v) = a(g)\,v

    Args:
        function: any activation of this library, a variant or a ``functools.partial`` of one, or any elementwise
            function of an array that JAX can differentiate. Arrays that it contains, as an nnx module does, are
            differentiated, too.

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

        Units of activations, and of variants and partials of them with plain numbers, are compiled once and reused.
        Units of all other functions, also of a lambda around an activation, are neither kept nor compiled, for the
        function may be different at the next call: outside of ``jax.jit`` each call traces them anew, which takes some
        milliseconds instead of a fraction of one.

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
    return variant(Variant(gated, _call, {"function": function}), _unit(function, by_activation, product))
