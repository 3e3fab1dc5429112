"""Running the equations of a traced program again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

__all__ = ["bind", "run_scan"]


def bind(eqn: Any, operands: Sequence[Any]) -> Sequence[Any]:
    """The results of an equation for these operands."""
    given = eqn.primitive.get_bind_params(eqn.params)
    # Before jax 0.10 the functions of a custom derivative come apart from the other parameters.
    functions, params = given if isinstance(given, tuple) else ((), given)
    results = eqn.primitive.bind(*functions, *operands, **params)
    return results if eqn.primitive.multiple_results else [results]


def run_scan(
    eqn: Any, operands: Sequence[Any], body: Callable[[list[Any], Any], tuple[list[Any], Any]], along: Any = None
) -> tuple[list[Any], Any]:
    """The results of a scan, and what ``body`` returns beside its own results, stacked over the steps.

    ``body`` takes the inputs of the scan's own body and the step's part of ``along``.
    """
    params = eqn.params
    consts, carried = params["num_consts"], params["num_carry"]

    def step(carry: Any, given: Any) -> Any:
        xs, part = given
        results, more = body([*operands[:consts], *carry, *xs], part)
        return results[:carried], (results[carried:], more)

    carry, (ys, more) = jax.lax.scan(
        step,
        list(operands[consts : consts + carried]),
        (list(operands[consts + carried :]), along),
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *ys], more
