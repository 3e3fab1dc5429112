"""Derivatives beyond the first in every dtype, and squareplus far from its default."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax import Array
from rounding import NARROW
from subjects import INFLECTIONS, SUBJECTS, Subject, curvature, forward
from wide import WIDE

import jaxacts

Curve = Callable[[Array], Array]


def _gate_of_glu(x: Array) -> Array:
    return jaxacts.glu(jnp.stack([jnp.ones_like(x), x], -1))[..., 0]


CURVES: dict[str, Curve] = {label: SUBJECTS[label].ours for label in INFLECTIONS}
CURVES |= {"dice": lambda x: jaxacts.dice(x, 0.25, 0.0, 1.0), "glu": _gate_of_glu}


@pytest.mark.parametrize("label", CURVES)
def test_below_32_bits_they_are_those_of_float32(label: str) -> None:
    f, xs = CURVES[label], [np.linspace(-6.5, 6.5, 105).astype(np.dtype(dtype)) for dtype in NARROW]

    def second_and_third(x: Array) -> tuple[Array, Array]:
        return jax.jvp(lambda x: curvature(f, x), (x,), (jnp.ones_like(x),))

    wide = jax.jit(second_and_third)(np.float32(xs))
    for i, (dtype, narrow) in enumerate(
        zip(NARROW, jax.jit(lambda xs: list(map(second_and_third, xs)))(xs), strict=True)
    ):
        eps = float(jnp.finfo(dtype).eps)
        for got, expected in zip(narrow, wide, strict=True):
            assert got.dtype == dtype
            np.testing.assert_allclose(np.float32(got), expected[i], rtol=4 * eps, atol=2 * eps)


@pytest.mark.parametrize("label", CURVES)
def test_the_third_is_the_derivative_of_the_second(label: str, x64: None) -> None:
    x = jnp.linspace(-7.03, 6.91, 83)
    f, step = CURVES[label], 1e-4
    second = jax.jit(lambda x: curvature(f, x))
    third = jax.jit(lambda x: forward(second, x))(x)
    numerical = (second(x + step) - second(x - step)) / (2 * step)
    np.testing.assert_allclose(third, numerical, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("b", [1e-30, 1e-20, 1e-6, 0.3, 3.0, 1e6, 1e17])
def test_squareplus_with_any_b(b: float) -> None:
    b = float(np.float32(b))
    multiples = np.array([0, 1e-3, 0.3, 0.6, 0.74, 0.76, 0.8, 1, 3, 5, 100, 1e4])
    x = np.float32(np.sqrt(b) * np.concatenate([multiples, -multiples]))
    value, slope, _ = WIDE["squareplus"](x.astype(np.float64), b=b)
    for form in (b, jnp.full_like(x, b)):
        subject = Subject("squareplus", "squareplus", {"b": form})
        np.testing.assert_allclose(subject.ours(x), value, rtol=3e-7)
        np.testing.assert_allclose(forward(subject.ours, x), slope, rtol=4e-7)
    np.testing.assert_allclose([float(jaxacts.squareplus(v, b)) for v in x], value, rtol=3e-7)


@pytest.mark.parametrize(("dtype", "b"), [("float32", 1e25), ("float64", 1e6), ("float64", 2.0**59)])
def test_squareplus_far_out(dtype: str, b: float) -> None:
    with jax.enable_x64(True), mp.workdps(60):
        x = np.array([s * v for s in (1, -1) for v in (0.99 * 2.0**60, 1.01 * 2.0**60, 2.0**65)], dtype)
        b = float(np.dtype(dtype).type(b))
        exact = [(mp.mpf(v) + mp.sqrt(mp.mpf(v) ** 2 + b)) / 2 for v in map(float, x)]
        got = jaxacts.squareplus(jnp.asarray(x), jnp.asarray(b, dtype))
        np.testing.assert_allclose(np.asarray(got, float), np.array(exact, float), rtol=3 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_squareplus_without_a_curve(dtype) -> None:
    x = jnp.asarray([-60000, -1.5, -2e-38, 0, 2e-38, 1e-4, 1.5, 60000], dtype)
    np.testing.assert_array_equal(np.asarray(jaxacts.squareplus(x, 0.0), float), np.maximum(np.asarray(x, float), 0))
    slope = jax.vmap(jax.grad(lambda x: jaxacts.squareplus(x, 0.0)))(jnp.asarray([-1.5, -0.0, 0.0, 1.5], dtype))
    np.testing.assert_array_equal(np.float32(slope), [0, 0, 0, 1])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_squareplus_with_the_least_curve(dtype) -> None:
    value, slope = jax.value_and_grad(jaxacts.squareplus)(jnp.zeros((), dtype), 1.3e-38)
    assert slope == 0.5
    assert value == jnp.asarray(np.sqrt(1.3e-38) / 2, dtype)
