"""How many relu units die, by learning rate and optimizer, and whether a bias of 0.1 helps.

Claims: up to 40% of the units of a relu network can die when the learning rate is too large; biases of 0.1 keep them
alive. Run it from the repository root: ``python examples/dead_units.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lab
import optax
from lab import Net, Trial

from jaxacts.diagnostics import plots
from jaxacts.initializers import constant

RATES = {"adam": (1e-3, 3e-3, 1e-2, 3e-2), "sgd": (0.1, 0.5)}


def trials(width: int) -> dict[str, Trial]:
    net = Net((width,) * 3)
    found = {f"{name} {rate:g}": Trial(net, getattr(optax, name)(rate)) for name in RATES for rate in RATES[name]}
    return found | {"adam 0.01, bias 0.1": Trial(Net((width,) * 3, bias_init=constant(0.1)), optax.adam(1e-2))}


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("dead_units", __doc__, arguments)
    fits = lab.run(trials(options.width), lab.standardized_digits(), options)
    trial = Trial(Net((options.width,) * 3), optax.adam(1e-2))
    fits |= lab.run({"adam 0.01, pixels from 0 to 1": trial}, lab.digits(), options)
    rows = []
    for name, of_name in fits.items():
        dead = lab.shares(of_name, "dead")
        layers = {f"dead in layer {i + 1}": share for i, share in enumerate(dead)}
        rows.append({"training": name, **layers, "accuracy": float(lab.mean([f.score[-1] for f in of_name]))})
    worst = fits["adam 0.01"][0]
    figure = plots.alive(worst.states, worst.steps.tolist())
    figure.suptitle("Adam at 1e-2: units alive (light) and dead (dark) by layer", fontsize=10)
    lab.save("Share of units that are zero on every training digit", rows, figure, options)
    return rows


if __name__ == "__main__":
    main()
