"""Compare how signals and gradients fare through the depth of plain networks of several activations.

--init says how the weights are drawn: he is variance 2/n, lecun 1/n, xavier 1/n in layers of equal width, gain the
forward gain of each activation, critical its edge of chaos (with biases of variance --bias-variance). The exit code
is 1 where an activation cannot be compared with the others; its row says why.

examples:
  python -m jaxacts compare relu gelu --depth 50 --init he
  python -m jaxacts compare tanh soft_sign --init critical --bias-variance 0.05 --plot depth.png
"""

from __future__ import annotations

import argparse
import math
from typing import Any

from jaxacts._commands.common import Rows, UsageError, entry
from jaxacts._core import Activation
from jaxacts.diagnostics import PropagationReport, plots, propagation
from jaxacts.initializers import critical, gain

__all__ = ["add_arguments", "run"]

_INITS = {"he": 2.0, "lecun": 1.0, "xavier": 1.0}


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 2, got {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="name", help="activations, such as relu gelu")
    parser.add_argument("--depth", type=_whole, default=50, help="layers (default 50)")
    parser.add_argument("--width", type=_whole, default=256, help="units of each layer (default 256)")
    parser.add_argument("--init", choices=[*_INITS, "gain", "critical"], default="he", help="weights (default he)")
    parser.add_argument("--bias-variance", type=float, default=0.0, help="of the biases (default 0)")
    parser.add_argument("--plot", metavar="FILE", help="draw signal and gradient into a file; needs matplotlib")


def run(options: argparse.Namespace) -> tuple[list[Any], Any, int]:
    found, refused = dict[str, tuple[float, PropagationReport]](), dict[str, str]()
    for name, one in {name: entry(name) for name in options.names}.items():
        try:
            found[name] = _through(one, options)
        except (TypeError, ValueError) as error:
            refused[name] = str(error)
    if not found:
        raise UsageError("\n".join(refused.values()))
    shown = sorted({1, (options.depth + 1) // 2, options.depth})
    heads = ("activation", "weights", *(f"signal at {n}" for n in shown), "gradient at 1", "a layer", "verdict")
    rows = [
        (
            name,
            f"{weight:.4g}/n",
            *(f"{report.rows[n - 1].signal:.3g} ({report.rows[n - 1].signal_predicted:.3g})" for n in shown),
            f"{report.rows[0].gradient:.3g} ({report.rows[0].gradient_predicted:.3g})",
            f"×{report.gradient_factor:.3g}" if math.isfinite(report.gradient_factor) else "–",
            report.verdict,
        )
        for name, (weight, report) in found.items()
    ]
    rows += [(name, *["–"] * (len(heads) - 2), why) for name, why in refused.items()]
    text: list[Any] = [Rows(heads, rows), "Mean squares, measured (and predicted for infinite width)."]
    if options.plot:
        _plot({name: report for name, (_, report) in found.items()}, options.plot)
        text.append(f"Picture: {options.plot}")
    data = {name: {"weight_variance": weight, **report.to_dict()} for name, (weight, report) in found.items()}
    return text, data | {name: {"error": why} for name, why in refused.items()}, int(bool(refused))


def _through(one: Activation, options: argparse.Namespace) -> tuple[float, PropagationReport]:
    """The variance of the weights times fan_in, and what becomes of signal and gradient."""
    if not one.elementwise:
        raise ValueError(f"{one.name} is a function over an axis, which plain layers do not have; leave it out.")
    arguments = {n: one.arguments()[n] for n in (*one.parameters, *one.static)}
    if options.init == "critical":
        weight = critical(one.function, bias_variance=options.bias_variance, **arguments).weight_variance
    else:
        weight = gain(one.function, **arguments) ** 2 if options.init == "gain" else _INITS[options.init]
    sizes = {"depth": options.depth, "width": options.width}
    return weight, propagation(one.function, weight, options.bias_variance, **sizes, **arguments)


def _plot(reports: dict[str, PropagationReport], path: str) -> None:
    try:
        plots.depth(reports).savefig(path, dpi=120)
    except ImportError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"--plot: cannot write {path} ({error}); choose another file.") from None
