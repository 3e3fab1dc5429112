"""``@activation``: from a documented formula and its slopes to a jitted function with all that the house promises."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.ad_checkpoint import checkpoint_name
from jax.core import Tracer
from jax.typing import ArrayLike

from .catalogue import Activation, Facts, FactsOf, entry_of
from .dtypes import as_array, as_floating, broadcast
from .errors import bind
from .pieces import Choice, Pieces
from .rule import SlopeFormula, at_finite_numbers, elementwise

__all__ = ["activation", "keep_pre_activations", "kink_choice", "with_kink_slope"]

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Array])
Formula = Callable[Concatenate[Array, P], Array]
Public = Callable[Concatenate[ArrayLike, P], Array]

_PRE_ACTIVATION = "pre_activation"

keep_pre_activations = jax.checkpoint_policies.save_only_these_names(_PRE_ACTIVATION)
"""Policy for ``jax.checkpoint``: of a block, keep the inputs of the activations alone.

Every elementwise activation names its input ``"pre_activation"``. With ``jax.checkpoint(block,
policy=jaxacts.keep_pre_activations)`` the backward pass computes the activation anew for the product that follows, and
its slope, from that one array. The policies of jax work too.
"""

_choice: contextvars.ContextVar[Choice] = contextvars.ContextVar("kink choice", default=None)


def activation(
    *misplaced: Any,
    slope: SlopeFormula | None = None,
    partials: Mapping[str, SlopeFormula] | None = None,
    facts: FactsOf | None = None,
    static: tuple[str, ...] = (),
    typical: Mapping[str, Any] | None = None,
) -> Callable[[Formula[P]], Public[P]]:
    r"""Make a formula into an activation: jitted, dtype-keeping, with one derivative rule per array argument.

    The formula is an ordinary documented function ``f(x, *parameters, *static)``. It sees floating arrays of 32 or 64
    bits that broadcast against ``x``, and its result is rounded once to the dtype of the caller's ``x``.

    Args:
        slope: the derivative with respect to ``x``, a function of the same arguments. Where it jumps it returns
            :class:`jaxacts.Pieces`, and the least slope in magnitude is taken at each kink. ``x`` is finite there: at
            ±inf the slope of the largest finite number stands for the limit. Without ``slope`` the function must be
            composed of operations whose derivatives are right already, and it sees its arguments as they come.
        partials: for each array parameter its derivative, by name, in the order of the signature; they see ``x`` as it
            comes, ±inf included.
        facts: the declared :class:`jaxacts.Facts`, or a function from the arguments after ``x`` to them.
        static: the names of arguments that are Python values (axes, flags): a new one compiles anew.
        typical: parameter values for plots and benchmarks where the signature has no default.

    Returns:
        A decorator. The decorated function keeps its name, signature and docstring, and can be pickled.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> @jaxacts.activation(slope=lambda x: jaxacts.Pieces((0.0,), (0.0, 2 * x)))
        ... def relu_squared(x):
        ...     return jnp.square(jnp.maximum(x, 0))
        >>> jax.grad(relu_squared)(3.0)
        Array(6., dtype=float32, weak_type=True)
    """

    if misplaced:
        raise TypeError("activation: takes keywords alone; write @jaxacts.activation(slope=...), with parentheses.")

    def decorate(formula: Formula[P]) -> Public[P]:
        if not callable(formula):
            raise TypeError(
                f"activation: expected a function to decorate, got {type(formula).__name__}; write it above a def."
            )
        name, signature = formula.__name__, inspect.signature(formula)
        if not signature.parameters:
            raise TypeError(f"activation: {name} must take an array as its first argument; write def {name}(x).")
        first, *rest = signature.parameters
        _check(name, signature, slope, partials, facts, static, typical)
        ours = formula.__module__.startswith("jaxacts.")
        slopes = {n: p if ours else _checked(name, f"partial by {n}", p) for n, p in (partials or {}).items()}
        parameters = tuple(n for n in rest if n not in static) if slope else tuple(slopes)
        if slope and parameters != tuple(slopes):
            raise TypeError(f"{name}: partials must name the array parameters {parameters}, got {tuple(slopes)}.")
        untyped: Callable[..., Array] = formula if ours or slope is None else _checked(name, "formula", formula)
        by_x = slope
        if slope and not ours:  # ours hold at ±inf by themselves
            by_x = at_finite_numbers(_checked(name, "slope", slope))
        core = elementwise(name if ours else None, untyped, by_x, slopes) if by_x else None

        def traced(choice: Choice, *args: Any, **kwargs: Any) -> Array:
            bound = bind(name, signature, args, kwargs)
            bound[first] = as_floating(name, first, bound[first])
            if core is None:
                token = _choice.set(choice)
                try:
                    return untyped(**bound)
                finally:
                    _choice.reset(token)
            names = (first, *parameters)
            x, *others = broadcast(name, names, [as_floating(name, n, bound[n]) for n in names])
            return core(tuple((n, bound[n]) for n in static), choice, checkpoint_name(x, _PRE_ACTIVATION), *others)

        traced.__name__ = traced.__qualname__ = name
        places = (0, *(1 + i for i, n in enumerate(signature.parameters) if n in static))
        jitted = jax.jit(traced, static_argnums=places, static_argnames=static)

        def call(*args: Any, **kwargs: Any) -> Array:
            try:
                return jitted(_choice.get(), *args, **kwargs)
            except (TypeError, ValueError, OverflowError) as error:
                if not str(error).startswith(name):
                    _explain(name, signature, static, args, kwargs)
                raise

        public: Any = functools.update_wrapper(call, formula)
        public.__signature__ = signature.replace(
            parameters=[p.replace(annotation="ArrayLike") if n == first else p for n, p in signature.parameters.items()]
        )
        public.__activation__ = Activation(name, public, parameters, static, by_x, facts, dict(typical or {}))
        return public

    return decorate


def _check(
    name: str, signature: inspect.Signature, slope: Any, partials: Any, facts: Any, static: Any, typical: Any
) -> None:
    """Raise an error for what the decorator cannot take."""

    def expect(right: bool, argument: str, expected: str, got: Any, remedy: str) -> None:
        if not right:
            raise TypeError(f"activation: {argument} of {name} must be {expected}, got {got!r}; {remedy}.")

    expect(slope is None or callable(slope), "slope", "a function", slope, "write slope=lambda x: ...")
    kinds = {p.name: p.kind for p in signature.parameters.values()}
    if {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} & {*kinds.values()}:
        raise TypeError(f"activation: {name} must name all its arguments, got {signature}; write them out.")
    for argument, given in (("partials", partials), ("typical", typical)):
        expect(given is None or isinstance(given, Mapping), argument, "a mapping", given, "write {'alpha': ...}")
    for parameter, partial in (partials or {}).items():
        remedy = "write a function of the arguments of the formula"
        expect(callable(partial), f"partials[{parameter!r}]", "a function", partial, remedy)
    remedy = "write facts=jaxacts.Facts(...)"
    expect(facts is None or isinstance(facts, Facts) or callable(facts), "facts", "Facts or a function", facts, remedy)
    remedy = "give slope as well, or leave them out"
    expect(not partials or callable(slope), "partials", "left out where slope is", tuple(partials or ()), remedy)
    names = tuple(signature.parameters)[1:]
    for argument, given in (("static", static), ("typical", typical or ())):
        remedy = f"take them from {names}"
        known = isinstance(given, Iterable) and not isinstance(given, str) and all(n in names for n in given)
        expect(known, argument, "names of arguments after the first", given, remedy)
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


def _checked(name: str, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with an error where it does not return a real array for every element of x."""

    def checked(x: Array, *parameters: Array, **static: Any) -> Any:
        y = function(x, *parameters, **static)
        if isinstance(y, Pieces) and what != "formula":
            return y
        array = isinstance(y, Array | np.ndarray | np.generic | bool | int | float | complex)
        shape = np.shape(y) if array else None
        fits = shape == x.shape or (shape == () and what != "formula")
        if not fits or jnp.iscomplexobj(y):
            got = f"{jnp.result_type(y)} of shape {shape}" if array else type(y).__name__
            raise TypeError(
                f"{name}: the {what} must return real numbers of the shape {x.shape} of x, got {got}; "
                f"leave slope out for functions of whole arrays."
            )
        return y

    return checked


