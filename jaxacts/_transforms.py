"""Functions that make one activation out of others. Imports ``_core`` and ``activations`` alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import inf
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from ._core import Variant, variant, variant_of
from .activations.sigmoids import hard_tanh

__all__ = ["clipped", "split_complex", "value_and_slope", "with_slope"]

F = TypeVar("F", bound=Callable[..., Array])


def _checked(caller: str, argument: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(
            f"{caller}: {argument} must be a function of an array, got {function!r}; pass jaxacts.relu or such."
        )


def with_slope(function: F, slope_of: Callable[..., Array]) -> F:
    r"""The value of one function with the slope of another: a surrogate gradient.

    .. math::

        y = f(x), \qquad \text{and backward } \frac{\partial y}{\partial x} := g'(x)

    Args:
        function: what gives the value :math:`f`, an activation or any function of an array.
        slope_of: what gives the slope, a function :math:`g` of one array that JAX can differentiate, with a result of
            the same shape and dtype. Bind its parameters with :func:`functools.partial`.

    Returns:
        A function with the signature and values of ``function``. Its derivative by ``x`` is that of ``slope_of``, of
        every order, in forward and in reverse mode; its derivatives by the other arguments are those of ``function``.

    Raises:
        TypeError: an argument is not callable, or, in a call, the two results differ in shape or dtype.

    Note:
        **The derivative is not that of the value**, on purpose: where :math:`f' = 0`, a unit can still learn. With
        ``slope_of=jaxacts.identity`` it is the straight-through estimator, which binarized networks train with; a
        smooth ``slope_of`` is the surrogate gradient of spiking networks. :func:`jaxacts.testing.check_activation`
        compares the slope of such a function with that of ``slope_of``. jax, torch and keras have no such transform.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> def b_silu(x, a=1.67):
        ...     return (x + a) * jaxacts.sigmoid(x) - a / 2
        >>> f = jaxacts.with_slope(jaxacts.relu, b_silu)
        >>> f(-1.0).item(), round(jax.grad(f)(-1.0).item(), 4)
        (0.0, 0.4007)
        >>> binarize = jaxacts.with_slope(jnp.sign, jaxacts.hard_tanh)
        >>> jax.vmap(jax.grad(binarize))(jnp.array([-2.0, 0.5]))
        Array([0., 1.], dtype=float32)

    References:
        Bengio, Léonard & Courville 2013, "Estimating or propagating gradients through stochastic neurons for
        conditional computation", https://arxiv.org/abs/1308.3432; Horuz et al. 2025, "The resurrection of the ReLU",
        https://arxiv.org/abs/2505.22074 (SUGAR: ReLU with the slopes of B-SiLU or NeLU)
    """
    _checked("with_slope", "function", function)
    _checked("with_slope", "slope_of", slope_of)
    made = Variant(with_slope, _with_slope, {"function": function, "slope_of": slope_of})
    return variant(made, function)


def value_and_slope(function: Callable[..., Array]) -> tuple[Callable[..., Array], Callable[..., Array]] | None:
    """The two functions that ``with_slope`` made this one of."""
    made = variant_of(function)
    return (made.settings["function"], made.settings["slope_of"]) if made and made.transform is with_slope else None


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _substitute(by_x_alone: bool, value: Array, carrier: Array) -> Array:
    """The value, with the tangent of ``carrier``, and its own where it depends on more than x."""
    return value


@_substitute.defjvp
def _(by_x_alone: bool, primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    tangent = tangents[1] if by_x_alone else tangents[0] + tangents[1]
    return _substitute(by_x_alone, *primals), tangent


def _with_slope(
    function: Callable[..., Array], slope_of: Callable[..., Array], /, x: ArrayLike, *args: Any, **kwargs: Any
) -> Array:
    value = function(lax.stop_gradient(x) if isinstance(x, Array) else x, *args, **kwargs)
    carrier = slope_of(x)
    if value.shape != carrier.shape or value.dtype != carrier.dtype:
        raise TypeError(
            f"with_slope: both functions must give the same shape and dtype, got {value.dtype}{list(value.shape)} from "
            f"function and {carrier.dtype}{list(carrier.shape)} from slope_of; broadcast or convert one of them."
        )
    return _substitute(not args and not kwargs, value, carrier)


def split_complex(function: F) -> F:
    r"""The same function of the real and of the imaginary part of complex numbers.

    .. math::

        f(x + i y) = f(x) + i f(y)

    Args:
        function: an activation of real arrays, or any function of one.

    Returns:
        A function with the signature of ``function``, which takes complex arrays too: ``complex64`` is computed in
        ``float32``, ``complex128`` in ``float64``. Arguments after ``x`` are the same for both parts; real arrays are
        passed on as they are.

    Raises:
        TypeError: ``function`` is not callable.

    Note:
        The result is not holomorphic, so ``jax.grad`` needs a real loss around it. Functions of one complex variable
        that are, such as ``jnp.tanh``, need no splitting. NetKet has this as ``reim``. Without it the activations here
        refuse complex numbers.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.split_complex(jaxacts.relu)(jnp.array([1 - 2j, -3 + 4j]))
        Array([1.+0.j, 0.+4.j], dtype=complex64)

    References:
        Trabelsi et al. 2018, "Deep complex networks", https://arxiv.org/abs/1705.09792 (there CReLU)
    """
    _checked("split_complex", "function", function)
    return variant(Variant(split_complex, _split_complex, {"function": function}), function)


def _split_complex(function: Callable[..., Array], /, x: Any, *args: Any, **kwargs: Any) -> Array:
    if not jnp.iscomplexobj(x):
        return function(x, *args, **kwargs)
    return lax.complex(function(jnp.real(x), *args, **kwargs), function(jnp.imag(x), *args, **kwargs))


def clipped(function: F, min: float = -inf, max: float = inf) -> F:
    r"""The same function with its values clipped to an interval.

    .. math::

        f_\text{clipped}(x) = \min(\max(f(x), a), b)

    Args:
        function: an activation, or any function with real values.
        min: the least value :math:`a`.
        max: the greatest value :math:`b`, not below ``min``.

    Returns:
        A function with the signature of ``function``. Its slope is 0 where it is clipped, the bounds included.

    Raises:
        TypeError: ``function`` is not callable.
        ValueError: ``min`` is greater than ``max``.

    Note:
        For quantization and for low precision: Hugging Face's ``"gelu_10"`` is the exact GELU clipped at 10, and the
        ``max_value`` of keras' ``relu`` clips it. ``relu`` clipped at 6 is :func:`relu6`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.clipped(jaxacts.relu, max=4.0)(jnp.array([-1.0, 3.0, 8.0]))
        Array([0., 3., 4.], dtype=float32)

    References:
        Wu et al. 2020, "Integer quantization for deep learning inference", https://arxiv.org/abs/2004.09602
    """
    _checked("clipped", "function", function)
    if not min <= max:
        raise ValueError(f"clipped: min must not be greater than max, got min={min!r}, max={max!r}; swap them.")
    return variant(Variant(clipped, _clipped, {"function": function, "min": min, "max": max}), function)


def _clipped(function: Callable[..., Array], min: float, max: float, /, x: Any, *args: Any, **kwargs: Any) -> Array:
    return hard_tanh(function(x, *args, **kwargs), min, max)
