"""Every class of ``jaxacts.linen`` and ``jaxacts.nnx``, built and called with what it needs: no list of names."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax import Array

import jaxacts.linen
import jaxacts.nnx
from jaxacts.linen import _base as linen_base
from jaxacts.nnx import _base as nnx_base

NAMES = tuple(jaxacts.linen.__all__)
LEARNABLE = tuple(n for n in NAMES if issubclass(getattr(jaxacts.linen, n), linen_base.Learnable))
PER_CHANNEL = tuple(n for n in NAMES if issubclass(getattr(jaxacts.linen, n), linen_base.PerChannel))
STOCHASTIC = tuple(n for n in NAMES if issubclass(getattr(jaxacts.linen, n), linen_base.Stochastic))
KEY = jax.random.key(3)
SHAPE = (2, 4, 5, 8)
"""Of the input: rows, columns, and channels that groups and pieces divide; no two axes are of one length."""


def fields(name: str) -> dict[str, Any]:
    """The fields of the class in linen and their defaults."""
    return {f.name: f.default for f in dataclasses.fields(getattr(jaxacts.linen, name))}


def batch(dtype: Any = jnp.float32) -> Array:
    return (jax.random.normal(KEY, SHAPE) * 2 + 0.5).astype(dtype)


def in_linen(name: str, /, **given: Any) -> nn.Module:
    """The module, deterministic and learning from the batch."""
    known = fields(name)
    modes = {"deterministic": True, "use_running_average": False, "features": SHAPE[-1]}
    return getattr(jaxacts.linen, name)(**{n: v for n, v in modes.items() if n in known} | given)


def in_nnx(name: str, /, **given: Any) -> nnx.Module:
    """Its twin."""
    cls = getattr(jaxacts.nnx, name)
    known = inspect.signature(cls).parameters
    axis = given.get("axis", getattr(cls, "axis", None))
    modes: dict[str, Any] = {"deterministic": True}
    modes |= dict.fromkeys(("in_features", "out_features", "features"), SHAPE[-1])
    if issubclass(cls, nnx_base.PerChannel):
        modes["features"] = None if axis is None else SHAPE[axis]
    modes["rngs"] = None if name in STOCHASTIC else nnx.Rngs(0)
    return cls(**{n: v for n, v in modes.items() if n in known} | given)


def variables_of(module: nn.Module, x: Array | None = None) -> dict[str, Any]:
    return dict(jax.jit(module.init)(KEY, batch() if x is None else x))


def moved(params: Mapping[str, Any]) -> dict[str, Array]:
    """Other parameters than the initial ones."""
    return {n: p + 0.1 * jax.random.normal(jax.random.fold_in(KEY, len(n)), p.shape) for n, p in params.items()}


def apply_linen(module: nn.Module, params: Mapping[str, Array], x: Array) -> Array:
    statistics = variables_of(module).get("batch_stats", {})
    return module.apply({"params": params, "batch_stats": statistics}, x, mutable=["batch_stats"])[0]


def apply_nnx(name: str, params: Mapping[str, Array], x: Array, **given: Any) -> Array:
    module = in_nnx(name, **given)
    for parameter, value in params.items():
        getattr(module, parameter)[...] = value
    return module(x)
