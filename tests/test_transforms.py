"""with_slope, split_complex and clipped: values, derivatives of every order, dtypes, and what they refuse."""

from __future__ import annotations

import functools
import inspect
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import jaxacts as ja
from jaxacts.testing import check_activation

X = jnp.array([-7.0, -2.0, -0.5, 0.0, 0.5, 2.0, 7.0])
PAIRS = [(ja.relu, ja.silu), (ja.silu, ja.relu), (ja.relu, ja.identity), (jnp.sign, ja.hard_tanh), (ja.relu6, ja.tanh)]


def ids(f: Any) -> str:
    return getattr(f, "__name__", "leaky_relu(0.5)")


def orders(f: Any, x: Array, n: int = 3) -> list[np.ndarray]:
    out = []
    for _ in range(n):
        f = jax.grad(f)
        out.append(np.asarray(jax.vmap(f)(x)))
    return out


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize(("f", "g"), PAIRS, ids=ids)
def test_with_slope_has_the_value_of_one_and_all_derivatives_of_the_other(f: Any, g: Any, dtype: Any) -> None:
    both, x = ja.with_slope(f, g), X.astype(dtype)
    assert both(x).dtype == dtype
    np.testing.assert_array_equal(both(x), f(x))
    for got, expected in zip(orders(both, x), orders(g, x), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(jax.jvp(both, (x,), (x,))[1], jax.jvp(g, (x,), (x,))[1])
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.grad(both)))(x), jax.vmap(jax.grad(g))(x))


def test_with_slope_at_infinity() -> None:
    f = ja.with_slope(ja.relu, ja.silu)
    x = jnp.array([-jnp.inf, jnp.inf])
    np.testing.assert_array_equal(f(x), [0, jnp.inf])
    np.testing.assert_array_equal(jax.vmap(jax.grad(f))(x), [0, 1])
    assert jnp.isnan(f(jnp.nan))


def test_with_slope_keeps_the_derivatives_by_parameters() -> None:
    f = ja.with_slope(ja.leaky_relu, ja.silu)
    by_x, by_slope = jax.grad(f, (0, 1))(-2.0, 0.1)
    assert by_x == jax.grad(ja.silu)(-2.0)
    assert by_slope == -2.0
    assert inspect.signature(f) == inspect.signature(ja.leaky_relu)


def test_with_slope_over_an_axis() -> None:
    x = jnp.array([1.0, 2.0, 0.5])
    f = ja.with_slope(lambda x: jax.nn.one_hot(x.argmax(), 3), ja.softmax)
    np.testing.assert_array_equal(f(x), [0, 1, 0])
    np.testing.assert_array_equal(jax.jacobian(f)(x), jax.jacobian(ja.softmax)(x))


def test_with_slope_keeps_for_the_backward_pass_what_the_slope_needs() -> None:
    x = jnp.ones(1024, jnp.bfloat16)
    kept = jax.tree.leaves(jax.vjp(ja.with_slope(ja.relu, ja.silu), x)[1])
    assert sum(a.nbytes for a in kept) == x.nbytes


@pytest.mark.parametrize(
    ("function", "slope_of", "message"),
    [
        ("relu", ja.silu, "with_slope: function must be a function of an array, got 'relu'; pass jaxacts.relu"),
        (ja.relu, None, "with_slope: slope_of must be a function of an array, got None"),
    ],
)
def test_with_slope_wants_functions(function: Any, slope_of: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ja.with_slope(function, slope_of)


def test_with_slope_wants_results_of_one_shape_and_dtype() -> None:
    with pytest.raises(
        TypeError, match=r"with_slope: both functions must give the same shape and dtype, got float32\[7\]"
    ):
        ja.with_slope(ja.relu, lambda x: ja.relu(x).sum())(X)
    with pytest.raises(TypeError, match="and bfloat16"):
        ja.with_slope(ja.relu, lambda x: ja.relu(x).astype(jnp.bfloat16))(X)


def test_a_variant_with_other_slopes_or_values_has_not_the_facts_of_the_original() -> None:
    for f in (ja.with_slope(ja.relu, ja.silu), ja.split_complex(ja.relu), ja.clipped(ja.relu)):
        with pytest.raises(TypeError, match="with_kink_slope: relu is not an activation of this library"):
            ja.with_kink_slope(f, "right")


LEAKY = functools.partial(ja.leaky_relu, negative_slope=0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("f", "g"), [(ja.relu, ja.silu), (ja.silu, ja.relu6), (ja.relu, LEAKY)], ids=ids)
def test_check_activation_judges_value_and_slope_by_their_own_functions(f: Any, g: Any) -> None:
    slow = ["transformations", "one_element", "compiles_once", "one_fusion", "backward_memory"]
    report = check_activation(ja.with_slope(f, g), without=[] if g is ja.silu else slow)
    assert report, str(report)
    assert report["declared_slope"].result == "passed"
    assert report["numerical_derivatives"].result == "not applicable"
    assert report["image"].result == "passed"


@pytest.mark.slow
def test_check_activation_takes_the_reference_for_the_value_alone() -> None:
    both = ja.with_slope(ja.relu, ja.silu)
    report = check_activation(both, reference=lambda x: max(x, 0), without=["transformations", "one_element"])
    assert [report[c].result for c in ("value", "slope")] == ["passed", "not applicable"]
    wrong = check_activation(both, reference=lambda x: x, without=["transformations", "one_element"])
    assert wrong["value"].result == "failed"


def test_check_activation_takes_any_functions() -> None:
    report = check_activation(
        ja.with_slope(jnp.sign, ja.hard_tanh), without=["wrong_dtypes", "non_finite", "docstring", "pickling"]
    )
    assert report, str(report)
    assert report["declared_slope"].result == "passed"


@pytest.mark.parametrize("dtype", [jnp.complex64, jnp.float32, jnp.bfloat16])
def test_split_complex(dtype: Any) -> None:
    z = (X + 1j * X[::-1]).astype(dtype) if dtype == jnp.complex64 else X.astype(dtype)
    got = ja.split_complex(ja.gelu)(z, approximate=False)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.real, ja.gelu(z.real, approximate=False))
    if dtype == jnp.complex64:
        np.testing.assert_array_equal(got.imag, ja.gelu(z.imag, approximate=False))


