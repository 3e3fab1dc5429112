"""The arguments of a watch and of its calls: what is refused, and in which words."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator, Mapping
from typing import Any

from jaxacts._core.errors import nearest
from jaxacts.diagnostics._state import State

__all__ = ["check_call", "check_options", "described", "running"]

_FIRST = {"linen": "variables", "nnx": "model", "pytree": "model", "function": "params"}


def check_options(function: Callable[..., Any], kind: str, model: Any, options: Mapping[str, Any]) -> None:
    """Refuse an option that the call of the model does not take: most are misspelt ones of the public ``function``."""
    caller, name = function.__name__, getattr(model, "__name__", type(model).__name__)
    theirs = _taken(kind, model, options)
    if theirs is None:
        return
    known = [*_own(function), *theirs]
    for option in options:
        if option not in theirs:
            near = " or ".join(map(repr, nearest(option, known)))
            remedy = f"did you mean {near}?" if near else "leave it out."
            raise TypeError(
                f"{caller}: options must be arguments of {caller} or of the call of {name}, got {option!r}; {remedy}"
            )


def _own(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]


def _taken(kind: str, model: Any, options: Mapping[str, Any]) -> list[str] | None:
    """The names that the call of a model takes; None where these are not known."""
    call = model
    if kind == "linen":
        method = options.get("method") or "__call__"
        call = getattr(model, method) if isinstance(method, str) else method
    try:
        takes = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # some functions written in C do not tell
        return None
    if any(p.kind is p.VAR_KEYWORD for p in takes):
        return None
    of_apply = inspect.signature(model.apply).parameters.values() if kind == "linen" else ()
    return [p.name for p in (*takes, *of_apply) if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


@contextlib.contextmanager
def running(
    caller: str, inputs: tuple[Any, ...], options: Mapping[str, Any], function: Callable[..., Any] | None = None
) -> Generator[None]:
    """What a model raises, with the name of the ``caller``, what the model was called with, and a remedy.

    ``function`` is the public one whose arguments an option may have meant.
    """
    try:
        yield
    except Exception as error:
        near = [n for o in options if f"'{o}'" in str(error) and function for n in nearest(o, _own(function))[:1]]
        remedy = "pass what the model is called with."
        if near:
            remedy = f"did you mean {near[0]!r}?"
        elif inputs and all(type(x) is int for x in inputs):
            remedy = f"pass an array, or jax.ShapeDtypeStruct({inputs}, jnp.float32) for its shape alone."
        raise ValueError(
            f"{caller}: the model must run on the sample, got ({', '.join(map(described, inputs))}), but raised "
            f"{type(error).__name__}: {str(error).removesuffix('.')}; {remedy}"
        ) from error


def check_call(kind: str, variables: Any, inputs: tuple[Any, ...], state: Any, caller: str = "watch") -> None:
    """Refuse arguments of a call that are in the places of others."""
    first = _FIRST[kind]
    remedy = f"call watch({first}, x, state)"
    if caller != "watch":
        remedy = f"call {caller}(watch, loss, {first}, x)"
    if isinstance(variables, State) or any(isinstance(x, State) for x in inputs):
        raise TypeError(f"{caller}: the state must be the third argument, got it before; {remedy}.")
    if state is not None and not isinstance(state, State):
        raise TypeError(
            f"{caller}: state must be what watch.init() or an earlier call returned, got {described(state)}; {remedy}."
        )
    if kind == "linen" and not isinstance(variables, Mapping):
        raise TypeError(f"{caller}: variables must be what model.init returned, got {described(variables)}; {remedy}.")
    if kind == "nnx":
        from flax import nnx

        if isinstance(variables, nnx.State):
            raise TypeError(
                f"{caller}: model must be an nnx module, got its state; pass the module, which nnx.merge makes."
            )
        if not isinstance(variables, nnx.Module):
            raise TypeError(f"{caller}: model must be an nnx module, got {described(variables)}; {remedy}.")
    if kind == "pytree" and not callable(variables):
        raise TypeError(f"{caller}: model must be a callable pytree, got {described(variables)}; {remedy}.")


def described(value: Any) -> str:
    """``float32[2, 16]`` for an array."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return "None" if value is None else type(value).__name__
