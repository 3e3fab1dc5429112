"""Models as a list of named parameters and a function of them: Flax modules, callable pytrees, functions of a tree."""

from __future__ import annotations

import contextlib
import inspect
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jaxacts._trace.calls import check_options, described, running
from jaxacts.initializers import _checks

__all__ = ["Model", "all_zero", "folded", "is_flax", "is_weight", "opened", "path_of"]


class Model(NamedTuple):
    """``call(leaves, sample)`` gives the arrays of the output; ``rebuilt(leaves)`` what the caller gets back.

    ``abstract`` says that some of the variables, parameters or not, are known by their shapes alone.
    """

    paths: list[str]
    leaves: list[Any]
    sample: Any
    call: Callable[[list[Any], Any], Any]
    rebuilt: Callable[[list[Any]], Any]
    abstract: bool


def folded(key: Array, path: str) -> Array:
    """The key of one parameter, which other parameters do not change."""
    return jax.random.fold_in(key, zlib.crc32(path.encode()))


def all_zero(leaf: Any) -> bool:
    """Whether a kernel is zero as a whole, which the last layer of a residual branch may have to be."""
    return not (isinstance(leaf, jax.ShapeDtypeStruct) or jnp.any(leaf != 0))


def opened(
    function: Callable[..., Any],
    model: Any,
    sample: Any,
    key: Array,
    variables: Any,
    options: Mapping[str, Any],
    arguments: Mapping[str, Any] | None,
) -> Model:
    """A model of any kind for the public ``function``; ``options`` and ``arguments`` are named ones of its call."""
    caller = function.__name__
    named = {**options, **(arguments or {})}
    # Under jit even a constant is traced.
    if any(isinstance(x, Tracer) for x in jax.tree.leaves((key, sample, variables, named, jnp.zeros(())))):
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
                f"{caller}: sample must be an array, or a tuple of the positional arguments, got {described(value)}; "
                f"pass arrays, and what is none by name."
            )
    arrays = {name: value for name, value in named.items() if any(map(_is_array, jax.tree.leaves(value)))}
    fixed = {name: value for name, value in named.items() if name not in arrays}
    data = (inputs, arrays)
    if is_flax(model):
        from flax import linen, nnx

        if isinstance(model, linen.Module):
            # Collections that change do so in any case.
            options, fixed = ({k: v for k, v in some.items() if k != "mutable"} for some in (options, fixed))
        if isinstance(model, linen.Module | nnx.Module):
            _known_options(function, model, options)
        if isinstance(model, linen.Module):
            return _linen(caller, model, data, key, variables, fixed)
        if isinstance(model, nnx.Module):
            return _nnx(caller, model, data, variables, fixed)
    if not callable(model) or (variables is None and not any(map(is_weight, jax.tree.leaves(model)))):
        raise TypeError(
            f"{caller}: model must be a flax.linen or flax.nnx module, a callable pytree such as a module of Equinox, "
            f"or a function with variables, got {type(model).__name__}; pass the module itself, or variables=params."
        )
    if variables is None:
        return _tree(caller, model, data, lambda model, inputs, named: model(*inputs, **fixed, **named))
    return _tree(caller, variables, data, lambda tree, inputs, named: model(tree, *inputs, **fixed, **named))


def is_flax(model: Any) -> bool:
    """Whether Flax defines what it is an instance of: only then is Flax imported."""
    return not isinstance(model, Mapping) and any(
        base.__module__.startswith(("flax.linen", "flax.nnx")) for base in type(model).__mro__
    )


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray | jax.ShapeDtypeStruct)


def is_weight(value: Any) -> bool:
    """Whether a leaf of a tree is a parameter: a floating array, or the shape of one."""
    return _is_array(value) and jnp.issubdtype(value.dtype, jnp.inexact)


def _known_options(function: Callable[..., Any], model: Any, options: Mapping[str, Any]) -> None:
    takes = inspect.signature(type(model).__call__).parameters.values()
    if not any(p.kind is p.VAR_KEYWORD for p in takes):
        check_options(function, type(model).__name__, [p.name for p in takes][1:], options)


def _calling(caller: str, inputs: tuple[Any, ...]) -> contextlib.AbstractContextManager[None]:
    return running(caller, inputs, "pass what the model is called with, and variables made for that.")


