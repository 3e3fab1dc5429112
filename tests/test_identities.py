"""Exact relations between the activations, slope included, as the literature states them."""

from __future__ import annotations

import math
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


TO_ROUNDING = {
    "swiglu with a constant value is a multiple of silu",
    "swiglu of one array is silu of the gate times the value",
    "softmin of two is the sigmoid of the negative",
    "pelu and elu agree at 1 and 1",
    "mpelu and elu agree at 1 and 1",
    "pelu with a = b = alpha is celu",
    "dyt at alpha 1 is tanh",
    "softplus at a beta of 1 that is an array is softplus",
    "the root of softplus",
    "quick_gelu is silu with beta 1.702",
    "acon_c of 1, 0 and 1 is silu",
    "acon_c of 1, 0 and beta is silu with that",
    "smu with alpha 0 is the exact gelu",
    "snake_beta with both alike is snake",
    "hard_sigmoid is relu6(x + 3)/6",
    "geglu with the value 1 is gelu",
    "celu and elu agree at alpha 1",
    "mpelu with beta 1 is elu",
    "derf at alpha 1 is erf",
    "silu of -x with -beta is its negative",
    "acon_c with its lines swapped is the same",
    "sine with omega is sine of the product",
    "lisht is even",
}
"""Smooth functions and quotients: compilers may round the two sides differently. All others agree exactly."""

