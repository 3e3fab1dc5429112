"""The contract of an activation, clause by clause, for the functions of this library and for your own.

:func:`check_activation` runs every clause and returns a report that reads like a table. Each clause is a plain function
of a :class:`Case` that raises ``AssertionError`` with the input at which it fails, so a test suite can run them one by
one: ``CLAUSES["kinks"](Case.of(jaxacts.relu))``.

The clauses that compare with exact values need a formula in mpmath; those about kinks, image,
asymptotes and Lipschitz constant need the facts that ``@jaxacts.activation`` records.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from jax import Array

from ._core import check_flag, unknown_name

try:
    from rich.console import Console
    from rich.progress import track

    from ._contract import CLAUSES, Case, NotApplicableError
except ModuleNotFoundError as error:
    raise ImportError('jaxacts.testing needs mpmath and rich; install it with pip install "jaxacts[test]".') from error

__all__ = ["CLAUSES", "Case", "NotApplicableError", "Outcome", "Report", "check_activation"]


_OF_ANY_SHAPE = ("docstring", "pickling")
"""The clauses that do not look at the result."""


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
        found = {o.clause: o for o in self.outcomes}
        if clause not in found:
            raise KeyError(str(unknown_name("Report", "clause", clause, found)))
        return found[clause]

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
    elementwise: bool | None = None,
    without: Collection[str] = (),
    progress: bool | None = None,
) -> Report:
    r"""Check a function against the contract of this library.

    Args:
        function: an activation of this library, one that you made with ``@jaxacts.activation``, or any function of an
            array and keyword parameters. The slope of a function that ``with_slope`` made is compared with that of the
            function it was taken from, not with the derivative of the value.
        reference: the same formula for mpmath numbers, for the clauses about accuracy. Write it as it is defined; it is
            evaluated with 160 digits or more.
        parameters: the arguments after ``x``, by keyword; those that are floats or arrays are differentiated.
        elementwise: whether each element depends on itself alone. By default a decorated function does if it declares a
            slope or facts, or if some numbers in one array give what each gives by itself; any other function does.
            The reference of a function that is not elementwise takes and returns a list of numbers.
        without: names of clauses to leave out.
        progress: whether to show a bar; by default where the output is a terminal.

    Returns:
        A :class:`Report`, which is true if no clause failed. ``print`` it, or ``assert report, report``.

    Raises:
        TypeError: ``function`` or ``reference`` is not callable, ``parameters`` is not a mapping, ``elementwise``
            or ``progress`` is not a bool, or ``without`` is not a collection of names.
        ValueError: ``without`` has a name that no clause has, or has them all.

    Note:
        A clause that needs facts or a reference that are not there is reported as not applicable, and so are most
        where the result has another shape than an elementwise function gives. The whole takes 5 to 30 seconds.

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
    if parameters is not None and not isinstance(parameters, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(
            f"check_activation: parameters must be a mapping, got {type(parameters).__name__}; "
            f"pass {{'alpha': 0.5}} or such."
        )
    if reference is not None and not callable(reference):
        raise TypeError(
            f"check_activation: reference must be a function, got {type(reference).__name__}; pass mpmath.tanh or such."
        )
    for argument, flag in (("elementwise", elementwise), ("progress", progress)):
        if flag is not None:
            check_flag("check_activation", argument, flag)
    if isinstance(without, str) or not isinstance(without, Collection):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(
            f"check_activation: without must be several names, got {without!r}; pass ['docstring'] or such."
        )
    for name in without:
        if name not in CLAUSES:
            raise unknown_name("check_activation", "clause", name, CLAUSES)
    clauses = {name: clause for name, clause in CLAUSES.items() if name not in without}
    if not clauses:
        raise ValueError("check_activation: without names every clause, and none is left to check; leave some.")
    case = Case.of(function, reference, **(parameters or {}))
    if elementwise is None:
        elementwise = case.elementwise or case.acts_on_each_alone()
    case = replace(case, elementwise=elementwise)
    console = Console(stderr=True)
    shown = console.is_terminal if progress is None else progress
    names = track(clauses, f"checking {case.name}", console=console, transient=console.is_terminal, disable=not shown)
    shape = _outcome("shape", CLAUSES["shape"], case)
    if shape.result != "failed":
        return Report(case.name, tuple(_outcome(name, clauses[name], case) for name in names))
    kept = (shape, *(_outcome(name, clauses[name], case) for name in _OF_ANY_SHAPE if name in clauses))
    left = clauses.keys() - {"shape", *_OF_ANY_SHAPE}
    rest = (Outcome(n, "not applicable", "the clause shape failed") for n in clauses if n in left)
    return Report(case.name, (*kept, *rest))


def _outcome(name: str, clause: Callable[[Case], None], case: Case) -> Outcome:
    try:
        clause(case)
    except NotApplicableError as reason:
        return Outcome(name, "not applicable", str(reason))
    except Exception as error:  # a crash of the function under test is a finding, not a crash of the check
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        said = str(error).strip() or (inspect.getdoc(clause) or "").partition("\n")[0] + " That is not so here."
        return Outcome(name, "failed", kind + textwrap.shorten(said, 400))
    return Outcome(name, "passed", (inspect.getdoc(clause) or "").partition("\n")[0])
