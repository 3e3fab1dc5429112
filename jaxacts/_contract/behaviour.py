"""Clauses about behaviour: dtypes, transformations, compilation, memory, pickling, documentation."""

from __future__ import annotations

import inspect
import math
import pickle
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._core import kink_choice, with_kink_slope

from .case import DTYPES, Case

__all__ = [
    "backward_memory",
    "compiles_once",
    "docstring",
    "dtypes",
    "one_element",
    "one_fusion",
    "pickling",
    "shape",
    "transformations",
    "wrong_dtypes",
]

SECTIONS = (".. math::", "Args:", "Returns:", "Raises:", "Note:", "Example:", "References:")
_FLOATS = (jnp.float32, jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn, jnp.float8_e5m2)


def _sample(case: Case, dtype: Any = jnp.float32) -> Array:
    xs = jnp.linspace(-4, 4, 12) if case.elementwise else jnp.asarray(case.points(jnp.float32))
    return xs.astype(dtype)


def shape(case: Case) -> None:
    """The result of an elementwise function has the shape of x, or that to which parameters broadcast it."""
    case.expect_elementwise()
    x = _sample(case)
    expected = jnp.broadcast_shapes(x.shape, *(jnp.shape(case.arguments[n]) for n in case.parameters))
    result = jax.eval_shape(case.f, x)
    got = f"a result of shape {result.shape}" if hasattr(result, "shape") else f"a {type(result).__name__}"
    assert getattr(result, "shape", None) == expected, (
        f"x of shape {x.shape} gives {got}, and an elementwise function would give {expected}; "
        f"pass elementwise=False for a function of whole arrays"
    )


def dtypes(case: Case) -> None:
    """Value and gradient keep the dtype of x, each parameter's gradient its own, under strict promotion."""

    def value_and_gradients(x: Array, parameters: dict[str, Array]) -> tuple[Array, Array, dict[str, Array]]:
        y, back = jax.vjp(lambda x, parameters: case.f(x, **parameters), x, parameters)
        return y, *back(y)

    with jax.numpy_dtype_promotion("strict"):
        for dtype in _FLOATS:
            x = _sample(case, dtype)
            parameters = {n: jnp.asarray(case.arguments[n], jnp.float32) for n in case.parameters}
            for given in (parameters, {}) if parameters else ({},):
                y, by_x, by_parameter = jax.eval_shape(value_and_gradients, x, given)
                with_them = f"x of dtype {jnp.dtype(dtype).name} with float32 {list(given) or 'nothing'}"
                assert y.dtype == dtype, f"{with_them} gives a value of dtype {y.dtype}"
                assert by_x.dtype == dtype, f"{with_them} gives a gradient of dtype {by_x.dtype}"
                for name, p in given.items():
                    got = by_parameter[name]
                    same = got.dtype == p.dtype and got.shape == p.shape
                    assert same, f"{with_them}: the gradient of {name} is {got.dtype} of shape {got.shape}"


def wrong_dtypes(case: Case) -> None:
    """Integers and bools become the default float; complex numbers and non-arrays raise a TypeError with the name."""
    floating = _sample(case)
    for x in (floating.astype(jnp.int32), floating > 0):
        got, expected = case.f(x), case.f(x.astype(jnp.float32))
        assert got.dtype == jnp.result_type(float), f"{x.dtype} gives {got.dtype}"
        assert (got == expected).all(), f"{x.dtype} gives {got}, its float32 copy {expected}"
    for wrong in (floating.astype(jnp.complex64), "x", [1.0, 2.0], None):
        try:
            got = case.f(wrong)
        except TypeError as error:
            message = str(error)
        else:
            raise AssertionError(f"{_kind(wrong)} raises no TypeError, it gives {got}")
        assert case.name in message, f"the error for {_kind(wrong)} does not name the function: {message}"


def _kind(x: Any) -> str:
    return f"an array of dtype {x.dtype}" if isinstance(x, Array) else repr(x)


def transformations(case: Case) -> None:
    """Eager, jit, vmap, scan and remat agree in values and gradients, and so do the ways to a second derivative."""
    _first_order(case)
    with jax.enable_x64(True):  # second derivatives may cancel, which is not the fault of a transformation
        _second_order(case)


