"""What the composed initializers share: they draw through others in at least 32 bits, and round once."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jax import Array
from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._protocol import Draw, Initializer, OutSharding, Sampler, sharded

__all__ = ["Wrapped", "checked"]


@dataclass(frozen=True)
class Wrapped:
    """What ``sample`` draws, times a number, rounded once to the dtype that is asked for."""

    function: str
    sample: Sampler | Initializer
    dtype: DTypeLike | None
    factor: float = 1.0

    def __call__(
        self, key: Array, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Array:
        stored = _checks.random_dtype(self.function, self.dtype if dtype is None else dtype)
        sizes = _checks.sizes(self.function, shape)
        scalar = _checks.factor(self.function, self.factor, stored)
        return sharded(Draw(self.sample, sizes, _checks.wide(stored), stored), len(sizes), out_sharding, key, scalar)


def checked(caller: str, init: Any, argument: str = "init") -> Initializer:
    """``init``, where it is an initializer and not a function that makes one."""
    given = init
    if not callable(given):
        raise TypeError(f"{caller}: {argument} must be an initializer, got {type(init).__name__}; pass he_normal().")
    try:
        parameters = inspect.signature(given).parameters.values()
    except ValueError:
        parameters = ()
    # An initializer needs a key and a shape.
    if parameters and all(p.default is not p.empty for p in parameters):
        name = getattr(init, "__name__", "it")
        raise TypeError(f"{caller}: {argument} must be an initializer, got {name}, which makes one; pass {name}().")
    return init
