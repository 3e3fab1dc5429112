"""Gated units of two arrays, or of one that holds both."""

from __future__ import annotations

import functools

from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, check_flag, current_choice, with_kink_slope
from jaxacts.activations.gated._product import by_fixed_activation, gate_and_value, is_wide, product
from jaxacts.activations.gated._swish import swish_times
from jaxacts.activations.rectifiers import relu
from jaxacts.activations.self_gated import gelu

__all__ = ["bilinear", "geglu", "reglu", "swiglu"]


def _swiglu(gate: Array, value: Array) -> Array:
    return swish_times(False, False, gate, value, None)


def _bilinear(gate: Array, value: Array) -> Array:
    return gate * value


_exact_gelu = functools.partial(gelu, approximate=False)


@activation(static=("axis", "interleaved"))
def bilinear(x: Array, value: ArrayLike | None = None, axis: int = -1, interleaved: bool = False) -> Array:
    r"""Bilinear unit: the product of two halves, without an activation.

    .. math::

        f(g, v) = g\,v

    Args:
        x: array of any real dtype whose ``axis`` has an even length and holds gate and value; the gate alone where a
            value is given.
        value: array that broadcasts against the gate; None to split ``x``.
        axis: the axis to split in two; the gate is its first half.
        interleaved: gate and value alternate along ``axis``, the gate first.

    Returns:
        Array of the dtype of ``x``: of the common shape of gate and value, or with ``axis`` half as long.

    Raises:
        TypeError: ``x`` or ``value`` is complex or not an array, or ``interleaved`` is not a bool.
        ValueError: ``axis`` is out of range or its length is odd, the shapes do not broadcast, or there is a ``value``
            for ``interleaved``.

    Note:
        No kinks. The product is rounded once. The backward pass keeps gate and value. jax.nn and torch do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.bilinear(jnp.array([2.0, 3.0, 4.0, 5.0]))
        Array([ 8., 15.], dtype=float32)

    References:
        Shazeer 2020, "GLU variants improve transformer", https://arxiv.org/abs/2002.05202
    """
    return product(_bilinear, *gate_and_value("bilinear", x, value, axis, interleaved))


@activation(static=("axis", "interleaved", "approximate"))
def geglu(
    x: Array, value: ArrayLike | None = None, approximate: bool = True, axis: int = -1, interleaved: bool = False
) -> Array:
    r"""GELU-gated linear unit: gelu of the gate times the value.

    .. math::

        f(g, v) = \operatorname{gelu}(g)\,v

    Args:
        x: array of any real dtype whose ``axis`` has an even length and holds gate and value; the gate alone where a
            value is given.
        value: array that broadcasts against the gate; None to split ``x``.
        axis: the axis to split in two; the gate is its first half.
        interleaved: gate and value alternate along ``axis``, the gate first.
        approximate: take the tanh form of gelu; False takes the exact one.

    Returns:
        Array of the dtype of ``x``: of the common shape of gate and value, or with ``axis`` half as long.

    Raises:
        TypeError: ``x`` or ``value`` is complex or not an array, or ``interleaved`` or ``approximate`` is not a bool.
        ValueError: ``axis`` is out of range or its length is odd, the shapes do not broadcast, or there is a ``value``
            for ``interleaved``.

    Note:
        No kinks. The default is the tanh form, as of :func:`gelu`, and that of Gemma. The product is rounded once in 16
        bits. Where gelu of the gate is 0, so is the result, for infinite values, too. Some implementations (diffusers)
        have the value in the first half: swap the two. The backward pass keeps gate and value. jax.nn and torch do not
        have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.geglu(jnp.array([1.0, 0.0]), jnp.array([10.0, 10.0])).tolist()]
        [8.4119, 0.0]

    References:
        Shazeer 2020, "GLU variants improve transformer", https://arxiv.org/abs/2002.05202
    """
    check_flag("geglu", "approximate", approximate)
    form = by_fixed_activation(gelu if approximate else _exact_gelu, is_wide(x))
    return product(form, *gate_and_value("geglu", x, value, axis, interleaved))


@activation(static=("axis", "interleaved"))
def reglu(x: Array, value: ArrayLike | None = None, axis: int = -1, interleaved: bool = False) -> Array:
    r"""ReLU-gated linear unit: the value where the gate is positive, times the gate.

    .. math::

        f(g, v) = \max(g, 0)\,v

    Args:
        x: array of any real dtype whose ``axis`` has an even length and holds gate and value; the gate alone where a
            value is given.
        value: array that broadcasts against the gate; None to split ``x``.
        axis: the axis to split in two; the gate is its first half.
        interleaved: gate and value alternate along ``axis``, the gate first.

    Returns:
        Array of the dtype of ``x``: of the common shape of gate and value, or with ``axis`` half as long.

    Raises:
        TypeError: ``x`` or ``value`` is complex or not an array, or ``interleaved`` is not a bool.
        ValueError: ``axis`` is out of range or its length is odd, the shapes do not broadcast, or there is a ``value``
            for ``interleaved``.

    Note:
        Kink where the gate is 0; the slope there is 0. A closed gate gives 0, for infinite values, too.
        The backward pass keeps gate and value. jax.nn and torch do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.reglu(jnp.array([2.0, -3.0]), jnp.array([4.0, 5.0]))
        Array([8., 0.], dtype=float32)

    References:
        Shazeer 2020, "GLU variants improve transformer", https://arxiv.org/abs/2002.05202
    """
    choice = current_choice.get()
    form = by_fixed_activation(relu if choice is None else with_kink_slope(relu, choice), is_wide(x))
    return product(form, *gate_and_value("reglu", x, value, axis, interleaved))


@activation(static=("axis", "interleaved"))
def swiglu(x: Array, value: ArrayLike | None = None, axis: int = -1, interleaved: bool = False) -> Array:
    r"""SiLU-gated linear unit: silu of the gate times the value.

    .. math::

        f(g, v) = g\,\sigma(g)\,v

    Args:
        x: array of any real dtype whose ``axis`` has an even length and holds gate and value; the gate alone where a
            value is given.
        value: array that broadcasts against the gate; None to split ``x``.
        axis: the axis to split in two; the gate is its first half.
        interleaved: gate and value alternate along ``axis``, the gate first.

    Returns:
        Array of the dtype of ``x``: of the common shape of gate and value, or with ``axis`` half as long.

    Raises:
        TypeError: ``x`` or ``value`` is complex or not an array, or ``interleaved`` is not a bool.
        ValueError: ``axis`` is out of range or its length is odd, the shapes do not broadcast, or there is a ``value``
            for ``interleaved``.

    Note:
        No kinks. The feed-forward layers of LLaMA, Mistral, Qwen and most language models since are made of it, with
        the gate in the first half of a fused projection. Shazeer's Swish is silu. In 16 bits the product is rounded
        once, where ``silu(gate) * value`` is rounded twice, and the backward pass keeps gate and value, where that
        keeps three arrays. The product keeps its digits where silu alone has left the range. jax.nn and torch
        do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> gate, value = jnp.array([0.0, 20.0]), jnp.array([3.0, 4.0])
        >>> jaxacts.swiglu(gate, value)
        Array([ 0., 80.], dtype=float32)
        >>> jaxacts.swiglu(jnp.array([0.0, 3.0, 20.0, 4.0]), interleaved=True)
        Array([ 0., 80.], dtype=float32)

    References:
        Shazeer 2020, "GLU variants improve transformer", https://arxiv.org/abs/2002.05202
    """
    return product(_swiglu, *gate_and_value("swiglu", x, value, axis, interleaved))
