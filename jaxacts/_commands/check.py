"""Check an activation of your own: the contract that those of this library fulfil.

A reference, a function of an mpmath number, has the values that are right; without one, values are not checked. The
exit code is 1 where a clause fails.

examples:
  python -m jaxacts check mymodule:my_activation
  python -m jaxacts check mymodule:my_activation --reference mymodule:exact --without docstring
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from jaxacts._commands.common import Rows, UsageError, loaded

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", help="module:function")
    parser.add_argument("--reference", help="module:function with the right values, in mpmath")
    elementwise = "whether each element depends on itself alone (default: what the declaration or the values say)"
    parser.add_argument("--elementwise", action=argparse.BooleanOptionalAction, help=elementwise)
    parser.add_argument("--without", nargs="+", default=[], metavar="CLAUSE", help="clauses to leave out")


def run(options: argparse.Namespace) -> tuple[list[Any], Any, int]:
    try:
        testing = importlib.import_module("jaxacts.testing")
    except ImportError as error:
        raise UsageError(f'needs {error.name}; pip install "jaxacts[test]".') from None
    function = loaded(options.function, "function")
    reference = loaded(options.reference, "--reference") if options.reference else None
    try:
        report = testing.check_activation(
            function, reference=reference, elementwise=options.elementwise, without=options.without
        )
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from None
    rows = [(o.clause, o.result, o.detail) for o in report.outcomes]
    failed = [clause for clause, result, _ in rows if result == "failed"]
    summary = f"{report.name}: {len(failed)} of {len(rows)} clauses failed" if failed else f"{report.name}: all is well"
    data = {"name": report.name, "outcomes": [dict(zip(("clause", "result", "reason"), r, strict=True)) for r in rows]}
    return [Rows(("clause", "result", "reason"), rows), summary], data, int(bool(failed))
