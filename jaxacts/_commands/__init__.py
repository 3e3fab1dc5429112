"""The commands of ``python -m jaxacts``, one module each; they stand on top of everything else."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jaxacts._commands import check, compare, doctor, listing, show
from jaxacts._commands.common import UsageError

__all__ = ["main"]

_COMMANDS = {"list": listing, "show": show, "compare": compare, "check": check, "doctor": doctor}
_EXAMPLES = """examples:
  python -m jaxacts list
  python -m jaxacts show gelu
  python -m jaxacts compare relu gelu --depth 50 --init he
  python -m jaxacts check mymodule:my_activation
  python -m jaxacts doctor mymodule:model --sample 32,784

exit codes: 0 all is well; 1 something was found (check, doctor), or some rows have no
numbers (compare); 2 the command was not understood, or what it names cannot be run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the result is the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m jaxacts",
        description="Activation functions and initializers for JAX: look things up, compare, check.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, module in _COMMANDS.items():
        summary, _, details = (module.__doc__ or "").strip().partition("\n\n")
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=details,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(argv)
    run: Callable[[argparse.Namespace], tuple[Any, Any, int]] = _COMMANDS[options.command].run
    try:
        text, data, code = run(options)
    except UsageError as error:
        parser.exit(2, f"{parser.prog} {options.command}: error: {error}\n")
    try:
        if options.json:
            print(json.dumps(data, indent=1))
        else:
            _show(text)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as head does; what is left must not fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _show(parts: Sequence[Any]) -> None:
    """In colour where rich is installed."""
    try:
        rich = importlib.import_module("rich.console")
    except ImportError:
        for part in parts:
            print(part)
        return
    console = rich.Console()
    if not console.is_terminal:
        console = rich.Console(width=max(console.width, 160))
    for part in parts:
        # The brackets of a formula or a path are not markup.
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
