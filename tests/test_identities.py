"""Exact relations between the activations, slope included, as the literature states them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.typing import DTypeLike

import jaxacts as ja

X = jnp.concatenate([jnp.linspace(-8, 8, 33), jnp.array([-0.0, 1e-30, -1e-30, 1e30, -1e30])])
Curve = Callable[[Array], Array]


def pieces(*lines: Curve) -> Curve:
    return lambda x: ja.maxout(jnp.stack([line(x) for line in lines], -1), len(lines))[..., 0]


SAME: dict[str, tuple[Curve, Curve]] = {
    "relu twice is relu": (lambda x: ja.relu(ja.relu(x)), ja.relu),
    "leaky relu with slope 0 is relu": (lambda x: ja.leaky_relu(x, 0.0), ja.relu),
    "leaky relu with slope 1 is the identity": (lambda x: ja.leaky_relu(x, 1.0), ja.identity),
    "maxout of 0 and x is relu": (pieces(jnp.zeros_like, lambda x: x), ja.relu),
    "maxout of ax and x is leaky relu": (pieces(lambda x: 0.25 * x, lambda x: x), lambda x: ja.leaky_relu(x, 0.25)),
    "maxout of .01x and x is leaky relu": (pieces(lambda x: 0.01 * x, lambda x: x), ja.leaky_relu),
    "swiglu with a constant value is a multiple of silu": (lambda x: ja.swiglu(x, 2.0), lambda x: 2 * ja.silu(x)),
    "swiglu of one array is silu of the gate times the value": (
        lambda x: ja.swiglu(jnp.stack([x, jnp.cos(x)], -1))[..., 0],
        lambda x: ja.silu(x) * jnp.cos(x),
    ),
    "reglu with the value 1 is relu": (lambda x: ja.reglu(x, 1.0), ja.relu),
    "geglu with the value 1 is gelu": (lambda x: ja.geglu(x, 1.0), ja.gelu),
    "softmin of two is the sigmoid of the negative": (
        lambda x: ja.softmin(jnp.stack([x, jnp.zeros_like(x)], -1))[..., 0],
        lambda x: ja.sigmoid(-x),
    ),
    "prelu is leaky relu": (lambda x: ja.prelu(x, 0.25), lambda x: ja.leaky_relu(x, 0.25)),
    "deterministic rrelu has the mean slope": (
        lambda x: ja.rrelu(x, lower=0.25, upper=0.75, deterministic=True),
        lambda x: ja.leaky_relu(x, 0.5),
    ),
    "hard_sigmoid is relu6(x + 3)/6": (ja.hard_sigmoid, lambda x: ja.relu6(x + 3) / 6),
    "swish is silu": (ja.swish, ja.silu),
    "celu and elu agree at alpha 1": (ja.celu, ja.elu),
}


@pytest.mark.parametrize("name", SAME)
def test_value_and_slope_agree(name: str) -> None:
    first, second = SAME[name]
    for f in (lambda g: g, lambda g: lambda x: jax.vmap(jax.grad(g))(x)):
        np.testing.assert_allclose(f(first)(X), f(second)(X), rtol=2e-6, atol=0)


def test_abs_is_leaky_relu_at_minus_one() -> None:
    np.testing.assert_array_equal(ja.abs(X), ja.leaky_relu(X, -1.0))


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.75])
def test_dice_without_spread_is_prelu(alpha: float) -> None:
    x = X[X != 0]
    np.testing.assert_array_equal(ja.dice(x, alpha, 0.0, 0.0, epsilon=0.0), ja.prelu(x, alpha))
    slope = jax.vmap(jax.grad(lambda x: ja.dice(x, alpha, 0.0, 0.0, epsilon=0.0)))(x)
    np.testing.assert_array_equal(slope, jax.vmap(jax.grad(lambda x: ja.prelu(x, alpha)))(x))


@pytest.mark.parametrize("statistics", [(jnp.nan, 1.0), (0.0, jnp.nan), (jnp.nan, jnp.nan), (0.0, -1.0)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_dice_of_undefined_statistics_is_nan(statistics: tuple[float, float], dtype: DTypeLike) -> None:
    x = jnp.array([-1e4, -1.0, 0.0, 1.0], dtype)
    values, slopes = jax.jvp(lambda x: ja.dice(x, 0.25, *statistics), (x,), (jnp.ones_like(x),))
    assert jnp.isnan(values).all()
    assert jnp.isnan(slopes).all()


def test_sparse_sigmoid_is_the_slope_of_sparse_plus() -> None:
    np.testing.assert_array_equal(jax.vmap(jax.grad(ja.sparse_plus))(X), ja.sparse_sigmoid(X))


def test_softmax_of_two_is_the_sigmoid() -> None:
    two = jnp.stack([X, jnp.zeros_like(X)], -1)
    np.testing.assert_allclose(ja.softmax(two)[:, 0], ja.sigmoid(X), rtol=1e-6)
    np.testing.assert_allclose(ja.log_softmax(two)[:, 0], ja.log_sigmoid(X), rtol=1e-6)


def test_half_of_the_relu_units_are_zero_on_symmetric_inputs() -> None:
    z = jax.random.normal(jax.random.key(0), (100_000,))
    assert abs(float((ja.relu(z) == 0).mean()) - 0.5) < 0.01


@pytest.mark.parametrize("mask", [None, [True, False, True, True]])
def test_softmax_sums_to_one(mask: list[bool] | None) -> None:
    x = jax.random.normal(jax.random.key(1), (5, 4)) * 50
    where = None if mask is None else jnp.array(mask)
    np.testing.assert_allclose(ja.softmax(x, where=where).sum(-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(jnp.exp(ja.log_softmax(x, where=where)).sum(-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, -1, (0, 1), None])
def test_softmax_axes(axis: int | tuple[int, ...] | None) -> None:
    x = jax.random.normal(jax.random.key(2), (3, 4))
    np.testing.assert_allclose(ja.softmax(x, axis), jax.nn.softmax(x, axis), rtol=1e-6)
    np.testing.assert_allclose(ja.log_softmax(x, axis), jax.nn.log_softmax(x, axis), rtol=1e-5)


def test_a_row_without_elements_has_no_nan() -> None:
    x, where = jnp.ones((2, 3)), jnp.array([[True, True, False], [False, False, False]])
    np.testing.assert_array_equal(ja.softmax(x, where=where)[1], 0)
    np.testing.assert_array_equal(ja.log_softmax(x, where=where)[1], -jnp.inf)
    for f in (ja.softmax, lambda x, where: jnp.where(where, ja.log_softmax(x, where=where), 0)):
        gradient = jax.grad(lambda x, f=f: (f(x, where=where) * jnp.arange(6.0).reshape(2, 3)).sum())(x)
        assert jnp.isfinite(gradient).all()
        np.testing.assert_array_equal(gradient[~where], 0)


def test_maxout_sends_the_gradient_to_the_first_of_equals() -> None:
    np.testing.assert_array_equal(jax.grad(lambda x: ja.maxout(x, 3).sum())(jnp.array([1.0, 1.0, 0.0])), [1, 0, 0])
