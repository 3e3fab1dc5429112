"""What jax.nn.initializers accepts works with the same meaning, and what it refuses is refused in its words."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from test_protocol import INITIALIZERS

from jaxacts import initializers as ji

KEY = jax.random.key(17)
jn = jax.nn.initializers

# Ours and jax's, for the same distribution and so the same bits.
SAME: dict[str, tuple[ji.Initializer, Callable[..., jax.Array]]] = {
    **{name: (getattr(ji, name), getattr(jn, name)) for name in ("zeros", "ones")},
    "constant": (ji.constant(0.3), jn.constant(0.3)),
    **{name: (getattr(ji, name)(0.3), getattr(jn, name)(0.3)) for name in ("normal", "uniform", "orthogonal")},
    "delta_orthogonal": (ji.delta_orthogonal(), jn.delta_orthogonal()),
    **{
        f"{name}_{law}": (getattr(ji, f"{name}_{law}")(), getattr(jn, f"{name}_{law.replace('truncated_', '')}")())
        for name in ("he", "kaiming", "xavier", "glorot", "lecun")
        for law in ("truncated_normal", "uniform")
    },
    **{
        f"{law} {mode}": tuple(m.variance_scaling(0.7, mode, law) for m in (ji, jn))
        for mode, law in (("fan_in", "normal"), ("fan_out", "normal"), ("fan_geo_avg", "uniform"))
    },
}
# The same name, another distribution: the factor between the standard deviations.
UNTRUNCATED = 1 / 0.87962566103423978
OTHER = {name: (getattr(ji, name)(), getattr(jn, name)(), 1.0) for name in ("he_normal", "lecun_normal")} | {
    "xavier_normal": (ji.xavier_normal(), jn.xavier_normal(), 1.0),
    "truncated_normal": (ji.truncated_normal(0.3), jn.truncated_normal(0.3), UNTRUNCATED),
}
BOTH = SAME | {name: pair[:2] for name, pair in OTHER.items()}
SHAPES: dict[int, Any] = {rank: (1, 2, 1, 3, 20, 30)[-rank:] for rank in range(1, 7)}
OTHER_SHAPES: list[Any] = [(), 5, [4, 6], np.array([3, 4, 6]), (np.int32(4), 6), (0, 4), (4, 0), (3, 0, 4), (0, 3, 4)]
DTYPES = ["float32", "bfloat16", "float64", "complex64"]


@contextlib.contextmanager
def in_mode(dtype: str, promotion: str = "standard") -> Iterator[None]:
    with jax.enable_x64(dtype == "float64"), jax.numpy_dtype_promotion(promotion):
        yield


def outcome(init: Callable[..., jax.Array], shape: Any, dtype: str) -> tuple[Any, ...] | Exception:
    try:
        made = jax.eval_shape(lambda key: init(key, shape, dtype), KEY)
    except Exception as error:
        return error
    return made.shape, made.dtype, made.weak_type


def wider(name: str, shape: Any, dtype: str) -> bool:
    """Whether we give weights where jax raises an error."""
    empty = np.ndim(shape) and 0 in shape
    sixth = name == "delta_orthogonal" and np.size(shape) == 6
    half = "orthogonal" in name and dtype == "bfloat16"
    complex_ = name in ("uniform", "truncated_normal") and dtype == "complex64"
    return bool(empty or sixth or half or complex_)


@pytest.mark.sampled(16)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BOTH)
def test_every_rank_and_shape(name: str, dtype: str) -> None:
    function = name.replace("kaiming", "he").replace("glorot", "xavier") if " " not in name else "variance_scaling"
    with in_mode(dtype, "strict"):
        for shape in [*SHAPES.values(), *OTHER_SHAPES]:
            ours, jaxs = (outcome(init, shape, dtype) for init in BOTH[name])
            if not isinstance(jaxs, Exception):
                assert ours == jaxs, shape
            elif not isinstance(ours, Exception):
                assert wider(name, shape, dtype), (shape, jaxs)
            else:
                assert str(ours).startswith(f"{function}: ")
                assert str(jaxs).rstrip() in str(ours) or not isinstance(jaxs, ValueError), shape


def assert_same(ours: jax.Array, jaxs: jax.Array, name: str) -> None:
    assert ours.dtype == jaxs.dtype
    if "orthogonal" in name or jnp.iscomplexobj(ours):
        # The order of the sums in a decomposition, and that of complex products, is the compiler's.
        np.testing.assert_allclose(ours, jaxs, rtol=1e-5, atol=1e-6)
    else:
        np.testing.assert_array_equal(ours, jaxs)


def same(init: tuple[Callable[..., jax.Array], Callable[..., jax.Array]], shape: Any, dtype: str, name: str) -> None:
    ours, jaxs = (one(KEY, shape, dtype) for one in init)
    assert_same(ours, jaxs, name)


def takes(name: str, rank: int) -> bool:
    if "orthogonal" in name:
        return rank == 3  # a compiled decomposition for each shape, which is a matrix in any case
    return rank > 1 or name in ("zeros", "ones", "constant", "normal", "uniform")


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("rank", SHAPES)
def test_float32_has_the_bits_of_jax(rank: int) -> None:
    for name, init in SAME.items():
        if takes(name, rank):
            same(init, SHAPES[rank], "float32", name)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "complex64"])
def test_other_dtypes_have_the_values_of_jax(dtype: str) -> None:
    with in_mode(dtype):
        for name, init in SAME.items():
            # jax's truncated complex weights have 1.018 times the variance.
            if not (dtype == "complex64" and (name == "uniform" or "truncated" in name)):
                same(init, SHAPES[3], dtype, name)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", DTYPES)
def test_other_distributions_have_the_standard_deviation_of_jax(dtype: str) -> None:
    rows = OTHER if dtype != "bfloat16" else OTHER | {name: (*init, 1.0) for name, init in SAME.items()}
    shape = (3, 60, 80)
    with in_mode(dtype):
        for name, (ours, jaxs, factor) in rows.items():
            if wider(name, shape, dtype):
                continue
            stds = [np.std(np.asarray(init(KEY, shape, dtype), np.complex128)) for init in (ours, jaxs)]
            assert stds[0] == pytest.approx(factor * stds[1], rel=0.03, abs=2e-3), name


# Calls with arguments that are not the defaults: how it is made, shape, dtype.
CALLS: dict[str, tuple[Callable[[Any], Callable[..., jax.Array]], Any, str]] = {
    "table of Flax": (lambda m: m.variance_scaling(1.0, "fan_in", "normal", out_axis=0), (7, 32), "float32"),
    "overlap": (lambda m: m.variance_scaling(1.0, "fan_avg", "uniform", (0, 1), (1, 2)), (3, 5, 7), "float32"),
    "batch": (lambda m: m.variance_scaling(1.3, "fan_out", "normal", 1, 2, 0), (3, 17, 20), "float32"),
    "batch alone": (lambda m: m.glorot_uniform(batch_axis=0), (3, 17, 20), "float32"),
    "batch of a matrix": (lambda m: m.he_uniform(batch_axis=0), (17, 20), "float32"),
    "batch at the end": (lambda m: m.he_uniform(batch_axis=-1), (17, 20, 3), "float32"),
    "vector": (lambda m: m.he_uniform(in_axis=0), (17,), "float32"),
    "scalar": (lambda m: m.he_uniform((), ()), (), "float32"),
    "vector of an int": (lambda m: m.he_uniform(0, ()), 17, "float32"),
    "negative": (lambda m: m.normal(-2.0), (3, 4), "float32"),
    "negative bound": (lambda m: m.uniform(-2.0), (3, 4), "float32"),
    "negative orthogonal": (lambda m: m.orthogonal(-2.0), (3, 4), "float32"),
    "complex": (lambda m: m.normal(1 + 2j), (3, 4), "complex64"),
    "complex scalar": (lambda m: m.normal(jnp.complex64(2j)), (3, 4), "complex64"),
    "complex orthogonal": (lambda m: m.orthogonal(2j), (3, 4), "complex64"),
    "complex scale": (lambda m: m.variance_scaling(2j, "fan_in", "normal"), (3, 4), "complex64"),
    "scalar of an array": (lambda m: m.normal(jnp.float32(2.0)), (3, 4), "float32"),
    "bool": (lambda m: m.normal(True), (3, 4), "float32"),
    "int": (lambda m: m.variance_scaling(2, "fan_in", "uniform"), (3, 4), "float32"),
    "array": (lambda m: m.normal(np.array([1.0, 2, 3, 4])), (3, 4), "float32"),
    "list": (lambda m: m.uniform([1, 2, 3, 4]), (3, 4), "float32"),
    "array of jax": (lambda m: m.orthogonal(jnp.arange(4.0)), (3, 4), "float32"),
    "array of scales": (lambda m: m.variance_scaling(np.arange(4.0), "fan_in", "normal"), (3, 4), "float32"),
    "constant that wraps": (lambda m: m.constant(300), (3, 4), "int8"),
    "constant that is cut": (lambda m: m.constant(3.7), (3, 4), "int8"),
    "constant of unsigned": (lambda m: m.constant(-1), (3, 4), "uint8"),
    "constant of bools": (lambda m: m.constant(0.5), (3, 4), "bool"),
    "constant array": (lambda m: m.constant(np.array([1, 2, 3, 4])), (3, 4), "float16"),
    "constant complex": (lambda m: m.constant(1j), (3, 4), "complex64"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("row", CALLS)
def test_calls(row: str) -> None:
    make, shape, dtype = CALLS[row]
    same((make(ji), make(jn)), shape, dtype, row)


@pytest.mark.parametrize("row", [row for row, (_, _, dtype) in CALLS.items() if dtype in ("float32", "complex64")])
def test_calls_under_strict_promotion(row: str) -> None:
    make, shape, dtype = CALLS[row]
    with in_mode(dtype, "strict"):
        ours, jaxs = (outcome(make(m), shape, dtype) for m in (ji, jn))
    assert ours == jaxs or (isinstance(jaxs, Exception) and not isinstance(ours, Exception))


@pytest.mark.slow
def test_traced_scales() -> None:
    for make in (
        lambda m, s: m.normal(s),
        lambda m, s: m.uniform(s),
        lambda m, s: m.orthogonal(s),
        lambda m, s: m.variance_scaling(s, "fan_in", "truncated_normal"),
        lambda m, s: m.constant(s),
    ):
        ours, jaxs = (jax.jit(lambda s, m=m, make=make: make(m, s)(KEY, (3, 4), jnp.float32))(2.0) for m in (ji, jn))
        np.testing.assert_allclose(ours, jaxs, rtol=1e-6)
    slope = jax.grad(lambda s: ji.normal(s)(KEY, (3, 4)).sum())(2.0)
    assert slope == pytest.approx(float(ji.normal(1.0)(KEY, (3, 4)).sum()), rel=1e-6)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["normal", "zeros", "constant", "he_uniform", "lecun_truncated_normal"])
def test_symbolic_shapes(name: str) -> None:
    size = jax.ShapeDtypeStruct(jax.export.symbolic_shape("b"), jnp.float32)
    ours, jaxs = (
        jax.export.export(jax.jit(lambda x, init=init: init(KEY, (x.shape[0], 4), jnp.float32)))(size)
        for init in SAME[name]
    )
    assert str(ours.out_avals) == str(jaxs.out_avals)
    np.testing.assert_array_equal(ours.call(jnp.ones(6)), SAME[name][0](KEY, (6, 4)))


@pytest.mark.slow
def test_infinite_bounds() -> None:
    for lower, upper in ((0.0, math.inf), (-math.inf, 1.0), (-math.inf, math.inf)):
        ours = ji.truncated_normal(1.0, lower=lower, upper=upper)(KEY, (500, 400))
        jaxs = jn.truncated_normal(1.0, lower=lower, upper=upper)(KEY, (500, 400))
        assert float(ours.std()) == pytest.approx(1.0, rel=0.01)
        # In the far tail the last bit of the uniform draw is worth a thousandth of the value.
        np.testing.assert_allclose(ours * jaxs.std(), jaxs * ours.std(), rtol=5e-3, atol=1e-5)


def test_scales_that_are_arrays_leave_the_initializer_hashable() -> None:
    for init in (ji.normal(np.arange(3.0)), ji.variance_scaling(jnp.arange(3.0), "fan_in", "normal")):
        assert init == init
        assert isinstance(hash(init), int)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shapes_with_a_zero(name: str) -> None:
    shapes = [(0, 4), (4, 0)] if name in ("identity", "sparse") else [(0, 4), (4, 0), (3, 0, 4), (0, 3, 4), (3, 4, 0)]
    for shape in shapes:
        if len(shape) > 2 or name not in ("dirac", "delta_orthogonal"):
            made = jax.eval_shape(lambda key, shape=shape: INITIALIZERS[name](key, shape, jnp.bfloat16), KEY)
            assert (made.shape, made.dtype) == (shape, jnp.bfloat16)
    assert INITIALIZERS[name](KEY, shapes[-1]).shape == shapes[-1]


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["Auto", "Explicit"])
def test_the_sharding_is_that_of_jax(axis: str) -> None:
    kind = getattr(jax.sharding.AxisType, axis)
    mesh = jax.make_mesh((1,), ("x",), axis_types=(kind,))
    specs = [None, P()] if axis == "Auto" else [None, P(), P("x"), P(None, "x"), P("x", None)]
    with jax.set_mesh(mesh):
        for spec in specs:
            for ours, jaxs in (SAME[name] for name in ("zeros", "constant", "normal", "he_uniform")):
                made, expected = (init(KEY, (4, 6), None, spec) for init in (ours, jaxs))
                assert made.sharding == expected.sharding
                assert jax.typeof(made) == jax.typeof(expected)


WORDS: dict[str, tuple[Callable[[Any], object], type[Exception]]] = {
    "vector": (lambda m: m.he_normal()(KEY, (5,)), ValueError),
    "scalar": (lambda m: m.lecun_uniform()(KEY, ()), ValueError),
    "orthogonal": (lambda m: m.orthogonal()(KEY, (5,)), ValueError),
    "delta": (lambda m: m.delta_orthogonal()(KEY, (5, 6)), ValueError),
    "mode": (lambda m: m.variance_scaling(1.0, "fann", "normal")(KEY, (5, 6)), ValueError),
    "distribution": (lambda m: m.variance_scaling(1.0, "fan_in", "norml")(KEY, (5, 6)), ValueError),
}


@pytest.mark.parametrize("row", WORDS)
def test_messages_contain_those_of_jax(row: str) -> None:
    call, kind = WORDS[row]
    with pytest.raises(kind) as jaxs:
        call(jn)
    with pytest.raises(kind) as ours:
        call(ji)
    assert str(jaxs.value).strip() in str(ours.value)
