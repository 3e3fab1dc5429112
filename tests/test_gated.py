"""Gated units: gate and value apart, packed and interleaved, what the backward pass keeps, and one rounding."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from flax import nnx
from jax import Array
from memory import gated_bytes
from references import REFERENCES

import jaxacts
from jaxacts import nnx as modules
from jaxacts._contract.exact import Exact, evaluate
from jaxacts._contract.ulps import errors_in_ulps

Unit = Callable[..., Array]
ENTRIES = {n: e for n, e in jaxacts.catalogue().items() if e.family == "gated" and "interleaved" in e.static}
UNITS: dict[str, Unit] = {n: e.function for n, e in ENTRIES.items()}
UNITS |= {
    "gated mish": jaxacts.gated(jaxacts.mish),
    "gated leaky_relu": jaxacts.gated(functools.partial(jaxacts.leaky_relu, negative_slope=0.25)),
    "gated sin": jaxacts.gated(jnp.sin),
}
DTYPES = ("float32", "bfloat16", "float16")


def _pair(dtype: str, count: int = 400) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    gate, value = (jnp.asarray(s * rng.standard_normal(count), dtype) for s in (4, 3))
    return gate, value


def _exact(name: str, gate: Array, value: Array) -> Exact:
    entry = ENTRIES[name]
    xs = np.concatenate([np.asarray(gate, np.float64), np.asarray(value, np.float64)])
    arguments = {n: np.float32(v).item() if n in entry.parameters else v for n, v in entry.arguments().items()}
    return evaluate(REFERENCES[name].formula, False, xs, arguments)


@pytest.mark.optimized
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ENTRIES)
def test_the_value_is_rounded_once(name: str) -> None:
    """As close as float32 comes to a correct rounding."""
    for dtype in DTYPES:
        gate, value = _pair(dtype)
        error = errors_in_ulps(np.asarray(UNITS[name](gate, value), float), _exact(name, gate, value), dtype)
        assert error.max() <= (5.0 if dtype == "float32" else 0.502), dtype


def test_a_product_of_rounded_numbers_is_further_off() -> None:
    gate, value = _pair("bfloat16")
    error = errors_in_ulps(np.asarray(jaxacts.silu(gate) * value, float), _exact("swiglu", gate, value), "bfloat16")
    assert error.max() > 0.7


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", UNITS)
def test_the_three_ways_to_pass_gate_and_value_agree(name: str) -> None:
    gate, value = (a.reshape(4, 100) for a in _pair("float32"))
    apart = UNITS[name](gate, value)
    for axis in (0, 1):
        packed = jnp.concatenate([gate, value], axis)
        np.testing.assert_array_equal(UNITS[name](packed, axis=axis), apart)
        alternating = jnp.stack([gate, value], axis + 1).reshape(packed.shape)
        np.testing.assert_array_equal(UNITS[name](alternating, axis=axis, interleaved=True), apart)


@pytest.mark.optimized
@pytest.mark.sampled(9)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", UNITS)
def test_the_backward_pass_keeps_gate_and_value(name: str, dtype: str) -> None:
    gate, value = _pair(dtype)
    kept = [a for a in jax.tree.leaves(jax.vjp(UNITS[name], gate, value)[1]) if a.size > 1]
    assert len(kept) == 2
    for a, b in zip(kept, (gate, value), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def _swiglu_of_jax(gate: Array, value: Array) -> Array:
    return jax.nn.silu(gate) * value


@pytest.mark.optimized
@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", UNITS)
def test_scanned_layers_keep_two_arrays_where_jax_keeps_more(name: str) -> None:
    """Bytes for each hidden element and layer of a scanned gated feed-forward network in bfloat16."""
    ours, theirs = (gated_bytes(f, jnp.bfloat16) for f in (UNITS[name], _swiglu_of_jax))
    assert ours < theirs - 2


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", UNITS)
def test_derivatives_agree_with_differences(name: str) -> None:
    with jax.enable_x64(True):
        rng = np.random.default_rng(1)
        pair = tuple(jnp.asarray(rng.uniform(-4, 4, 12) + 0.01) for _ in range(2))
        jax.test_util.check_grads(jax.jit(UNITS[name]), pair, order=2, atol=1e-4, rtol=1e-4, eps=1e-5)


@pytest.mark.optimized
@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", UNITS)
def test_derivatives_in_16_bits_are_those_of_float32_rounded(name: str) -> None:
    for dtype in ("bfloat16", "float16"):
        pair = _pair(dtype)
        ct = pair[1][::-1]
        got = jax.vjp(UNITS[name], *pair)[1](ct)
        wide = jax.vjp(UNITS[name], *(a.astype(jnp.float32) for a in pair))[1](ct.astype(jnp.float32))
        for a, b in zip(got, wide, strict=True):
            info = jnp.finfo(dtype)
            size = np.maximum(np.abs(np.asarray(b)), 1e-3)
            assert np.all(np.abs(np.asarray(a, float) - b) <= 0.52 * float(info.eps) * size), dtype


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["swiglu", "reglu", "geglu"])
def test_a_closed_gate_passes_nothing(name: str) -> None:
    inf = jnp.inf
    gate, value = jnp.array([-inf, -inf, 0.0, 2.0, inf]), jnp.array([inf, 1.0, -inf, inf, -2.0])
    np.testing.assert_array_equal(UNITS[name](gate, value), [0, 0, 0, inf, -inf])
    assert jnp.isfinite(jnp.stack(jax.vjp(UNITS[name], gate, value)[1](jnp.ones(5)))[:, :3]).all()
    nan = jnp.full(5, jnp.nan)
    for pair in ((nan, value), (jnp.array([1.0, 0.0, -0.0, -200.0, -inf]), nan)):
        assert jnp.isnan(UNITS[name](*pair)).all()


def test_swiglu_keeps_its_digits_where_silu_has_none() -> None:
    assert jaxacts.silu(-100.0) == 0
    assert float(jaxacts.swiglu(-100.0, 1e30)) == pytest.approx(-100 * np.exp(-100.0) * 1e30, rel=1e-5)


def test_slopes_at_the_bounds_of_clamped_swiglu_are_0() -> None:
    by_gate, by_value = jax.grad(jaxacts.clamped_swiglu, (0, 1))(7.0, -7.0)
    assert by_gate == by_value == 0


def test_a_gate_takes_the_slope_that_is_chosen_at_its_kink() -> None:
    for choice, slope in ((None, 0.0), ("right", 3.0), (0.5, 1.5)):
        for unit in (
            jaxacts.with_kink_slope(jaxacts.reglu, choice),
            jaxacts.gated(jaxacts.with_kink_slope(jaxacts.relu, choice)),
        ):
            for dtype in ("float32", "bfloat16"):
                assert jax.jit(jax.grad(unit))(jnp.asarray(0.0, dtype), jnp.asarray(3.0, dtype)) == slope


def _prelu_of(slope: Array) -> dict[str, Unit]:
    return {
        "partial": functools.partial(jaxacts.prelu, negative_slope=slope),
        "variant": jaxacts.clipped(functools.partial(jaxacts.prelu, negative_slope=slope)),
        "lambda": lambda x: jaxacts.prelu(x, slope),
    }


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["partial", "variant", "lambda"])
def test_arrays_that_the_gate_holds_are_differentiated(kind: str, dtype: str) -> None:
    gate, value = (a[:6] for a in _pair(dtype))

    def of(slope: Array) -> Array:
        return jaxacts.gated(_prelu_of(slope)[kind])(gate, value).astype(jnp.float32).sum()

    want = float((jnp.minimum(gate, 0) * value).astype(jnp.float32).sum())
    one = jnp.float32(0.25)
    for f in (jax.grad(of), jax.jit(jax.grad(of)), jax.grad(jax.jit(of)), lambda a: jax.jvp(of, (a,), (a / a,))[1]):
        assert float(f(one)) == pytest.approx(want, rel=1e-2 if dtype == "bfloat16" else 1e-5)
    assert jax.grad(jax.grad(of))(one) == 0
    kept = jax.tree.leaves(jax.vjp(jaxacts.gated(_prelu_of(one)[kind]), gate, value)[1])
    assert sorted((a.size, a.dtype) for a in kept if a.size > 1) == [(6, jnp.dtype(dtype))] * 2


def test_a_module_as_the_gate_learns() -> None:
    gate, value = (a[:6] for a in _pair("float32"))
    module: Any = modules.PReLU()
    unit = jaxacts.gated(module)

    def loss(module: Any) -> Array:
        return jaxacts.gated(module)(gate, value).sum()

    by_slope = jnp.sum(jnp.minimum(gate, 0) * value)
    for gradient in (nnx.grad(loss), nnx.jit(nnx.grad(loss))):
        np.testing.assert_allclose(gradient(module).negative_slope[...], by_slope, rtol=1e-5)
    before = unit(gate, value)
    module.negative_slope[...] += 1
    np.testing.assert_allclose(unit(gate, value) - before, jnp.minimum(gate, 0) * value, rtol=1e-5, atol=1e-6)


def test_gated_units_are_pickled() -> None:
    gate, value = _pair("float32")
    for function in (jaxacts.silu, functools.partial(jaxacts.elu, alpha=2.0)):
        unit = jaxacts.gated(function)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(unit))(gate, value), unit(gate, value))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jaxacts.swiglu(jnp.ones(3)), ValueError, "swiglu: axis 0 must have an even length to be split"),
        (lambda: jaxacts.swiglu(jnp.ones(3), jnp.ones(2)), ValueError, "swiglu: gate and value must broadcast"),
        (lambda: jaxacts.swiglu(1.0, 1.0, interleaved=True), ValueError, "swiglu: interleaved concerns one array"),
        (lambda: jaxacts.swiglu(jnp.ones(2), interleaved=1), TypeError, "swiglu: interleaved must be True or False"),
        (lambda: jaxacts.swiglu(1.0, "a"), TypeError, "swiglu: value must be an array or a number, got str"),
        (lambda: jaxacts.gated(3), TypeError, "gated: function must be an activation, got int"),
        (lambda: jaxacts.gated(jaxacts.relu)(jnp.ones(3)), ValueError, "gated_relu: axis 0 must have an even"),
        (lambda: jaxacts.clamped_swiglu(1.0, 1.0, limit=0), ValueError, "clamped_swiglu: needs limit > 0, got limit=0"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
