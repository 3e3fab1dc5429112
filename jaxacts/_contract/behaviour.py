"""Clauses about behaviour: dtypes, transformations, compilation, memory, pickling, documentation."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._mechanism import Pieces, with_kink_slope
from jaxacts._mechanism.rule import slope_at

from .case import Case, NotApplicableError

__all__ = [
    "backward_memory",
    "compiles_once",
    "docstring",
    "dtypes",
    "one_fusion",
    "pickling",
    "transformations",
    "wrong_dtypes",
]

SECTIONS = (".. math::", "Args:", "Returns:", "Raises:", "Note:", "Example:", "References:")
_FLOATS = (jnp.float32, jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn, jnp.float8_e5m2)


def _sample(case: Case, dtype: Any = jnp.float32) -> Array:
    xs = jnp.linspace(-4, 4, 12) if case.elementwise else jnp.asarray(case.points(jnp.float32))
    return xs.astype(dtype)


def dtypes(case: Case) -> None:
    """Value and gradient keep the dtype of x, each parameter's gradient its own, under strict promotion."""
    with jax.numpy_dtype_promotion("strict"):
        for dtype in _FLOATS:
            x = _sample(case, dtype)
            y, back = jax.vjp(case.f, x)
            assert y.dtype == dtype, f"x of dtype {jnp.dtype(dtype).name} gives a value of dtype {y.dtype}"
            gradient = back(y)[0].dtype
            assert gradient == dtype, f"x of dtype {jnp.dtype(dtype).name} gives a gradient of dtype {gradient}"
            for name in case.parameters:
                p = jnp.asarray(case.arguments[name], jnp.float32)
                y, back = jax.vjp(lambda p, x=x, name=name: case.f(x, **{name: p}), p)
                assert y.dtype == dtype, f"a float32 {name} turns {jnp.dtype(dtype).name} into {y.dtype}"
                gradient = back(y)[0]
                assert (gradient.dtype, gradient.shape) == (p.dtype, p.shape), (
                    f"the gradient of {name} is {gradient.dtype}"
                )


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
            raise AssertionError(f"{wrong!r:.40} raises no TypeError, it gives {got}")
        assert case.name in message, f"the error for {wrong!r:.40} does not name the function: {message}"


def transformations(case: Case) -> None:
    """Eager, jit, vmap and their compositions with grad agree; scan, remat and hessian work."""
    x = jnp.stack([_sample(case), _sample(case)[::-1]])
    weights = jnp.cos(jnp.arange(case.f(x).size, dtype=x.dtype)).reshape(case.f(x).shape)

    def loss(x: Array, weights: Array) -> Array:
        y = case.f(x)
        return (jnp.where(jnp.isfinite(y), y, 0) * weights).sum()

    def close(got: Array, expected: Array, what: str) -> None:
        a, b = (np.where(np.isfinite(v), v, 0) for v in (np.asarray(got), np.asarray(expected)))
        assert (np.isfinite(got) == np.isfinite(expected)).all(), f"{what} is finite elsewhere than eager"
        error = np.max(np.abs(a - b) / np.maximum(np.abs(b), 1e-3))
        assert error < 2e-6, f"{what} differs from eager by a factor of {error:.2g}"

    gradient = jax.grad(loss)
    eager, slope = case.f(x), gradient(x, weights)
    close(jax.jit(case.f)(x), eager, "jit")
    close(jax.vmap(case.f)(x), _rows(case, x, lambda r: case.f(r)), "vmap")
    close(jax.jit(gradient)(x, weights), slope, "jit of grad")
    close(gradient(x, weights), jax.grad(jax.jit(loss))(x, weights), "grad of jit")
    close(jax.vmap(gradient)(x, weights), slope, "vmap of grad")
    close(jax.grad(lambda x: jax.vmap(loss)(x, weights).sum())(x), slope, "grad of vmap")
    close(jax.grad(jax.checkpoint(loss))(x, weights), slope, "grad of remat")
    close(jax.jit(jax.grad(lambda x: _scanned(loss, x, weights)))(x), slope, "grad of scan")
    primal, tangent = jax.jvp(gradient, (x, weights), (x, jnp.zeros_like(weights)))
    close(primal, slope, "jvp of grad")
    hessian = jax.hessian(loss)(x[0], weights[0])
    close(jax.jit(jax.hessian(loss))(x[0], weights[0]), hessian, "jit of hessian")
    close(hessian @ x[0], tangent[0], "jvp of grad")


