"""The contract of an activation, clause by clause, for the functions of this library and for your own.

:func:`check_activation` runs every clause and returns a report that reads like a table. Each clause is a plain function
of a :class:`Case` that raises ``AssertionError`` with the input at which it fails, so a test suite can run them one by
one: ``CLAUSES["kinks"](Case.of(jaxacts.relu))``.

The clauses that compare with exact values need a formula in mpmath (``pip install mpmath``); those about kinks, image,
asymptotes and Lipschitz constant need the facts that ``@jaxacts.activation`` records.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jax import Array

from ._contract import CLAUSES, Case, NotApplicableError

__all__ = ["CLAUSES", "Case", "NotApplicableError", "Outcome", "Report", "check_activation"]


@dataclass(frozen=True)
class Outcome:
    """What one clause found: ``"passed"``, ``"failed"`` or ``"not applicable"``, and why."""

    clause: str
    result: Literal["passed", "failed", "not applicable"]
    detail: str


@dataclass(frozen=True)
class Report:
    """The outcomes of all clauses. True if none failed; ``str`` makes a table of it."""

    name: str
    outcomes: tuple[Outcome, ...]

    def __getitem__(self, clause: str) -> Outcome:
        return next(o for o in self.outcomes if o.clause == clause)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __bool__(self) -> bool:
        return not self.failures

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The outcomes that failed."""
        return tuple(o for o in self.outcomes if o.result == "failed")

    def __str__(self) -> str:
        width = max(len(o.clause) for o in self.outcomes)
        lines = [f"{o.clause:{width}}  {o.result:14}  {o.detail}" for o in self.outcomes]
        verdict = (
            f"{len(self.failures)} of {len(self.outcomes)} clauses failed" if self.failures else "no clause failed"
        )
        return "\n".join([f"{self.name}: {verdict}", *lines])


def check_activation(
    function: Callable[..., Array],
    *,
    reference: Callable[..., Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    elementwise: bool = True,
) -> Report:
    r"""Check a function against the contract of this library.

    Args:
        function: an activation of this library, one that you made with ``@jaxacts.activation``, or any function of an
            array and keyword parameters.
        reference: the same formula for mpmath numbers, for the clauses about accuracy. Write it as it is defined; it is
            evaluated with 160 digits or more.
        parameters: the arguments after ``x``, by keyword; those that are floats or arrays are differentiated.
        elementwise: whether each element depends on itself alone; decorated functions know.

    Returns:
        A :class:`Report`, which is true if no clause failed. ``print`` it, or ``assert report, report``.

    Raises:
        TypeError: ``function`` is not callable.

    Note:
        A clause that needs facts or a reference that are not there is reported as not applicable. The whole takes a few
        seconds.

    Example:
        >>> import jax.numpy as jnp, mpmath
        >>> from jaxacts.testing import check_activation
        >>> def half_wave(x):
        ...     return jnp.maximum(x, 0)
        >>> report = check_activation(half_wave, reference=lambda x: max(x, mpmath.mpf(0)))
        >>> report["value"].result, report["no_other_kinks"].result
        ('passed', 'failed')
    """
    if not callable(function):
        raise TypeError(
            f"check_activation: expected a function, got {type(function).__name__}; "
            f"pass the function itself, such as jaxacts.relu."
        )
    given = dict(parameters or {})
    if hasattr(function, "__activation__"):
        case = Case.of(function, reference, **given)
    else:
        arrays = tuple(n for n, v in given.items() if isinstance(v, float | Array))
        case = Case(function, given, arrays, reference, elementwise)
    return Report(case.name, tuple(_outcome(name, clause, case) for name, clause in CLAUSES.items()))


def _outcome(name: str, clause: Callable[[Case], None], case: Case) -> Outcome:
    try:
        clause(case)
    except NotApplicableError as reason:
        return Outcome(name, "not applicable", str(reason))
    except Exception as error:  # a crash of the function under test is a finding, not a crash of the check
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        return Outcome(name, "failed", kind + str(error).partition("\n")[0])
    return Outcome(name, "passed", (inspect.getdoc(clause) or "").partition("\n")[0])
