"""Models of any kind as a pure function of flat leaves: linen, nnx, callable pytrees, functions of a parameter tree."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jaxacts.diagnostics._arguments import sampled

__all__ = ["Call", "Kind", "call_of", "kind_of", "opened", "path_of", "shapes_of"]

Kind: TypeAlias = str
"""``"linen"``, ``"nnx"``, ``"pytree"`` or ``"function"``."""


class Call(NamedTuple):
    """One call of a model: ``function(leaves, data)`` gives the arrays of the output.

    ``leaves`` are the variables, called ``paths``, and random keys; ``result`` makes of the output what the model
    returns, ``returned`` are the arrays of the output that are not variables with new values, and ``update`` writes
    into an nnx module what the call has changed.
    """

    function: Callable[[list[Any], list[Any]], Any]
    leaves: list[Any]
    data: list[Any]
    paths: list[str]
    result: Callable[[Any], Any]
    returned: Callable[[Any], list[Any]]
    update: Callable[[Any], None]
    signature: Any


def kind_of(caller: str, model: Any) -> Kind:
    flax = sys.modules.get("flax")
    if flax is not None:
        from flax import linen, nnx

        if isinstance(model, linen.Module):
            return "linen"
        if isinstance(model, nnx.Module):
            return "nnx"
    if not callable(model) or isinstance(model, type):
        got = f"{type(model).__name__}; pass the module itself"
        if isinstance(model, type):
            got = f"the class {model.__name__}; pass an instance, such as {model.__name__}(...)"
        raise TypeError(
            f"{caller}: model must be a flax.linen or flax.nnx module, a callable pytree, or a function of parameters "
            f"and inputs, got {got}."
        )
    return "function" if jax.tree_util.all_leaves([model]) else "pytree"


def shapes_of(
    caller: str,
    kind: Kind,
    model: Any,
    inputs: tuple[Any, ...],
    variables: Any,
    options: Any,
    function: Callable[..., Any] | None = None,
) -> Any:
    """The variables, or their shapes, where the caller has given none; ``function`` is that of the caller."""
    if kind in ("nnx", "pytree"):
        if variables is not None:
            what = "an nnx module" if kind == "nnx" else "a callable pytree"
            raise TypeError(f"{caller}: {what} has its variables inside; leave the argument variables out.")
        return model
    if variables is not None:
        return variables
    if kind == "function":
        raise TypeError(
            f"{caller}: a plain function needs its parameters, got None; pass variables=params, "
            f"and write it as f(params, x)."
        )
    known = {name: value for name, value in options.items() if name not in ("mutable", "rngs")}
    key = jax.random.key(0)
    rngs = dict.fromkeys(("params", "dropout", *options.get("rngs", ())), key)
    with sampled(caller, inputs, options, function):
        return jax.eval_shape(lambda inputs: model.init(rngs, *inputs, **known), inputs)


def call_of(kind: Kind, model: Any, variables: Any, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Call:
    """The call ``model(variables, *inputs, **options)``."""
    static: Any = None
    tree, nnx = variables, None
    if kind == "nnx":
        from flax import nnx

        static, tree = nnx.split(variables)
    named, treedef = jax.tree_util.tree_flatten_with_path(((tree,), inputs, dict(options)))
    roles = [_role(path, leaf) for path, leaf in named]
    fixed = tuple(None if role != "static" else leaf for role, (_, leaf) in zip(roles, named, strict=True))

    def function(leaves: list[Any], data: list[Any]) -> Any:
        parts = {"leaf": iter(leaves), "data": iter(data)}
        flat = [known if role == "static" else next(parts[role]) for role, known in zip(roles, fixed, strict=True)]
        (tree,), inputs, options = jax.tree.unflatten(treedef, flat)
        if kind == "linen":
            return model.apply(tree, *inputs, **options)
        if kind == "function":
            return model(tree, *inputs, **options)
        if kind == "pytree":
            return tree(*inputs, **options)
        assert nnx is not None
        module = nnx.merge(static, tree)
        out = module(*inputs, **options)
        return out, nnx.state(module, nnx.Not(nnx.Param))

    def update(out: Any) -> None:
        if nnx is not None:
            nnx.update(variables, out[1])

    def result(out: Any) -> Any:
        return out if nnx is None else out[0]

    def returned(out: Any) -> list[Any]:
        flat = jax.tree_util.tree_flatten_with_path(out)[0]
        return [leaf for path, leaf in flat if not (stateful and path[0].idx == 1 and path_of(path[1:]) in paths)]

    stateful = kind == "nnx" or (kind == "linen" and options.get("mutable", False) is not False)
    leaves = [leaf for role, (_, leaf) in zip(roles, named, strict=True) if role == "leaf"]
    data = [leaf for role, (_, leaf) in zip(roles, named, strict=True) if role == "data"]
    paths = [path_of(path[2:]) for role, (path, _) in zip(roles, named, strict=True) if role == "leaf"]
    types = tuple(_type(leaf) for leaf in (*leaves, *data))
    return Call(
        function, leaves, data, paths, result, returned, update, (kind, treedef, static, tuple(roles), fixed, types)
    )


def opened(kind: Kind, variables: Any) -> tuple[list[str], list[Any], Callable[[list[Any]], Any]]:
    """The variables as named arrays, in the order of the leaves of a call, and a function that makes new ones."""
    static: Any = None
    tree, nnx = variables, None
    if kind == "nnx":
        from flax import nnx

        static, tree = nnx.split(variables)

    named, treedef = jax.tree_util.tree_flatten_with_path(tree)
    arrays = [isinstance(leaf, Array | np.ndarray | np.generic | jax.ShapeDtypeStruct | Tracer) for _, leaf in named]

    def rebuilt(leaves: list[Any]) -> Any:
        new = iter(leaves)
        flat = [next(new) if is_array else leaf for is_array, (_, leaf) in zip(arrays, named, strict=True)]
        new_tree = jax.tree.unflatten(treedef, flat)
        return new_tree if nnx is None else nnx.merge(static, new_tree)

    kept = [(path_of(path), leaf) for is_array, (path, leaf) in zip(arrays, named, strict=True) if is_array]
    return [path for path, _ in kept], [leaf for _, leaf in kept], rebuilt


def _role(path: tuple[Any, ...], leaf: Any) -> str:
    """Whether it is a variable (or random key), data, or not an array."""
    if not isinstance(leaf, Array | np.ndarray | np.generic | jax.ShapeDtypeStruct | Tracer):
        return "static"
    if path[0].idx == 0 or jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return "leaf"
    return "data"


def _type(leaf: Any) -> Any:
    return (leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else jax.typeof(leaf)


def path_of(keys: tuple[Any, ...]) -> str:
    """``encoder/layers/0/kernel``: the names without the collection of linen and the boxes of variables."""
    parts = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", k)))) for k in keys]
    if len(parts) > 1 and parts[-1] in ("value", "raw_value"):
        parts.pop()
    return "/".join(parts[1:] if parts[:1] == ["params"] else parts)
