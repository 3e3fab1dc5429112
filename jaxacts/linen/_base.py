"""The generic modules: a class names its function and where the parameters start, and is complete."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, dataclass_transform

import jax.numpy as jnp
from flax import errors
from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts._core import check_flag
from jaxacts._modules import documentation
from jaxacts._modules.definition import Definition, Leading, Stored
from jaxacts._modules.parameters import Initial, Shape, initializer, shape_along

__all__ = ["Learnable", "Module", "PerChannel", "Stochastic", "given_once"]

_FIELDS = {
    "axis": "the axis with one value of each parameter per entry; None for one in all.",
    "deterministic": "draw nothing; give it here or at the call, as for ``nn.Dropout``.",
    "param_dtype": "dtype of the parameters. The output has the dtype of the input.",
    "rng_collection": "the name of the rng stream.",
}
_RAISES = """\
TypeError: at the call, an initial value is neither number nor initializer, ``param_dtype`` is not floating, or the
    input is complex.
ValueError: at the call, an argument or an initial value is out of its range, or ``axis`` is out of range for the
    input. What an initializer draws is checked outside of ``jit``."""


@dataclass_transform(kw_only_default=True, field_specifiers=(dataclasses.field,))
class Module(nn.Module, kw_only=True):
    """A module that knows the function it computes, and has its docstring from there."""

    definition: ClassVar[Definition]

    def __init_subclass__(
        cls,
        kw_only: bool = True,
        *,
        function: Callable[..., Array] | None = None,
        stored: Mapping[str, Stored] = MappingProxyType({}),
        leading: Leading = MappingProxyType({}),
        shared: Iterable[str] = (),
        without_key: Callable[..., Array] | None = None,
        **options: Any,
    ) -> None:
        super().__init_subclass__(kw_only=kw_only, **options)
        if function is None:
            return
        fields = [f.name for f in dataclasses.fields(cls) if f.name not in ("parent", "name")]
        fields.sort(key=lambda name: name not in cls.__annotations__)  # its own before those of its bases
        known = [n for n in inspect.signature(function).parameters if n not in cls._own()]
        parameters = tuple(n for n in (f.removesuffix("_init") for f in fields) if n in known and f"{n}_init" in fields)
        own = documentation.sections(cls.__doc__)
        cls.definition = Definition(
            function,
            parameters,
            tuple(n for n in known if n in fields),
            stored,
            leading,
            frozenset(shared),
            without_key,
            own,
        )
        arguments = documentation.arguments(cls.definition, own, fields, _FIELDS)
        example = {} if "Example" in own else {"Example": cls._example()}
        cls.__doc__ = documentation.compose({**own, **example}, function, arguments, _RAISES)

    def _parameter(self, name: str, initial: Initial, shape: Shape) -> Array:
        init = initializer(type(self).__name__, f"{name}_init", initial, self.param_dtype)
        return self.param(name, init, shape, self.param_dtype)  # pyright: ignore[reportUnknownMemberType] (untyped there)

    @classmethod
    def _own(cls) -> tuple[str, ...]:
        """The fields that are not passed on to the function."""
        return ()

    @classmethod
    def _example(cls) -> str:
        return ""


def given_once(module: str, argument: str, of_module: bool | None, of_call: bool | None) -> bool:
    """The mode that either the module or the call has."""
    value = of_call if of_module is None else of_module
    if value is None or (of_module is not None and of_call is not None):
        got = "neither" if value is None else "both"
        raise ValueError(
            f"{module}: {argument} must be given to the module or at the call, got {got}; "
            f"write {module}({argument}=True) in evaluation, or pass {argument}=False at the call in training."
        )
    return value


class Learnable(Module):
    """An activation with parameters: one of each in all."""

    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array of any shape, in its dtype."""
        module, axis = type(self).__name__, self._channel_axis()
        return self.definition(module, axis, x, self._arguments(shape_along(module, axis, x)))

    def _channel_axis(self) -> int | None:
        """The axis with one value of each parameter per entry; None for one in all."""
        return None

    def _arguments(self, channels: Shape) -> dict[str, Any]:
        """The arguments of the function after ``x``, with as many values of each parameter as there are channels."""
        definition = self.definition
        arguments = {n: getattr(self, n) for n in definition.options}
        starts = self._starts()
        definition.check(self, arguments | starts)
        for name, initial in starts.items():
            init = definition.initializer(self, name, initial, dict(arguments))
            stored = self._parameter(name, init, definition.shape(self, name, channels))
            arguments[name] = definition.value(self, name, stored, arguments)
        return arguments

    def _starts(self) -> dict[str, Initial]:
        """Where each parameter starts."""
        return {n: getattr(self, f"{n}_init") for n in self.definition.parameters}

    @classmethod
    def _example(cls) -> str:
        return documentation.linen_example(cls, "", ())


class PerChannel(Learnable):
    """An activation with parameters: one of each in all, or one per entry of an axis."""

    axis: int | None = None

    def _channel_axis(self) -> int | None:
        return self.axis

    @classmethod
    def _own(cls) -> tuple[str, ...]:
        return ("axis",)

    @classmethod
    def _example(cls) -> str:
        return documentation.linen_example(cls, "axis=-1", (3,))


class Stochastic(Module):
    """An activation that draws random numbers while it trains, and has no parameters."""

    deterministic: bool | None = None
    rng_collection: str

    @nn.compact
    def __call__(self, x: ArrayLike, deterministic: bool | None = None, rng: Array | None = None) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            deterministic: draw nothing; give it here or to the constructor.
            rng: the key to draw with, instead of one from the stream.
        """
        return self._drawn(x, deterministic, rng)

    def _drawn(self, x: ArrayLike, deterministic: bool | None, rng: Array | None, **given: Any) -> Array:
        module = type(self).__name__
        options = {n: getattr(self, n) for n in self.definition.options if n != "deterministic"}
        self.definition.check(self, options)
        deterministic = given_once(module, "deterministic", self.deterministic, deterministic)
        check_flag(module, "deterministic", deterministic)
        key = None if deterministic else self._key() if rng is None else rng
        return self.definition.drawn(module, x, key, options | given)

    def _key(self) -> Array:
        try:
            return self.make_rng(self.rng_collection)
        except errors.InvalidRngError:
            raise ValueError(
                f"{type(self).__name__}: there is no rng stream {self.rng_collection!r} to draw from; "
                f"pass rngs={{{self.rng_collection!r}: key}} to apply, or deterministic=True to the module."
            ) from None