def _linen(caller: str, model: Any, data: Any, key: Array, variables: Any, fixed: Mapping[str, Any]) -> Model:
    rngs = {"params": key, "dropout": key}
    if variables is not None and (not isinstance(variables, Mapping) or "params" not in variables):
        got = f"the keys {sorted(variables)}" if isinstance(variables, Mapping) else type(variables).__name__
        raise ValueError(
            f"{caller}: variables must have the collection 'params', got {got}; pass what model.init returned, "
            f"or {{'params': ...}}."
        )
    with _calling(caller, data[0]):
        state = model.init(rngs, *data[0], **fixed, **data[1]) if variables is None else variables
    others = {name: part for name, part in state.items() if name != "params"}
    shown = jax.tree_util.tree_map_with_path(_shown, others)

    def apply(params: Any, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        # Collections that change are listed, so that the training mode of a normalization can be followed too.
        everything = {"params": params, **shown}
        out, _ = model.apply(everything, *inputs, rngs=rngs, mutable=[*others], **fixed, **named)
        return out

    return _model(caller, state.get("params", {}), data, apply, lambda new: {"params": new, **others}, _abstract(state))


def _abstract(variables: Any) -> bool:
    return any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(variables))


def _shown(path: tuple[Any, ...], leaf: Any) -> Any:
    """A variable that is known by its shape alone as it may start: keys are that of 0, means are 0, all else is 1."""
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), leaf.shape)
    return jnp.full(leaf.shape, 0 if path_of(path).endswith("mean") else 1, leaf.dtype)


def _nnx(caller: str, model: Any, data: Any, variables: Any, fixed: Mapping[str, Any]) -> Model:
    from flax import nnx

    if variables is not None:
        raise TypeError(f"{caller}: an nnx module has its variables inside; leave the argument variables out.")
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    shown = jax.tree_util.tree_map_with_path(_shown, rest)

    def rebuilt(params: Any, others: Any = rest) -> Any:
        # Variables of its own: what a call writes into them stays out of the model that was passed.
        return nnx.merge(graphdef, params, jax.tree.map(lambda x: x, others))

    def apply(params: Any, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        return rebuilt(params, shown)(*inputs, **fixed, **named)

    return _model(caller, params, data, apply, rebuilt, _abstract((params, rest)))


def _tree(caller: str, tree: Any, data: Any, apply: Callable[..., Any]) -> Model:
    """A pytree of arrays and other things, of which the floating arrays are the parameters."""
    named, structure = jax.tree_util.tree_flatten_with_path(tree)
    places = [i for i, (_, leaf) in enumerate(named) if is_weight(leaf)]

    def rebuilt(leaves: list[Any], shown: bool = False) -> Any:
        everything = [_shown(path, leaf) if shown else leaf for path, leaf in named]
        for place, leaf in zip(places, leaves, strict=True):
            everything[place] = leaf
        return jax.tree.unflatten(structure, everything)

    def call(leaves: list[Any], sample: Any) -> Any:
        with _calling(caller, data[0]):
            return _arrays(apply(rebuilt(leaves, shown=True), *sample))

    paths = [jax.tree_util.keystr(named[i][0], simple=True, separator="/") for i in places]
    return Model(paths, [named[i][1] for i in places], data, call, rebuilt, _abstract(tree))


def _model(
    caller: str, params: Any, data: Any, apply: Callable[..., Any], rebuilt: Callable[[Any], Any], abstract: bool
) -> Model:
    named, tree = jax.tree_util.tree_flatten_with_path(params)

    def call(leaves: list[Any], sample: Any) -> Any:
        with _calling(caller, data[0]):
            return _arrays(apply(jax.tree.unflatten(tree, leaves), *sample))

    return Model(
        [path_of(path) for path, _ in named],
        [leaf for _, leaf in named],
        data,
        call,
        lambda leaves: rebuilt(jax.tree.unflatten(tree, leaves)),
        abstract,
    )


def _arrays(out: Any) -> list[Array]:
    return [x for x in jax.tree.leaves(out) if isinstance(x, Array)]


def path_of(keys: tuple[Any, ...]) -> str:
    """``encoder/layers/0/kernel``: the names without the boxes that some parameters are wrapped in."""
    parts = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in keys]
    while len(parts) > 1 and isinstance(keys[len(parts) - 1], jax.tree_util.GetAttrKey):
        parts.pop()
    return "/".join(parts)
