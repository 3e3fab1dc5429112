"""What is checked: every elementwise activation of the catalogue at its default parameters, in each static variant.

The exact values and derivatives come from the mpmath formulas in ``tests/references.py``. Those at all inputs of 8 and
16 bits take seconds to minutes a function, so they are kept in ``tests/.exact``, under a name made of what they depend
on.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
from jax import Array
from references import REFERENCES
from verified import code_of, source_of

import jaxacts
from jaxacts._contract import exact as _exact
from jaxacts._contract.accuracy import largest_term
from jaxacts._contract.exact import Exact, Reals, directional, evaluate

CACHE = Path(__file__).parents[1] / ".exact"

ARTICLES = {"abs", "dice", "prelu"}
"""Beside the functions of jax.nn those that meet its bounds in float32."""


LOOSER = {"squareplus": (3.0, 5.0)}
"""A function of jax.nn with other bounds: it is a plain root and a quotient, each of whose roundings counts."""


@dataclass(frozen=True)
class Subject:
    """An activation with fixed parameters."""

    label: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def entry(self) -> jaxacts.Activation:
        return jaxacts.catalogue()[self.name]

    @property
    def ours(self) -> Callable[[Array], Array]:
        return functools.partial(self.entry.function, **self.arguments)

    @property
    def bounds(self) -> tuple[float, float]:
        """The float32 errors allowed in value and slope, in units in the last place."""
        tight = hasattr(jax.nn, self.name) or self.name in ARTICLES
        return LOOSER.get(self.name, (2.0, 3.0) if tight else (8.0, 16.0))

    @property
    def kinks(self) -> list[float]:
        return [k.at for k in self.entry.kinks(**self.arguments)]

    def _formula(self, wide: type) -> tuple[Callable[..., Any], dict[str, Any]]:
        """The mpmath formula, and its arguments with parameters as the function sees them."""
        rounded = {n: float(wide(self.arguments[n])) for n in self.entry.parameters}
        return REFERENCES[self.name].formula, {**self.arguments, **rounded}

    def exact(self, x: Reals, what: str = "value", wide: type = np.float32) -> Exact:
        """The value, the "slope", or the derivative of a ``partial_key``."""
        formula, arguments = self._formula(wide)
        if what == "value":
            return evaluate(formula, True, x, arguments)
        by = None if what == "slope" else what.removeprefix("by ")
        return directional(formula, True, x, arguments, np.ones(len(x)), by=by)

    def floor(self, x: Reals, what: str = "value", wide: type = np.float32) -> Reals | float:
        """The size in whose units errors count where the function is a sum that may cancel."""
        by = {"value": None, "slope": "x"}.get(what, what)
        return largest_term(REFERENCES[self.name].terms, x, self._formula(wide)[1], by)

    def cached(self, x: Reals, what: str = "value", wide: type = np.float32) -> Exact:
        """The same, read from a file where it has been computed before."""
        file = CACHE / f"{self.label}-{what}-{self._key(x, what, wide)}.npz"
        if not file.exists():
            found = self.exact(x, what, wide)
            CACHE.mkdir(exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.npz")
            np.savez_compressed(part, high=found.high, low=found.low)
            part.replace(file)
        with np.load(file) as stored:
            return Exact.of(stored["high"], stored["low"])

    @property
    def about(self) -> str:
        """What the exact results depend on, as text."""
        _, arguments = self._formula(np.float32)
        return "\n".join([source_of(self.name), code_of(_exact), repr(sorted(arguments.items()))])

    def _key(self, x: Reals, what: str, wide: type) -> str:
        parts = [what, wide.__name__, x.tobytes().hex(), self.about, code_of(Subject.exact, Subject._formula)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def curvature(self, x: Reals) -> Exact:
        """The second derivative."""
        formula, arguments = self._formula(np.float32)
        with mp.workdps(300):
            points = [mp.mpf(float(v)) for v in x]
            steps = [mp.mpf(10) ** -60 * abs(p) for p in points]
            below, at, above = (
                [formula(p + s * h, **arguments) for p, h in zip(points, steps, strict=True)] for s in (-1, 0, 1)
            )
            return Exact([(a - 2 * b + c) / h**2 for a, b, c, h in zip(below, at, above, steps, strict=True)])


def _subjects() -> dict[str, Subject]:
    found: dict[str, Subject] = {}
    for name, entry in jaxacts.catalogue().items():
        if not entry.elementwise:
            continue
        for draw in REFERENCES[name].draws:
            static = {n: v for n, v in draw.items() if n in entry.static}
            label = " ".join([name, *(f"{n}={v}" for n, v in static.items())])
            found.setdefault(label, Subject(label, name, entry.arguments(**static)))
    return found


SUBJECTS = _subjects()


def forward(f: Callable[[Array], Array], x: Array) -> Array:
    """The slope by forward mode."""
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def backward(f: Callable[[Array], Array], x: Array) -> Array:
    """The slope by reverse mode."""
    return jax.vjp(f, x)[1](jnp.ones_like(x))[0]


def second(f: Callable[[Array], Array], x: Array) -> Array:
    """The second derivative."""
    return forward(lambda x: forward(f, x), x)


def by(parameter: str, f: Callable[..., Array], x: Array, value: float, back: bool) -> Array:
    """The derivative by a parameter at every element."""
    values = jnp.full_like(x, value, dtype=jnp.float64 if x.dtype == jnp.float64 else jnp.float32)

    def g(v: Array) -> Array:
        return f(x, **{parameter: v})

    return jax.vjp(g, values)[1](jnp.ones_like(x))[0] if back else jax.jvp(g, (values,), (jnp.ones_like(values),))[1]
