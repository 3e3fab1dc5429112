"""Functions over an axis: masks, infinite elements, 16 bits, magnitudes, parameters of rows, identities."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from jax import Array

import jaxacts as ja

MASKED = {n: e for n, e in ja.catalogue().items() if "where" in e.arguments()}
ENTRIES = {n: e for n, e in MASKED.items() if n != "maxout"}  # whose results are those of groups
SIMPLEX = ["entmax", "entmax15", "gumbel_softmax", "softmax", "softmin", "sparsemax"]
ALPHAS = (1.0, 1.001, 1.25, 1.5, 1.75, 2.0, 3.0)
INF = jnp.inf


def _f(name: str, **given: Any) -> Callable[..., Array]:
    return functools.partial(ENTRIES[name].function, **ENTRIES[name].arguments(**given))


def _rows(seed: int = 0, shape: tuple[int, ...] = (4, 6, 5)) -> Array:
    return 2 * jax.random.normal(jax.random.key(seed), shape)


def test_every_function_with_a_mask_is_here() -> None:
    assert {*SIMPLEX, "log_softmax", "gaussian_topk", "poly_norm", "maxout"} == set(MASKED)


@pytest.mark.slow
def test_a_mask_of_maxout() -> None:
    """Infinite and NaN elements count only where they take part; a group without any is 0."""
    x = jnp.array([[9.0, 1.0, 1.0], [jnp.nan, -INF, -INF], [INF, 5.0, jnp.nan], [2.0, 2.0, jnp.nan]]).ravel()
    mask = jnp.array([[0, 1, 1], [0, 1, 1], [0, 0, 0], [1, 1, 1]], bool).ravel()
    f = functools.partial(ja.maxout, pieces=3, where=mask)
    np.testing.assert_array_equal(f(x), [1, -INF, 0, jnp.nan])
    gradient = jax.vjp(f, x)[1](jnp.array([2.0, 3.0, 4.0, 0.0]))[0]
    np.testing.assert_array_equal(gradient[:9], [0, 2, 0, 0, 3, 0, 0, 0, 0])
    y = _rows(shape=(6, 4))
    np.testing.assert_array_equal(ja.maxout(y, 3, 0, jnp.ones((6, 1), bool)), ja.maxout(y, 3, 0))


@pytest.mark.slow
@pytest.mark.parametrize("name", ENTRIES)
def test_elements_that_take_no_part_have_no_influence(name: str) -> None:
    x, mask = _rows(), jax.random.bernoulli(jax.random.key(1), 0.6, (4, 6, 5)).at[0].set(False)
    t = jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)

    def loss(x: Array) -> tuple[Array, Array]:
        y = _f(name, where=mask)(x)
        return (jnp.where(mask, y, 0) * t).sum(), y

    for other in (0.0, 1e4, INF, -INF, jnp.nan):
        gradient, y = jax.grad(loss, has_aux=True)(jnp.where(mask, x, other))
        expected, _ = jax.grad(loss, has_aux=True)(x)
        np.testing.assert_array_equal(y[~mask], -INF if name == "log_softmax" else 0)
        np.testing.assert_array_equal(jnp.where(mask, y, 0), jnp.where(mask, _f(name, where=mask)(x), 0))
        np.testing.assert_array_equal(gradient, expected)
    assert jnp.isfinite(gradient).all()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", [n for n in ENTRIES if n != "gumbel_softmax"])
def test_a_mask_is_the_same_as_fewer_elements(name: str) -> None:
    x, taking = _rows(shape=(3, 7)), np.array([0, 2, 3, 6])
    mask = jnp.zeros(7, bool).at[taking].set(True)
    np.testing.assert_allclose(_f(name, where=mask)(x)[:, taking], _f(name)(x[:, taking]), rtol=2e-6, atol=2e-7)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", [n for n in ENTRIES if n != "gumbel_softmax"])
@pytest.mark.parametrize("axis", [0, 1, (0, 2), (2, 0), None])
def test_axes(name: str, axis: int | tuple[int, ...] | None) -> None:
    x = _rows()
    axes = tuple(range(3)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    others = [a for a in range(3) if a not in axes]
    flat = jnp.transpose(x, (*others, *axes)).reshape(*(x.shape[a] for a in others), -1)
    moved = jnp.transpose(_f(name, axis=axis)(x), (*others, *axes)).reshape(flat.shape)
    np.testing.assert_allclose(moved, _f(name)(flat), rtol=2e-6, atol=1e-6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", [n for n in SIMPLEX if n != "gumbel_softmax"])
def test_rows_with_infinite_elements(name: str, dtype: str) -> None:
    x = jnp.array([[INF, INF, 0, -INF], [-INF] * 4, [1, -INF, INF, 0], [2, 2, -INF, -INF]], dtype)
    expected = [[0.5, 0.5, 0, 0], [0] * 4, [0, 0, 1, 0], [0.5, 0.5, 0, 0]]
    if name == "softmin":
        x = -x
    for f in [_f(name, alpha=a) for a in ALPHAS] if name == "entmax" else [_f(name)]:
        np.testing.assert_array_equal(np.asarray(f(x), float), expected)
        assert jnp.isfinite(jax.grad(lambda x, f=f: (f(x) * jnp.arange(4).astype(dtype)).sum())(x)).all()
        assert jnp.isnan(f(jnp.array([jnp.nan, 0.0, 1.0], dtype))).all()
    if name == "softmax":
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(np.asarray(ja.log_softmax(x), float), np.log(expected), rtol=4e-3)
        gradient = jax.grad(lambda x: jnp.where(x > -INF, ja.log_softmax(x), 0)[3].sum())(x)
        assert jnp.isfinite(gradient).all()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["gaussian_topk", "poly_norm"])
def test_rows_without_a_deviation(name: str) -> None:
    assert jnp.isnan(_f(name)(jnp.array([INF, 0.0, 1.0]))).any()
    for row in (jnp.zeros(4), jnp.full(4, 3.0)):
        assert jnp.isfinite(jax.grad(lambda x: (_f(name)(x) * jnp.arange(4.0)).sum())(row)).all()
    np.testing.assert_array_equal(ja.gaussian_topk(jnp.full(4, 3.0)), 0)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("power", [-120, -60, -20, 0, 20, 60, 120])
def test_rows_of_any_magnitude(power: int, dtype: str) -> None:
    """What is linear in the size of the inputs, or does not depend on it, is so for all of them."""
    with jax.enable_x64(dtype == "float64"):
        x, size = _rows(shape=(3, 8)).astype(dtype), jnp.asarray(2.0**power, dtype)
        t = jnp.cos(jnp.arange(24)).reshape(3, 8).astype(dtype)
        f = _f("gaussian_topk", sparsity=0.5)
        (y, vjp), (scaled, scaled_vjp) = jax.vjp(f, x), jax.vjp(f, x * size)
        np.testing.assert_array_equal(scaled, y * size)
        np.testing.assert_array_equal(scaled_vjp(t)[0], vjp(t)[0])
        if power >= 0:  # epsilon counts in others
            f = _f("poly_norm", epsilon=0.0)
            tolerance = 8 * float(jnp.finfo(dtype).eps)
            (y, vjp), (scaled, scaled_vjp) = jax.vjp(f, x), jax.vjp(f, x * size)
            np.testing.assert_allclose(*(np.asarray(a, float) for a in (scaled, y)), rtol=tolerance, atol=tolerance)
            pair = (np.asarray(a, float) for a in (scaled_vjp(t)[0] * size, vjp(t)[0]))
            np.testing.assert_allclose(*pair, rtol=tolerance, atol=2 * tolerance)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_rows_up_to_the_largest_number(dtype: str) -> None:
    with jax.enable_x64(dtype == "float64"):
        row, largest = jnp.array([0.5, -0.25, 1.0], dtype), jnp.finfo(dtype).max
        for f, linear in ((_f("gaussian_topk", sparsity=0.5), True), (_f("poly_norm", epsilon=0.0), False)):
            for share in (1.0, 0.5, 0.25):
                size = largest * jnp.asarray(share, dtype)
                y, back = jax.vjp(jax.jit(f), row * size)
                got, want = (np.asarray(a, float) for a in (y, f(row)))
                got = got / float(size) if linear else got
                np.testing.assert_allclose(got, want, rtol=4 * float(jnp.finfo(dtype).eps))
                assert jnp.isfinite(back(jnp.ones_like(y))[0]).all()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ENTRIES)
def test_16_bits_are_rounded_from_float32(name: str) -> None:
    for dtype in ("bfloat16", "float16"):
        x = _rows(shape=(16, 12)).astype(dtype)
        got, wide = _f(name)(x), _f(name)(x.astype(jnp.float32))
        half = 0.51 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.asarray(got, float), wide, rtol=half, atol=1e-7)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("name", "parameter", "value"),
    [
        ("softmax", "sink", 0.5),
        ("log_softmax", "sink", 0.5),
        ("entmax", "alpha", 1.3),
        ("gaussian_topk", "sparsity", 0.7),
        ("gumbel_softmax", "temperature", 0.7),
    ],
)
def test_parameters_of_rows(name: str, parameter: str, value: float) -> None:
    x = _rows()
    rows = value + jnp.arange(24.0).reshape(4, 6) / 100
    mapped = functools.partial(_f(name), x)
    kept, removed = mapped(**{parameter: rows[..., None]}), mapped(**{parameter: rows})
    np.testing.assert_array_equal(kept, removed)
    np.testing.assert_array_equal(
        mapped(**{parameter: rows[:1]}), mapped(**{parameter: jnp.broadcast_to(rows[:1], (4, 6))})
    )
    if name != "gumbel_softmax":
        for i, j in ((0, 0), (2, 5)):
            one = _f(name)(x[i, j], **{parameter: rows[i, j]})
            np.testing.assert_allclose(kept[i, j], one, rtol=1e-6, atol=1e-7)
    gradient = jax.grad(lambda p: (mapped(**{parameter: p}) * x).sum())(rows[:, :1])
    assert gradient.shape == (4, 1)
    with pytest.raises(ValueError, match=f"{name}: {parameter} must broadcast to the shape \\(4, 6\\) of the rows"):
        mapped(**{parameter: jnp.ones((4, 5))})


@pytest.mark.slow
def test_a_sink_is_one_more_logit() -> None:
    x, sink = _rows(shape=(3, 5)), jnp.array([-9.0, 0.5, 9.0])
    for f in (ja.softmax, ja.log_softmax):

        def with_sink(x: Array, sink: Array, f: Any = f) -> Array:
            return f(x, sink=sink)

        def appended(x: Array, sink: Array, f: Any = f) -> Array:
            return f(jnp.concatenate([x, sink[:, None]], -1))[:, :-1]

        np.testing.assert_allclose(with_sink(x, sink), appended(x, sink), rtol=1e-6, atol=1e-7)
        for mode in (jax.jacrev, jax.jacfwd):
            for a, b in zip(*(mode(g, (0, 1))(x, sink) for g in (with_sink, appended)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(ja.softmax(x, sink=-INF), ja.softmax(x))
    np.testing.assert_array_equal(ja.log_softmax(x, sink=-INF), ja.log_softmax(x))
    one = jnp.exp(x) / (1 + jnp.exp(x).sum(-1, keepdims=True))
    np.testing.assert_allclose(ja.softmax(x, sink=0.0), one, rtol=1e-6)
    assert (ja.softmax(jnp.full((1, 3), -INF), sink=0.0) == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_sink_keeps_one_number_a_row_more(dtype: str) -> None:
    x = _rows(shape=(4, 32)).astype(dtype)
    kept = jax.tree.leaves(jax.vjp(lambda x, s: ja.softmax(x, sink=s), x, jnp.zeros(4, dtype))[1])
    assert sum(a.nbytes for a in kept) <= x.nbytes + 2 * 4 * 4


def test_softmin_is_softmax_of_the_negative() -> None:
    x = _rows()
    np.testing.assert_array_equal(ja.softmin(x), ja.softmax(-x))


@pytest.mark.slow
def test_entmax_is_the_others_at_their_alpha() -> None:
    x = _rows(shape=(50, 12))
    same = {1.0: ja.softmax, 1.5: ja.entmax15, 2.0: ja.sparsemax}
    for alpha, f in same.items():
        for alphas in (alpha, jnp.full(50, alpha)):
            g = functools.partial(ja.entmax, alpha=alphas)
            np.testing.assert_allclose(g(x), f(x), rtol=3e-7, atol=1e-7)
            np.testing.assert_allclose(jax.vjp(g, x)[1](x)[0], jax.vjp(f, x)[1](x)[0], rtol=1e-5, atol=1e-6)


def _sorted_sparsemax(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The algorithm of Martins & Astudillo, in float64."""
    ordered = np.sort(x)[::-1]
    sums, counts = np.cumsum(ordered), np.arange(1, len(x) + 1)
    size = counts[1 + counts * ordered > sums][-1]
    return np.maximum(x - (sums[size - 1] - 1) / size, 0)


