"""Error messages: they name the function, the argument, what was expected, what they got, and the remedy."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Domain", "bind", "check_domain", "missing", "nearest", "unknown_name"]

Domain: TypeAlias = Mapping[str, Callable[..., bool]]
"""Conditions on arguments: in words, and as a function of those that each concerns."""


def bind(function: str, signature: inspect.Signature, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments by name, with their defaults, or a TypeError that shows the signature without its annotations."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        raise TypeError(f"{function}: {error}; the signature is {function}{inspect.Signature(bare)}.") from None
    bound.apply_defaults()
    return bound.arguments


_KNOWN = (int, float, np.generic, np.ndarray)


@functools.cache
def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def check_domain(function: str, domain: Domain, arguments: Mapping[str, Any]) -> None:
    """A ValueError where numbers, or arrays of NumPy, break a condition.

    Arrays of JAX, traced or not, are not looked at, and NaN breaks none.
    """
    for condition, holds in domain.items():
        concerned = {n: arguments.get(n) for n in _arguments(holds)}
        if not all(isinstance(v, _KNOWN) for v in concerned.values()):
            continue
        right = holds(**concerned)
        if right is True:  # np.all takes as long as a call of the activation
            continue
        if not np.all(right) and not any(np.any(v != v) for v in concerned.values()):
            got = ", ".join(f"{n}={v!r}" for n, v in concerned.items())
            raise ValueError(f"{function}: needs {condition}, got {got}; pass numbers for which that holds.")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The names among ``known`` that look most like ``name``, best first (possibly none)."""
    by_folded = {k.casefold(): k for k in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    return [by_folded[f] for f in found]


def missing(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """An AttributeError for a name that a module lacks, with the nearest one."""
    similar = "".join(f"; did you mean {n!r}?" for n in nearest(name, known)[:1])
    return AttributeError(f"module {module!r} has no attribute {name!r}{similar}")


def unknown_name(function: str, argument: str, got: object, known: Iterable[str]) -> ValueError:
    """A ValueError for a name that is not in ``known``, with the nearest ones, or all if none is similar."""
    names = sorted(known)
    similar = nearest(str(got), names)
    *others, last = map(repr, similar or names)
    choice = f"{', '.join(others)} or {last}" if others else last
    remedy = f"did you mean {choice}?" if similar or len(names) <= 3 else f"choose {choice}."
    return ValueError(f"{function}: unknown {argument} {got!r}; {remedy}")