def _explain(name: str, signature: inspect.Signature, static: tuple[str, ...], args: Any, kwargs: Any) -> None:
    """Raise a better error than jit's for what is no array (a string, a list) or no constant (a list, an array)."""
    for argument, value in bind(name, signature, args, kwargs).items():
        if argument not in static:
            if value is not None:
                as_array(name, argument, value)
        elif not isinstance(value, Hashable) or isinstance(value, Array):
            kind, remedy = type(value).__name__, "pass a number, a bool or a tuple"
            if isinstance(value, Tracer):
                kind, remedy = "a traced value", "name it in the static_argnames of jax.jit"
            raise TypeError(f"{name}: {argument} must be a Python constant, got {kind}; {remedy}.")


def with_kink_slope(function: F, choice: Choice) -> F:
    """The same activation with another slope at its kinks.

    Args:
        function: an activation of this library, or a variant of one (its own choice is replaced).
        choice: ``"left"``, ``"right"``, or the weight in [0, 1] of the right slope in the convex combination of both;
            None gives the default back (the least in magnitude).

    Returns:
        A function with the signature and values of ``function``; only its derivative at the kinks differs.

    Raises:
        TypeError: ``function`` is no activation.
        ValueError: ``choice`` is none of those.

    Example:
        >>> import jax, jaxacts
        >>> [float(jax.grad(jaxacts.with_kink_slope(jaxacts.relu, c))(0.0)) for c in ("left", "right", 0.5)]
        [0.0, 1.0, 0.5]

    References:
        Bertoin et al. 2021, "Numerical influence of ReLU'(0) on backpropagation",
        https://arxiv.org/abs/2106.12915
    """
    base = entry_of(function, "with_kink_slope").function
    if isinstance(choice, Array | np.ndarray | np.generic) and not isinstance(choice, Tracer) and choice.ndim == 0:
        choice = choice.item()
    weight = isinstance(choice, int | float) and not isinstance(choice, bool) and 0 <= choice <= 1
    if not weight and not (choice is None or (isinstance(choice, str) and choice in ("left", "right"))):
        raise ValueError(f"with_kink_slope: choice must be 'left', 'right' or a weight from 0 to 1, got {choice!r}.")
    chosen: Any = functools.partial(_call_with, choice, base)
    variant: Any = functools.update_wrapper(chosen, base, updated=())
    return variant


def kink_choice(function: Callable[..., Array]) -> Choice:
    """What ``with_kink_slope`` chose for this function."""
    if isinstance(function, functools.partial) and function.func is _call_with:
        return function.args[0]
    return None


def _call_with(choice: Choice, function: Callable[..., Array], /, *args: Any, **kwargs: Any) -> Array:
    token = _choice.set(choice)
    try:
        return function(*args, **kwargs)
    finally:
        _choice.reset(token)
