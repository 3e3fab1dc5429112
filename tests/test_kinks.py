"""Slopes at kinks: the default, the choice of another one, and which kinks the catalogue knows."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts as ja
from jaxacts import Kink, Pieces, with_kink_slope

REQUIRED_SLOPES = [
    *(("relu", at, {}, 0.0) for at in (0.0, -0.0)),
    *(("relu6", at, {}, 0.0) for at in (0.0, -0.0, 6.0)),
    *(("hard_tanh", at, {}, 0.0) for at in (-1.0, 1.0)),
    *(("hard_sigmoid", at, {}, 0.0) for at in (-3.0, 3.0)),
    *(("hard_silu", at, {}, slope) for at, slope in ((-3.0, 0.0), (3.0, 1.0))),
    *(("leaky_relu", at, {"negative_slope": a}, a) for at in (0.0, -0.0) for a in (0.01, 0.25)),
    *(("abs", at, {}, 0.0) for at in (0.0, -0.0)),
    *(("elu", 0.0, {"alpha": a}, min(a, 1.0)) for a in (0.5, 1.0, 2.0)),
    ("sparse_sigmoid", 1.0, {}, 0.0),
]


@pytest.mark.sampled(14)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize(("name", "at", "arguments", "slope"), REQUIRED_SLOPES)
def test_slope_at_the_kink(name, at, arguments, slope, dtype) -> None:
    def f(x):
        return ja.get(name)(x, **arguments)

    x, one = jnp.asarray(at, dtype), jnp.asarray(1, dtype)
    expected = jnp.asarray(slope, dtype)
    assert jax.grad(f)(x) == expected
    assert jax.jvp(f, (x,), (one,))[1] == expected
    assert jax.jit(jax.grad(f))(x) == expected
    assert (jax.vmap(jax.grad(f))(x[None]) == expected).all()
    assert (jax.grad(lambda x: jax.vmap(f)(x).sum())(x[None]) == expected).all()


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("choice", "slope"),
    [
        ("left", 0.0),
        ("right", 1.0),
        (0.25, 0.25),
        (None, 0.0),
        (1.0, 1.0),
        (np.float32(0.5), 0.5),
        (np.array(0.5), 0.5),
        (np.int64(1), 1.0),
        (jnp.float32(0.5), 0.5),
        (jnp.bfloat16(0.5), 0.5),
    ],
)
def test_with_kink_slope(choice, slope) -> None:
    f = with_kink_slope(ja.relu, choice)
    assert f.__name__ == "relu"
    for grad in (jax.grad(f), jax.jit(jax.grad(f)), lambda x: jax.vmap(jax.grad(f))(jnp.array([x]))[0]):
        assert [float(grad(x)) for x in (-1.0, -0.0, 0.0, 1.0)] == [0, slope, slope, 1]
    assert float(jax.grad(ja.relu)(0.0)) == 0.0, "the choice leaked"


@pytest.mark.parametrize(
    ("function", "arguments", "at", "slope"),
    [
        (ja.elu, {"alpha": 3.0}, 0.0, 2.0),
        (ja.hard_silu, {}, 3.0, 1.25),
        (ja.leaky_relu, {"negative_slope": 0.5}, 0.0, 0.75),
        (ja.prelu, {"negative_slope": 0.5}, 0.0, 0.75),
        (ja.rrelu, {"deterministic": True, "lower": 0.0, "upper": 0.5}, 0.0, 0.625),
        (ja.abs, {}, 0.0, 0.0),
    ],
)
def test_middle_of_the_slopes(function, arguments, at, slope) -> None:
    assert float(jax.grad(lambda x: with_kink_slope(function, 0.5)(x, **arguments))(at)) == slope


@pytest.mark.parametrize("wrapped", [jax.grad(ja.relu), functools.wraps(ja.relu)(lambda x: 2 * ja.relu(x))])
def test_what_wraps_an_activation_is_none(wrapped) -> None:
    with pytest.raises(TypeError, match="with_kink_slope: relu is not an activation"):
        with_kink_slope(wrapped, "right")


def test_the_last_choice_counts() -> None:
    right = with_kink_slope(ja.relu, "right")
    assert float(jax.grad(with_kink_slope(right, 0.25))(0.0)) == 0.25
    assert float(jax.grad(with_kink_slope(right, None))(0.0)) == 0.0


def test_with_kink_slope_refuses() -> None:
    for wrong in (True, [1], float("nan"), np.ones(2), jnp.array(True), jnp.complex64(1)):
        with pytest.raises(ValueError, match="with_kink_slope: choice must be"):
            with_kink_slope(ja.relu, wrong)
    with pytest.raises(
        ValueError, match="with_kink_slope: choice must be 'left', 'right' or a weight from 0 to 1, got 'top'"
    ):
        with_kink_slope(ja.relu, "top")
    with pytest.raises(ValueError, match=r"got 1\.5"):
        with_kink_slope(ja.relu, 1.5)
    with pytest.raises(TypeError, match="with_kink_slope: tanh is not an activation of this library; pass one"):
        with_kink_slope(jnp.tanh, "left")


def test_kinks_are_computed_from_the_slope() -> None:
    entry = ja.catalogue()["elu"]
    assert entry.kinks(alpha=1.0) == ()
    assert entry.kinks(alpha=2.0) == (Kink(0.0, 2.0, 1.0, 1.0),)
    assert entry.knots(alpha=1.0) == (0.0,)
    assert ja.catalogue()["hard_tanh"].kinks(min=-2.0) == (Kink(-2.0, 0.0, 1.0, 0.0), Kink(1.0, 1.0, 0.0, 0.0))


def test_composites_do_not_claim_to_have_no_kinks() -> None:
    for name, entry in ja.catalogue().items():
        if entry.elementwise:
            assert isinstance(entry.kinks(), tuple)
        else:
            with pytest.raises(ValueError, match=f"^{name}: has no slope formula, so its kinks are not"):
                entry.kinks()


def test_kinks_are_as_short_as_they_were_given() -> None:
    assert ja.catalogue()["leaky_relu"].kinks() == (Kink(0.0, 0.01, 1.0, 0.01),)


def test_pieces_must_fit() -> None:
    with pytest.raises(ValueError, match="Pieces: 2 knots need 3 slopes, got 2"):
        Pieces((0.0, 1.0), (0.0, 1.0))
    with pytest.raises(ValueError, match="Pieces: the knots must increase, and be finite, got"):
        Pieces((1.0, 0.0), (0.0, 1.0, 2.0))


def test_the_slope_at_nan_is_that_of_the_first_piece_where_slopes_are_constant() -> None:
    x = jnp.array([jnp.nan, 1.0, -1.0])
    for name, expected in {"relu": 0.0, "leaky_relu": 0.01, "abs": -1.0, "hard_tanh": 0.0}.items():
        slopes = jax.vjp(ja.get(name), x)[1](jnp.full(3, -2.0))[0]
        assert slopes[0] == jnp.float32(-2 * expected), name
        assert jnp.isnan(ja.get(name)(x)[0]), name


def test_mixed_derivative_at_the_kink() -> None:
    def by_alpha(f: Any) -> Any:
        x = jnp.array([0.0, -1.0])
        return jax.grad(lambda a: jax.vmap(jax.grad(lambda x: f(x, a)))(x).sum())(jnp.float32(0.5))

    np.testing.assert_allclose(by_alpha(ja.elu), 1 + np.exp(-1), rtol=1e-6)
    np.testing.assert_allclose(by_alpha(ja.prelu), 2.0)
