"""Thirty relu layers without normalization: He's weights against Xavier's and LeCun's.

Claims: relu networks of 30 layers do not converge with the initializer of MSRA, or: He suits relu where Xavier does
not. Run it from the repository root: ``python examples/deep_relu.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import lab
import optax
from lab import Net, Trial

from jaxacts import diagnostics
from jaxacts.diagnostics import plots
from jaxacts.initializers import he_normal, lecun_normal, xavier_normal

INITIALIZERS = {"He, 2/n": he_normal(), "Xavier, 1/n": xavier_normal(), "LeCun, 1/n": lecun_normal()}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("deep_relu", __doc__, arguments, depth=30, width=128, steps=1000)
    data = lab.digits()
    nets = {name: Net((options.width,) * options.depth, kernel_init=init) for name, init in INITIALIZERS.items()}
    before = {name: diagnostics.at_init(net, data.x[:256], jax.random.key(0)) for name, net in nets.items()}
    fits = lab.run({name: Trial(net, optax.adam(3e-4)) for name, net in nets.items()}, data, options)
    rows = [
        {
            "weights": name,
            "variance, a layer": float(jax.numpy.exp(before[name].drift)),
            "squared gradient, a layer": float(jax.numpy.exp(-2 * before[name].flow.slope)),
            "loss": float(lab.mean([f.loss[-1] for f in of_name])),
            "accuracy": float(lab.mean([f.score[-1] for f in of_name])),
        }
        for name, of_name in fits.items()
    ]
    figure = plots.depth(before)
    figure.suptitle(f"{options.depth} relu layers at initialization; dashed: theory", fontsize=10)
    lab.save(f"{options.depth} relu layers without normalization", rows, figure, options)
    return rows


if __name__ == "__main__":
    main()
