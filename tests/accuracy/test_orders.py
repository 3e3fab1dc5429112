"""Derivatives beyond the first in every dtype, and squareplus far from its default."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
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


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("label", CURVES)
def test_below_32_bits_they_are_those_of_float32(label: str, dtype: str) -> None:
    x = np.linspace(-6.5, 6.5, 105).astype(np.dtype(dtype))
    eps = float(jnp.finfo(dtype).eps)
    f = CURVES[label]
    for derivative in (jax.jit(lambda x: curvature(f, x)), jax.jit(lambda x: forward(lambda x: curvature(f, x), x))):
        narrow, wide = (np.asarray(derivative(v), np.float64) for v in (x, x.astype(np.float32)))
        np.testing.assert_allclose(narrow, wide, rtol=4 * eps, atol=2 * eps)


@pytest.mark.parametrize("label", CURVES)
def test_the_third_is_the_derivative_of_the_second(label: str, x64: None) -> None:
    x = jnp.linspace(-7.03, 6.91, 83)
    f, step = CURVES[label], 1e-4
    third = forward(lambda x: curvature(f, x), x)
    numerical = (curvature(f, x + step) - curvature(f, x - step)) / (2 * step)
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
