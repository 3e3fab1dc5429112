"""ELU with learnable parameters."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeAlias

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels.arithmetic.elementary import (
    expm1,
    negative_part,
    product,
    quotient_factors,
    square_times,
)
from jaxacts._kernels.exponentials import pelu as _pelu

__all__ = ["mpelu", "pelu"]

Curve: TypeAlias = Callable[[Array], Array]
Root: TypeAlias = Callable[[Array, Array], Array]


def _straight(r: Array) -> Array:
    """Where expm1(r) is r, which may have underflowed."""
    return r > -float(jnp.finfo(r.dtype).eps) / 4


def _root_exp_of_quotient(x: Array, y: Array) -> Array:
    return jnp.exp(negative_part(x) / y / 2)


def _pelu_value(x: Array, a: Array, b: Array, expm1: Curve) -> Array:
    steep, rest = quotient_factors(a, b)
    r = x / b
    return jnp.where((x > 0) | _straight(r), x * steep * rest, a * expm1(r))


def _pelu_slope(root_exp: Root) -> Callable[[Array, Array, Array], Pieces]:
    def slope(x: Array, a: Array, b: Array) -> Pieces:
        steepness = a / b
        left = square_times(root_exp(x, b), *quotient_factors(a, b))
        return Pieces((0.0,), (left, steepness), limits=((steepness, steepness),))

    return slope


def _pelu_by_a(expm1: Curve) -> Callable[[Array, Array, Array], Array]:
    return lambda x, a, b: jnp.where(x > 0, x / b, expm1(negative_part(x) / b))


def _pelu_by_b(root_exp: Root) -> Callable[[Array, Array, Array], Array]:
    def by_b(x: Array, a: Array, b: Array) -> Array:
        """-ax/b² on the right and near 0, that times exp(x/b) on the left."""
        steep, rest = quotient_factors(a, b)
        r = x / b
        line = jnp.where((b < 1) == (jnp.abs(x) <= 1), r * steep * rest, x * steep * rest / b)
        left = square_times(root_exp(x, b), jnp.clip(r, -1e4, 0) * steep, rest)
        return -jnp.where((x > 0) | _straight(r), line, left)

    return by_b


@activation(
    slope=_pelu_slope(_root_exp_of_quotient),
    partials={"a": _pelu_by_a(expm1), "b": _pelu_by_b(_root_exp_of_quotient)},
    refined={
        "value": lambda x, a, b: _pelu_value(x, a, b, _pelu.expm1),
        "slope": _pelu_slope(_pelu.root_exp_of_quotient),
        "a": _pelu_by_a(_pelu.expm1),
        "b": _pelu_by_b(_pelu.root_exp_of_quotient),
    },
    facts=lambda a, b: Facts((-a, inf), Line(0, -a), Line(a / b, 0), lipschitz=a / b),
    domain={"a > 0": lambda a: a > 0, "b > 0": lambda b: b > 0},
)
def pelu(x: Array, a: ArrayLike = 1.0, b: ArrayLike = 1.0) -> Array:
    r"""Parametric exponential linear unit: ELU with both scales learnable, and without a kink.

    .. math::

        f(x) = \begin{cases} \dfrac{a}{b} x & x \ge 0 \\ a \left( e^{x/b} - 1 \right) & x < 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        a: minus the limit at :math:`-\infty`, :math:`a > 0`, broadcasts against ``x``; differentiable.
        b: how far the left side reaches, :math:`b > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-a, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or a parameter is a number that is not positive.

    Note:
        No kinks: the slope at 0 is :math:`a/b` on both sides. With the defaults, with which the paper starts, it is
        :func:`elu`. The paper learns one pair for a layer, and keeps both from falling below 0.1. jax.nn, torch and
        keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.pelu(jnp.array([-2.0, 0.0, 3.0]), 1.0, 2.0).tolist()]
        [-0.6321, 0.0, 1.5]

    References:
        Trottier et al. 2016, "Parametric exponential linear unit for deep convolutional neural networks",
        https://arxiv.org/abs/1605.09332
    """
    return _pelu_value(x, jnp.asarray(a), jnp.asarray(b), jnp.expm1)


def _root_exp_of_product(x: Array, y: Array) -> Array:
    return jnp.exp(negative_part(x) * y / 2)


def _mpelu_value(x: Array, alpha: Array, beta: Array, expm1: Curve) -> Array:
    r = x * beta
    left = jnp.where(_straight(r), product(x, alpha, beta), alpha * expm1(r))
    return jnp.where(x > 0, x, left)


def _mpelu_slope(root_exp: Root) -> Callable[[Array, Array, Array], Pieces]:
    def slope(x: Array, alpha: Array, beta: Array) -> Pieces:
        left = square_times(root_exp(x, beta), alpha, beta)
        return Pieces((0.0,), (left, 1.0), limits=((alpha * beta, 1.0),))

    return slope


def _mpelu_by_alpha(expm1: Curve) -> Callable[[Array, Array, Array], Array]:
    return lambda x, alpha, beta: expm1(negative_part(x) * beta)


def _mpelu_by_beta(root_exp: Root) -> Callable[[Array, Array, Array], Array]:
    def by_beta(x: Array, alpha: Array, beta: Array) -> Array:
        lowest = float(jnp.finfo(x.dtype).min)
        return square_times(root_exp(x, beta), jnp.maximum(negative_part(x), lowest), alpha)

    return by_beta


@activation(
    slope=_mpelu_slope(_root_exp_of_product),
    partials={"alpha": _mpelu_by_alpha(expm1), "beta": _mpelu_by_beta(_root_exp_of_product)},
    refined={
        "value": lambda x, alpha, beta: _mpelu_value(x, alpha, beta, _pelu.expm1),
        "slope": _mpelu_slope(_pelu.root_exp_of_product),
        "alpha": _mpelu_by_alpha(_pelu.expm1),
        "beta": _mpelu_by_beta(_pelu.root_exp_of_product),
    },
    facts=lambda alpha, beta: Facts(
        (min(-alpha, 0), inf), Line(0, -alpha), Line(1, 0), lipschitz=max(1.0, abs(alpha * beta))
    ),
    domain={"beta > 0": lambda beta: beta > 0},
)
def mpelu(x: Array, alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0) -> Array:
    r"""Multiple parametric exponential linear unit: ELU with depth and reach of its left side learnable.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ \alpha \left( e^{\beta x} - 1 \right) & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: minus the limit at :math:`-\infty`, broadcasts against ``x``; differentiable.
        beta: how fast the left side saturates, :math:`\beta > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-\alpha, \infty)` for :math:`\alpha \ge 0`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``beta`` is a number that is not positive.

    Note:
        For :math:`\alpha\beta \ne 1` a kink at 0, where the slope is the lesser of :math:`\alpha\beta` and 1, and 0 for
        a negative :math:`\alpha`. The paper learns a pair for each channel. With the defaults it is :func:`elu`; ReLU,
        leaky ReLU and ELU are limits or members of the family. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.mpelu(jnp.array([-2.0, 0.0, 3.0]), 2.0, 0.5).tolist()]
        [-1.2642, 0.0, 3.0]

    References:
        Li et al. 2016, "Improving deep neural network with multiple parametric exponential linear units",
        https://arxiv.org/abs/1606.00305
    """
    return _mpelu_value(x, jnp.asarray(alpha), jnp.asarray(beta), jnp.expm1)