SAME: dict[str, tuple[Curve, Curve]] = {
    "relu twice is relu": (lambda x: ja.relu(ja.relu(x)), ja.relu),
    "leaky relu with slope 0 is relu": (lambda x: ja.leaky_relu(x, 0.0), ja.relu),
    "leaky relu with slope 1 is the identity": (lambda x: ja.leaky_relu(x, 1.0), ja.identity),
    "maxout of 0 and x is relu": (pieces(jnp.zeros_like, lambda x: x), ja.relu),
    "maxout of ax and x is leaky relu": (pieces(lambda x: 0.25 * x, lambda x: x), lambda x: ja.leaky_relu(x, 0.25)),
    "relu squared is the square of relu": (ja.relu_squared, lambda x: jnp.square(ja.relu(x))),
    "star relu without scale and bias is relu squared": (lambda x: ja.star_relu(x, 1.0, 0.0), ja.relu_squared),
    "a threshold of 0 that gives 0 is relu": (lambda x: ja.threshold(x, 0.0, 0.0), ja.relu),
    "a threshold that gives itself is tlu": (lambda x: ja.threshold(x, 0.5, 0.5), lambda x: ja.tlu(x, 0.5)),
    "tlu at 0 is relu": (lambda x: ja.tlu(x, 0.0), ja.relu),
    "apl without hinges is relu": (lambda x: ja.apl(x, (), ()), ja.relu),
    "apl with a hinge at 0 is leaky relu": (
        lambda x: ja.apl(x, (-0.25,), (0.0,)),
        lambda x: ja.leaky_relu(x, 0.25),
    ),
    "srelu with a right slope of 1 is leaky relu": (
        lambda x: ja.srelu(x, 2.0, 1.0, 0.0, 0.25),
        lambda x: ja.leaky_relu(x, 0.25),
    ),
    "srelu without outer slopes is hard tanh": (
        lambda x: ja.srelu(x, 1.0, 0.0, -1.0, 0.0),
        ja.hard_tanh,
    ),
    "soft shrink is the difference of two relus": (
        ja.soft_shrink,
        lambda x: ja.relu(x - 0.5) - ja.relu(-x - 0.5),
    ),
    "arelu is leaky relu where it does not amplify": (
        lambda x: ja.arelu(x, 0.25, -1e3),
        lambda x: ja.leaky_relu(x, 0.25),
    ),
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
    "pelu and elu agree at 1 and 1": (lambda x: ja.pelu(x, 1.0, 1.0), ja.elu),
    "mpelu and elu agree at 1 and 1": (lambda x: ja.mpelu(x, 1.0, 1.0), ja.elu),
    "pelu with a = b = alpha is celu": (lambda x: ja.pelu(x, 0.5, 0.5), lambda x: ja.celu(x, 0.5)),
    "mpelu with beta 1 is elu": (lambda x: ja.mpelu(x, 0.25), lambda x: ja.elu(x, 0.25)),
    "a soft cap far away is the identity": (lambda x: ja.soft_cap(x, 3e38), lambda x: x),
    "a soft cap at infinity is the identity": (lambda x: ja.soft_cap(x, math.inf), lambda x: x),
    "abs is leaky relu at -1, but for the slope at 0": (
        lambda x: ja.abs(jnp.where(x == 0, 1.0, x)),
        lambda x: ja.leaky_relu(jnp.where(x == 0, 1.0, x), -1.0),
    ),
    "prelu with slope 0 is relu": (lambda x: ja.prelu(x, 0.0), ja.relu),
    "dyt at alpha 1 is tanh": (lambda x: ja.dyt(x, 1.0), ja.tanh),
    "derf at alpha 1 is erf": (lambda x: ja.derf(x, 1.0), ja.erf),
    "softplus at a beta of 1 that is an array is softplus": (lambda x: ja.softplus(x, jnp.float32(1)), ja.softplus),
    "the root of softplus": (
        lambda x: ja.sqrt_softplus(jnp.maximum(x, -40)),
        lambda x: jnp.sqrt(ja.softplus(jnp.maximum(x, -40))),
    ),
    "silu with beta 0 is half the identity": (lambda x: ja.silu(x, 0.0), lambda x: x / 2),
    "silu of -x with -beta is its negative": (lambda x: -ja.silu(-x, -2.0), lambda x: ja.silu(x, 2.0)),
    "quick_gelu is silu with beta 1.702": (ja.quick_gelu, lambda x: ja.silu(x, 1.702)),
    "acon_c of 1, 0 and 1 is silu": (lambda x: ja.acon_c(x, 1.0, 0.0, 1.0), ja.silu),
    "acon_c of 1, 0 and beta is silu with that": (
        lambda x: ja.acon_c(x, 1.0, 0.0, 2.5),
        lambda x: ja.silu(x, 2.5),
    ),
    "acon_c with its lines swapped is the same": (
        lambda x: ja.acon_c(x, 0.25, 1.5, 2.0),
        lambda x: ja.acon_c(x, 1.5, 0.25, 2.0),
    ),
    "acon_c with beta 0 is the mean of its lines": (lambda x: ja.acon_c(x, 1.5, 0.5, 0.0), ja.identity),
    "smu with alpha 0 is the exact gelu": (
        lambda x: ja.smu(x, 0.0, 0.5**0.5),
        lambda x: ja.gelu(x, approximate=False),
    ),
    "snake with alpha 0 is the identity": (lambda x: ja.snake(x, 0.0), ja.identity),
    "snake with a small alpha is the identity": (lambda x: ja.snake(x, 1e-38), ja.identity),
    "snake_beta with alpha 0 is the identity": (lambda x: ja.snake_beta(x, 0.0, 1.0), ja.identity),
    "snake_beta with both alike is snake": (lambda x: ja.snake_beta(x, 3.0, 3.0), lambda x: ja.snake(x, 3.0)),
    "sine with omega is sine of the product": (lambda x: ja.sine(x, 0.5), lambda x: ja.sine(x / 2)),
    "lisht is even": (lambda x: ja.lisht(-x), ja.lisht),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "sharp", [lambda x: ja.acon_c(x, 1.0, 0.25, 1e38), lambda x: ja.smu(x, 0.25, 1e38)], ids=["acon_c", "smu"]
)
def test_a_sharp_maximum_of_two_lines_is_leaky_relu(sharp: Curve) -> None:
    x = X[X != 0]  # at 0 it has the mean of both slopes
    for f in (lambda g: g, lambda g: lambda x: jax.vmap(jax.grad(g))(x)):
        np.testing.assert_allclose(f(sharp)(x), f(lambda x: ja.leaky_relu(x, 0.25))(x), rtol=2e-6, atol=0)


@pytest.mark.optimized
@pytest.mark.sampled(13)
@pytest.mark.parametrize("name", SAME)
def test_value_and_slope_agree(name: str) -> None:
    first, second = SAME[name]
    for f in (lambda g: g, lambda g: lambda x: jax.vmap(jax.grad(g))(x)):
        np.testing.assert_allclose(f(first)(X), f(second)(X), rtol=2e-6 if name in TO_ROUNDING else 0, atol=0)


