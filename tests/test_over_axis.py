"""softmax and log_softmax: gradients against mpmath in every dtype, the range of 16 bits, masks, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

import jaxacts

pytestmark = pytest.mark.optimized

Reals = NDArray[np.float64]
FUNCTIONS = {"softmax": jaxacts.softmax, "log_softmax": jaxacts.log_softmax}
DTYPES: dict[str, DTypeLike] = {n: jnp.dtype(n) for n in ("float32", "float64", "bfloat16", "float16")}


@pytest.fixture(params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> Iterator[DTypeLike]:
    with jax.enable_x64(request.param == "float64"):
        yield DTYPES[request.param]


def _probabilities(z: Reals) -> list[Any]:
    exponentials = [mp.exp(mp.mpf(float(v))) for v in z]
    total = mp.fsum(exponentials)
    return [e / total for e in exponentials]


def _exact(name: str, mode: str, z: Reals, t: Reals) -> Reals:
    """The derivative of one row along t (jvp) or by the cotangent t (vjp)."""
    with mp.workdps(400):
        p, v = _probabilities(z), [mp.mpf(float(a)) for a in t]
        mean = mp.fsum(a * b for a, b in zip(p, v, strict=True))
        if name == "softmax":
            found = [a * (b - mean) for a, b in zip(p, v, strict=True)]
        elif mode == "jvp":
            found = [b - mean for b in v]
        else:
            found = [b - a * mp.fsum(v) for a, b in zip(p, v, strict=True)]
        return np.array([float(a) for a in found])


def _allowed(name: str, x: Reals, t: Reals, dtype: DTypeLike) -> Reals:
    """Four units (two where float32 computes) of the sums that a derivative is made of."""
    sizes = np.abs(t) + np.sum(np.abs(t), -1, keepdims=True)
    if name == "softmax":  # the probability is itself rounded, and the winner has minus the sum of the others
        p = np.exp(x - x.max(-1, keepdims=True))
        sizes *= p / p.sum(-1, keepdims=True)
        winner = p == 1
        sizes = np.where(winner, np.sum(np.where(winner, 0, sizes), -1, keepdims=True), sizes)
    info = jnp.finfo(dtype)
    return (1 if info.bits < 32 else 4) * float(info.eps) * sizes + float(info.smallest_subnormal)


def _derivative(f: Callable[[Array], Array], mode: str, x: Array, t: Array) -> Array:
    return jax.jit(lambda x, t: jax.jvp(f, (x,), (t,))[1] if mode == "jvp" else jax.vjp(f, x)[1](t)[0])(x, t)


def _largest_probability_less_than_1(dtype: DTypeLike) -> float:
    """A logit whose probability beside a logit 0 rounds to 1."""
    return {"float32": 17.5, "float64": 37.43, "bfloat16": 7.0, "float16": 9.0}[jnp.dtype(dtype).name]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("mode", ["jvp", "vjp"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_of_random_rows(name: str, mode: str, dtype: DTypeLike) -> None:
    rng = np.random.default_rng(0)
    x, t = (jnp.asarray(s * rng.standard_normal((20, 12)), dtype) for s in (4, 1))
    got = np.asarray(_derivative(FUNCTIONS[name], mode, x, t), np.float64)
    wide, along = np.asarray(x, np.float64), np.asarray(t, np.float64)
    exact = np.array([_exact(name, mode, a, b) for a, b in zip(wide, along, strict=True)])
    assert np.all(np.abs(got - exact) <= _allowed(name, wide, along, dtype))


@pytest.mark.sampled(6)
@pytest.mark.parametrize("mode", ["jvp", "vjp"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_derivative_of_a_winner_whose_probability_rounds_to_1(name: str, mode: str, dtype: DTypeLike) -> None:
    z, t = np.array([_largest_probability_less_than_1(dtype), 0.0]), np.array([1.0, 0.0])
    got = _derivative(FUNCTIONS[name], mode, jnp.asarray(z, dtype), jnp.asarray(t, dtype))
    exact = _exact(name, mode, np.asarray(jnp.asarray(z, dtype), np.float64), t)
    np.testing.assert_allclose(np.asarray(got, np.float64), exact, rtol=2 * float(jnp.finfo(dtype).eps))
    assert got[0] > 0


def test_the_derivative_of_a_winner_in_bfloat16() -> None:
    got = jax.grad(lambda v: jaxacts.softmax(v)[0])(jnp.array([6, 0], jnp.bfloat16))
    np.testing.assert_allclose(np.asarray(got, float), [0.002467, -0.002467], rtol=2.0**-8)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("mode", ["jvp", "vjp"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_equal_logits_and_equal_cotangents_give_exactly_0(name: str, mode: str, dtype: DTypeLike) -> None:
    rows = [jnp.zeros(size, dtype) for size in (2, 3, 7, 300, 66_000)]
    for got in jax.jit(lambda rows: [_derivative(FUNCTIONS[name], mode, x, jnp.ones_like(x)) for x in rows])(rows):
        np.testing.assert_array_equal(np.asarray(got, float), 0.0)


@pytest.mark.parametrize("size", [22_000.0, 30_000.0])
def test_cotangents_whose_sum_exceeds_float16(size: float) -> None:
    x = jnp.array([1, 2, 3], jnp.float16)
    got = jax.vjp(jaxacts.log_softmax, x)[1](jnp.full_like(x, size))[0]
    exact = _exact("log_softmax", "vjp", np.array([1.0, 2.0, 3.0]), np.full(3, size))
    np.testing.assert_allclose(np.asarray(got, float), exact, rtol=2.0**-10)
    if size == 30_000:
        np.testing.assert_allclose(exact, [21897, 7974, -29872], atol=1)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_more_elements_than_the_largest_float16(name: str) -> None:
    x = jnp.zeros(66_000, jnp.float16)
    assert jnp.isfinite(FUNCTIONS[name](x)).all()
    gradient = jax.grad(lambda x: FUNCTIONS[name](x).sum(dtype=jnp.float32))(x)
    np.testing.assert_allclose(np.asarray(gradient, float), 0.0, atol=1e-3)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", ["jvp", "vjp"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_masked_rows(name: str, mode: str, dtype: DTypeLike) -> None:
    """Those of the elements that take part; 0 for the others, and for a row without any."""
    rng = np.random.default_rng(1)
    x, t = (jnp.asarray(rng.standard_normal((3, 8)), dtype) for _ in range(2))
    mask = rng.random((3, 8)) < 0.6
    mask[2] = False
    got = np.asarray(_derivative(lambda x: FUNCTIONS[name](x, where=mask), mode, x, t), np.float64)
    np.testing.assert_array_equal(got[~mask], 0.0)
    for wide, along, found, kept in zip(*(np.asarray(a, np.float64) for a in (x, t, got)), mask, strict=True):
        if kept.any():
            exact = _exact(name, mode, wide[kept], along[kept])
            assert np.all(np.abs(found[kept] - exact) <= _allowed(name, wide[kept], along[kept], dtype))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("masked", [False, True], ids=["without a mask", "with a mask"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_backward_pass_keeps_one_array_of_the_dtype(name: str, masked: bool, dtype: DTypeLike) -> None:
    x, mask = jnp.ones((4, 32), dtype), jnp.ones((4, 32), bool)
    vjp = jax.vjp(lambda x: FUNCTIONS[name](x, where=mask if masked else None), x)[1]
    kept = [a for a in jax.tree.leaves(vjp) if a.size > 1]
    assert sum(a.nbytes for a in kept if a.dtype != jnp.bool_) == x.nbytes
    assert sum(a.dtype == jnp.bool_ for a in kept) <= masked


SLOPES = {
    "a float16 number": lambda: jnp.float16(0.25),
    "a float32 number": lambda: jnp.float32(0.25),
    "a float16 array of one": lambda: jnp.full(1, 0.25, jnp.float16),
}


@pytest.mark.parametrize("kind", SLOPES)
def test_the_gradient_by_a_parameter_is_summed_in_float32(kind: str) -> None:
    """70,000 products of ±90,000, each beyond float16, of which all but a few cancel."""
    x = jnp.full((35_000, 2), -300, jnp.float16)
    t = jnp.tile(jnp.array([300, -300], jnp.float16), (35_000, 1)).at[0, 0].set(200)
    gradient = jax.vjp(jaxacts.prelu, x, SLOPES[kind]())[1](t)[1]
    np.testing.assert_allclose(np.asarray(gradient, float).sum(), 30_000, rtol=1e-2)


def test_the_gradient_by_a_parameter_keeps_the_slope_in_16_bits() -> None:
    x = jnp.full(1000, -3, jnp.float16)
    kept = jax.tree.leaves(jax.vjp(jaxacts.prelu, x, jnp.float16(0.25))[1])
    assert max(a.nbytes for a in kept) == x.nbytes
    assert sum(a.nbytes for a in kept) <= x.nbytes + x.size + 8
