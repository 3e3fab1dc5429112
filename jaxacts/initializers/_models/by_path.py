"""Parameters drawn by the names of their paths."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Any

import jax
from jax import Array
from jax.sharding import NamedSharding

from jaxacts._core.errors import unknown_name
from jaxacts.initializers import _checks
from jaxacts.initializers._composed.wrapped import checked
from jaxacts.initializers._models.models import folded, is_flax, is_weight, path_of
from jaxacts.initializers._protocol import Initializer

__all__ = ["by_path"]


def by_path(rules: Mapping[str | re.Pattern[str], Initializer | None], tree: Any, key: Array) -> Any:
    r"""New values for the parameters of a model, each from the initializer that its path names.

    .. math:: w_p \sim \text{rules}[\text{the first pattern that fits } p]

    Args:
        rules: initializers by pattern, of which the first that fits the whole path counts. In strings ``*`` stands for
            anything, also across levels; a compiled regular expression is one. None keeps the values.
        tree: what holds the parameters: the variables of a linen module, an nnx module, a module of Equinox, or any
            other tree of arrays. Where they are ``jax.ShapeDtypeStruct``, as of ``jax.eval_shape(model.init, ...)``,
            the result has arrays for those that a pattern fits.
        key: the random key; each parameter is drawn with the key folded with its path.

    Returns:
        A tree of the same structure, with the shapes, dtypes and shardings of the old one. Parameters that no pattern
        fits keep their values. The tree that was passed is not changed.

    Raises:
        ValueError: a pattern that fits no path; what the initializers raise, with the path.
        TypeError: rules that are not a mapping, or whose values are not initializers.

    Note:
        Paths are as :func:`match` reports them, with the collection in front in the variables of linen
        ("params/Dense_0/kernel"); a pattern "\*/kernel" fits "kernel" too. An initializer sees the shape of the whole
        parameter, with the layers of a scan as its first axis: say ``batch_axis=0``. jax.nn, torch and keras have no
        such function; large JAX codebases have one each.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp
        >>> from jaxacts.initializers import normal, ones, small_init
        >>> model = nn.Sequential([nn.Embed(100, 64), nn.Dense(256), nn.Dense(64)])
        >>> shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.ones((1, 8), int))
        >>> rules = {"*/embedding": normal(1.0), "*/kernel": small_init(64), "*/bias": ones}
        >>> variables = by_path(rules, shapes, jax.random.key(1))
        >>> round(float(variables["params"]["layers_1"]["kernel"].std()), 2)
        0.08

    References:
        The regular maps of parameters in AXLearn, https://github.com/apple/axlearn, and Praxis,
        https://github.com/google/praxis
    """
    if not isinstance(rules, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(
            f"by_path: rules must map patterns to initializers, got {type(rules).__name__}; "
            f"pass {{'*/kernel': he_normal()}}."
        )
    _checks.key("by_path", key)
    inits = {
        pattern: None if init is None else checked("by_path", init, f"rules[{pattern!r}]")
        for pattern, init in rules.items()
    }
    if is_flax(tree):
        from flax import nnx

        graphdef, params, rest = nnx.split(tree, nnx.Param, ...)
        return nnx.merge(graphdef, _replaced(inits, params, key), jax.tree.map(lambda x: x, rest))
    return _replaced(inits, tree, key)


def _replaced(inits: Mapping[Any, Initializer | None], tree: Any, key: Array) -> Any:
    named, structure = jax.tree_util.tree_flatten_with_path(tree)
    boxed = isinstance(tree, Mapping) or hasattr(tree, "flat_state")
    paths = [path_of(p) if boxed else jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in named]
    unused = dict.fromkeys(inits)
    leaves = list[Any]()
    for path, (_, leaf) in zip(paths, named, strict=True):
        fitting = [pattern for pattern in inits if is_weight(leaf) and _fits(pattern, path)]
        for pattern in fitting:
            unused.pop(pattern, None)
        init = inits[fitting[0]] if fitting else None
        leaves.append(leaf if init is None else _drawn(init, path, leaf, key))
    for pattern in unused:
        raise unknown_name("by_path", "path in rules", getattr(pattern, "pattern", pattern), paths)
    return jax.tree.unflatten(structure, leaves)


def _fits(pattern: str | re.Pattern[str], path: str) -> bool:
    if isinstance(pattern, str):
        return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(f"/{path}", pattern)
    return pattern.fullmatch(path) is not None


def _drawn(init: Initializer, path: str, leaf: Any, key: Array) -> Array:
    placement = getattr(leaf, "sharding", None)
    sharding = (placement,) if isinstance(placement, NamedSharding) else ()
    try:
        return init(folded(key, path), leaf.shape, leaf.dtype, *sharding)
    except (TypeError, ValueError) as error:
        raise type(error)(f"by_path: {path}: {error}") from error
