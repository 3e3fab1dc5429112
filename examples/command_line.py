"""What the example scripts share: options that answer mistakes in one line, a progress bar, and where results go."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["check_directory", "parser_of", "positive_float", "positive_int", "progress"]


def positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return number


def parser_of(script: str, description: str) -> argparse.ArgumentParser:
    """A parser whose help shows the defaults."""
    return argparse.ArgumentParser(
        prog=script,
        usage=f"python examples/{script} [options]",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def check_directory(parser: argparse.ArgumentParser, path: Path) -> None:
    """Make the directory of ``--out``, or end with an error if nothing can be written there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        parser.error(f"argument --out: cannot write to {path}: {error.strerror}; choose another directory")


def progress(console: Console, unit: str) -> Progress:
    """A bar that counts these units."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn()
    return Progress(*columns, console=console)
