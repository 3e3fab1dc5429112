"""A ratio of polynomials whose coefficients are learned."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import activation, down, up
from jaxacts._core.dtypes import as_floating, broadcast
from jaxacts._core.kinks import current_choice
from jaxacts._core.pieces import Choice, choice_rule

__all__ = ["rational"]

Coefficients = Sequence[Array]


def _horner(coefficients: Coefficients, x: Array) -> Array:
    *lower, total = coefficients
    for c in reversed(lower):
        total = total * x + c
    return jnp.broadcast_to(total, x.shape)


def _degree(coefficients: Coefficients) -> Array:
    """The place of the last coefficient that is not 0."""
    places = [jnp.where(c != 0, k, 0) for k, c in enumerate(coefficients)]
    return functools.reduce(jnp.maximum, places)


def _in_reciprocal(coefficients: Coefficients, degree: Array, y: Array, z: Array) -> Array:
    """The polynomial of z = 1/y divided by z^degree.

    The coefficients beyond the degree are 0, and are there for their derivatives.
    """
    largest = float(jnp.finfo(z.dtype).max)
    total, power = jnp.zeros_like(y), jnp.ones_like(z)
    for k, c in enumerate(coefficients):
        within = k <= degree
        power = jnp.where(within, 1, jnp.clip(power * z, -largest, largest))
        total = total * jnp.where(within, y, 1) + c * jax.lax.stop_gradient(power)
    return total


def _times_power(value: Array, x: Array, y: Array, exponent: Array, most: int) -> Array:
    """value·x^exponent for an exponent from -most to most and y = 1/x, factor by factor: no power overflows alone."""
    for step in range(most):
        factor = jnp.where(exponent > step, x, jnp.where(-exponent > step, y, 1))
        value = value * factor
    return value


def _magnitude(x: Array) -> Array:
    """|x| with derivative 0 at 0."""
    return x * jnp.sign(x)


def _value(x: Array, a: Coefficients, b: Coefficients) -> Array:
    """P(x)/(1 + |Q(x)|): in powers of x up to 1 in magnitude, in powers of 1/x beyond."""
    zero, large = jnp.zeros((), x.dtype), jnp.abs(x) > 1
    z = jnp.where(large, 0, x)
    near = _horner(a, z) / (1 + _magnitude(_horner((zero, *b), z)))
    z = jnp.where(large, x, 1)
    y = 1 / z
    above, below = _degree(a), _degree((zero, *b))
    p, q = _in_reciprocal(a, above, y, z), _in_reciprocal((zero, *b), below, y, z)
    share = _times_power(jnp.ones_like(x), jnp.abs(z), jnp.abs(y), -below, len(b))
    quotient = p / (share + _magnitude(q))
    odd = (below % 2 == 1) & (z < 0)  # x^below/|x|^below
    far = _times_power(jnp.where(odd, -quotient, quotient), z, y, above - below, max(len(a) - 1, len(b)))
    return jnp.where(large, far, near)


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _tangent(choice: Choice, primals: Any, tangents: Any) -> Array:
    """Checkpointed, so that x is kept and nothing else."""
    narrow = primals[0].dtype
    (x, a, b), (dx, da, db) = jax.tree.map(lambda v: up(v, narrow), (primals, tangents))
    largest = float(jnp.finfo(x.dtype).max) * 2.0**-20  # its slope is that of the asymptote
    x = jnp.clip(x, -largest, largest)
    tangent = jax.jvp(_value, (x, a, b), (dx, da, db))[1]
    # Where Q crosses 0 its magnitude has a kink, and the tangent is that of slope 0.
    at, q = jnp.clip(x, -(2.0**20), 2.0**20), (jnp.zeros_like(b[0]), *b)
    slope, of_q = (_horner([k * c for k, c in enumerate(p)][1:] or [jnp.zeros_like(x)], at) for p in (a, q))
    jump = jnp.where((_horner(q, at) == 0) & (at == x), _horner(a, at) * jnp.abs(of_q), 0)
    taken = choice_rule(choice)(slope + jump, slope - jump)
    return down(jnp.where(jump == 0, tangent, tangent + (taken - slope) * dx), narrow)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _rational(choice: Choice, x: Array, a: Coefficients, b: Coefficients) -> Array:
    return down(_value(*jax.tree.map(lambda v: up(v, x.dtype), (x, a, b))), x.dtype)


@_rational.defjvp
def _(choice: Choice, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return _rational(choice, *primals), _tangent(choice, primals, tangents)


@activation(
    parameters=("numerator", "denominator"),
    typical={"numerator": (0.0, 0.5, 0.25, 0.0532, 0.0058, 0.0003), "denominator": (0.0, 0.1065, 0.0, 0.0005)},
)
def rational(x: Array, numerator: Sequence[ArrayLike] | Array, denominator: Sequence[ArrayLike] | Array) -> Array:
    r"""Ratio of two polynomials with learned coefficients, whose denominator is never below 1 (Padé activation unit).

    .. math::

        f(x) = \frac{\sum_{k=0}^m a_k x^k}{1 + \left| \sum_{k=1}^n b_k x^k \right|}

    Args:
        x: array of any shape and real dtype.
        numerator: the coefficients :math:`a_0, \dots, a_m`: an array whose *first* axis has length m + 1, or a sequence
            of numbers or arrays. Each of them broadcasts against ``x``: the shape is ``(m + 1,)`` for all channels
            together and ``(m + 1, channels)`` for each of the last axis by itself. Differentiable.
        denominator: the coefficients :math:`b_1, \dots, b_n`, of such shapes; there is no :math:`b_0`. Differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: there are no coefficients, or the shapes do not broadcast.

    Note:
        Kinks where the sum in the denominator crosses 0, which is at 0 if :math:`a_0 b_1 \ne 0`; the slope there is the
        one of least magnitude. So is the derivative by the denominator: it is 0 while all of that is 0. The papers have
        m = 5 and n = 4, and learn one function for a layer or, in the Kolmogorov-Arnold transformer, for a group of
        channels. Beyond 1 in magnitude the polynomials are those of :math:`1/x`, so that no power overflows before the
        result. Where terms of the sums cancel, the error is a few units in the last place of the largest of them. The
        backward pass keeps ``x``, whatever the degrees are. jax.nn, torch and keras do not have it. The modules start
        it at a fit to another activation.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.rational(jnp.array([-1.0, 0.0, 2.0]), numerator=(0.0, 1.0, 1.0), denominator=(0.0, 1.0))
        Array([0. , 0. , 1.2], dtype=float32)

    References:
        Molina et al. 2019, "Padé activation units: end-to-end learning of flexible activation functions in deep
        networks", https://arxiv.org/abs/1907.06732

        Yang & Wang 2024, "Kolmogorov-Arnold transformer", https://arxiv.org/abs/2409.10594
    """
    a = [as_floating("rational", "numerator", v) for v in numerator]
    b = [as_floating("rational", "denominator", v) for v in denominator]
    for name, given in (("numerator", a), ("denominator", b)):
        if not given:
            raise ValueError(f"rational: {name} has no coefficients; give at least one.")
    names = (*(f"numerator[{k}]" for k in range(len(a))), *(f"denominator[{k}]" for k in range(len(b))))
    x, *rest = broadcast("rational", ("x", *names), [x, *a, *b])
    return _rational(current_choice.get(), x, rest[: len(a)], rest[len(a) :])
