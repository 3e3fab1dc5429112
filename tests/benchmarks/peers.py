"""The functions that the benchmarks compare: the elementwise activations, and jax.nn's of the same names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
from jax import Array

import jaxacts


class Pair(NamedTuple):
    """An activation at its default parameters, and jax.nn's, if there is one."""

    ours: Callable[[Array], Array]
    theirs: Callable[[Array], Array] | None


def pairs(names: Iterable[str] = (), with_peer: bool = True) -> dict[str, Pair]:
    """Label → functions, of these names or labels, or of all; ``with_peer=False`` adds what jax.nn does not have."""
    wanted = set(names)
    found: dict[str, Pair] = {}
    for name, entry in jaxacts.catalogue().items():
        peer = getattr(jax.nn, name, None)
        if not entry.elementwise or (with_peer and peer is None):
            continue
        for label, options in _variants(name).items():
            if not wanted or {name, label} & wanted:
                ours = functools.partial(jaxacts.get(name), **entry.arguments() | options)
                found[label] = Pair(ours, peer and functools.partial(peer, **options))
    return found


def _variants(name: str) -> dict[str, dict[str, Any]]:
    """Label → options; gelu's two forms are two functions."""
    if name == "gelu":
        return {"gelu tanh": {"approximate": True}, "gelu exact": {"approximate": False}}
    return {name: {}}