def _rows(case: Case, x: Array, f: Callable[[Array], Array]) -> Array:
    return jnp.stack([f(r) for r in x])


def _scanned(loss: Callable[..., Array], x: Array, weights: Array) -> Array:
    return jax.lax.scan(lambda s, row: (s + loss(*row), None), jnp.float32(0), (x, weights))[0]


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
    """The value compiles to one loop, and so does the backward pass."""
    if not case.elementwise:
        raise NotApplicableError("it is not elementwise")
    x = jnp.linspace(-4, 4, 4096)
    for what, ops in (
        ("the value", _fusions(case.f, x)),
        ("the backward pass", _fusions(lambda x, t: jax.vjp(case.f, x)[1](t), x, x)),
    ):
        assert len(ops) <= 1, f"{what} compiles to {len(ops)} operations: {', '.join(ops)}"


def backward_memory(case: Case) -> None:
    """The backward pass keeps one array of the dtype of x, one byte an element for piecewise constant slopes."""
    width = 384
    for dtype in (jnp.float32, jnp.bfloat16):
        x = jnp.linspace(-4, 4, width).astype(dtype)
        if "where" in case.arguments and case.arguments["where"] is not None:
            x = jnp.resize(x, (32, 12))
        kept = sum(leaf.nbytes for leaf in jax.tree.leaves(jax.vjp(case.f, x)[1]) if leaf.size > 16)
        allowed = x.size if _piecewise_constant(case) else x.nbytes
        if case.arguments.get("where") is not None:
            allowed += x.size
        assert kept <= allowed, (
            f"{kept / x.size:g} bytes an element are kept in {jnp.dtype(dtype).name}, {allowed / x.size:g} would do"
        )


def _piecewise_constant(case: Case) -> bool:
    if case.entry is None or case.entry.slope is None:
        return False
    parameters = [jnp.float32(case.arguments[n]) for n in case.parameters]
    static = tuple((n, case.arguments[n]) for n in case.entry.static)
    pieces = slope_at(case.entry.slope, jnp.zeros(2), parameters, static)
    return isinstance(pieces, Pieces) and all(np.size(s) == 1 for s in pieces.slopes)


def pickling(case: Case) -> None:
    """The function comes back from a pickle as itself, and so does its variant with another slope at the kinks."""
    assert pickle.loads(pickle.dumps(case.function)) is case.function, "a pickled copy is another object"
    if case.entry is not None:
        variant = pickle.loads(pickle.dumps(with_kink_slope(case.function, "right")))
        x = _sample(case)
        assert (variant(x, **case.arguments) == case.f(x)).all(), "the pickled variant computes something else"


def docstring(case: Case) -> None:
    """The docstring has every section, in the order of the house, a title line, and names every argument."""
    text = inspect.getdoc(case.function) or ""
    places = [text.find(section) for section in SECTIONS]
    missing = [section for section, place in zip(SECTIONS, places, strict=True) if place < 0]
    assert not missing, f"sections missing from the docstring: {', '.join(missing)}"
    assert places == sorted(places), f"the sections are out of order; the order is {', '.join(SECTIONS)}"
    assert text.partition("\n")[0].endswith("."), "the first line is no sentence"
    undocumented = [n for n in inspect.signature(case.function).parameters if f"{n}:" not in text]
    assert not undocumented, f"arguments without a line under Args: {', '.join(undocumented)}"
