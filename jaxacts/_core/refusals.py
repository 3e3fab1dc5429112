"""What ``@activation`` and the functions that it makes refuse, and in which words."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from .dtypes import as_array
from .errors import bind, check_domain
from .facts import Facts
from .pieces import Pieces

__all__ = ["check_declaration", "checked", "explain"]


def check_declaration(
    name: str,
    signature: inspect.Signature,
    slope: Any,
    partials: Any,
    facts: Any,
    static: Any,
    typical: Any,
    domain: Any,
    refined: Any,
    parameters: Any,
    at_defaults: Any,
) -> None:
    """Raise an error for what the decorator cannot take."""

    def expect(right: bool, argument: str, expected: str, got: Any, remedy: str) -> None:
        if not right:
            raise TypeError(f"activation: {argument} of {name} must be {expected}, got {got!r}; {remedy}.")

    expect(slope is None or callable(slope), "slope", "a function", slope, "write slope=lambda x: ...")
    kinds = {p.name: p.kind for p in signature.parameters.values()}
    if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} & {*kinds.values()}:
        raise TypeError(f"activation: {name} must name all its arguments, got {signature}; write them out.")
    for argument, given in (("partials", partials), ("typical", typical), ("domain", domain), ("refined", refined)):
        expect(given is None or isinstance(given, Mapping), argument, "a mapping", given, "write {'alpha': ...}")
    for parameter, partial in (partials or {}).items():
        remedy = "write a function of the arguments of the formula"
        expect(callable(partial), f"partials[{parameter!r}]", "a function", partial, remedy)
    remedy = "write facts=jaxacts.Facts(...)"
    expect(facts is None or isinstance(facts, Facts) or callable(facts), "facts", "Facts or a function", facts, remedy)
    remedy = "give slope as well, or leave them out"
    expect(not partials or callable(slope), "partials", "left out where slope is", tuple(partials or ()), remedy)
    known = ("value", "slope", *(partials or {}))
    remedy = f"name some of {known}, and give slope as well"
    right = not refined or (callable(slope) and all(n in known and callable(f) for n, f in refined.items()))
    expect(right, "refined", "functions by what they take the place of", refined, remedy)
    names = tuple(signature.parameters)[1:]
    known = ("value", "slope", "refined value", "refined slope")
    remedy = "give its value and its slope as functions of x"
    right = at_defaults is None or (
        isinstance(at_defaults, Mapping)
        and set(known[:2]) <= set(at_defaults) <= set(known)
        and all(map(callable, at_defaults.values()))
    )
    expect(right and (not at_defaults or bool(partials)), "at_defaults", f"functions by {known}", at_defaults, remedy)
    for condition, holds in (domain or {}).items():
        remedy = "write a def or a lambda whose arguments are those that it concerns"
        fits = inspect.isfunction(holds) and all(n in names for n in inspect.signature(holds).parameters)
        expect(fits, f"domain[{condition!r}]", f"a function of some of {names}", holds, remedy)
    remedy = "leave it out: they are those of partials"
    expect(not (parameters and slope), "parameters", "left out where slope is given", parameters, remedy)
    for argument, given in (("static", static), ("typical", typical or ()), ("parameters", parameters)):
        remedy = f"take them from {names}"
        listed = isinstance(given, Iterable) and not isinstance(given, str) and all(n in names for n in given)
        expect(listed, argument, "names of arguments after the first", given, remedy)
    hidden = [n for n, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY and n not in static]
    remedy = "leave the * out, or name them in static"
    expect(not (slope and hidden), "the array parameters", "positional too", hidden, remedy)
    check_domain(f"activation: {name}", domain or {}, {p.name: p.default for p in signature.parameters.values()})
    for what, function in {"slope": slope, **{f"partial by {n}": p for n, p in (partials or {}).items()}}.items():
        try:
            if function:
                inspect.signature(function).bind(*(n for n in kinds if n not in static), **dict.fromkeys(static))
        except TypeError as error:
            raise TypeError(
                f"activation: the {what} of {name} must take what {name}{signature} takes: {error}."
            ) from None
        except ValueError:  # some functions written in C do not tell
            pass


def checked(name: str, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with an error where it does not return a real array for every element of x."""

    def judged(x: Array, *parameters: Array, **static: Any) -> Any:
        y = function(x, *parameters, **static)
        if isinstance(y, Pieces) and what != "formula":
            return y
        array = isinstance(y, Array | np.ndarray | np.generic | int | float | complex)
        shape = np.shape(y) if array else None
        fits = shape == x.shape or (shape == () and what != "formula")
        if not fits or jnp.iscomplexobj(y):
            got = f"{jnp.result_type(y)} of shape {shape}" if array else type(y).__name__
            raise TypeError(
                f"{name}: the {what} must return real numbers of the shape {x.shape} of x, got {got}; "
                f"leave slope out for functions of whole arrays."
            )
        return y

    return judged


def explain(name: str, signature: inspect.Signature, static: tuple[str, ...], args: Any, kwargs: Any) -> None:
    """Raise a better error than jit's for what is not an array (a string) or not a constant (a list, an array)."""
    for argument, value in bind(name, signature, args, kwargs).items():
        if argument not in static:
            each = {f"{argument}[{i}]": v for i, v in enumerate(value)} if isinstance(value, tuple | list) else {}
            for part, number in (each or {argument: value}).items():
                if number is not None:
                    as_array(name, part, number)
        elif not isinstance(value, Hashable) or isinstance(value, Array):
            kind, remedy = type(value).__name__, "pass a number, a bool or a tuple"
            if isinstance(value, Tracer):
                kind, remedy = "a traced value", "name it in the static_argnames of jax.jit"
            raise TypeError(f"{name}: {argument} must be a Python constant, got {kind}; {remedy}.")
