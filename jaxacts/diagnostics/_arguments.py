"""The arguments of a watch and of its calls: what is refused, and in which words."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jaxacts._core.errors import nearest
from jaxacts._trace.calls import check_options, described, keywords_of, running
from jaxacts.diagnostics._state import State

__all__ = ["check_call", "check_watched", "sampled"]

_FIRST = {"linen": "variables", "nnx": "model", "pytree": "model", "function": "params"}


def check_watched(function: Callable[..., Any], kind: str, model: Any, options: Mapping[str, Any]) -> None:
    """Refuse an option that neither the public ``function`` nor the call of the model takes."""
    theirs = _taken(kind, model, options)
    if theirs is not None:
        check_options(function, getattr(model, "__name__", type(model).__name__), theirs, options)


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


def sampled(
    caller: str, inputs: tuple[Any, ...], options: Mapping[str, Any], function: Callable[..., Any] | None = None
) -> contextlib.AbstractContextManager[None]:
    """What a model raises on the sample; ``function`` is the public one whose arguments an option may have meant."""

    def remedy(error: Exception) -> str:
        known = keywords_of(function) if function else []
        similar = [n for o in options if f"'{o}'" in str(error) for n in nearest(o, known)[:1]]
        if similar:
            return f"did you mean {similar[0]!r}?"
        if inputs and all(type(x) is int for x in inputs):
            return f"pass an array, or jax.ShapeDtypeStruct({inputs}, jnp.float32) for its shape alone."
        return "pass what the model is called with."

    return running(caller, inputs, remedy)


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
