"""softplus_inverse, which is defined for positive numbers alone, against mpmath."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from rounding import every_input, spacing

import jaxacts
from jaxacts._contract.exact import Reals, directional, evaluate
from jaxacts._contract.ulps import errors_in_ulps, ulp
from jaxacts._core import entry_of

pytestmark = pytest.mark.optimized


def exact(x):
    return mp.log(mp.expm1(x))


def _slopes(x: jax.Array) -> jax.Array:
    return jax.jvp(jaxacts.softplus_inverse, (x,), (jnp.ones_like(x),))[1]


def _curvature(x: jax.Array) -> jax.Array:
    return jax.jvp(_slopes, (x,), (jnp.ones_like(x),))[1]


def _positive(dtype: type) -> Reals:
    rng = np.random.default_rng(0)
    least = float(np.finfo(np.float32).tiny) * 2
    root = dtype(np.log(2))
    beside = [root + k * np.spacing(root) for k in (-9, -1, 0, 1, 9)]
    x = np.concatenate([rng.uniform(0, 1, 300), rng.uniform(0, 100, 300), 2.0 ** rng.uniform(np.log2(least), 126, 300)])
    return np.concatenate([x, beside, [0.5681, 0.8181]]).astype(dtype).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_slopes(dtype: type, x64: None) -> None:
    x = _positive(dtype)
    given = jnp.asarray(x, dtype)
    value, slope, curvature = jax.jit(lambda x: (jaxacts.softplus_inverse(x), _slopes(x), _curvature(x)))(given)
    for got, right, bound in (
        (value, evaluate(exact, True, x, {}), 8),
        (slope, directional(exact, True, x, {}, np.ones(len(x))), 16),
        (curvature, directional(lambda x: -1 / mp.expm1(-x), True, x, {}, np.ones(len(x))), 16),
    ):
        assert errors_in_ulps(np.asarray(got, float), right, dtype).max() <= bound


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_below_32_bits_it_is_rounded_once(dtype: str) -> None:
    """To 1/64 of a unit more than half of one."""
    x = every_input(dtype)
    x = x[x.astype(np.float32) >= float(jnp.finfo(dtype).smallest_normal)]
    wide = x.astype(np.float64)
    for got, right in (
        (jaxacts.softplus_inverse(x), evaluate(exact, True, wide, {}).high),
        (_slopes(jnp.asarray(x)), directional(exact, True, wide, {}, np.ones(len(x))).high),
    ):
        fits = np.abs(right) < float(jnp.finfo(dtype).max)
        error = np.abs(np.asarray(got, float) - right)[fits] / spacing(right[fits], dtype)
        assert error.max() <= 0.5 + 1 / 64


def test_limits_and_what_is_not_defined() -> None:
    x = jnp.array([jnp.inf, 0.0, -1e-3, -50.0, -jnp.inf, jnp.nan])
    np.testing.assert_array_equal(jaxacts.softplus_inverse(x), [jnp.inf, -jnp.inf, *[jnp.nan] * 4])
    np.testing.assert_array_equal(jax.vmap(jax.grad(jaxacts.softplus_inverse))(x), [1, jnp.inf, *[jnp.nan] * 4])


def test_softplus_gives_the_number_back() -> None:
    x = jnp.asarray(_positive(np.float32), jnp.float32)
    back = jaxacts.softplus(jaxacts.softplus_inverse(x))
    # A logarithm of -88 is a number with an absolute error of 4e-6.
    allowed = 4 * ulp(np.asarray(x, float), jnp.float32) * np.maximum(1, np.abs(np.log(np.asarray(x, float))))
    assert (np.abs(np.asarray(back, float) - np.asarray(x, float)) <= allowed).all()


def test_it_is_not_in_the_catalogue() -> None:
    assert entry_of(jaxacts.softplus_inverse).name == "softplus_inverse"
    assert "softplus_inverse" not in jaxacts.catalogue()
