"""Running the equations of a traced program again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

__all__ = ["bind", "parts_of_scan", "run_scan"]


def parts_of_scan(eqn: Any) -> tuple[int, int]:
    """How many constants a scan has, and how many values it carries."""
    params = eqn.params
    if "ft_in" in params:  # from jax 0.12
        consts, carried, _ = params["ft_in"].unpack()
        return len(list(consts)), len(list(carried))
    return params["num_consts"], params["num_carry"]


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
    params, (consts, carried) = eqn.params, parts_of_scan(eqn)

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
