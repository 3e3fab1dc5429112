"""What is checked: each elementwise activation at its default parameters, its peer in jax.nn and its reference."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from wide import WIDE, Derivatives, Reals

import jaxacts

ROOTS = {
    "gelu": -0.7517915246935645,
    "gelu tanh": -0.7524614220710163,
    "hard_silu": -1.5,
    "mish": -1.1924312145154952,
    "silu": -1.2784645427610737,
}
"""Where a slope changes its sign; float32 errors within 1/16 of it count in units of the last place of 1/4."""

INFLECTIONS: dict[str, tuple[float, ...]] = {
    "gelu": (-1.4142135623730951, 1.4142135623730951),
    "gelu tanh": (-1.41850400878906, 1.41850400878906),
    "mish": (-2.25637639636079, 1.49057117948543),
    "selu": (),
    "celu": (),
    "elu": (),
    "log_sigmoid": (),
    "sigmoid": (0.0,),
    "silu": (-2.3993572805154675, 2.3993572805154675),
    "soft_sign": (),
    "softplus": (),
    "squareplus": (),
    "tanh": (0.0,),
}
"""The zeros of the second derivatives of the curved ones; there errors count so within 1/4 of it."""


@dataclass(frozen=True)
class Subject:
    """An activation with fixed parameters."""

    label: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def ours(self) -> Callable[[Array], Array]:
        return functools.partial(jaxacts.get(self.name), **self.arguments)

    @property
    def peer(self) -> Callable[[Array], Array] | None:
        """The function of this name in jax.nn."""
        theirs = getattr(jax.nn, self.name, None)
        static = jaxacts.catalogue()[self.name].static
        return theirs and functools.partial(theirs, **{n: v for n, v in self.arguments.items() if n in static})

    def exact(self, x: Reals) -> Derivatives:
        """Value, slope and curvature in float64."""
        with np.errstate(all="ignore"):
            return WIDE[self.name](x, **self.arguments)


def _subjects() -> dict[str, Subject]:
    found: dict[str, Subject] = {}
    for name in WIDE:
        arguments = jaxacts.catalogue()[name].arguments()
        if name == "gelu":
            found["gelu"] = Subject("gelu", name, {"approximate": False})
            found["gelu tanh"] = Subject("gelu tanh", name, {"approximate": True})
        else:
            found[name] = Subject(name, name, arguments)
    return found


SUBJECTS = _subjects()


def forward(f: Callable[[Array], Array], x: Array) -> Array:
    """The slope by forward mode."""
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def backward(f: Callable[[Array], Array], x: Array) -> Array:
    """The slope by reverse mode."""
    return jax.vjp(f, x)[1](jnp.ones_like(x))[0]


def curvature(f: Callable[[Array], Array], x: Array) -> Array:
    """The second derivative."""
    return forward(lambda x: forward(f, x), x)


def by(parameter: str, f: Callable[..., Array], x: Array, value: float, back: bool) -> Array:
    """The derivative by a parameter at every element."""
    values = jnp.full_like(x, value)

    def g(v: Array) -> Array:
        return f(x, **{parameter: v})

    return backward(g, values) if back else forward(g, values)