def test_a_cap_at_infinity_bounds_nothing() -> None:
    x = jnp.array([-jnp.inf, -3e38, jnp.inf, jnp.nan])
    for dtype in ("float32", "bfloat16"):
        f = lambda x: ja.soft_cap(x, math.inf)  # noqa: E731
        at = x.astype(dtype)
        np.testing.assert_array_equal(f(at).astype(float), at.astype(float))
        np.testing.assert_array_equal(jax.vmap(jax.grad(f))(at).astype(float), jnp.where(jnp.isnan(x), x, 1))
    by_cap = jax.vmap(jax.grad(ja.soft_cap, 1), (0, None))(x, jnp.float32(jnp.inf))
    np.testing.assert_array_equal(by_cap, jnp.where(jnp.isnan(x), x, 0))


@pytest.mark.slow
def test_softmax_and_its_kin_are_one_family() -> None:
    """To the last bit where the search for the threshold takes the same steps, and else to rounding."""
    x = 3 * jax.random.normal(jax.random.key(0), (50, 40))
    for dtype in ("float32", "bfloat16"):
        y = x.astype(dtype)
        np.testing.assert_array_equal(ja.softmax(y, sink=-jnp.inf), ja.softmax(y))
        np.testing.assert_array_equal(ja.log_softmax(y, sink=-jnp.inf), ja.log_softmax(y))
    for alpha, f in ((1.0, ja.softmax), (1.5, ja.entmax15), (2.0, ja.sparsemax)):
        np.testing.assert_allclose(ja.entmax(x, alpha), f(x), rtol=5e-6, atol=1e-7)


@pytest.mark.parametrize("shrink", [ja.hard_shrink, ja.soft_shrink])
def test_shrinking_by_nothing_is_the_identity(shrink: Callable[..., Array]) -> None:
    """Except for the slope at 0, which is that of the point between the thresholds."""
    np.testing.assert_array_equal(shrink(X, 0.0), X)
    np.testing.assert_array_equal(jax.vmap(jax.grad(lambda x: shrink(x, 0.0)))(X), jnp.where(X == 0, 0.0, 1.0))


def test_hard_mish_is_mish_far_away() -> None:
    x = jnp.array([-100.0, 20.0, 1e30])
    np.testing.assert_allclose(ja.hard_mish(x), ja.mish(x), rtol=1e-6, atol=1e-30)


def test_star_relu_of_normal_inputs_is_standardized() -> None:
    from jaxacts.initializers import moments

    y = moments(ja.star_relu)
    assert y.second_moment == pytest.approx(1, abs=1e-4)
    z = jax.random.normal(jax.random.key(0), (1_000_000,))
    assert abs(float(ja.star_relu(z).mean())) < 5e-3


def test_crelu_holds_both_parts() -> None:
    np.testing.assert_array_equal(ja.crelu(X), jnp.concatenate([ja.relu(X), ja.relu(-X)]))


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


def test_isrlu_is_the_identity_and_isru() -> None:
    right, left = X[X >= 0], X[X <= 0]
    np.testing.assert_array_equal(ja.isrlu(right), right)
    np.testing.assert_array_equal(jax.vmap(jax.grad(ja.isrlu))(right), 1)
    np.testing.assert_array_equal(ja.isrlu(left), ja.isru(left))


def test_xielu_is_the_integral_of_its_slope_an_elu() -> None:
    x = X[X <= 0]
    slope = jax.vmap(jax.grad(lambda x: ja.xielu(x, 0.5, 2.0, 0.25)))(x)
    np.testing.assert_allclose(slope, ja.elu(x, 2.0) + 0.25, rtol=2e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_xielu_keeps_its_digits_near_0(beta: float) -> None:
    x = -jnp.logspace(-12, 0, 60)
    wide = np.asarray(x, np.float64)
    # From its series, which converges quickly here.
    excess = sum(wide**k / math.factorial(k) for k in range(2, 25))
    np.testing.assert_allclose(ja.xielu(x, 0.8, 0.8, beta), np.float32(0.8) * excess + beta * wide, rtol=5e-7)
    assert ja.xielu(0.0) == 0  # Hugging Face's has a step here


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


@pytest.mark.sampled(2)
@pytest.mark.parametrize("axis", [0, -1, (0, 1), None])
def test_softmax_axes(axis: int | tuple[int, ...] | None) -> None:
    x = jax.random.normal(jax.random.key(2), (3, 4))
    np.testing.assert_allclose(ja.softmax(x, axis), jax.nn.softmax(x, axis), rtol=1e-6)
    np.testing.assert_allclose(ja.log_softmax(x, axis), jax.nn.log_softmax(x, axis), rtol=1e-5)


@pytest.mark.slow
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
