"""mish and its slope, as rational functions of one exponential n = exp(-|x|)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..arithmetic.coefficients import MISH_GATE, MISH_ROOT
from ..arithmetic.double_word import two_sum
from ..arithmetic.elementary import clipped_abs, derivative
from ..arithmetic.exponential import decay, underflow
from ..arithmetic.polynomial import about_root, polynomial, series_value

__all__ = ["curvature", "mish", "mish_slope"]


def _denominator(x: Array, n: Array) -> Array:
    """That of tanh(log(1 + m)) = (m² + 2m)/(m² + 2m + 2), with m = n on the left and 1/n on the right."""
    # Without fused multiply-add 1 + 2n(1 + n) has one rounding more, and the second derivative 1.3 units.
    return jnp.where(x < 0, 2 + n * (2 + n), 1 + (2 * n + 2 * n * n))


def mish(x: Array) -> Array:
    """x·tanh(log(1 + exp(x))), without derivative."""
    e, a = decay(x), clipped_abs(x, underflow(x))
    n = e.value
    share = jnp.where(x < 0, n * (1 + n), 2 * n * n) / _denominator(x, n)
    correction = -a * share
    right = jnp.where(x > underflow(x), x, a + correction)
    return series_value(x, MISH_GATE, jnp.where(x < 0, -e.multiply(a, correction), right), True)


@derivative(lambda x: curvature(x))
def mish_slope(x: Array) -> Array:
    """n times a cubic in n less a correction on the left, 1 and a correction on the right."""
    e, a = decay(x), clipped_abs(x, underflow(x))
    n = e.value
    left, left_lo = two_sum(1 - a, n * (n * (1 + n / 4) + (1.5 - a)))
    left_lo = left_lo + e.rounding_error(polynomial((0.75, 2, 1.5 - a), n))
    right = n * n * (4 * (1 + n) * (a - n) - 2)
    # 1 + m is (1 + n + n²/2)² on the left, (1 + 2n + 2n²)² on the right.
    m = n * jnp.where(x < 0, polynomial((0.25, 1, 2, 2), n), polynomial((4, 8, 8, 4), n))
    top = e.multiply(left, left_lo)
    far = jnp.where(x < 0, top, 1.0) + jnp.where(x < 0, -top * m, right) / (1 + m)
    return about_root(x, MISH_ROOT, far)


def curvature(x: Array) -> Array:
    """A cubic in n times 4n (4n² on the right) over the cube of the denominator of the value."""
    e, a = decay(x), clipped_abs(x, underflow(x))
    n = e.value
    left = x < 0
    rest = (
        jnp.where(left, 2.0, 4.0) + 2 * a,
        jnp.where(left, 6 + 3 * a, 8 + 2 * a),
        jnp.where(left, 8 - 2 * a, 6 - 3 * a),
    )
    bracket = (jnp.where(left, 4.0, 2.0) - 2 * a) + n * polynomial(rest, n)
    below = _denominator(x, n)
    return e.multiply(jnp.where(left, 4.0, 4 * n) * bracket) / (below * jnp.square(below))
