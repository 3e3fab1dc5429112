"""The parameters that a bias or a scale is made of, and the place in each that its elements come from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np

from jaxacts._trace.graph import Graph
from jaxacts._trace.primitives import SAME_PLACE, SUMS
from jaxacts._trace.units.follow import REARRANGED, Units

__all__ = ["factors", "terms"]

_Pairs: TypeAlias = list[tuple[int, Units]]


def terms(graph: Graph, value: int) -> _Pairs | None:
    """The parameters that are 0 where a value without data gives no shift, None where these cannot be found."""
    if value in graph.leaves:
        return [_leaf(graph, value)]
    if not graph.origins.get(value):
        return []
    op = graph.producer[value]
    if op.name in SUMS:
        found = [terms(graph, v) for v in op.inputs]
        return None if None in found else [pair for pairs in found for pair in pairs or []]
    if op.name == "mul":
        return next((pairs for v in op.inputs if (pairs := terms(graph, v))), None)
    if op.name in ("neg", "div"):
        return terms(graph, op.inputs[0])
    return _rearranged(graph, value, terms)


def factors(graph: Graph, value: int) -> _Pairs:
    """The parameters that a value without data is the product of, as far as these can be found."""
    if value in graph.leaves:
        return [_leaf(graph, value)]
    op = graph.producer.get(value)
    if op is None or not graph.origins.get(value):
        return []
    if op.name in ("mul", "div"):
        return [pair for v in op.inputs for pair in factors(graph, v)]
    return _rearranged(graph, value, factors) or []


def _leaf(graph: Graph, value: int) -> tuple[int, Units]:
    shape = graph.shapes[value]
    return graph.leaves.index(value), np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


def _rearranged(graph: Graph, value: int, find: Callable[[Graph, int], _Pairs | None]) -> _Pairs | None:
    """What is found in the operand of an operation that keeps or rearranges its elements, None for any other."""
    op = graph.producer[value]
    operand, *others = op.inputs
    if others or op.name not in SAME_PLACE | REARRANGED:
        return None
    pairs = find(graph, operand)
    if op.name in SAME_PLACE or pairs is None:
        return pairs
    shape = graph.shapes[operand]
    pairs = [(leaf, np.broadcast_to(places, shape)) for leaf, places in pairs]
    return [(leaf, np.asarray(graph.run(op, [jnp.asarray(places)])[0])) for leaf, places in pairs]
