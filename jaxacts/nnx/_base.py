"""The generic modules: a class names its twin in linen and where the parameters start, and is complete."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import InitVar
from typing import Any, ClassVar, dataclass_transform

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts._core import check_flag
from jaxacts._modules import documentation
from jaxacts._modules.definition import Definition
from jaxacts._modules.parameters import Initial, Shape, check_channels, initializer
from jaxacts.initializers._constants import Constant
from jaxacts.linen import _base as linen

__all__ = ["Learnable", "Module", "PerChannel", "Stochastic", "parameter", "stream"]

_FIELDS = {
    "features": "the number of channels on ``axis``, with one value of each parameter each; None for one in all.",
    "axis": "the axis of the channels; None for one value of each parameter in all.",
    "deterministic": "draw nothing; ``train()`` and ``eval()`` set it, as for ``nnx.Dropout``.",
    "param_dtype": "dtype of the parameters. The output has the dtype of the input.",
    "rng_collection": "the name of the rng stream.",
    "rngs": "needed where an initial value is an initializer, other than ``constant``.",
}
_RAISES = """\
ValueError: only one of ``features`` and ``axis`` is given, ``features`` is less than 1, an argument or an initial
    value is out of its range, an initializer comes without ``rngs``, or, at the call, the input has another number of
    channels. What an initializer draws is checked outside of ``jit``.
TypeError: an initial value is neither number nor initializer, ``param_dtype`` is not floating, or the input is
    complex."""


def stream(module: str, rngs: object, name: str) -> nnx.RngStream:
    """The stream of this name, or ``rngs`` itself where it is one."""
    if isinstance(rngs, nnx.RngStream):
        return rngs
    if not isinstance(rngs, nnx.Rngs):
        raise TypeError(f"{module}: rngs must be nnx.Rngs, got {type(rngs).__name__}; pass nnx.Rngs(0).")
    try:
        return rngs[name]
    except KeyError:
        raise ValueError(f"{module}: there is no stream {name!r} in rngs; pass nnx.Rngs({name}=0).") from None


def parameter(
    module: nnx.Module, name: str, initial: Initial, shape: Shape, dtype: DTypeLike, rngs: nnx.Rngs | None
) -> nnx.Param[Array]:
    """A parameter that starts at ``initial``."""
    owner = type(module).__name__
    init = initializer(owner, f"{name}_init", initial, dtype)
    return nnx.Param(init(None if rngs is None else stream(owner, rngs, "params")(), shape, dtype))


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(dataclasses.field,))
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Module(nnx.Module):
    """A dataclass that knows the function it computes, and has its docstring from its twin in linen."""

    definition: ClassVar[Definition]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, *, kw_only: bool = True, twin: type[linen.Module] | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = documentation.sections(cls.__dict__.get("__doc__"))
        dataclasses.dataclass(cls, init="__init__" not in vars(cls), kw_only=kw_only, eq=False, repr=False)
        own_arguments = list(inspect.signature(cls.__init__).parameters.values())[1:]
        cls.__signature__ = inspect.Signature(own_arguments)  # that of nnx.Module hides it
        if twin is None:
            return
        cls.definition = twin.definition
        own = documentation.merged(twin.definition.sections, own)
        arguments = documentation.arguments(cls.definition, own, _arguments(cls), _FIELDS)
        example = {} if "Example" in own else {"Example": cls._example()}
        cls.__doc__ = documentation.compose({**own, **example}, cls.definition.function, arguments, _RAISES)

    @classmethod
    def _example(cls) -> str:
        return ""


def _arguments(cls: type[Module]) -> list[str]:
    """The arguments of the constructor: those by position, those of the class itself, those of its bases."""
    given = cls.__signature__.parameters.values()
    own = [p for p in given if p.kind is p.KEYWORD_ONLY and p.name in cls.__annotations__]
    positional = [p for p in given if p.kind is not p.KEYWORD_ONLY]
    return list(dict.fromkeys(p.name for p in (*positional, *own, *given)))


class Learnable(Module):
    """An activation with parameters: one of each in all."""

    param_dtype: DTypeLike = jnp.float32
    rngs: InitVar[nnx.Rngs | None] = None

    def __post_init__(self, *given: Any) -> None:
        names = [n for n in type(self).__dataclass_fields__ if n == "rngs" or n.endswith("_init")]
        starts = dict(zip(names, given, strict=True))
        self._build(starts.pop("rngs"), starts)

    def _build(self, rngs: nnx.Rngs | None, starts: dict[str, Initial]) -> None:
        """Make the parameters."""
        module, definition = type(self).__name__, self.definition
        arguments = {n: getattr(self, n) for n in definition.options}
        starts = self._starts({n: starts[f"{n}_init"] for n in definition.parameters})
        definition.check(self, arguments | starts)
        for name, initial in starts.items():
            if callable(initial) and not isinstance(initial, Constant) and rngs is None:
                raise ValueError(
                    f"{module}: the initializer {name}_init needs a random key; pass rngs=nnx.Rngs(0), or a number."
                )
            init = definition.initializer(self, name, initial, dict(arguments))
            stored = parameter(self, name, init, definition.shape(self, name, self._channels()), self.param_dtype, rngs)
            setattr(self, name, stored)
            arguments[name] = definition.value(self, name, stored[...], arguments)

    def _starts(self, given: dict[str, Any]) -> dict[str, Initial]:
        """Where each parameter starts."""
        return given

    def _channels(self) -> Shape:
        """One entry for each channel that has parameters of its own."""
        return ()

    def _channel_axis(self) -> int | None:
        """The axis of these channels."""
        return None

    def _arguments(self) -> dict[str, Any]:
        """The arguments of the function after ``x``."""
        arguments = {n: getattr(self, n) for n in self.definition.options}
        for name in self.definition.parameters:
            arguments[name] = self.definition.value(self, name, getattr(self, name)[...], arguments)
        return arguments

    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array of any shape, in its dtype."""
        return self.definition(type(self).__name__, self._channel_axis(), x, self._arguments())

    @classmethod
    def _example(cls) -> str:
        return documentation.nnx_example(cls, "rngs=nnx.Rngs(0)", ())


