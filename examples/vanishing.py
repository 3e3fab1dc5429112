"""Gradients of sigmoid and tanh networks, layer by layer, before and after training.

Claims: networks of sigmoids stop learning within about five layers, since the slope is at most 1/4; tanh is better, and
relu much better. Run it from the repository root: ``python examples/vanishing.py``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import lab
import optax
from lab import Net, Trial

from jaxacts import diagnostics
from jaxacts.diagnostics import plots
from jaxacts.initializers import he_normal, xavier_normal

NETS = {"sigmoid": xavier_normal(), "tanh": xavier_normal(), "relu": he_normal()}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("vanishing", __doc__, arguments, depth=8)
    data = lab.digits()
    nets = {name: Net((options.width,) * options.depth, name, kernel_init=init) for name, init in NETS.items()}
    before = {name: diagnostics.at_init(net, data.x[:256], jax.random.key(0)) for name, net in nets.items()}
    fits = lab.run({name: Trial(net, optax.adam(1e-3)) for name, net in nets.items()}, data, options)
    rows = []
    for name, of_name in fits.items():
        squares = [row.gradient**2 for row in before[name].rows]
        saturated = [
            left + right for left, right in zip(*(lab.shares(of_name, s) for s in ("left", "right")), strict=True)
        ]
        rows.append(
            {
                "activation": name,
                "squared gradient over 4 layers": squares[-5] if len(squares) > 4 else math.nan,
                "over all layers": squares[0],
                "a layer": math.exp(-2 * before[name].flow.slope),
                "predicted": math.exp(-2 * before[name].predicted_slope),
                "saturated after training, last layer": saturated[-1],
                "accuracy": float(lab.mean([f.score[-1] for f in of_name])),
            }
        )
    figure = plots.depth(before)
    figure.suptitle(f"{options.depth} layers at initialization; dashed: theory", fontsize=10)
    lab.save("Gradients at initialization, relative to the last layer", rows, figure, options)
    return rows


if __name__ == "__main__":
    main()
