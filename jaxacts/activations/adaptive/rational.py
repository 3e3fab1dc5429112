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
from jaxacts._kernels.arithmetic.elementary import finite, gradient

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


def _by_p(p: Array, d: Array) -> Array:
    return _quotient(jnp.ones_like(p), d)


def _by_d(p: Array, d: Array) -> Array:
    reciprocal = _by_p(p, d)
    return -(p * reciprocal) * reciprocal  # of p/d/d XLA makes p/(d·d)


@gradient(_by_p, _by_d)
def _quotient(p: Array, d: Array) -> Array:
    """p/d with derivatives that never square d, which may be tiny or huge."""
    return p / d


def _times_power(value: Array, z: Array, y: Array, exponent: Array, most: int) -> Array:
    """value·z^exponent for an exponent from -most to most and y = 1/z, factor by factor: no power overflows alone."""
    for step in range(most):
        factor = jnp.where(exponent > step, z, jnp.where(-exponent > step, y, 1))
        value = value * factor
    return value


def _magnitude(x: Array) -> Array:
    """|x| with derivative 0 at 0."""
    return x * jnp.sign(x)


class _Far:
    """P and Q divided by their leading powers, n and m, for |z| > 1: p and q; 1 + |Q| is d·|z|^m."""

    def __init__(self, z: Array, a: Coefficients, b: Coefficients) -> None:
        q = (jnp.zeros((), z.dtype), *b)
        self.z, self.y, self.most = z, _quotient(jnp.ones_like(z), z), max(len(a) - 1, len(b)) + 1
        self.n, self.m = _degree(a), _degree(q)
        self.p, self.q = (_in_reciprocal(c, k, self.y, z) for c, k in ((a, self.n), (q, self.m)))
        # y times their derivatives by y
        self.by_p, self.by_q = (
            _in_reciprocal([(degree - k) * v for k, v in enumerate(c)], degree, self.y, z)
            for c, degree in ((a, self.n), (q, self.m))
        )
        self.share = _times_power(jnp.ones_like(z), jnp.abs(z), jnp.abs(self.y), -self.m, len(b))
        self.d = self.share + _magnitude(self.q)
        self.negated = (self.m % 2 == 1) & (z < 0)  # z^m/|z|^m is -1

    def over_powers(self, value: Array, exponent: Array | int) -> Array:
        """value·z^exponent/|z|^m."""
        return _times_power(jnp.where(self.negated, -value, value), self.z, self.y, exponent - self.m, self.most)


def _split(x: Array) -> tuple[Array, Array, Array]:
    """Where |x| > 1, and x for the formulas of either side."""
    large = jnp.abs(x) > 1
    return large, jnp.where(large, 0, x), jnp.where(large, x, 1)


def _value(x: Array, a: Coefficients, b: Coefficients) -> Array:
    """P(x)/(1 + |Q(x)|): in powers of x up to 1 in magnitude, in powers of 1/x beyond."""
    large, z, beyond = _split(x)
    inner = _quotient(_horner(a, z), 1 + _magnitude(z * _horner(b, z)))
    far = _Far(beyond, a, b)
    return jnp.where(large, far.over_powers(_quotient(far.p, far.d), far.n), inner)


def _slope(choice: Choice, x: Array, a: Coefficients, b: Coefficients) -> Array:
    """P'/(1 + |Q|) - f·|Q|'/(1 + |Q|), likewise.

    Where Q crosses 0 its magnitude has a kink, at which ``choice`` decides between the slopes to the left and right.
    """
    q = (jnp.zeros((), x.dtype), *b)
    at = jnp.clip(x, -(2.0**20), 2.0**20)
    crosses = (_horner(q, at) == 0) & (at == x)

    def taken(slope: Array, jump: Array) -> Array:
        jump = jnp.where(crosses, jump, 0)
        return jnp.where(jump == 0, slope, choice_rule(choice)(slope + jump, slope - jump))

    large, z, beyond = _split(x)
    below, by_p, by_q = _horner(q, z), _horner(_derivative(a), z), _horner(_derivative(q), z)
    d = 1 + _magnitude(below)
    f = _quotient(_horner(a, z), d)
    bent = _quotient(by_p - f * jnp.where(crosses, 0, jnp.sign(below)) * by_q, d)
    inner = taken(bent, f * jnp.abs(by_q))

    far = _Far(beyond, a, b)
    ratio, share, by_q = (_quotient(v, far.d) for v in (far.p, far.share, far.by_q))
    sign = jnp.where(crosses, 0, jnp.sign(far.q))
    # z·P' is n·p - by_p, and so on: written so that nothing cancels in the leading terms.
    bent = ratio * (far.n - far.m + far.m * share + sign * by_q) - _quotient(far.by_p, far.d)
    return jnp.where(large, far.over_powers(taken(bent, ratio * jnp.abs(by_q) * jnp.sign(beyond)), far.n - 1), inner)


def _derivative(coefficients: Coefficients) -> Coefficients:
    return [k * c for k, c in enumerate(coefficients)][1:] or [jnp.zeros_like(coefficients[0])]


def _by_coefficients(x: Array, a: Coefficients, b: Coefficients) -> tuple[list[Array], list[Array]]:
    """x^k/(1 + |Q|), which are the derivatives by the numerator, and those by the denominator.

    The largest finite numbers stand for those that overflow, since they meet tangents of 0.
    """
    large, z, beyond = _split(x)
    far = _Far(beyond, a, b)
    below = z * _horner(b, z)
    inner, outer = (_quotient(jnp.ones_like(d), d) for d in (1 + _magnitude(below), far.d))
    sign = jnp.sign(jnp.where(large, jnp.where(far.negated, -far.q, far.q), below))
    powers = range(max(len(a), len(b) + 1))
    shares = [jnp.where(large, finite(far.over_powers(outer, k)), inner * z**k) for k in powers]
    f = _value(x, a, b)
    return shares[: len(a)], [-finite(f * (sign * v)) for v in shares[1 : len(b) + 1]]


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _tangent(choice: Choice, primals: Any, tangents: Any) -> Array:
    """Checkpointed, so that x is kept and nothing else."""
    dtype = primals[0].dtype
    (x, a, b), (dx, da, db) = jax.tree.map(lambda v: up(v, dtype), (primals, tangents))
    largest = float(jnp.finfo(x.dtype).max) * 2.0**-20  # its slope is that of the asymptote
    x = jnp.clip(x, -largest, largest)
    by_a, by_b = _by_coefficients(x, a, b)
    total = _slope(choice, x, a, b) * dx
    for by_coefficient, t in zip((*by_a, *by_b), (*da, *db), strict=True):
        total = total + by_coefficient * t
    return down(total, dtype)


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
