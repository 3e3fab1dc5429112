"""Derivatives beyond the first in every dtype, and squareplus without a curve."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from rounding import FLOAT8, NARROW, spacing
from subjects import SUBJECTS, forward, second

import jaxacts

CURVED = [n for n, s in SUBJECTS.items() if not s.entry.knots(**s.arguments) and s.name != "identity"]


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("label", CURVED)
def test_below_32_bits_they_are_those_of_float32(label: str) -> None:
    f, xs = SUBJECTS[label].ours, [np.linspace(-6.5, 6.5, 105).astype(np.dtype(dtype)) for dtype in NARROW]

    def second_and_third(x: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda x: second(f, x), (x,), (jnp.ones_like(x),))

    wide = jax.jit(second_and_third)(np.float32(xs))
    for i, (dtype, narrow) in enumerate(
        zip(NARROW, jax.jit(lambda xs: list(map(second_and_third, xs)))(xs), strict=True)
    ):
        eps = float(jnp.finfo(dtype).eps)
        for got, expected in zip(narrow, wide, strict=True):
            assert got.dtype == dtype
            if dtype in FLOAT8:
                fits = np.abs(expected[i]) < float(jnp.finfo(dtype).max)
                error = np.abs(np.float32(got) - expected[i])[fits]
                np.testing.assert_array_less(error, 1.01 * spacing(expected[i][fits], dtype))
            else:
                np.testing.assert_allclose(np.float32(got), expected[i], rtol=4 * eps, atol=2 * eps)


@pytest.mark.slow
@pytest.mark.parametrize("label", CURVED)
def test_the_third_is_the_derivative_of_the_second(label: str, x64: None) -> None:
    x = jnp.linspace(-7.03, 6.91, 83)
    f, step = SUBJECTS[label].ours, 1e-4

    @jax.jit
    def both(x: Array) -> tuple[Array, Array]:
        numerical = (second(f, x + step) - second(f, x - step)) / (2 * step)
        return forward(lambda x: second(f, x), x), numerical

    np.testing.assert_allclose(*both(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_squareplus_without_a_curve(dtype) -> None:
    x = jnp.asarray([-60000, -1.5, -4e-38, 0, 4e-38, 1e-4, 1.5, 60000], dtype)
    np.testing.assert_array_equal(np.asarray(jaxacts.squareplus(x, 0.0), float), np.maximum(np.asarray(x, float), 0))
    slope = jax.vmap(jax.grad(lambda x: jaxacts.squareplus(x, 0.0)))(jnp.asarray([-1.5, -0.0, 0.0, 1.5], dtype))
    np.testing.assert_array_equal(np.float32(slope), [0, 0, 0, 1])


def test_squareplus_with_little_curve() -> None:
    value, slope = jax.value_and_grad(jaxacts.squareplus)(jnp.float32(0), 2.0**-60)
    assert (value, slope) == (2.0**-31, 0.5)
    assert jax.grad(jaxacts.squareplus)(jnp.float32(0), 1.3e-38) == 0.5


MIXED = [((0, 0, 1), 0, 4, -1 / 32), ((1, 0, 0), 0, 4, -1 / 32), ((0, 0, 0, 0), 0, 4, -3 / 16), ((1, 1), -1, 0, -1 / 8)]


@pytest.mark.parametrize(("by", "x", "b", "expected"), [*MIXED, ((1, 1), 2.0**13, 4, -(2.0**-42))])
def test_squareplus_where_x_or_b_makes_no_difference(by, x, b, expected) -> None:
    """A maximum of x and the root, instead of a selection, halves these."""
    f = jaxacts.squareplus
    for argument in by:
        f = jax.grad(f, argument)
    assert f(jnp.float32(x), jnp.float32(b)) == pytest.approx(expected, rel=1e-6, abs=0)