def _loss(case: Case) -> tuple[Callable[[Array, Array], Array], Array, Array]:
    """A weighted sum of the values, two rows of inputs, and the weights."""
    row = _sample(case, jnp.result_type(float))
    x = jnp.stack([row, row[::-1]])
    shape = jax.eval_shape(case.f, x).shape

    def loss(x: Array, weights: Array) -> Array:
        y = case.f(x)
        return (jnp.where(jnp.isfinite(y), y, 0) * weights).sum()

    return loss, x, jnp.cos(jnp.arange(math.prod(shape), dtype=x.dtype)).reshape(shape)


def _agree(way: str, result: Array, other: str, expected: Array) -> None:
    """Within 1e-5."""
    a, b = np.asarray(result), np.asarray(expected)
    assert (np.isfinite(a) == np.isfinite(b)).all(), f"{way} is finite elsewhere than {other}"
    a, b = (np.where(np.isfinite(v), v, 0) for v in (a, b))
    error = np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-3))
    assert error < 1e-5, f"{way} differs from {other} by {error:.2g} of it"


def _first_order(case: Case) -> None:
    loss, x, weights = _loss(case)
    gradient = jax.grad(loss)

    def scanned(x: Array) -> Array:
        return jax.lax.scan(lambda s, row: (s + loss(*row), None), jnp.float32(0), (x, weights))[0]

    value, slope = case.f(x), gradient(x, weights)
    ways = {
        "jit": (case.f, value),
        "vmap": (jax.vmap(case.f), value if case.elementwise else jnp.stack([case.f(row) for row in x])),
        "grad of jit": (lambda x: jax.grad(jax.jit(loss))(x, weights), slope),
        "vmap of grad": (lambda x: jax.vmap(gradient)(x, weights), slope),
        "grad of vmap": (jax.grad(lambda x: jax.vmap(loss)(x, weights).sum()), slope),
        "grad of remat": (lambda x: jax.grad(jax.checkpoint(loss))(x, weights), slope),
        "grad of scan": (jax.grad(scanned), slope),
    }
    # One program for all: each transformation is applied, and compiling them one by one would take most of the time.
    got = jax.jit(lambda x: {way: f(x) for way, (f, _) in ways.items()})(x)
    for way, (_, expected) in ways.items():
        _agree(way, got[way], "eager", expected)


def _second_order(case: Case) -> None:
    loss, x, weights = _loss(case)
    gradient = jax.grad(loss)
    # Not x: along it a homogeneous function has no curvature.
    direction = jnp.sin(1 + jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape)

    @jax.jit
    def all_ways(x: Array) -> tuple[Array, Array, Array]:
        bend = jax.jvp(lambda x: gradient(x, weights), (x,), (direction,))[1]
        twice = jax.grad(lambda x: jnp.vdot(gradient(x, weights), direction))(x)
        return bend, twice, jax.hessian(lambda row: loss(row, weights[0]))(x[0]) @ direction[0]

    bend, twice, hessian = all_ways(x)
    _agree("grad of grad", twice, "jvp of grad", bend)
    _agree("hessian", hessian, "jvp of grad", bend[0])


def one_element(case: Case) -> None:
    """One element alone, as a scalar or in an array, gives what it gives among others, up to the second derivative."""
    case.expect_elementwise()

    def three(x: Array) -> Array:
        return jnp.stack(case.derivatives(2)(x)).astype(jnp.float32)

    xs = [_sample(case, dtype) for dtype in (jnp.float32, jnp.float16)]
    together = jax.jit(lambda xs: [three(x) for x in xs])(xs)
    alone = jax.jit(lambda xs: [(three(x), three(x[None])[:, 0]) for x in xs])
    for i in range(xs[0].size):
        for x, expected, got in zip(xs, together, alone([x[i] for x in xs]), strict=True):
            expected = np.asarray(expected)[:, i]
            for result, shape in zip(got, ("()", "(1,)"), strict=True):
                error = np.abs(np.asarray(result) - expected) / np.maximum(np.abs(expected), 1e-2)
                assert (error < 32 * jnp.finfo(x.dtype).eps).all(), (
                    f"value and two derivatives at {x[i]} in shape {shape} are {result}, among others {expected}"
                )


_compilations: list[str] = []


def _record(event: str, duration_secs: float, **kwargs: str | int) -> None:
    if event.endswith("backend_compile_duration"):
        _compilations.append(event)


@contextmanager
def _counting() -> Generator[list[str]]:
    jax.monitoring.register_event_duration_secs_listener(_record)
    _compilations.clear()
    try:
        yield _compilations
    finally:
        jax.monitoring.unregister_event_duration_listener(_record)


