"""Flax models, linen and nnx, as a list of named parameters and a function of them."""

from __future__ import annotations

import contextlib
import inspect
import zlib
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from jaxacts._core.errors import nearest
from jaxacts.initializers import _checks

__all__ = ["Model", "all_zero", "folded", "opened", "table"]


class Model(NamedTuple):
    """``call(leaves, sample)`` gives the arrays of the output; ``rebuilt(leaves)`` what the caller gets back."""

    paths: list[str]
    leaves: list[Array]
    sample: tuple[Any, ...]
    call: Callable[[list[Any], Any], Any]
    rebuilt: Callable[[list[Any]], Any]


def folded(key: Array, path: str) -> Array:
    """The key of one parameter, which other parameters do not change."""
    return jax.random.fold_in(key, zlib.crc32(path.encode()))


def all_zero(leaf: Any) -> bool:
    """Whether a kernel is zero as a whole, which the last layer of a residual branch may have to be."""
    return not (isinstance(leaf, jax.ShapeDtypeStruct) or jnp.any(leaf))


def opened(
    function: Callable[..., Any], model: Any, sample: Any, key: Array, variables: Any, options: Mapping[str, Any]
) -> Model:
    """A linen module, with variables or without, or an nnx module, for the public ``function``."""
    caller = function.__name__
    try:
        from flax import linen, nnx
    except ImportError as error:
        raise ImportError(f'{caller}: needs flax; pip install "jaxacts[flax]".') from error
    # Under jit even a constant is traced.
    if any(isinstance(x, Tracer) for x in jax.tree.leaves((key, sample, variables, jnp.zeros(())))):
        raise TypeError(
            f"{caller}: runs on the host, but was called while jax traces a function; call it outside of jit, and "
            f"pass what it returns into the jitted function."
        )
    _checks.key(caller, key)
    if isinstance(sample, list):
        raise TypeError(
            f"{caller}: sample must be an array, or a tuple of the positional arguments, got a list; "
            f"write (x,) instead of [x], or ([x],) for a model that takes a list."
        )
    inputs = sample if isinstance(sample, tuple) else (sample,)
    for value in jax.tree.leaves(inputs):
        if not hasattr(value, "dtype") and not isinstance(value, bool | int | float | complex):
            raise TypeError(
                f"{caller}: sample must be an array, or a tuple of the positional arguments, got {_described(value)}; "
                f"pass arrays, and what is none by name."
            )
    if isinstance(model, linen.Module | nnx.Module):
        _known_options(function, model, options)
    if isinstance(model, linen.Module):
        return _linen(caller, model, inputs, key, variables, options)
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"{caller}: model must be a flax.linen or flax.nnx module, got {type(model).__name__}; "
            f"pass the module itself."
        )
    if variables is not None:
        raise TypeError(f"{caller}: an nnx module has its variables inside; leave the argument variables out.")
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)

    def rebuilt(params: Any) -> Any:
        # Variables of its own: what a call writes into them stays out of the model that was passed.
        return nnx.merge(graphdef, params, jax.tree.map(lambda x: x, rest))

    return _model(caller, params, inputs, lambda params, inputs: rebuilt(params)(*inputs, **options), rebuilt)


def _known_options(function: Callable[..., Any], model: Any, options: Mapping[str, Any]) -> None:
    """Refuses an option that the call of the model does not take: most are misspelt ones of the ``function``."""
    caller, name = function.__name__, type(model).__name__
    takes = inspect.signature(type(model).__call__).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in takes):
        return
    ours = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    theirs = [p.name for p in takes][1:]
    for option in options:
        if option not in theirs:
            near = " or ".join(map(repr, nearest(option, [*ours, *theirs])))
            remedy = f"did you mean {near}?" if near else "leave it out."
            raise TypeError(
                f"{caller}: options must be arguments of {caller} or of the call of {name}, got {option!r}; {remedy}"
            )


@contextlib.contextmanager
def _calling(caller: str, inputs: tuple[Any, ...]) -> Generator[None]:
    """What a model raises, with the name of the ``caller`` and what the model was called with."""
    try:
        yield
    except Exception as error:
        sample = ", ".join(map(_described, inputs))
        raise ValueError(
            f"{caller}: the model must run on the sample, got ({sample}), but raised {type(error).__name__}: "
            f"{str(error).removesuffix('.')}; pass what the model is called with, and variables made for that."
        ) from error


def _described(value: Any) -> str:
    """``float32[2, 16]`` for an array."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return "None" if value is None else type(value).__name__


def _linen(
    caller: str, model: Any, inputs: tuple[Any, ...], key: Array, variables: Any, options: Mapping[str, Any]
) -> Model:
    rngs = {"params": key, "dropout": key}
    if variables is not None and (not isinstance(variables, Mapping) or "params" not in variables):
        got = f"the keys {sorted(variables)}" if isinstance(variables, Mapping) else type(variables).__name__
        raise ValueError(
            f"{caller}: variables must have the collection 'params', got {got}; pass what model.init returned, "
            f"or {{'params': ...}}."
        )
    with _calling(caller, inputs):
        state = model.init(rngs, *inputs, **options) if variables is None else variables
    others = {name: part for name, part in state.items() if name != "params"}

    def apply(params: Any, inputs: tuple[Any, ...]) -> Any:
        # Collections that change are listed, so that the training mode of a normalization can be followed too.
        out, _ = model.apply({"params": params, **others}, *inputs, rngs=rngs, mutable=[*others], **options)
        return out

    return _model(caller, state.get("params", {}), inputs, apply, lambda params: {"params": params, **others})


def _model(
    caller: str,
    params: Any,
    inputs: tuple[Any, ...],
    apply: Callable[[Any, Any], Any],
    rebuilt: Callable[[Any], Any],
) -> Model:
    named, tree = jax.tree_util.tree_flatten_with_path(params)

    def call(leaves: list[Any], sample: Any) -> Any:
        with _calling(caller, inputs):
            out = apply(jax.tree.unflatten(tree, leaves), sample)
        return [x for x in jax.tree.leaves(out) if isinstance(x, Array)]

    return Model(
        [_path(path) for path, _ in named],
        [leaf for _, leaf in named],
        inputs,
        call,
        lambda leaves: rebuilt(jax.tree.unflatten(tree, leaves)),
    )


def _path(keys: tuple[Any, ...]) -> str:
    """``encoder/layers/0/kernel``: the names without the boxes that some parameters are wrapped in."""
    parts = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in keys]
    while len(parts) > 1 and isinstance(keys[len(parts) - 1], jax.tree_util.GetAttrKey):
        parts.pop()
    return "/".join(parts)


def table(rows: list[tuple[str, ...]], left: Mapping[str, str]) -> str:
    """Lines with their columns under each other, and below them what was left alone."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *(f"left alone: {path} ({why})" for path, why in left.items())])