def test_split_complex_of_double_precision(x64: None) -> None:
    z = jnp.array([1.5 - 0.25j], jnp.complex128)
    assert complex(ja.split_complex(ja.tanh)(z)[0]) == pytest.approx(np.tanh(1.5) - 1j * np.tanh(0.25), rel=1e-15)


@pytest.mark.slow
def test_slope_of_split_complex_by_both_parts() -> None:
    def loss(re: Array, im: Array) -> Array:
        y = ja.split_complex(ja.relu)(jax.lax.complex(re, im))
        return 3 * y.real + 5 * y.imag

    assert jax.grad(loss, (0, 1))(1.0, 2.0) == (3, 5)
    assert jax.grad(loss, (0, 1))(-1.0, 2.0) == (0, 5)
    gradient = jax.grad(lambda z: (jnp.abs(ja.split_complex(ja.relu)(z)) ** 2).sum())(jnp.array([1 - 2j, -3 + 4j]))
    np.testing.assert_allclose(gradient, [2.0, -8j])


def test_clipped() -> None:
    f = ja.clipped(ja.identity, -1.0, 2.0)
    np.testing.assert_array_equal(f(X), np.clip(X, -1, 2))
    np.testing.assert_array_equal(jax.vmap(jax.grad(f))(jnp.array([-2.0, -1.0, 0.0, 2.0, 3.0])), [0, 0, 1, 0, 0])
    capped = ja.clipped(ja.relu, max=6.0)
    for x in (X, X.astype(jnp.bfloat16), jnp.array([-jnp.inf, jnp.inf])):
        np.testing.assert_array_equal(capped(x), ja.relu6(x))
        np.testing.assert_array_equal(jax.vmap(jax.grad(capped))(x), jax.vmap(jax.grad(ja.relu6))(x))
    assert jnp.isnan(capped(jnp.nan))


def test_what_clipped_and_split_complex_refuse() -> None:
    with pytest.raises(ValueError, match=r"clipped: min must not be greater than max, got min=2\.0, max=1\.0; swap"):
        ja.clipped(ja.relu, 2.0, 1.0)
    with pytest.raises(TypeError, match="clipped: function must be a function of an array, got 3"):
        ja.clipped(3)
    with pytest.raises(TypeError, match="split_complex: function must be a function of an array, got None"):
        ja.split_complex(None)


@pytest.mark.parametrize("apply", [lambda f: ja.with_slope(f, ja.silu), ja.split_complex, ja.clipped])
def test_transforms_keep_name_signature_and_docstring_and_can_be_pickled(apply: Any) -> None:
    f = apply(ja.leaky_relu)
    assert (f.__name__, f.__doc__) == ("leaky_relu", ja.leaky_relu.__doc__)
    assert inspect.signature(f) == inspect.signature(ja.leaky_relu)
    copy = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(copy(X, 0.5), f(X, 0.5))
    assert ja.config_of(copy) == ja.config_of(f)
    bound = functools.partial(f, negative_slope=0.5)
    np.testing.assert_array_equal(bound(X), f(X, 0.5))
