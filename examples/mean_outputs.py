"""How far from zero the outputs of activations are, on the same digits.

Claims: the mean output of ELU is nearer to zero than that of relu; sparse outputs help. Run it from the repository
root: ``python examples/mean_outputs.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lab
import optax
from lab import Net, Trial

import jaxacts
from jaxacts import diagnostics
from jaxacts.diagnostics import plots
from jaxacts.initializers import for_activation, he_normal, lecun_normal

INITIALIZERS = {
    "relu": he_normal(),
    "leaky_relu": he_normal(negative_slope=0.01),
    "elu": for_activation(jaxacts.elu),
    "selu": lecun_normal(),
    "gelu": for_activation(jaxacts.gelu),
    "sigmoid": for_activation(jaxacts.sigmoid),
}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("mean_outputs", __doc__, arguments)
    nets = {name: Net((options.width,) * 3, name, init) for name, init in INITIALIZERS.items()}
    data = lab.digits()
    fits = lab.run({n: Trial(net, optax.adam(1e-3)) for n, net in nets.items()}, data, options, bins=60)
    rows = []
    for name, of_name in fits.items():
        first = [f"{v:+.3f}" for v in lab.mean([[r.mean_shift for r in start(f)] for f in of_name])]
        last = [f"{v:+.3f}" for v in lab.shares(of_name, "mean_shift")]
        zeros = " ".join(f"{v:.2f}" for v in lab.shares(of_name, "sparsity"))
        accuracy = float(lab.mean([f.score[-1] for f in of_name]))
        shifts = {"early, by layer": " ".join(first), "at the end": " ".join(last)}
        rows.append({"activation": name, **shifts, "zeros at the end": zeros, "accuracy": accuracy})
    one = fits["elu"][0]
    figure = plots.histograms(one.states, one.steps.tolist())
    figure.suptitle("ELU: outputs of each layer over the steps", fontsize=10)
    lab.save("Mean over standard deviation of the outputs", rows, figure, options)
    return rows


def start(fit: lab.Fit) -> Any:
    """The layers after the first interval."""
    return diagnostics.report(fit.states[0]).rows


if __name__ == "__main__":
    main()
