"""The derivative rule, written once: value in the dtype of ``x``, one tangent term per array argument.

``elementwise`` turns a formula and its slopes into a ``custom_jvp`` function. A term is added only for an argument that
is being differentiated, so nothing is kept for the others. Each slope is rounded to the dtype of ``x`` before it meets
its tangent: that rounded slope is all the backward pass keeps. Slopes are ordinary differentiable code, so every higher
order follows from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from jaxacts._kernels import finite, significand
from jaxacts._kernels.hard_cases import Sides, sides_of

from .dtypes import compute_dtype, down, up
from .pieces import Choice, Pieces, apply, materialise
from .rounding import settled, times

__all__ = ["Static", "at_finite_numbers", "elementwise"]

Formula: TypeAlias = Callable[..., Array]
SlopeFormula: TypeAlias = Callable[..., Array | Pieces]
Static: TypeAlias = tuple[tuple[str, Any], ...]


def at_finite_numbers(slope: SlopeFormula) -> SlopeFormula:
    """The slope formula where it sees the largest finite numbers for ±inf: the limit without inf - inf."""
    return lambda x, *parameters, **static: slope(finite(x), *parameters, **static)


def _digits(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it formulas have as many digits as a result of this dtype needs."""
    return significand(jnp.finfo(dtype).nmant + 1)


def elementwise(
    name: str | None, formula: Formula, slope: SlopeFormula, partials: Mapping[str, SlopeFormula]
) -> Callable[..., Array]:
    """The ``custom_jvp`` of ``formula(x, *parameters, **static)``.

    Its name, if it has one, is the key of its hard cases, and "name by parameter" of those of a partial derivative.

    The result is called as ``f(static, choice, x, *parameters)``. ``slope`` and ``partials`` (in the order of the
    parameters) take the arguments of the formula.
    """

    def sides(static: Static, x: Array, what: str | None = name) -> tuple[Sides | None, Sides | None]:
        return sides_of(what, tuple(v for _, v in static), x.dtype.name)

    def value(static: Static, choice: Choice, x: Array, *parameters: Array) -> Array:
        x_wide, *wide = (up(a, x.dtype) for a in (x, *parameters))
        with _digits(x.dtype):
            y = formula(x_wide, *wide, **dict(static))
        if y is x_wide:
            return lax.convert_element_type(x, x.dtype)  # as it came, but for a Python number's weak type
        return down(settled(y, x_wide, sides(static, x)[0], x.dtype), x.dtype)

    function = jax.custom_jvp(value, nondiff_argnums=(0, 1))

    def rule(
        static: Static, choice: Choice, primals: tuple[Array, ...], tangents: tuple[Any, ...]
    ) -> tuple[Array, Array]:
        x = primals[0]
        out = function(static, choice, *primals)
        x_wide, *wide = (up(a, x.dtype) for a in primals)
        terms: list[Array] = []
        if not isinstance(tangents[0], SymbolicZero):
            with _digits(x.dtype):
                steepness = slope(x_wide, *wide, **dict(static))
            terms.append(apply(x_wide, steepness, tangents[0], choice, wide, sides(static, x)[1]))
        for (parameter, partial), tangent in zip(partials.items(), tangents[1:], strict=True):
            if not isinstance(tangent, SymbolicZero):
                with _digits(x.dtype):
                    steepness = materialise(x_wide, partial(x_wide, *wide, **dict(static)), choice)
                hard = sides(static, x, f"{name} by {parameter}")[1]
                terms.append(times(down(settled(steepness, x_wide, hard, x.dtype), x.dtype), _spread(tangent, out)))
        return out, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(out)

    function.defjvp(rule, symbolic_zeros=True)
    return function


def _spread(tangent: Array, out: Array) -> Array:
    """A parameter's tangent at every element, ordered so that its transpose sums in the compute dtype."""
    wide = tangent if jnp.finfo(tangent.dtype).bits >= 32 else tangent.astype(compute_dtype(out.dtype))
    return jnp.broadcast_to(wide, out.shape).astype(out.dtype)
