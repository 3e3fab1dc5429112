"""A function under test, with all its arguments but ``x``, and the inputs at which it is tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxacts._core import Activation, Facts, Kink, Pieces, entry_of, kink_choice, variant_of
from jaxacts._transforms import value_and_slope

from .exact import Reals

__all__ = ["DTYPES", "Case", "NotApplicableError"]

DTYPES: tuple[DTypeLike, ...] = (jnp.float32, jnp.bfloat16, jnp.float16)


class NotApplicableError(Exception):
    """The clause has nothing to say about this case; the message says why."""


@dataclass(frozen=True)
class Case:
    """A function with all its arguments but ``x``, and what is known of it.

    ``arguments`` are given by keyword; those named in ``parameters`` are differentiable arrays. ``reference`` is a
    formula in mpmath with the same arguments: from number to number, or from list to list where ``elementwise`` is
    False. Where it is a sum that may cancel, ``terms`` are its summands, and errors count in ulps of the largest;
    ``floor`` is the size from which relative errors of the value count. ``slope_source`` is the case of the function
    whose slope ``with_slope`` gave to this one. ``shape`` has the axes into which the last one of an input is folded
    for a function that needs several.
    """

    function: Callable[..., Array]
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    parameters: tuple[str, ...] = ()
    reference: Callable[..., Any] | None = None
    elementwise: bool = True
    entry: Activation | None = None
    slope_source: Case | None = None
    terms: Callable[..., tuple[Any, ...]] | None = None
    floor: float = 0.0
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, function: Callable[..., Array], reference: Callable[..., Any] | None = None, **given: Any) -> Case:
        """The case of a decorated activation, with its typical arguments where none is given.

        Of ``with_slope`` it is the case of the function with the value. Any other function is taken as elementwise,
        with its floats and arrays as parameters.
        """
        if (sources := value_and_slope(function)) is not None:
            value, slope = sources
            return replace(cls.of(value, reference, **given), function=function, slope_source=cls.of(slope))
        if isinstance(function, partial) and variant_of(function) is None and not function.args:
            return cls.of(function.func, reference, **{**function.keywords, **given})
        try:
            entry = entry_of(function)
        except TypeError:
            arrays = tuple(n for n, v in given.items() if isinstance(v, float | Array | np.floating | np.ndarray))
            return cls(function, given, arrays, reference)
        arguments = entry.arguments(**given)
        given_arrays = tuple(n for n in entry.parameters if arguments[n] is not None)
        return cls(function, arguments, given_arrays, reference, entry.elementwise, entry)

    @property
    def name(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))

    def f(self, x: Any, **changed: Any) -> Array:
        """The function of ``x`` alone."""
        if self.shape and isinstance(x, Array):
            x = x.reshape(*x.shape[:-1], *self.shape)
        return self.function(x, **{**self.arguments, **changed})

    def slope(self, x: Array) -> Array:
        """Its derivative along a vector of ones (elementwise: the slope)."""
        return jax.jvp(self.f, (x,), (jnp.ones_like(x),))[1]

    @cached_property
    def curve(self) -> Callable[[Array], tuple[Array, Array]]:
        """Value and slope, from one program for a shape and dtype."""
        return jax.jit(lambda x: (self.f(x), self.slope(x)))

    def derivatives(self, order: int) -> Callable[[Array], tuple[Array, ...]]:
        """The value and its derivatives along a vector of ones, up to this order, each lower one traced once."""

        def one_more(lower: Callable[[Array], tuple[Array, ...]], x: Array) -> tuple[Array, ...]:
            values, tangents = jax.jvp(lower, (x,), (jnp.ones_like(x),))
            return *values, tangents[-1]

        def value(x: Array) -> tuple[Array, ...]:
            return (self.f(x),)

        found = value
        for _ in range(order):
            found = partial(one_more, found)
        # A derivative rule may return another value than the function does.
        return lambda x: (self.f(x), *found(x)[1:])

    def expect_elementwise(self) -> None:
        """Raise a NotApplicableError where elements depend on each other."""
        if not self.elementwise:
            raise NotApplicableError("it is not elementwise: its elements depend on each other")

    def acts_on_each_alone(self) -> bool:
        """Whether some numbers in one array give what each of them gives by itself."""
        x = jnp.array([1.7, -2.5, 3.1, -0.3, 0.4])
        try:
            together, alone = self.f(x), [self.f(x[i : i + 1]) for i in range(x.size)]
        except Exception:  # it needs other shapes
            return False
        if together.shape != x.shape or any(y.shape != (1,) for y in alone):
            return False
        return bool(jnp.allclose(together, jnp.concatenate(alone), rtol=1e-5, atol=1e-6, equal_nan=True))

    @property
    def facts(self) -> Facts:
        """The declared facts; of ``with_slope`` those of its value, without a Lipschitz constant."""
        if self.entry is None or self.entry.declared is None:
            raise NotApplicableError("no facts are declared")
        self._expect_one_curve()
        facts = self.entry.facts(**self.arguments)
        return replace(facts, lipschitz=None) if self.slope_source else facts

    @property
    def kinks(self) -> tuple[Kink, ...]:
        """Where the slope jumps, as far as its formula tells."""
        if self.slope_source:
            return self.slope_source.kinks
        if self.entry is None or not self.entry.elementwise:
            return ()
        self._expect_one_curve()
        return self.entry.kinks(**self.arguments)

    @cached_property
    def knots(self) -> tuple[float, ...]:
        """Where the formula switches, as far as its slope formula tells."""
        own = self.entry.knots(**self.arguments) if self.entry and not self._arrays else ()
        return (*own, *self.slope_source.knots) if self.slope_source else own

    @cached_property
    def constant_slopes(self) -> int:
        """How many different slopes it has, those at its kinks included, if all are numbers; else 0."""
        if self.slope_source:
            return self.slope_source.constant_slopes
        if self.entry is None or self.entry.slope is None or self._arrays:
            return 0
        slope, choice = self.entry.slope, kink_choice(self.function)
        static = {n: self.arguments[n] for n in self.entry.static}

        def numbers(x: Array, *parameters: Array) -> list[Array]:
            pieces = slope(x, *parameters, **static)
            if not isinstance(pieces, Pieces) or any(np.size(s) > 1 for s in pieces.slopes):
                return []
            return [*map(jnp.asarray, (*pieces.slopes, *pieces.at_knots(choice)))]

        found = jax.jit(numbers)(jnp.zeros(2), *(jnp.float32(self.arguments[n]) for n in self.parameters))
        return len({float(s) for s in found})

    @property
    def _arrays(self) -> list[str]:
        return [n for n in self.parameters if np.ndim(self.arguments[n])]

    def _expect_one_curve(self) -> None:
        if self._arrays:
            raise NotApplicableError(f"facts and kinks are those of one curve, and {self._arrays[0]} is an array")

    def points(self, dtype: DTypeLike) -> Reals:
        """Inputs that matter: dense around 0, both tails, all magnitudes, both sides of every knot (not the knots)."""
        if not self.elementwise:
            return np.asarray(jnp.asarray(3 * np.random.default_rng(0).standard_normal(12), dtype), float)
        info = jnp.finfo(dtype)
        least, largest = max(float(info.smallest_normal), 1e-38), min(float(info.max), 1e30)
        sizes = np.concatenate([np.geomspace(least, largest, 60), np.logspace(-3, 0.5, 80), np.linspace(0, 110, 180)])
        around = [k + s * 2.0**-p for k in self.knots for s in (-1, 1) for p in (1, 4, 8, 12)]
        sample = np.concatenate([sizes, -sizes, np.linspace(-16, 16, 257), np.array(around)])
        sample = np.asarray(jnp.asarray(sample[np.abs(sample) <= float(info.max)], dtype), float)
        return np.setdiff1d(sample, np.asarray(jnp.asarray([*self.knots, 0.0], dtype), float))

    def exact_arguments(self, dtype: DTypeLike) -> dict[str, Any]:
        """The arguments as the function sees them: parameters rounded to the compute dtype."""
        wide = np.float64 if dtype == jnp.float64 else np.float32

        def rounded(value: Any) -> Any:
            wide_value = np.asarray(value, wide).astype(np.float64)
            return wide_value if wide_value.ndim else float(wide_value)

        return {n: rounded(v) if n in self.parameters else v for n, v in self.arguments.items()}
