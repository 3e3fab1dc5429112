"""``@activation``: from a formula and its slopes to a jitted function with rules for derivatives and dtypes."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Literal, ParamSpec

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from .dtypes import as_floating, broadcast
from .entry import Activation
from .errors import Domain, bind, check_domain
from .facts import FactsOf
from .kinks import current_choice
from .pieces import Choice
from .refusals import check_declaration, checked, explain
from .rule import Core, SlopeFormula, at_finite_numbers, elementwise

__all__ = ["activation"]

P = ParamSpec("P")
Formula = Callable[Concatenate[Array, P], Array]
Public = Callable[Concatenate[ArrayLike, P], Array]
Differentiable = Literal["all", "x", "x at defaults"]
"""By which arguments a call can be differentiated; with the last, all others have their default values."""


def activation(
    *misplaced: Any,
    slope: SlopeFormula | None = None,
    partials: Mapping[str, SlopeFormula] | None = None,
    refined: Mapping[str, SlopeFormula] | None = None,
    at_defaults: Mapping[str, Callable[[Array], Array]] | None = None,
    facts: FactsOf | None = None,
    static: tuple[str, ...] = (),
    typical: Mapping[str, Any] | None = None,
    domain: Domain | None = None,
    parameters: tuple[str, ...] = (),
) -> Callable[[Formula[P]], Public[P]]:
    r"""Make a formula into an activation: jitted, dtype-keeping, with one derivative rule per array argument.

    The formula is an ordinary documented function ``f(x, *parameters, *static)``. It sees floating arrays of 32 or 64
    bits that broadcast against ``x``, and its result is rounded once to the dtype of the caller's ``x``.

    Args:
        slope: the derivative with respect to ``x``, a function of the same arguments. Where it jumps it returns
            :class:`jaxacts.Pieces`, and the least slope in magnitude is taken at each kink. ``x`` is finite there: at
            ±inf the slope of the largest finite number stands for the limit. Without ``slope`` the function must be
            composed of operations whose derivatives are right already, and it sees its arguments unchanged.
        partials: for each array parameter its derivative, by name, in the order of the signature; they see ``x``
            unchanged, ±inf included.
        refined: forms that take the place of the formula (``"value"``), the slope (``"slope"``) or a partial derivative
            (the name of its parameter) where ``x`` is of float32 or float64 and not a Python number. Below 32 bits the
            plain forms are accurate enough, and faster.
        at_defaults: forms of ``x`` alone for calls that leave every parameter at its default, or give that number:
            ``"value"`` and ``"slope"``, and for float32 and float64 perhaps ``"refined value"`` and ``"refined
            slope"``. A parameter that was added to a function of ``x`` then costs nothing where it is not used.
        facts: the declared :class:`jaxacts.Facts`, or a function from the arguments after ``x`` to them.
        static: the names of arguments that are Python values (axes, flags): each new one compiles again.
        typical: parameter values for plots and benchmarks where the signature has no default.
        domain: conditions on the parameters, such as ``{"alpha > 0": lambda alpha: alpha > 0}``: a call with Python
            numbers or NumPy arrays that break one raises a ValueError; JAX arrays are not checked.
        parameters: the array arguments after ``x`` that can be differentiated by, where there is no ``slope`` (with
            one they are those of ``partials``).

    Returns:
        A decorator. The decorated function keeps its name, signature and docstring, and can be pickled.

    Raises:
        TypeError: when it decorates, an argument is none of these, or does not fit the signature.
        ValueError: a default value breaks a condition of ``domain``.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> @jaxacts.activation(slope=lambda x: jaxacts.Pieces((0.0,), (0.0, 3 * x * x)))
        ... def relu_cubed(x):
        ...     return jnp.maximum(x, 0) ** 3
        >>> jax.grad(relu_cubed)(2.0)
        Array(12., dtype=float32, weak_type=True)
    """

    if misplaced:
        raise TypeError("activation: takes keyword arguments only; write @jaxacts.activation(slope=...).")

    def decorate(formula: Formula[P]) -> Public[P]:
        if not callable(formula) or not hasattr(formula, "__name__"):
            raise TypeError(
                f"activation: expected a function to decorate, got {type(formula).__name__}; write it above a def."
            )
        name, signature = formula.__name__, inspect.signature(formula)
        if not signature.parameters:
            raise TypeError(f"activation: {name} must take an array as its first argument; write def {name}(x).")
        first, *rest = defaults = {p.name: p.default for p in signature.parameters.values()}
        check_declaration(
            name, signature, slope, partials, facts, static, typical, domain, refined, parameters, at_defaults
        )
        ours = (formula.__module__ or "").startswith("jaxacts.")  # None where exec made it
        slopes = {n: p if ours else checked(name, f"partial by {n}", p) for n, p in (partials or {}).items()}
        arrays = tuple(n for n in rest if n not in static) if slope else tuple(parameters)
        if slope and arrays != tuple(slopes):
            raise TypeError(
                f"activation: partials of {name} must name the array parameters {arrays}, got {tuple(slopes)}; "
                f"give the derivative by each, and name in static what is not an array."
            )
        untyped: Callable[..., Array] = formula if ours or slope is None else checked(name, "formula", formula)
        by_x = slope
        if slope and not ours:  # ours hold at ±inf by themselves
            by_x = at_finite_numbers(checked(name, "slope", slope))
        key = name if ours else None
        cores = elementwise(key, untyped, by_x, slopes, refined or {}) if by_x else None
        plain_cores = elementwise(None, untyped, by_x, slopes, {}) if by_x else None
        without = _without_parameters(name, at_defaults, ours) if at_defaults else None

        def evaluate(
            cores: tuple[Core, Core] | None, how: tuple[Choice, Differentiable], args: Any, kwargs: Any
        ) -> Array:
            choice, by = how
            bound = bind(name, signature, args, kwargs)
            bound[first] = as_floating(name, first, bound[first])
            if cores is None:
                token = current_choice.set(choice)
                try:
                    return untyped(**bound)
                finally:
                    current_choice.reset(token)
            options = tuple((n, bound[n]) for n in static)
            if without and by == "x at defaults" and cores is not plain_cores:
                return without(options, choice, bound[first])
            names = (first, *arrays)
            x, *others = broadcast(name, names, [as_floating(name, n, bound[n]) for n in names])
            return cores[by != "all"](options, choice, x, *others)

        def traced(how: tuple[Choice, Differentiable], /, *args: Any, **kwargs: Any) -> Array:
            return evaluate(cores, how, args, kwargs)

        def check(args: Any, kwargs: Any) -> None:
            if domain and len(args) + len(kwargs) > 1:
                check_domain(name, domain, {**defaults, **dict(zip(defaults, args, strict=False)), **kwargs})

        def plain(*args: Any, **kwargs: Any) -> Array:
            check(args, kwargs)
            return evaluate(plain_cores, (current_choice.get(), differentiable(args, kwargs)), args, kwargs)

        def differentiable(args: Any, kwargs: Any) -> Differentiable:
            # What a Python number is cannot be differentiated by, so that it needs no term in the derivative rule.
            given = [(n, v) for n, v in (*zip(rest, args[1:], strict=False), *kwargs.items()) if n in arrays]
            if not all(isinstance(v, int | float) for _, v in given):
                return "all"
            return "x at defaults" if without and all(v == defaults[n] for n, v in given) else "x"

        traced.__name__ = traced.__qualname__ = name
        places = (0, *(1 + i for i, n in enumerate(signature.parameters) if n in static))
        jitted = jax.jit(traced, static_argnums=places, static_argnames=static)

        def call(*args: Any, **kwargs: Any) -> Array:
            check(args, kwargs)
            # float64 arrays that were made elsewhere are computed with as such while 64-bit types are off.
            x = args[0] if args else kwargs.get(first)
            wide = isinstance(x, Array) and x.dtype == np.float64
            scope = jax.enable_x64(True) if wide else contextlib.nullcontext()
            try:
                with scope:
                    return jitted((current_choice.get(), differentiable(args, kwargs)), *args, **kwargs)
            except (TypeError, ValueError, OverflowError) as error:
                if not str(error).startswith(name):
                    explain(name, signature, static, args, kwargs)
                raise

        public: Any = functools.update_wrapper(call, formula)
        public.__signature__ = signature.replace(
            parameters=[p.replace(annotation="ArrayLike") if n == first else p for n, p in signature.parameters.items()]
        )
        public.__activation__ = Activation(
            name, public, arrays, static, by_x, facts, dict(typical or {}), dict(domain or {}), plain
        )
        return public

    return decorate


def _without_parameters(name: str, forms: Mapping[str, Callable[[Array], Array]], ours: bool) -> Callable[..., Array]:
    """The function of ``x`` alone, which cannot be differentiated by parameters."""
    value, slope = forms["value"], forms["slope"]
    refined: dict[str, SlopeFormula] = {
        what: forms[f"refined {what}"] for what in ("value", "slope") if f"refined {what}" in forms
    }
    if ours:
        return elementwise(name, value, slope, {}, refined)[1]
    value = checked(name, "value at the defaults", value)
    return elementwise(None, value, at_finite_numbers(checked(name, "slope at the defaults", slope)), {}, refined)[1]