class PerChannel(Learnable):
    """An activation with parameters: one of each in all, or one per entry of an axis."""

    features: int | None = dataclasses.field(default=None, kw_only=False)
    axis: int | None = None

    def _build(self, rngs: nnx.Rngs | None, starts: dict[str, Initial]) -> None:
        check_channels(type(self).__name__, self.features, self.axis)
        super()._build(rngs, starts)

    def _channels(self) -> Shape:
        return () if self.features is None else (self.features,)

    def _channel_axis(self) -> int | None:
        return self.axis

    @classmethod
    def _example(cls) -> str:
        return documentation.nnx_example(cls, "3, axis=-1, rngs=nnx.Rngs(0)", (3,))


class Stochastic(Module):
    """An activation that draws random numbers while it trains, and has no parameters."""

    deterministic: bool = False
    rng_collection: str
    rngs: nnx.RngStream | None = None

    def __post_init__(self) -> None:
        self.definition.check(self, self._options())
        given: nnx.Rngs | nnx.RngStream | None = self.rngs
        self.rngs = nnx.data(None if given is None else stream(type(self).__name__, given, self.rng_collection).fork())

    def _options(self) -> dict[str, Any]:
        return {n: getattr(self, n) for n in self.definition.options if n != "deterministic"}

    def __call__(
        self, x: ArrayLike, *, deterministic: bool | None = None, rngs: nnx.Rngs | nnx.RngStream | Array | None = None
    ) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            deterministic: draw nothing; overrides the attribute.
            rngs: a key or where to take one from; overrides the module's own stream.
        """
        return self._drawn(x, deterministic, rngs)

    def _drawn(
        self,
        x: ArrayLike,
        deterministic: bool | None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None,
        **given: Any,
    ) -> Array:
        fixed = self.deterministic if deterministic is None else deterministic
        check_flag(type(self).__name__, "deterministic", fixed)
        key = None if fixed else self._key(self.rngs if rngs is None else rngs)
        return self.definition.drawn(type(self).__name__, x, key, self._options() | given)

    def _key(self, rngs: nnx.Rngs | nnx.RngStream | Array | None) -> Array:
        if rngs is None:
            raise ValueError(
                f"{type(self).__name__}: has no random key to draw with; pass rngs=nnx.Rngs(0) to the module "
                f"or to the call, or draw nothing with deterministic=True or eval()."
            )
        if isinstance(rngs, nnx.Rngs | nnx.RngStream):
            return stream(type(self).__name__, rngs, self.rng_collection)()
        return rngs

    def set_view(self, deterministic: bool | None = None) -> None:
        """Called by ``nnx.view``.

        Args:
            deterministic: draw nothing.
        """
        if deterministic is not None:
            self.deterministic = deterministic
