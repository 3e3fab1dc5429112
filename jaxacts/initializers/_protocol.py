"""What every initializer shares: the dtype rule, the one cast, and where the array is built.

A random initializer says in :meth:`RandomInitializer.plan` what to draw and by which factor to multiply it. The draw
and the product run in at least 32 bits and are rounded once to the dtype that was asked for, because a sampler that
works in bfloat16 itself has 128 distinct values and no tails, and one that works in float8 gives NaN.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import jax
import numpy as np
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec
from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Shape

__all__ = ["Draw", "Initializer", "OutSharding", "RandomInitializer", "Sampler", "sharded"]

OutSharding: TypeAlias = NamedSharding | PartitionSpec | None

Sampler: TypeAlias = Callable[[Array, Shape, np.dtype[Any]], Array]
"""``sample(key, shape, dtype)``; hashable by value, so that equal samplers share one compilation."""


class Initializer(Protocol):
    """A function that makes the first value of a parameter: ``init(key, shape, dtype=None, out_sharding=None)``."""

    def __call__(
        self, key: Array, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Array: ...


@dataclass(frozen=True)
class RandomInitializer(abc.ABC):
    """An initializer that draws; equal arguments make equal initializers, and they pickle."""

    function: str
    dtype: DTypeLike | None

    def __post_init__(self) -> None:
        self._stored(None)

    def __call__(
        self, key: Array, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Array:
        _checks.key(self.function, key)
        stored = self._stored(dtype)
        wide = _checks.wide(stored)
        sizes = _checks.sizes(self.function, shape)
        sample, factor = self.plan(sizes, wide)
        added = self.added(wide)
        operands = [_checks.factor(self.function, x, stored) for x in (factor, added) if x is not None]
        return sharded(Draw(sample, sizes, wide, stored), len(sizes), out_sharding, key, *operands)

    def added(self, dtype: np.dtype[Any]) -> Any:
        """What is added to the scaled draws in ``dtype``; None is nothing."""
        return None

    def _stored(self, dtype: DTypeLike | None) -> np.dtype[Any]:
        asked = self.dtype if dtype is None else dtype
        return _checks.random_dtype(self.function, asked)

    @abc.abstractmethod
    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        """What to draw in ``dtype`` and the factor of the draws, after the checks that need the shape."""


@dataclass(frozen=True)
class Draw:
    """Sample, scale, shift, round."""

    sample: Sampler
    shape: Shape
    wide: np.dtype[Any]
    stored: np.dtype[Any]

    def __call__(self, key: Array, factor: Array, added: Array | None = None) -> Array:
        # Without the barrier XLA merges the factor with the sampler's own constants, and the last bit then depends on
        # whether the caller is jitted.
        draws = jax.lax.optimization_barrier(self.sample(key, self.shape, self.wide))
        scaled = draws * factor.astype(draws.dtype)
        return (scaled if added is None else scaled + added.astype(draws.dtype)).astype(self.stored)


def sharded(make: Callable[..., Array], rank: int, out_sharding: OutSharding, *operands: object) -> Array:
    """``make(*operands)``, compiled so that every device builds its own part of the result and no more."""
    out_sharding = _with_all_axes(out_sharding, rank)
    compiled = jax.jit(_under_mesh, static_argnums=(0, 1), out_shardings=out_sharding)
    return cast(Array, compiled(make, out_sharding, *operands))


def _with_all_axes(out_sharding: OutSharding, rank: int) -> OutSharding:
    """With an entry for every axis under an explicit mesh, as the sharding of a type has."""
    named = isinstance(out_sharding, NamedSharding)
    mesh = out_sharding.mesh if named else jax.sharding.get_abstract_mesh()
    spec = out_sharding.spec if named else out_sharding
    if not (mesh.explicit_axes and isinstance(spec, PartitionSpec) and len(spec) < rank):
        return out_sharding
    full = PartitionSpec(*spec, *[None] * (rank - len(spec)))
    return NamedSharding(mesh, full, memory_kind=out_sharding.memory_kind) if named else full


def _under_mesh(make: Callable[..., Array], out_sharding: OutSharding, *operands: Array) -> Array:
    explicit = jax.sharding.get_abstract_mesh().explicit_axes
    if out_sharding is None or not explicit:
        return make(*operands)
    # Under an explicit mesh the sharding belongs to the type, and jit's out_shardings alone would not set it.
    split = cast(Callable[..., Array], jax.sharding.auto_axes(make, axes=explicit, out_sharding=out_sharding))
    return split(*operands)
