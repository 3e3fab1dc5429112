"""Which activation an expression is: a name where its values are those of the catalogue, its formula otherwise."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from jaxacts._core import Activation, plain_form
from jaxacts._trace.graph import Op
from jaxacts._trace.layers.follow import Signal, Trail
from jaxacts.lookup import catalogue

__all__ = ["agrees", "linear", "recognized", "same"]

Floats: TypeAlias = NDArray[np.float64]
_Pattern: TypeAlias = tuple[Callable[[list[str]], str], list[int]]

_WIDE = np.array([10.0, 30.0, 100.0, 1e3])
_GRID = np.concatenate([np.linspace(-4.0, 4.0, 33), -_WIDE, _WIDE])
_USUAL = ("relu", "gelu", "silu", "tanh", "sigmoid", "gelu (exact)")
_INFIX = {
    "add": " + {}",
    "add_any": " + {}",
    "sub": " - {}",
    "mul": "·{}",
    "div": "/{}",
    "gt": " > {}",
    "ge": " ≥ {}",
    "lt": " < {}",
    "le": " ≤ {}",
    "eq": " = {}",
    "ne": " ≠ {}",
}
_SAME = frozenset(["convert_element_type", "copy", "stop_gradient", "name"])
_LONGEST = 60


def recognized(trail: Trail, end: Signal) -> tuple[Callable[..., Any], str]:
    """An activation of the catalogue that has these values, and so its digits; else the operations themselves."""
    function = trail.function(end)
    values = _table(function)
    name = _named(values) or _rounded(trail, end, values)
    return (_known(name)[0], name) if name else (function, _formula(trail, end.expr))


def same(f: Callable[..., Any] | float, g: Callable[..., Any] | float) -> bool:
    """Whether two activations have the same values, or two gains are equal."""
    if not (callable(f) and callable(g)):
        return f == g
    return _equal(_table(f), _table(g), 1e-4)


def linear(function: Callable[..., Any]) -> bool:
    """Whether a function is a line, such as one that replaces values that are not finite."""
    values = _table(function)
    slope = (values[1] - values[0]) / (_GRID[1] - _GRID[0])
    return bool(np.allclose(values, values[0] + slope * (_GRID - _GRID[0]), rtol=1e-4, atol=1e-4))


def agrees(name: str, function: Callable[..., Any], tolerance: float) -> bool:
    """Whether the function is this activation of the catalogue, up to a tolerance for rounded constants."""
    entry = catalogue()[name]
    return entry.elementwise and _equal(_table(function), _known(name)[1], tolerance)


def _equal(values: Floats, known: Floats, tolerance: float) -> bool:
    """Whether values agree, but for those at large inputs that overflow, as of a softplus that is written out."""
    wide = len(_GRID) - 2 * len(_WIDE)
    finite = np.isfinite(values) & np.isfinite(known)
    finite[:wide] = True
    return bool(np.allclose(values[finite], known[finite], rtol=tolerance, atol=tolerance))


def _table(function: Callable[..., Any]) -> Floats:
    with jax.ensure_compile_time_eval(), jax.enable_x64(True), jax.debug_nans(False), jax.debug_infs(False):
        return np.asarray(function(jnp.asarray(_GRID)), np.float64)


def _with_arguments(name: str) -> tuple[Activation, dict[str, Any]]:
    entry = catalogue()[name.removesuffix(" (exact)")]
    return entry, entry.arguments() | ({"approximate": False} if name == "gelu (exact)" else {})


@functools.cache
def _known(name: str) -> tuple[Callable[..., Any], Floats]:
    entry, arguments = _with_arguments(name)
    function = functools.partial(entry.function, **arguments)
    return function, _table(function)


@functools.cache
def _tables() -> dict[str, Floats]:
    """The values of all activations that a function may be, from one program, which takes half the time to compile."""
    names = [name for name, entry in catalogue().items() if entry.elementwise and name != "identity"]
    given = {name: _with_arguments(name) for name in dict.fromkeys([*_USUAL, *names])}

    def all_of(x: Array) -> list[Array]:
        return [plain_form(entry.function)(x, **arguments) for entry, arguments in given.values()]

    with jax.ensure_compile_time_eval(), jax.enable_x64(True):
        return {name: np.asarray(y) for name, y in zip(given, jax.jit(all_of)(jnp.asarray(_GRID)), strict=True)}


def _named(values: Floats) -> str | None:
    usual = next((n for n in _USUAL if _equal(values, _known(n)[1], 1e-4)), None)
    return usual or next((n for n, known in _tables().items() if _equal(values, known, 1e-4)), None)


def _rounded(trail: Trail, end: Signal, values: Floats) -> str | None:
    """The activation whose constants have been rounded to 16 bits: the one that is called, or one that is close."""
    open_, seen, constants, scopes = [end.expr], set[int](), set[int](), dict[str, None]()
    while open_:
        if (expr := open_.pop()) in seen:
            continue
        seen.add(expr)
        op = trail.graph.producer[expr]
        scopes |= dict.fromkeys(op.scope)
        within = [v for v in op.inputs if trail.signal(v)]
        constants.update(v for v in op.inputs if v not in within)
        open_ += [s.expr for v in within if (s := trail.signal(v)) and s.expr != trail.base(s)]
    if not any(np.asarray(trail.uniform(v)).dtype.itemsize == 2 for v in constants):
        return None
    called = {name: known for name, known in _tables().items() if name in scopes}
    for tables, tolerance in ((called, 2**-8), (_tables(), 2**-10)):
        errors = {name: _error(values, known) for name, known in tables.items()}
        name = min(errors, key=errors.__getitem__, default=None)
        if name and errors[name] <= tolerance:
            return name
    return None


def _error(values: Floats, known: Floats) -> float:
    """The largest difference, relative to large values."""
    finite = np.isfinite(values) & np.isfinite(known)
    return float(np.max(np.abs(values - known)[finite] / (1 + np.abs(known[finite])), initial=0.0))


def _formula(trail: Trail, expr: int) -> str:
    """The expression in z, or the name of the function that computes it where that is too long to read."""
    text = _text(trail, expr)
    scope = trail.graph.producer[expr].scope[len(trail.use.op.scope) :]
    return text if len(text) <= _LONGEST else scope[0] if scope else f"{text[:_LONGEST]}…"


def _text(trail: Trail, end: int) -> str:
    """Each value is written once, operands first: an unrolled loop may have many operations, and far more paths."""
    patterns, texts, open_ = dict[int, _Pattern](), dict[int, str](), [end]
    while open_:
        value = open_[-1]
        if value not in patterns:
            patterns[value] = _pattern(trail, value)
        write, operands = patterns[value]
        if missing := [v for v in operands if v not in texts]:
            open_ += missing
        else:
            texts[open_.pop()] = _cut(write([texts[v] for v in operands]))
    return texts[end]


def _cut(text: str) -> str:
    """The beginning of a very long text, with its parentheses closed and in need of some around it as before."""
    if len(text) <= 32 * _LONGEST:
        return text
    start = text[:_LONGEST]
    return f"{start}…{')' * (start.count('(') - start.count(')'))}{' …' if _grouped(text, ' ') != text else ''}"


def _pattern(trail: Trail, value: int) -> _Pattern:
    """How a value is written, and the values whose texts stand in it."""
    state = trail.signal(value)
    if state is None:
        return lambda texts: trail.written(value), []
    if state.expr == trail.base(state):
        return lambda texts: "z", []
    op = trail.graph.producer[state.expr]
    if op.name in _SAME:
        return lambda texts: texts[0], [op.inputs[0]]
    if not state.linear and (called := _called(trail, state)):
        return called
    return functools.partial(_joined, op), list(op.inputs)


def _joined(op: Op, parts: list[str]) -> str:
    if op.name in _INFIX:
        first, second = (_grouped(p, " ") for p in parts)
        return first + _INFIX[op.name].format(second)
    if op.name == "select_n":
        condition, otherwise, chosen = parts
        return f"where({condition}, {chosen}, {otherwise})"
    if op.name in ("integer_pow", "square"):
        return f"{_grouped(parts[0], ' ·/')}^{op.params.get('y', 2)}"
    return f"{op.name}({', '.join(parts)})"


def _grouped(part: str, loose: str) -> str:
    """In parentheses, where one of the ``loose`` signs stands outside of all."""
    bare = part
    while (shorter := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = shorter
    return f"({part})" if any(sign in bare for sign in loose) else part


def _called(trail: Trail, state: Signal) -> _Pattern | None:
    """``relu(0.1·z)`` for an activation of the catalogue, by its values or, of a scaled z, by the name of the call."""
    if name := _named(_table(trail.function(state))):
        return lambda texts: f"{name}(z)", []
    depth = len(trail.use.op.scope)
    scope = trail.graph.producer[state.expr].scope[depth : depth + 1]
    if not scope or scope[0] not in catalogue():
        return None
    open_, inside, outside = [state.expr], {state.expr}, dict[int, None]()
    while open_:
        for v in trail.graph.producer[open_.pop()].inputs:
            if not (inner := trail.signal(v)) or inner.expr in inside:
                continue
            if trail.graph.producer[inner.expr].scope[depth : depth + 1] == scope:
                inside.add(inner.expr)
                open_.append(inner.expr)
            else:
                outside[inner.expr] = None
    return (lambda texts: f"{scope[0]}({texts[0]})", [*outside]) if len(outside) == 1 else None
