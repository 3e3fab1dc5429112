"""xIELU, whose slope is an ELU: the integral of one with a line to the right."""

from __future__ import annotations

from math import factorial, inf, log1p

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels.arithmetic.elementary import derivative, expm1, negative_part
from jaxacts._kernels.arithmetic.polynomial import polynomial

__all__ = ["xielu"]

_SERIES = -2.0
"""From here on expm1(x) - x is computed from its series, since the difference loses digits."""


def _ratio(x: Array) -> Array:
    """(expm1(x) - x)/x², with x from -2 to 0."""
    last = 26 if x.dtype == jnp.float64 else 16
    return polynomial([1 / factorial(k) for k in range(last, 1, -1)], jnp.where(x > _SERIES, x, _SERIES))


@derivative(lambda x: expm1(x))
def _excess(x: Array) -> Array:
    """expm1(x) - x for x <= 0."""
    return jnp.where(x > _SERIES, x * x * _ratio(x), jnp.expm1(x) - x)


def _far(x: Array, alpha_n: Array, beta: Array) -> Array:
    """The left side from its asymptote, which is level where alpha_n is beta."""
    steepness = beta - alpha_n
    return alpha_n * jnp.expm1(x) + jnp.where(steepness == 0, 0, steepness * x)


def _value(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Array:
    """Every digit of expm1(x) - x counts where beta is small beside alpha_n."""
    n = negative_part(x)
    near = alpha_n * n * (n * _ratio(n)) + beta * n
    return jnp.where(x > 0, x * (alpha_p * x + beta), jnp.where(n > _SERIES, near, _far(n, alpha_n, beta)))


def _slope(x: Array, alpha_p: Array, alpha_n: Array, beta: Array) -> Pieces:
    n = negative_part(x)
    return Pieces((0.0,), (alpha_n * expm1(n) + beta, 2 * (alpha_p * x) + beta), limits=((beta, beta),))


def _facts(alpha_p: float, alpha_n: float, beta: float) -> Facts:
    if beta < 0:
        least = -beta * beta / (4 * alpha_p)
    elif beta < alpha_n:
        least = -beta - (alpha_n - beta) * log1p(-beta / alpha_n)  # where the slope is 0
    else:
        least = -inf if beta > alpha_n else -alpha_n
    return Facts((least, inf), Line(beta - alpha_n, -alpha_n))


@activation(
    slope=_slope,
    partials={
        "alpha_p": lambda x, alpha_p, alpha_n, beta: jnp.where(x > 0, x * x, 0),
        "alpha_n": lambda x, alpha_p, alpha_n, beta: _excess(negative_part(x)),
        "beta": lambda x, alpha_p, alpha_n, beta: x,
    },
    refined={"value": _value},
    facts=_facts,
    domain={"alpha_p > 0": lambda alpha_p: alpha_p > 0, "alpha_n > 0": lambda alpha_n: alpha_n > 0},
)
def xielu(x: Array, alpha_p: ArrayLike = 0.8, alpha_n: ArrayLike = 0.8, beta: ArrayLike = 0.5) -> Array:
    r"""Expanded integral of ELU: quadratic to the right, linear with an exponential correction to the left.

    .. math::

        f(x) = \begin{cases} \alpha_p x^2 + \beta x & x > 0 \\ \alpha_n (e^x - 1 - x) + \beta x & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha_p: half the growth :math:`\alpha_p > 0` of the slope on the right, broadcasts against ``x``;
            differentiable.
        alpha_n: by how much :math:`\alpha_n > 0` the slope falls on the left, broadcasts against ``x``;
            differentiable.
        beta: the slope :math:`\beta` at 0, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``alpha_p`` or ``alpha_n`` is a number that is not positive.

    Note:
        No kinks: the slope is :math:`\beta` on both sides of 0, where the curvature jumps. The Apertus models use it.
        The arguments are the values themselves; the paper, Apertus and Hugging Face store numbers whose softplus is
        :math:`\alpha_p` and :math:`\alpha_n - \beta`. Their code takes :math:`\min(x, -10^{-6})` for the exponential,
        and has a step of :math:`8 \cdot 10^{-7}` at 0, where this one is continuous. Near 0 the difference
        :math:`e^x - 1 - x` is computed as a series. The defaults are those of the paper.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.xielu(jnp.array([-4.0, -1.0, 0.0, 1.0])).tolist()]
        [0.4147, -0.2057, 0.0, 1.3]

    References:
        Huang & Schlag 2024, "Deriving activation functions using integration", https://arxiv.org/abs/2411.13010
    """
    # Near 0 the exponential is its square term, to the digits that count below 32 bits.
    alpha_n, beta = jnp.asarray(alpha_n), jnp.asarray(beta)
    near = x * (jnp.where(x > 0, alpha_p, alpha_n / 2) * x + beta)
    return jnp.where(x > -(2.0**-11), near, _far(x, alpha_n, beta))
