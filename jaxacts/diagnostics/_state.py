"""What is known of the units of each layer, as sums that add over batches, devices and steps."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

__all__ = ["Layer", "State", "UnitSums", "merge"]


class Layer(NamedTuple):
    """A layer and its activation.

    ``left`` and ``right`` say how the activation saturates for negative and for positive inputs: ``"hard"`` where its
    slope is exactly 0 from some point on, ``"soft"`` where it tends to 0, ``""`` where it does neither or that is not
    known. ``inactive`` says whether it is 0 for all negative inputs, as relu and relu6 are: such units are inactive
    there, not saturated. ``loops`` is the number of scans over layers around it, ``edges`` are the bounds of the
    histogram.
    """

    name: str
    activation: str
    left: str = ""
    right: str = ""
    inactive: bool = False
    loops: int = 0
    edges: tuple[float, ...] = ()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class UnitSums:
    """Sums over all examples (and positions) that a layer has seen, for each of its units, in float32.

    Numbers of examples are exact up to 2^24 and rounded from there on, like the other sums; an int32 would wrap around.

    ``absolute`` is Σ|h|, ``total`` Σh, ``square`` Σh², ``active`` how often h was not 0, ``left`` and ``right`` how
    often the slope was below the threshold for negative and for positive inputs, all of shape (units,), and ``count``
    the number of examples. Layers of a scan have an axis in front, one row for each step. ``gram`` is Σ h hᵀ and
    ``histogram`` the number of values in each bin, where these were asked for.
    """

    absolute: Array
    total: Array
    square: Array
    active: Array
    left: Array
    right: Array
    count: Array
    gram: Array | None
    histogram: Array | None
    layer: Layer = field(metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """What a watch has seen: a pytree of sums, and what it could not follow.

    ``layers`` are in the order of the computation, ``steps`` is the number of calls.
    """

    layers: tuple[UnitSums, ...]
    steps: Array
    unfollowed: tuple[str, ...] = field(metadata={"static": True})

    def __getitem__(self, name: str) -> UnitSums:
        found = next((layer for layer in self.layers if layer.layer.name == name), None)
        if found is None:
            raise KeyError(f"State: no layer {name!r}; there are {', '.join(s.layer.name for s in self.layers)}.")
        return found


def merge(*states: State, axis: int | None = None) -> State:
    r"""The sums of several states: of batches, hosts, or the rows that vmap has made.

    .. math:: \sum_{\text{all}} = \sum_i \, \sum_{\text{state } i}

    Args:
        *states: states of the same watch, at least one.
        axis: also add up this axis of every array, such as 0 for a state that comes out of ``jax.vmap``. Start such a
            state from ``watch.init()`` inside of the mapped function, so that no earlier sums are added several times.

    Returns:
        One state.

    Raises:
        ValueError: no state, or states of different watches.
        TypeError: something that is not a state.

    Note:
        Under ``shard_map`` and ``pmap`` sums over devices are the business of ``watch(..., axis_name=...)``, and under
        ``jit`` with sharded arrays that of the compiler.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> def model(w, x):
        ...     return jaxacts.relu(x @ w)
        >>> w, x = jnp.eye(2), jnp.array([[1.0, -1.0], [2.0, -3.0]])
        >>> watch = diagnostics.watch(model, x, variables=w)
        >>> _, one = watch(w, x)
        >>> diagnostics.merge(one, one).layers[0].active
        Array([4., 0.], dtype=float32)
    """
    if not states:
        raise ValueError("merge: needs at least one state, got none; pass what a watch returned.")
    for state in states:
        if not isinstance(state, State):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
            raise TypeError(
                f"merge: states must be those of a watch, got {type(state).__name__}; pass its second result."
            )
    first, *others = states
    for other in others:
        if jax.tree.structure(other) != jax.tree.structure(first):
            raise ValueError(
                "merge: the states must be of one watch, got different layers; merge each model by itself."
            )
    total = first
    for other in others:
        total = jax.tree.map(operator.add, total, other)
    return total if axis is None else jax.tree.map(lambda x: jnp.sum(x, axis), total)
