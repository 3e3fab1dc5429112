"""The derivative rule, written once: value in the dtype of ``x``, one tangent term per array argument.

``elementwise`` turns a formula and its slopes into ``custom_jvp`` functions. A term is added only for an argument that
is being differentiated, so nothing is kept for the others. Each slope is rounded to the dtype of ``x`` before it meets
its tangent: that rounded slope is all that the backward pass keeps. Slopes are ordinary differentiable code, so every
higher order follows from them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from .dtypes import down, up
from .pieces import Choice, Pieces, piecewise_constant, slope_array, times_tangent
from .rounding import nudged, partial_key

__all__ = ["Core", "SlopeFormula", "at_finite_numbers", "elementwise"]

Formula: TypeAlias = Callable[..., Array]
SlopeFormula: TypeAlias = Callable[..., Array | Pieces]
Static: TypeAlias = tuple[tuple[str, Any], ...]
Core: TypeAlias = Callable[..., Array]
"""Called as ``f(static, choice, x, *parameters)``."""


def at_finite_numbers(slope: SlopeFormula) -> SlopeFormula:
    """The slope formula where it sees the largest finite numbers for ±inf: the limit without inf - inf."""

    def at(x: Array, *parameters: Array, **static: Any) -> Array | Pieces:
        largest = float(jnp.finfo(x.dtype).max)
        return slope(lax.clamp(jnp.asarray(-largest, x.dtype), x, jnp.asarray(largest, x.dtype)), *parameters, **static)

    return at


def elementwise(
    name: str | None,
    formula: Formula,
    slope: SlopeFormula,
    partials: Mapping[str, SlopeFormula],
    refined: Mapping[str, SlopeFormula],
) -> tuple[Core, Core]:
    """Two ``custom_jvp`` of ``formula(x, *parameters, **static)``: by all arrays, and by ``x`` alone.

    The second has no symbolic zeros, which the Pallas TPU backend does not take. ``refined`` has the forms for float32
    and float64 by "value", "slope" and the names of parameters; ``name``, if it is given, is the key of the inputs
    whose rounding float32 does not decide.
    """
    plain: dict[str, SlopeFormula] = {
        "value": formula,
        "slope": slope,
        **{partial_key(n): partial for n, partial in partials.items()},
    }
    finest = {**plain, **refined}

    def form(what: str, x: Array) -> SlopeFormula:
        double_or_single = jnp.finfo(x.dtype).bits >= 32
        # A Python number is weakly typed, and stays so only in the plain form.
        return (finest if double_or_single and not jax.typeof(x).weak_type else plain)[what]

    def finished(y: Array, what: str, static: Static, x: Array, wide: Array) -> Array:
        key = (name, what, *(v for _, v in static))
        return down(nudged(jnp.asarray(y), wide, key, x.dtype, not partials), x.dtype)

    def value(static: Static, choice: Choice, x: Array, *parameters: Array) -> Array:
        wide = [up(a, x.dtype) for a in (x, *parameters)]
        y: Any = form("value", x)(*wide, **dict(static))
        return finished(y, "value", static, x, wide[0])

    def function(by_all: bool) -> Core:
        f = jax.custom_jvp(value, nondiff_argnums=(0, 1))

        def rule(
            static: Static, choice: Choice, primals: tuple[Array, ...], tangents: tuple[Any, ...]
        ) -> tuple[Array, Array]:
            x = primals[0]
            out = f(static, choice, *primals)
            wide = [up(a, x.dtype) for a in primals]
            terms: list[Array] = []

            def rounded(what: str, y: Array | Pieces) -> Array:
                return finished(slope_array(wide[0], y, choice), what, static, x, wide[0])

            if not isinstance(tangents[0], SymbolicZero):
                by_x = form("slope", x)(*wide, **dict(static))
                if isinstance(by_x, Pieces) and piecewise_constant(by_x, wide):
                    terms.append(times_tangent(wide[0], by_x, tangents[0], choice))
                else:
                    terms.append(rounded("slope", by_x) * tangents[0])
            for parameter, tangent in zip(partials, tangents[1:], strict=True):
                if by_all and not isinstance(tangent, SymbolicZero):
                    what = partial_key(parameter)
                    by_parameter = form(what, x)(*wide, **dict(static))
                    terms.append(_parameter_term(rounded(what, by_parameter), tangent))
            return out, sum(terms[1:], terms[0]) if terms else jnp.zeros_like(out)

        f.defjvp(rule, symbolic_zeros=by_all)
        return f

    return function(True), function(False)


def _parameter_term(slope: Array, tangent: Array) -> Array:
    """``slope · tangent`` in the dtype of the slope; its transpose multiplies and sums in the compute dtype."""
    one_each = tangent.shape == slope.shape and tangent.dtype == slope.dtype  # nothing is summed
    if one_each or jnp.finfo(slope.dtype).bits >= 32:
        return slope * jnp.broadcast_to(tangent, slope.shape).astype(slope.dtype)
    return _product(slope, up(tangent, slope.dtype))


@functools.partial(jax.checkpoint, prevent_cse=False)
def _product(slope: Array, tangent: Array) -> Array:
    """Checkpointed, so that the slope is kept in its own dtype."""
    return down(up(slope, slope.dtype) * tangent, slope.dtype)
