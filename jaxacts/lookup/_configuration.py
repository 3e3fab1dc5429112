"""From a name or a configuration to a function, and back."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jaxacts._core import Activation, Variant, entry_of, unknown_name, variant_of, with_kink_slope
from jaxacts._core.errors import bind
from jaxacts._transforms import clipped, split_complex, with_slope
from jaxacts.activations.gated.transform import gated

from ._entries import BY_NAME, catalogue
from ._frameworks import FRAMEWORKS
from ._frameworks.counterpart import translated

__all__ = ["config_of", "get"]

Framework: TypeAlias = Literal["flax", "hf", "jax", "keras", "torch"]


class Transform(NamedTuple):
    """A function that makes one activation of others.

    ``functions`` are those of its arguments that are functions; ``own_arguments`` says whether the result has other
    arguments after ``x`` than the first of them.
    """

    apply: Callable[..., Any]
    functions: tuple[str, ...] = ("function",)
    own_arguments: bool = False


TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        "clipped": Transform(clipped),
        "gated": Transform(gated, own_arguments=True),
        "split_complex": Transform(split_complex),
        "with_kink_slope": Transform(with_kink_slope),
        "with_slope": Transform(with_slope, ("function", "slope_of")),
    }
)

_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def get(name: str | Mapping[str, Any], framework: Framework | None = None) -> Callable[..., Array]:
    """The activation of this name, or of this configuration.

    Args:
        name: a name of the catalogue (``swish`` and other second names included), or a configuration, which has
            ``"name"`` and beside it the arguments to bind: ``{"name": "leaky_relu", "negative_slope": 0.2}``. The name
            may also be that of a transform, ``gated``, ``with_kink_slope``, ``with_slope``, ``split_complex`` or
            ``clipped``, with a name or configuration for each function that it takes and ``"arguments"`` to bind after
            it.
        framework: whose names and arguments these are, if not those of this library: ``"torch"`` (classes and
            functions), ``"keras"``, ``"hf"`` (Hugging Face's ``ACT2FN``), ``"flax"`` or ``"jax"`` (``jax.nn``).

    Returns:
        The function, or a :func:`functools.partial` of it with the arguments bound. For a name of another framework it
        has that framework's defaults.

    Raises:
        TypeError: the name is not a string, or a configuration has none.
        ValueError: the name or an argument is unknown (the message has the nearest ones), an argument is out of its
            domain, or the name of another framework has no counterpart here.

    Note:
        ``jaxacts.lookup.FRAMEWORKS`` has the tables, and the page "Coming from other frameworks" says where a
        convention differs: ``"gelu"`` is the exact one in torch, keras and Hugging Face.

    Example:
        >>> import jaxacts
        >>> jaxacts.get("relu") is jaxacts.relu
        True
        >>> jaxacts.get({"name": "leaky_relu", "negative_slope": 0.5})(-3.0)
        Array(-1.5, dtype=float32, weak_type=True)
        >>> jaxacts.get("gelu", framework="torch").keywords
        {'approximate': False}
        >>> jaxacts.get({"name": "Hardtanh", "min_val": -2.0}, framework="torch")(-3.0)
        Array(-2., dtype=float32, weak_type=True)
    """
    if framework is None:
        return _made(name)
    if framework not in FRAMEWORKS:
        raise unknown_name("get", "framework", framework, FRAMEWORKS)
    return _made(translated(framework, FRAMEWORKS[framework], *_name_and_arguments(name)))


def _name_and_arguments(config: object) -> tuple[str, dict[str, Any]]:
    arguments = dict(config) if isinstance(config, Mapping) else {"name": config}
    if "name" not in arguments:
        raise TypeError(f"get: a configuration must have a 'name', got {arguments!r}; write {{'name': 'relu'}}.")
    name = arguments.pop("name")
    if not isinstance(name, str):
        raise TypeError(
            f"get: name must be a str or a configuration, got {type(name).__name__}; pass a name such as 'relu'."
        )
    return name, arguments


def _made(config: object) -> Callable[..., Array]:
    """The function of a name or configuration of this library."""
    name, given = _name_and_arguments(config)
    if name in TRANSFORMS:
        return _transformed(name, given)
    if name not in BY_NAME:
        raise _unknown(name)
    return _with_arguments(BY_NAME[name], given)


def _unknown(name: str) -> ValueError:
    """A ValueError for a name that is not known here: what other frameworks mean by it, or the nearest names."""
    rows = {framework: table[name] for framework, table in FRAMEWORKS.items() if name in table}
    meant = {framework: row.config["name"] for framework, row in rows.items() if row.config}
    if not rows:
        return unknown_name("get", "activation", name, {*BY_NAME, *TRANSFORMS})
    if not meant:
        framework, row = next(iter(rows.items()))
        why = f"that of {framework} has no counterpart in jaxacts: {row.differs}."
        return ValueError(f"get: unknown activation {name!r}; {why}")
    here = " or ".join(repr(n) for n in dict.fromkeys(meant.values()) if n in BY_NAME)
    question = f"did you mean {here}? " if here else ""
    calls = " or ".join(f"get({name!r}, framework={framework!r})" for framework in meant)
    have = "has" if len(meant) == 1 else "have"
    return ValueError(f"get: unknown activation {name!r}; {question}{' and '.join(meant)} {have} that name: {calls}.")


def _transformed(name: str, given: dict[str, Any]) -> Callable[..., Array]:
    transform = TRANSFORMS[name]
    bound = given.pop("arguments", {})
    signature = inspect.signature(transform.apply)
    for argument in given:
        if argument not in signature.parameters:
            raise unknown_name("get", f"argument of {name}", argument, {*signature.parameters, "arguments"})
    settings = {n: _made(v) if n in transform.functions else _revived(v, static=False) for n, v in given.items()}
    return _with_arguments(transform.apply(**bind(name, signature, (), settings)), bound)


def _with_arguments(function: Callable[..., Array], given: Mapping[str, Any]) -> Callable[..., Array]:
    """The function with these arguments bound, which are checked against its signature and domain."""
    if not given:
        return function
    entry, known = _entry_of_arguments(function), tuple(inspect.signature(function).parameters)[1:]
    for name in given:
        if name not in known:
            raise unknown_name("get", f"argument of {function.__name__}", name, known or ("no arguments but x",))
    static = entry.static if entry else ()
    bound = {n: _revived(v, static=n in static) for n, v in given.items()}
    if entry:
        entry.arguments(**bound)
    return functools.partial(function, **bound)


def _revived(value: Any, static: bool) -> Any:
    """A value of JSON as a function takes it: an array for a list, or a tuple where it is an option."""
    if isinstance(value, list):
        return tuple(value) if static else np.asarray([_revived(v, static) for v in value])
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _entry_of_arguments(function: Callable[..., Any]) -> Activation | None:
    """The entry of the activation whose arguments a function takes; None where a transform has its own."""
    while (made := variant_of(function)) is not None:
        if TRANSFORMS[made.transform.__name__].own_arguments:
            return None
        function = made.settings["function"]
        if isinstance(function, functools.partial) and variant_of(function) is None:
            function = function.func
    return entry_of(function, "get")


def config_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The configuration of an activation: a dict that ``json.dumps`` takes, from which :func:`get` makes it again.

    Args:
        function: an activation of the catalogue, a :func:`functools.partial` of one with keyword arguments, or the
            result of a transform (``gated``, ``with_kink_slope``, ``with_slope``, ``split_complex``, ``clipped``) of
            these, to any depth.

    Returns:
        ``{"name": ..., **arguments}``, with the arguments that were bound. Arrays become lists, and infinite numbers
        the strings ``"inf"`` and ``"-inf"``, which JSON has no numbers for.

    Raises:
        TypeError: the function is none of these, such as a lambda, or an argument has no JSON, such as a random key or
            a traced array.

    Example:
        >>> import functools, json, jaxacts
        >>> f = functools.partial(jaxacts.leaky_relu, negative_slope=0.2)
        >>> jaxacts.config_of(f)
        {'name': 'leaky_relu', 'negative_slope': 0.2}
        >>> g = jaxacts.get(json.loads(json.dumps(jaxacts.config_of(jaxacts.with_kink_slope(f.func, "right")))))
        >>> jaxacts.config_of(g)
        {'name': 'with_kink_slope', 'function': {'name': 'leaky_relu'}, 'choice': 'right'}
    """
    if (made := variant_of(function)) is not None:
        return _config_of_variant(made)
    if isinstance(function, functools.partial):
        return _config_of_partial(function)
    try:
        entry = entry_of(function, "config_of")
    except TypeError:
        entry = None
    if entry is None or catalogue().get(entry.name) is not entry:
        name = getattr(function, "__name__", repr(function))
        raise TypeError(
            f"config_of: {name} is not in the catalogue, so it has no configuration; pass an activation of jaxacts, "
            f"or a functools.partial or transform of one."
        )
    return {"name": entry.name}


def _config_of_variant(made: Variant) -> dict[str, Any]:
    name = made.transform.__name__
    of_functions = TRANSFORMS[name].functions
    settings = {n: config_of(v) if n in of_functions else _plain(name, n, v) for n, v in made.settings.items()}
    return {"name": name, **settings}


def _config_of_partial(function: functools.partial[Any]) -> dict[str, Any]:
    inner = config_of(function.func)
    if function.args:
        raise TypeError(
            f"config_of: a partial must bind arguments by keyword, got {len(function.args)} by position; "
            f"the first is x, which belongs to the call."
        )
    bound = {n: _plain(inner["name"], n, v) for n, v in function.keywords.items()}
    if inner["name"] in TRANSFORMS:  # whose own arguments may have the same names
        return inner | {"arguments": inner.get("arguments", {}) | bound}
    return inner | bound


def _plain(owner: str, argument: str, value: Any) -> Any:
    """A value as JSON has it."""
    kind = "traced array" if isinstance(value, Tracer) else "random key" if _is_key(value) else None
    if kind:
        raise TypeError(
            f"config_of: {argument} of {owner} is a {kind}, which has no place in a configuration; pass it in the call."
        )
    if isinstance(value, Array | np.ndarray | np.generic):
        value = np.asarray(value, np.float64).tolist() if jnp.issubdtype(value.dtype, jnp.floating) else value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(owner, argument, v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"config_of: {argument} of {owner} must be a number, an array, a bool, a string or None, got "
        f"{type(value).__name__}; pass it in the call instead of binding it."
    )


def _is_key(value: Any) -> bool:
    """Whether it is a random key, of the new kind or of the old one."""
    if isinstance(value, Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        return True
    return isinstance(value, Array | np.ndarray) and value.dtype == np.uint32
