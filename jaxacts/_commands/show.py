"""Show one activation: formula, facts, kinks, and its curve in the terminal or as a picture.

examples:
  python -m jaxacts show gelu
  python -m jaxacts show leaky_relu --plot leaky_relu.png
  python -m jaxacts show relu6 --json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxacts._commands.common import UsageError, entry
from jaxacts._commands.listing import facts_of, line_of

__all__ = ["add_arguments", "run"]

_WIDTH, _HEIGHT, _REACH = 64, 18, 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="an activation, such as gelu")
    parser.add_argument("--plot", metavar="FILE", help="draw value, slope and curvature into a file; needs matplotlib")


def run(options: argparse.Namespace) -> tuple[list[Any], Any, int]:
    found = entry(options.name)
    data = facts_of(found)
    lines = [f"{found.name}: {found.summary}", "", data["formula"], ""]
    if data["arguments"]:
        lines.append("at            " + ", ".join(f"{n} = {v}" for n, v in data["arguments"].items()))
    if data["image"] is not None:
        lines.append(f"image         {data['image'][0]} to {data['image'][1]}")
    lines += [f"at -inf       {line_of(data['left'])}", f"at inf        {line_of(data['right'])}"]
    lines.append(f"Lipschitz     {'–' if data['lipschitz'] is None else data['lipschitz']}")
    for kink in data["kinks"]:
        lines.append("kink at {at:<6g}slope {left:g} left, {right:g} right, {taken:g} taken".format(**kink))
    if options.plot:
        _plot(found.function, options.plot, found.elementwise)
        lines.append(f"picture       {options.plot}")
    elif found.elementwise and not options.json:
        lines += ["", curve(lambda x: found.function(x, **found.arguments()))]
    return ["\n".join(lines)], data, 0


def curve(function: Callable[[Array], Array]) -> str:
    """The graph of a function between -4 and 4, in characters of two by four dots."""
    x = np.linspace(-_REACH, _REACH, 2 * _WIDTH)
    y = np.asarray(function(jnp.asarray(x)), float)
    low, high = min(float(y.min()), 0.0), max(float(y.max()), 0.0)
    rows = 4 * _HEIGHT
    dots = np.zeros((rows, len(x)), bool)
    place = np.round((high - y) / max(high - low, 1e-9) * (rows - 1)).astype(int)
    for i, at in enumerate(place):
        start = place[i - 1] if i else at
        dots[min(at, start) : max(at, start) + 1, i] = True
    zero = round(high / max(high - low, 1e-9) * (rows - 1))
    dots[zero, ::4] = True
    weights = np.array([[1, 8], [2, 16], [4, 32], [64, 128]])  # of the dots in a character, as Unicode counts them
    cells = dots.reshape(_HEIGHT, 4, _WIDTH, 2).transpose(0, 2, 1, 3)
    codes = (cells * weights).sum((2, 3))
    text = ["".join(chr(0x2800 + int(code)) for code in row) for row in codes]
    labels = {0: f"{high:.3g}", _HEIGHT - 1: f"{low:.3g}"}
    drawn = "\n".join(f"{labels.get(i, ''):>7} {row}" for i, row in enumerate(text))
    return f"{drawn}\n{'':8}{-_REACH:<{_WIDTH - 2}g}{_REACH:g}"


def _plot(function: Callable[..., Array], path: str, elementwise: bool) -> None:
    if not elementwise:
        raise UsageError(f"{function.__name__} is not a function of one number and has no curve; leave --plot out.")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError('--plot needs matplotlib; pip install "jaxacts[plot]".') from None
    from jaxacts.plotting import plot_activation

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = plot_activation(function, ax=figure.subplots(), curvature=True)
    axes.set_title(function.__name__)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise UsageError(f"--plot: cannot write {path} ({error}); choose another file.") from None
