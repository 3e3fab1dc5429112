"""Whatever the functions of jax.nn can be used in, every activation can: kernels, exports, interpreters, local x64.

Where it costs nothing, all activations share a program, so that a row here is a trace and not a compilation.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.experimental import jet
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jax.typing import DTypeLike

import jaxacts

Function = Callable[[Any], Array]
ENTRIES = jaxacts.catalogue()
ELEMENTWISE = [n for n, e in ENTRIES.items() if e.elementwise or n == "rrelu"]
DTYPES = ("bfloat16", "float32")


def _ours(name: str) -> Function:
    return functools.partial(ENTRIES[name].function, **_given(name))


def _theirs(name: str) -> Function | None:
    """The function of this name in jax.nn, with the arguments that it has too."""
    function = getattr(jax.nn, name, None)
    if function is None:
        return None
    known = inspect.signature(function).parameters
    return functools.partial(function, **{n: v for n, v in _given(name).items() if n in known})


def _given(name: str) -> dict[str, Any]:
    return {n: v for n, v in ENTRIES[name].arguments().items() if v is not None}


def _cotangent(y: Array | jax.ShapeDtypeStruct) -> Array:
    place = jax.lax.broadcasted_iota(jnp.int32, y.shape, y.ndim - 1)
    return (place.astype(jnp.float32) / 64 - 0.75).astype(y.dtype)


def _gradient(f: Function) -> Callable[[Array], Array]:
    """The backward pass from a cotangent that differs from element to element."""

    def backward(x: Array) -> Array:
        y, vjp = jax.vjp(f, x)
        return vjp(_cotangent(y))[0]

    return backward


def _all(x: Array) -> dict[str, tuple[Array, Array]]:
    """Value and gradient of every activation."""
    return {name: (_ours(name)(x), _gradient(_ours(name))(x)) for name in ENTRIES}


def _inputs(dtype: DTypeLike = "float32") -> Array:
    return jnp.linspace(-8, 8, 8 * 128).reshape(1, 8, 128).astype(dtype)


@functools.cache
def _expected(dtype: str) -> dict[str, tuple[Array, Array]]:
    """Compiled ahead of time."""
    return jax.jit(_all).lower(_inputs(dtype)).compile()(_inputs(dtype))


def _assert_equal(got: dict[str, tuple[Array, Array]], dtype: str) -> None:
    """To a unit or two in the last place, since programs are fused in different ways."""
    for name, pair in _expected(dtype).items():
        for what, a, b in zip(("value", "gradient"), got[name], pair, strict=True):
            assert a.dtype == b.dtype, f"{name}: {what}"
            a, b = (np.asarray(v, np.float64) for v in (a, b))
            tolerance = 4 * float(jnp.finfo(dtype).eps)
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance / 64, err_msg=f"{name}: {what}")


# Pallas


def _in_kernel(f: Callable[[Array], Any], x: Any, **options: Any) -> Callable[[Array], Any]:
    """The function in one kernel, which is given the arrays that the function brings along."""
    closed, shape = jax.make_jaxpr(f, return_shape=True)(x)
    shapes, tree = jax.tree.flatten(shape)

    def kernel(*refs: Any) -> None:
        given = [ref[...] for ref in refs[: len(closed.consts) + 1]]
        results = jax.core.eval_jaxpr(closed.jaxpr, given[:-1], given[-1])
        for o, y in zip(refs[len(given) :], results, strict=True):
            o[...] = y

    call = pl.pallas_call(kernel, out_shape=tuple(jax.ShapeDtypeStruct(s.shape, s.dtype) for s in shapes), **options)
    return lambda x: jax.tree.unflatten(tree, call(*closed.consts, x))


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_inside_an_interpreted_kernel(dtype: str) -> None:
    x = _inputs(dtype)
    _assert_equal(jax.jit(_in_kernel(_all, x, interpret=True))(x), dtype)


def _lowering_error(f: Function, platform: str, dtype: str) -> str | None:
    """What stops the function from being lowered in a kernel, if anything does."""
    x = jax.ShapeDtypeStruct((1, 8, 128), dtype)
    options = {"compiler_params": triton.CompilerParams()} if platform == "cuda" else {}
    try:
        jax.jit(_in_kernel(f, x, **options)).trace(x).lower(lowering_platforms=(platform,))
    except Exception as error:  # of many types, some without a text
        return f"{type(error).__name__}: {error}"
    return None


WAYS = ("value", "gradient")
GATED = ("bilinear", "geglu", "reglu", "swiglu")
SEARCHED, NO_SEARCH = ("entmax", "entmax15", "sparsemax"), {"tpu": "expm1", "cuda": "reduce_or"}
EXEMPT: dict[tuple[str, str, str, str], str] = {
    **{(n, "tpu", "bfloat16", "value"): "expm1" for n in ("celu", "elu", "mpelu", "pelu", "selu")},
    **{("crelu", "cuda", d, "value"): "Only arguments with shape" for d in DTYPES},  # concatenate
    **{("srelu", "cuda", d, "value"): "AssertionError" for d in DTYPES},  # where, of three numbers
    **{("frelu", "cuda", d, w): "a power of 2" for d in DTYPES for w in ("value", "gradient")},  # the kernel is 3 x 3
    # The error function.
    **{("laplace", p, "bfloat16", "value"): "erfc" for p in ("tpu", "cuda")},
    **{("smu", p, "bfloat16", w): "erfc" for p in ("tpu", "cuda") for w in WAYS},
    **{("serf", "cuda", d, w): "erf" for d in DTYPES for w in WAYS},
    # The checkpoint keeps gate and value, or the probabilities, in 16 bits.
    **{(n, "tpu", d, "gradient"): "remat2" for n in (*GATED, "clamped_swiglu", "softmin") for d in DTYPES},
    # A split array is put together again by a concatenation.
    **{(n, "cuda", d, "gradient"): "Only arguments with shape" for n in GATED for d in DTYPES},
    # Numbers as arguments of a custom_jvp, and the halves of a significand.
    **{("clamped_swiglu", "cuda", d, w): "TypedFloat" for d in DTYPES for w in WAYS},
    ("clamped_swiglu", "tpu", "float32", "value"): "Unsupported TPU device kind",
    # A loop until all rows are found.
    **{(n, p, d, w): why for n in SEARCHED for p, why in NO_SEARCH.items() for d in DTYPES for w in WAYS},
    # The quantile of the normal distribution.
    **{("gaussian_topk", "tpu", d, w): "AssertionError" for d in DTYPES for w in WAYS},
    **{("gaussian_topk", "cuda", d, w): "NotImplementedError" for d in DTYPES for w in WAYS},
    # Random keys, rows of three numbers, and constants that a device has to be known for.
    **{("gumbel_softmax", "cuda", d, w): "random_wrap" for d in DTYPES for w in WAYS},
    **{("poly_norm", "cuda", d, w): "a power of 2" for d in DTYPES for w in WAYS},
    **{("rational", "cuda", d, w): "AssertionError" for d in DTYPES for w in WAYS},
    **{(n, "tpu", d, w): "TPU device kind" for n in ("gumbel_softmax", "poly_norm") for d in DTYPES for w in WAYS},
    **{("rational", "tpu", d, "value"): "TPU device kind" for d in DTYPES},
    **{("xielu", "tpu", d, w): "expm1" for d in DTYPES for w in ("value", "gradient")},
    **{("arctan", "tpu", d, "value"): "atan" for d in DTYPES},
    **{(n, "cuda", d, "value"): "erf" for n in ("derf", "erf") for d in DTYPES},
    # A select between two scalars gets the type of its condition.
    **{(n, "cuda", d, "gradient"): "i1>" for n in ("derf", "dyt", "mpelu", "pelu") for d in DTYPES},
}
"""What Pallas has no lowering rule for, by function, platform, dtype and what is computed."""

SHORT_OF_JAX_NN: dict[tuple[str, str, str, str], str] = {
    # The checkpoint keeps the probabilities, or the input, in 16 bits.
    **{(n, "tpu", d, "gradient"): "remat2" for n in ("softmax", "log_softmax", "rational", "spline") for d in DTYPES},
    # The checkpoint keeps the input in place of one array for every parameter.
    **{("apl", "tpu", d, "gradient"): "remat2" for d in DTYPES},
    **{("frelu", "tpu", d, w): "remat2" for d in DTYPES for w in ("value", "gradient")},
    # Its slopes are an array: custom_jvp with symbolic zeros.
    **{("rrelu", "tpu", d, "value"): "NotImplementedError" for d in DTYPES},
}
"""What we use where jax.nn does not, and Pallas TPU refuses."""


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["tpu", "cuda"])
@pytest.mark.parametrize("name", ENTRIES)
def test_lowers_in_a_kernel_where_jax_nn_does(name: str, platform: str) -> None:
    for dtype in DTYPES:
        for what, of in (("value", lambda f: f), ("gradient", _gradient)):
            error, row = _lowering_error(of(_ours(name)), platform, dtype), (name, platform, dtype, what)
            theirs = _theirs(name)
            if reason := EXEMPT.get(row):
                assert error is not None, f"{row} lowers now: delete the row"
                assert reason in error
                assert theirs is None or _lowering_error(of(theirs), platform, dtype) is not None
            elif reason := SHORT_OF_JAX_NN.get(row):
                assert error is not None, f"{row} lowers now: delete the row"
                assert reason in error
            elif error is not None:
                assert theirs is not None, f"{row}: {error}"
                assert _lowering_error(of(theirs), platform, dtype) is not None, f"{row}: {error}"


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["tpu", "cuda"])
@pytest.mark.parametrize("name", [n for n, e in ENTRIES.items() if e.elementwise and e.parameters])
def test_the_gradient_lowers_in_a_kernel_where_parameters_are_arrays(name: str, platform: str) -> None:
    def f(x: Array) -> Array:
        given = _given(name)
        numbers = {n: v for n, v in given.items() if n in ENTRIES[name].parameters}
        arrays = jax.tree.map(lambda v: v if np.ndim(v) else jnp.full_like(x, v), numbers)
        return ENTRIES[name].function(x, **{**given, **arrays})

    for dtype in DTYPES:
        rows = {what: (name, platform, dtype, what) for what in WAYS}
        reasons = {what: EXEMPT.get(row, SHORT_OF_JAX_NN.get(row, "not exempt")) for what, row in rows.items()}
        error = _lowering_error(_gradient(f), platform, dtype)
        assert error is None or reasons["gradient"] in error
        if ENTRIES[name].slope:
            error = _lowering_error(f, platform, dtype)
            known = (error is None) == (platform == "cuda") or reasons["value"] in str(error)
            assert known, "Pallas TPU refuses custom_jvp with symbolic zeros: until now"


@pytest.mark.parametrize("name", ["gelu", "relu", "softplus"])
def test_inside_a_fused_kernel(name: str) -> None:
    fuser = pytest.importorskip("jax.experimental.pallas.fuser")

    @fuser.fusible
    def doubled(x: Any, after: Any) -> Array:
        y = 2 * x()
        return y if after is None else after(y)

    def layer(x: Array) -> Array:
        return _ours(name)(doubled(_ours(name)(x)))

    np.testing.assert_allclose(jax.jit(fuser.fuse(layer))(x := _inputs()), layer(x), rtol=1e-6, atol=1e-6)


# Other ways to use a function


@pytest.mark.optimized
@pytest.mark.slow
def test_exported_and_called() -> None:
    exported = jax.export.export(jax.jit(_all))(_inputs())
    _assert_equal(exported.call(_inputs()), "float32")


def test_exported_serialized_and_called_with_its_derivative() -> None:
    pytest.importorskip("flatbuffers")
    values = jax.jit(lambda x: {name: _ours(name)(x) for name in ENTRIES})
    bytes_ = jax.export.export(values)(_inputs()).serialize(vjp_order=1)
    got, vjp = jax.vjp(jax.export.deserialize(bytes_).call, _inputs())
    expected = _expected("float32")
    for name in ENTRIES:
        np.testing.assert_allclose(got[name], expected[name][0], rtol=1e-6, atol=1e-8, err_msg=name)
    total = sum(e[1] for e in expected.values())
    np.testing.assert_allclose(vjp({n: _cotangent(y) for n, y in got.items()})[0], total, rtol=1e-5, atol=1e-5)


@pytest.mark.optimized
@pytest.mark.slow
def test_through_an_interpreter_of_jaxprs() -> None:
    closed, shape = jax.make_jaxpr(_all, return_shape=True)(_inputs())
    evaluate = jax.jit(functools.partial(jax.core.eval_jaxpr, closed.jaxpr, closed.consts))
    _assert_equal(jax.tree.unflatten(jax.tree.structure(shape), evaluate(_inputs())), "float32")


def test_identity_has_a_linear_transpose() -> None:
    x = _inputs()
    np.testing.assert_array_equal(jax.linear_transpose(jaxacts.identity, x)(x)[0], x)


def _primitives(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation.primitive
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _primitives(inner)


def test_every_primitive_is_one_of_jax() -> None:
    assert not [p for p in _primitives(jax.make_jaxpr(_all)(_inputs()).jaxpr) if p.name.startswith("jaxacts")]
    modules = [m for n, m in sys.modules.items() if n.split(".")[0] == "jaxacts"]
    assert len(modules) > 20
    assert not [v for m in modules for v in vars(m).values() if isinstance(v, jax.extend.core.Primitive)]


# jet


def _jet(f: Function, x: Array) -> list[Array]:
    """The first three derivatives by Taylor-mode."""
    zero = jnp.zeros_like(x)
    return jet.jet(f, (x,), ((jnp.ones_like(x), zero, zero),))[1]


def test_jet_fails_at_a_custom_derivative() -> None:
    """Its own fault: it evaluates the function inside a custom_jvp outside of its trace, in jax.nn too."""
    with pytest.raises(jax.errors.UnexpectedTracerError):
        _jet(jax.nn.relu, jnp.array([0.5, -0.5]))


NO_JET = {"random_wrap": KeyError, "custom_jvp_call": jax.errors.UnexpectedTracerError, "remat2": KeyError}
"""The primitives that jet has no rule for, and its errors."""


@pytest.mark.sampled(27)
@pytest.mark.parametrize("name", ENTRIES)
def test_jet_gives_the_derivatives_where_there_is_no_custom_derivative(name: str) -> None:
    f, x = _ours(name), jnp.array([[[0.3, -0.7, 1.1, -1.3]]])
    used = {p.name for p in _primitives(jax.make_jaxpr(f)(x).jaxpr)}
    for primitive, error in NO_JET.items():
        if primitive in used:
            with pytest.raises(error):
                _jet(f, x)
            return
    got = _jet(f, x)
    for derivative in got:
        f = functools.partial(lambda f, x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1], f)
        np.testing.assert_allclose(derivative, f(x), rtol=1e-5, atol=1e-6)


# dtypes


DRAWS_64_BITS = pytest.mark.xfail(reason="its key is drawn from with 64-bit integers, which are off", strict=True)
IN_FLOAT64 = [pytest.param(n, marks=[DRAWS_64_BITS] if n == "gumbel_softmax" else []) for n in ENTRIES]


def _cancelled(name: str) -> float:
    """What is left of 8 minus a threshold that is nearly 8, and sums in another order."""
    return 1e-15 if name == "gaussian_topk" else 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_FLOAT64)
def test_float64_while_64_bit_types_are_off(name: str) -> None:
    """Of an array made elsewhere, and in a function that enables them inside, eager and jitted."""
    f = _ours(name)

    def both(x: Array, t: Array) -> tuple[Array, Array]:
        y, vjp = jax.vjp(f, x)
        return y, vjp(t)[0]

    def inside(x: Array) -> tuple[Array, Array]:
        with jax.enable_x64(True):
            wide = x.astype(jnp.float64)
            return both(wide, _cotangent(jax.eval_shape(f, wide)))

    narrow = jnp.array([[[-0.7, 0.3, 2.0, 8.0]]])
    with jax.enable_x64(True):
        x = jnp.asarray(np.asarray(narrow), jnp.float64)
        t = _cotangent(jax.eval_shape(f, x))
        expected = jax.jit(both)(x, t)
    assert not jax.config.read("jax_enable_x64")
    for got in (both(x, t), jax.jit(both)(x, t), inside(narrow), jax.jit(inside)(narrow)):
        for a, b in zip(got, expected, strict=True):
            assert a.dtype == jnp.dtype("float64")
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-14, atol=_cancelled(name))


def _by_parameter(f: Function, parameter: str, value: float, x: float) -> Array:
    return jax.grad(lambda v: functools.partial(f, **{parameter: v})(x))(value)


@pytest.mark.sampled(31)
@pytest.mark.parametrize("number", [0.7, 1], ids=["a Python float", "a Python int"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_what_comes_of_a_python_number_is_weakly_typed(name: str, number: float) -> None:
    f, entry = _ours(name), ENTRIES[name]
    gradients = [jax.grad(f), jax.grad(jax.grad(f)), jax.value_and_grad(f)]
    gradients += [functools.partial(_by_parameter, f, p, float(entry.arguments()[p])) for p in entry.parameters]
    for g, v in ((f, number), *((g, float(number)) for g in gradients)):
        for run in (g, jax.jit(g)):
            for y in jax.tree.leaves(jax.eval_shape(lambda run=run, v=v: run(v))):
                assert y.weak_type, run
    assert jax.eval_shape(lambda: jnp.ones(3, jnp.bfloat16) * f(number)).dtype == jnp.bfloat16
    jax.eval_shape(lambda: jax.lax.scan(lambda c, _: (f(c), None), 0.7, length=2))


@pytest.mark.parametrize("name", ENTRIES)
def test_4_bit_floats_are_refused_by_name(name: str) -> None:
    x = jnp.ones((1, 2, 4), jnp.float4_e2m1fn)
    for f in (_ours(name), jax.grad(lambda x: _ours(name)(x).sum())):
        with pytest.raises(TypeError, match=f"^{name}: .*float4_e2m1fn"):
            f(x)
