"""Thirty layers without normalization: relu with He's weights, Xavier's and LeCun's, PReLU and ELU.

Claims: relu networks of 30 layers do not converge with the initializer of MSRA, PReLU and ELU do; He suits relu where
Xavier does not. Run it from the repository root: ``python examples/deep_relu.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import lab
import optax
from lab import Net, Trial

import jaxacts
from jaxacts import diagnostics
from jaxacts.diagnostics import plots
from jaxacts.initializers import he_normal, lecun_normal, xavier_normal

NETWORKS = {
    "relu, He (2/n)": ("relu", he_normal()),
    "relu, Xavier (1/n)": ("relu", xavier_normal()),
    "relu, LeCun (1/n)": ("relu", lecun_normal()),
    "PReLU, He (1.88/n)": ("prelu", he_normal(negative_slope=0.25)),
    "ELU, He (1.55/n)": ("elu", he_normal(activation=jaxacts.elu)),
}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("deep_relu", __doc__, arguments, depth=30, width=128, steps=1000)
    data = lab.digits()
    widths = (options.width,) * options.depth
    nets = {name: Net(widths, activation, kernel_init=init) for name, (activation, init) in NETWORKS.items()}
    before = {name: diagnostics.at_init(net, data.x[:256], jax.random.key(0)) for name, net in nets.items()}
    fits = lab.run({name: Trial(net, optax.adam(3e-4)) for name, net in nets.items()}, data, options)
    rows = [
        {
            "network": name,
            "variance, a layer": float(jax.numpy.exp(before[name].drift)),
            "squared gradient, a layer": float(jax.numpy.exp(-2 * before[name].flow.slope)),
            "loss": float(lab.mean([f.loss[-1] for f in of_name])),
            "accuracy": float(lab.mean([f.score[-1] for f in of_name])),
        }
        for name, of_name in fits.items()
    ]
    figure = plots.depth(before)
    figure.suptitle(f"{options.depth} layers at initialization; dashed: theory", fontsize=10)
    lab.save(f"{options.depth} layers without normalization", rows, figure, options)
    return rows


if __name__ == "__main__":
    main()
