"""What is known of an activation: its entry, the facts it declares, and what is computed from its slopes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .dtypes import as_array, as_floating
from .errors import Domain, bind, check_domain
from .facts import Facts, FactsOf, Kink
from .pieces import Pieces
from .rule import SlopeFormula
from .shape import Shape, shape_of

__all__ = ["Activation", "Paper", "Variant", "entry_of", "variant", "variant_of"]


_PAPER = re.compile(r"([^\s;].*?),?\s+(https?://[^\s;]+?)[;.,]?(?=\s|$)")


class Paper(NamedTuple):
    """A paper as the docstring cites it, and its address."""

    citation: str
    url: str


@dataclass(frozen=True)
class Activation:
    """One entry of the catalogue.

    ``parameters`` are the array arguments after ``x``, ``static`` the keyword options, ``typical`` the values used in
    plots and benchmarks for parameters that have no default, ``domain`` the conditions on parameters. ``plain`` is
    ``function`` without its refined forms, not compiled.
    """

    name: str
    function: Callable[..., Array]
    parameters: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    slope: SlopeFormula | None = None
    declared: FactsOf | None = None
    typical: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    domain: Domain = field(default_factory=lambda: MappingProxyType({}))
    plain: Callable[..., Array] | None = None

    @property
    def family(self) -> str:
        """The module or package of ``jaxacts.activations`` that holds the formula: rectifiers, exponentials, ..."""
        return (self.function.__module__ or "").removeprefix("jaxacts.activations.").partition(".")[0]

    @property
    def elementwise(self) -> bool:
        """Whether the value at an element depends on that element (and the parameters) alone."""
        return self.slope is not None or self.declared is not None

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def formula(self) -> str:
        """The LaTeX of the docstring's first ``.. math::`` block."""
        found = re.search(r"\.\. math::\n\n((?:[ ]+.*\n|\n)+)", (inspect.getdoc(self.function) or "") + "\n")
        return inspect.cleandoc(found[1]) if found else ""

    def arguments(self, **given: Any) -> dict[str, Any]:
        """All arguments after ``x``: the given ones, then the typical ones, then the defaults."""
        _, *rest = bind(self.name, inspect.signature(self.function), (None,), {**self.typical, **given}).items()
        check_domain(self.name, self.domain, dict(rest))
        return dict(rest)

    def facts(self, **given: Any) -> Facts:
        """The declared facts at these parameters (at the typical ones where not given)."""
        if self.declared is None:
            raise ValueError(f"{self.name}: has no declared facts; give facts to jaxacts.activation where it is yours.")
        arguments = self._of_one_curve(given)
        facts: Any = self.declared(**arguments) if callable(self.declared) else self.declared
        if not isinstance(facts, Facts):
            raise TypeError(f"{self.name}: facts must return Facts, got {facts!r}; write jaxacts.Facts(...).")
        return facts

    def shape(self, **given: Any) -> Shape:
        """Monotonicity, parity, saturation and exact zeros at these parameters, computed from the values."""
        facts, arguments = self.facts(**given), self._of_one_curve(given)

        def curve(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            with jax.ensure_compile_time_eval(), jax.enable_x64(True):
                wide = {n: np.float64(v) if n in self.parameters else v for n, v in arguments.items()}
                return np.asarray(self.function(jnp.asarray(x, jnp.float64), **wide), np.float64)

        return shape_of(curve, self.knots(**given), facts)

    @property
    def references(self) -> tuple[Paper, ...]:
        """The papers of the docstring, with their addresses; the first is the one that the activation is from."""
        _, _, text = (inspect.getdoc(self.function) or "").partition("References:")
        return tuple(Paper(title.strip(), url) for title, url in _PAPER.findall(" ".join(text.split())))

    def _of_one_curve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments after ``x``, where each parameter has to be one number."""
        arguments = self.arguments(**given)
        for name in self.parameters:
            if shape := as_array(self.name, name, arguments[name]).shape:
                raise ValueError(
                    f"{self.name}: facts, kinks and knots are those of one curve, got {name} of shape {shape}; "
                    f"ask for each of its values by itself."
                )
        return arguments

    def kinks(self, **given: Any) -> tuple[Kink, ...]:
        """The points where the slope jumps, computed from the slope formula, in rising order.

        Raises:
            ValueError: the function has no slope formula: it depends on an axis, on a draw or on an array of
                coefficients, or is composed of others.
        """
        if not self.elementwise:
            raise ValueError(
                f"{self.name}: has no slope formula, so its kinks are not in the catalogue; "
                f"compute its slope with jax.jvp where you need it."
            )
        pieces = self._pieces(**given)
        if pieces is None:
            return ()
        found: list[Kink] = []
        for i, (knot, taken) in enumerate(zip(pieces.knots, pieces.at_knots(None), strict=True)):
            kink = Kink(
                _shortest(knot),
                *(_shortest(jnp.asarray(s)[i] if jnp.ndim(s) else s) for s in (*pieces.slopes[i : i + 2], taken)),
            )
            if kink.left != kink.right:
                found.append(kink)
        return tuple(found)

    def knots(self, **given: Any) -> tuple[float, ...]:
        """The points where the formula switches: the kinks, and those where only a higher derivative jumps.

        Empty where the function is composed of others.
        """
        pieces = self._pieces(**given)
        return () if pieces is None else tuple(float(k) for k in pieces.knots)

    def _pieces(self, **given: Any) -> Pieces | None:
        if self.slope is None:
            self.arguments(**given)
            return None
        arguments = self._of_one_curve(given)
        static = {n: arguments[n] for n in self.static}
        with jax.ensure_compile_time_eval():
            parameters = [
                as_floating(self.name, n, arguments[n]).astype(jnp.result_type(float)) for n in self.parameters
            ]
            slope = functools.partial(self.slope, **static)
            if not _is_piecewise(slope, parameters):
                return None
            pieces: Any = slope(jnp.zeros(1), *parameters)
            at_knots: Any = slope(jnp.asarray(pieces.knots, float), *parameters)
        return at_knots


def _is_piecewise(slope: SlopeFormula, parameters: list[Array]) -> bool:
    """Whether a slope formula returns pieces, without computing them."""
    found: list[bool] = []

    def look(x: Array, *parameters: Array) -> Array:
        found.append(isinstance(slope(x, *parameters), Pieces))
        return x

    jax.eval_shape(look, jnp.zeros(1), *parameters)
    return found[0]


def _shortest(value: Array | float) -> float:
    """The number that prints with the fewest digits among those of the same value in its dtype: 0.01 in float32."""
    return float(str(np.asarray(value)))


@dataclass(frozen=True)
class Variant:
    """How a function was made from another one: ``transform(**settings)``; ``entry`` if it still has the same facts."""

    transform: Callable[..., Any]
    call: Callable[..., Any]
    settings: Mapping[str, Any]
    entry: Callable[..., Any] | None = None


def variant(made: Variant, function: Callable[..., Any]) -> Any:
    """``made.call`` with its settings bound, under the name, signature and docstring of ``function``."""
    out: Any = functools.update_wrapper(functools.partial(made.call, *made.settings.values()), function, updated=())
    del out.__wrapped__  # so that a pickle of it needs the settings alone
    with contextlib.suppress(ValueError):  # some functions written in C do not tell
        out.__signature__ = inspect.signature(function)
    out.__variant__ = made
    return out


def variant_of(function: Callable[..., Any]) -> Variant | None:
    """How a function was made, if :func:`variant` made it."""
    # jax.grad and functools.wraps copy attributes to functions that do something else.
    made = getattr(function, "__variant__", None)
    if isinstance(function, functools.partial) and isinstance(made, Variant) and function.func is made.call:
        return made
    return None


def entry_of(function: Callable[..., Any], caller: str = "activation") -> Activation:
    """The entry of a function that came from ``@activation``; the error names the ``caller``."""
    made = variant_of(function)
    base = made.entry or function if made else function
    found = getattr(base, "__activation__", None)
    if not isinstance(found, Activation) or found.function is not base:
        name = getattr(function, "__name__", repr(function))
        raise TypeError(
            f"{caller}: {name} is not an activation of this library; pass one of jaxacts, or decorate it with "
            f"jaxacts.activation first."
        )
    return found