def _sorted_entmax15(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The algorithm of Peters et al., in float64."""
    ordered, counts = np.sort(x / 2)[::-1], np.arange(1, len(x) + 1)
    mean, square = np.cumsum(ordered) / counts, np.cumsum(ordered**2) / counts
    inside = (1 - counts * (square - mean**2)) / counts
    threshold = mean - np.sqrt(np.maximum(inside, 0))
    size = (threshold <= ordered).sum()
    return np.maximum(x / 2 - threshold[size - 1], 0) ** 2


@pytest.mark.sampled(8)
@pytest.mark.parametrize("scale", [0.0, 1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("size", [1, 2, 33, 20_000])
def test_the_sorting_algorithms_give_the_same(size: int, scale: float) -> None:
    x = np.asarray(scale * np.random.default_rng(size).standard_normal(size), np.float32)
    for f, exact in ((ja.sparsemax, _sorted_sparsemax), (ja.entmax15, _sorted_entmax15)):
        y, expected = np.asarray(f(x), np.float64), exact(x.astype(np.float64))
        # The search is for log P, which is -log(support) at least: 4 to 8 in the large rows, where its ulp is 4.8e-7.
        assert np.abs(y - expected).max() <= 2e-6 * expected.max()
        assert abs(y.sum() - 1) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("alpha", ALPHAS)
def test_entmax_derivatives_agree_with_differences(alpha: float) -> None:
    with jax.enable_x64(True):
        x = (jnp.asarray(np.random.default_rng(0).permutation(12)) - 5.5) / 2.5
        arguments = (x,) if alpha in (1.0, 2.0) else (x, jnp.float64(alpha))
        f = functools.partial(ja.entmax, alpha=alpha) if alpha in (1.0, 2.0) else ja.entmax
        jax.test_util.check_grads(jax.jit(f), arguments, order=2, atol=1e-4, rtol=1e-4, eps=1e-5)
        step = 1e-6
        by_alpha = jax.jacfwd(ja.entmax, 1)(x, alpha)
        differences = (-3 * ja.entmax(x, alpha) + 4 * ja.entmax(x, alpha + step) - ja.entmax(x, alpha + 2 * step)) / (
            2 * step
        )
        np.testing.assert_allclose(by_alpha, differences, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_hard_samples_have_the_gradient_of_soft_ones() -> None:
    x, key, t = _rows(shape=(2000, 4)), jax.random.key(3), _rows(1, (2000, 4))
    where = jnp.array([True, True, True, False])
    soft = functools.partial(ja.gumbel_softmax, key=key, where=where, temperature=0.5)
    hard = functools.partial(soft, hard=True)
    y = hard(x)
    np.testing.assert_array_equal(jnp.sort(y, -1), jnp.broadcast_to(jnp.array([0.0, 0, 0, 1]), y.shape))
    np.testing.assert_array_equal(y.argmax(-1), soft(x).argmax(-1))
    np.testing.assert_array_equal(jax.vjp(hard, x)[1](t)[0], jax.vjp(soft, x)[1](t)[0])
    assert (hard(x, where=jnp.zeros(4, bool)) == 0).all()


def test_samples_have_the_frequencies_of_softmax() -> None:
    logits = jnp.array([0.0, 1.0, 2.0])
    sample = ja.gumbel_softmax(jnp.broadcast_to(logits, (100_000, 3)), jax.random.key(0), hard=True)
    np.testing.assert_allclose(sample.mean(0), ja.softmax(logits), atol=5e-3)


@pytest.mark.parametrize("sparsity", [0.05, 0.5, 0.95])
def test_the_share_of_normal_elements_that_gaussian_topk_closes(sparsity: float) -> None:
    x = 3 + 2 * jax.random.normal(jax.random.key(0), (100_000,))
    assert float((ja.gaussian_topk(x, sparsity) == 0).mean()) == pytest.approx(sparsity, abs=5e-3)
