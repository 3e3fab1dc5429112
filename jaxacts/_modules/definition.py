"""What a module with learned parameters is made of, the same for linen and nnx: its function, and how it gets them."""

from __future__ import annotations

import contextlib
import dataclasses
import numbers
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from jaxacts._core import compute_dtype, entry_of
from jaxacts._core.errors import check_domain
from jaxacts.activations.exponentials.softplus import softplus, softplus_inverse

from . import documentation
from .parameters import Init, Shape, along, initializer

__all__ = ["Definition", "Leading", "Stored", "above", "logarithm", "positive"]

Leading: TypeAlias = Mapping[str, Callable[[Any], Shape]]
"""The axes of a parameter before that of the channels, as a function of the module."""

Values: TypeAlias = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Stored:
    """A parameter that is not stored as the function takes it, but as an unconstrained number.

    ``value`` gives what the function takes from what is stored, ``inverse`` the way back; both also see the other
    arguments of the function. It has to start above 0, or above the argument that ``above`` names. ``where`` is the
    field of the module that has to be true for it, if there is one.
    """

    description: str
    value: Callable[[Array, Values], Array]
    inverse: Callable[[Array, Values], Array]
    above: str | None = None
    where: str | None = None

    def check(self, module: str, name: str, value: Any, others: Values) -> None:
        """A ValueError if it starts too low; traced arrays pass."""
        low = others.get(self.above) if self.above else 0.0
        if low is None or isinstance(value, Tracer) or isinstance(low, Tracer):
            return
        with jax.ensure_compile_time_eval():  # numbers are not traced either, but what is computed of them would be
            value, low = jnp.asarray(value, float), jnp.asarray(low, float)
            if jnp.all(value > low):
                return
            bound, also = (self.above, f" with {self.above}={jnp.max(low):g}") if self.above else ("0", "")
            raise ValueError(
                f"{module}: {name}_init must be greater than {bound}, got {jnp.min(value):g}{also}; "
                f"pass a number or an initializer for which that holds."
            )


@dataclasses.dataclass(frozen=True)
class Definition:
    """A function, which of its arguments are parameters, and how these are stored.

    ``parameters`` are the arguments with an initializer, ``options`` the other fields that are arguments. ``shared``
    names those that have one value in all even where there is an ``axis`` of channels. ``without_key`` takes the
    place of a function that draws, where that needs a key.
    """

    function: Callable[..., Array]
    parameters: tuple[str, ...]
    options: tuple[str, ...]
    stored: Mapping[str, Stored]
    leading: Leading
    shared: frozenset[str]
    without_key: Callable[..., Array] | None
    sections: documentation.Sections

    def check(self, module: Any, arguments: Values) -> None:
        """A ValueError if arguments that are numbers are outside the domain of the function or of what is stored."""
        name, known = type(module).__name__, {n: v for n, v in arguments.items() if isinstance(v, numbers.Real)}
        check_domain(name, entry_of(self.function).domain, known)
        for parameter in self.stored.keys() & known.keys():
            if stored := self._stored(module, parameter):
                stored.check(name, parameter, known[parameter], known)

    def shape(self, module: Any, name: str, channels: Shape) -> Shape:
        """The shape of a parameter."""
        leading = self.leading[name](module) if name in self.leading else ()
        return (*leading, *(() if name in self.shared else channels))

    def initializer(self, module: Any, name: str, initial: object, others: Values) -> Init:
        """The initializer of what is stored, where ``initial`` is that of what the function takes."""
        owner = type(module).__name__
        init = initializer(owner, f"{name}_init", initial, module.param_dtype)
        stored = self._stored(module, name)
        if stored is None:
            return init

        def of_stored(key: Array | None, shape: Shape, dtype: DTypeLike) -> Any:
            def inverse(value: Array) -> Array:
                stored.check(owner, name, value, others)
                return stored.inverse(value, others).astype(dtype)

            return within(init(key, shape, compute_dtype(dtype)), inverse)

        return of_stored

    def value(self, module: Any, name: str, parameter: Array, others: Values) -> Array:
        """The argument of the function from what is stored."""
        stored = self._stored(module, name)
        return stored.value(parameter, others) if stored else parameter

    def _stored(self, module: Any, name: str) -> Stored | None:
        found = self.stored.get(name)
        return found if found and (found.where is None or getattr(module, found.where)) else None

    def __call__(self, module: str, axis: int | None, x: ArrayLike, arguments: Values, **given: Any) -> Array:
        """The function of ``x`` and its other ``arguments``, parameters along ``axis``."""
        laid_out = {
            n: along(module, None if n in self.shared else axis, v, x) if n in self.parameters else v
            for n, v in arguments.items()
        }
        with self._errors_of(module):
            return self.function(x, **laid_out, **given)

    def drawn(self, module: str, x: ArrayLike, key: Array | None, options: Values) -> Array:
        """The function of ``x`` with a key to draw with, or None to draw nothing."""
        with self._errors_of(module):
            if self.without_key is None:
                return self.function(x, key, deterministic=key is None, **options)
            return self.without_key(x, **options) if key is None else self.function(x, key, **options)

    @contextlib.contextmanager
    def _errors_of(self, module: str) -> Generator[None]:
        """The errors of the function, with the name of the module."""
        prefix = f"{self.function.__name__}: "
        try:
            yield
        except (TypeError, ValueError) as error:
            if not str(error).startswith(prefix):
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{module}: {str(error).removeprefix(prefix)}") from error


def within(value: Any, change: Callable[[Array], Array]) -> Any:
    """``change`` of an array, or of the one that Flax wrapped for its sharding metadata."""
    if hasattr(value, "raw_value"):  # of nnx; those of linen are pytrees
        return dataclasses.replace(value, raw_value=change(value.raw_value))
    return jax.tree.map(change, value)


positive = Stored(
    "the inverse softplus of it, which keeps it positive",
    lambda stored, others: softplus(stored),
    lambda value, others: softplus_inverse(value),
)
logarithm = Stored(
    "its logarithm where ``log_scale`` is set",
    lambda stored, others: jnp.exp(stored),
    lambda value, others: jnp.log(value),
    where="log_scale",
)


def above(other: str) -> Stored:
    """A parameter that stays greater than another argument of the function."""
    return Stored(
        f"the inverse softplus of its distance to ``{other}``, which keeps it above",
        lambda stored, others: jnp.asarray(others[other], stored.dtype) + softplus(stored),
        lambda value, others: softplus_inverse(value - jnp.asarray(others[other], value.dtype)),
        above=other,
    )