def compiles_once(case: Case) -> None:
    """A second call with the same shapes and dtypes, but other numbers, compiles nothing."""
    x = _sample(case)
    inputs = [x, x + 1]
    changed = [{n: jnp.asarray(case.arguments[n], jnp.float32) * s for n in case.parameters} for s in (1.0, 0.5)]
    with _counting() as compilations:
        case.f(inputs[0], **changed[0]).block_until_ready()
        first = len(compilations)
        case.f(inputs[1], **changed[1]).block_until_ready()
        again = len(compilations) - first
    assert again == 0, f"the second call compiled {again} more programs"


def _fusions(f: Callable[..., Any], *arguments: Array) -> list[str]:
    """The operations of the compiled entry computation that touch memory."""
    text = jax.jit(f).lower(*arguments).compile().as_text() or ""
    entry = text[text.index("ENTRY") :].partition("\n}")[0]
    free = {"parameter", "constant", "bitcast", "tuple", "get-tuple-element", "copy"}
    return [op for op in re.findall(r"= (?:\([^()]*\)|\S+) ([a-z][a-z-]*)\(", entry) if op not in free]


def one_fusion(case: Case) -> None:
    """The value compiles to one loop, and so does the backward pass, in 32 and in 16 bits."""
    case.expect_elementwise()
    for dtype in DTYPES:
        x = jnp.linspace(-4, 4, 4096, dtype=dtype)
        for what, ops in (
            ("the value", _fusions(case.f, x)),
            ("the backward pass", _fusions(lambda x, t: jax.vjp(case.f, x)[1](t), x, x)),
        ):
            assert len(ops) <= 1, f"{what} in {x.dtype} compiles to {len(ops)} operations: {', '.join(ops)}"


def backward_memory(case: Case) -> None:
    """The backward pass keeps one array of the dtype of x; for constant slopes a mask for each but the first.

    What is the same for other inputs, such as zeros, is not stored by a compiled program, and not counted.
    """
    width = 384
    residuals = jax.jit(lambda x: jax.tree.leaves(jax.vjp(case.f, x)[1]))
    for dtype in (jnp.float32, jnp.bfloat16):
        x = jnp.linspace(-4, 4, width).astype(dtype)
        if not case.elementwise:
            x = x.reshape(32, 12)
        held, other = residuals(x), residuals(x[::-1])
        kept = sum(
            a.nbytes
            for a, b in zip(held, other, strict=True)
            if a.size > 16 and not np.array_equal(a, b, equal_nan=True)
        )
        slopes = case.constant_slopes
        allowed = x.size * (slopes - 1) if slopes else x.nbytes
        if case.arguments.get("where") is not None:
            allowed += x.size
        assert kept <= allowed, (
            f"{kept / x.size:g} bytes an element are kept in {jnp.dtype(dtype).name}, {allowed / x.size:g} would do"
        )


def pickling(case: Case) -> None:
    """The function comes back from a pickle as itself, and so does its variant with another slope at the kinks."""
    copy = pickle.loads(pickle.dumps(case.function))
    if case.entry is None or case.function is case.entry.function:
        assert copy is case.function, "a pickled copy is another object"
    else:
        assert kink_choice(copy) == kink_choice(case.function), "the pickled variant makes another choice"
    if case.entry is not None and case.slope_source is None:
        variant = replace(case, function=pickle.loads(pickle.dumps(with_kink_slope(case.function, "right"))))
        x = _sample(case)
        assert (variant.f(x) == case.f(x)).all(), "the pickled variant computes something else"


def docstring(case: Case) -> None:
    """The docstring begins with a sentence and names every argument (and has all sections in this library)."""
    text = inspect.getdoc(case.function) or ""
    assert text, "there is no docstring"
    assert text.partition("\n")[0].endswith("."), "the first line is not a sentence"
    _, *parameters = inspect.signature(case.function).parameters
    if not (getattr(case.function, "__module__", None) or "").startswith("jaxacts."):
        unnamed = [n for n in parameters if not re.search(rf"\b{n}\b", text)]
        assert not unnamed, f"the docstring does not name the arguments {', '.join(unnamed)}"
        return
    places = [text.find(section) for section in SECTIONS]
    missing = [section for section, place in zip(SECTIONS, places, strict=True) if place < 0]
    assert not missing, f"sections missing from the docstring: {', '.join(missing)}"
    assert places == sorted(places), f"the sections are out of order; the order is {', '.join(SECTIONS)}"
    undocumented = [n for n in ("x", *parameters) if f"{n}:" not in text]
    assert not undocumented, f"arguments without a line under Args: {', '.join(undocumented)}"
