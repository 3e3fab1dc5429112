"""PReLU against relu, and whether leaky relu keeps units from dying.

Claims: PReLU, with slopes that start at 0.25 and without weight decay, converges faster than relu; leaky relu avoids
dead units. Run it from the repository root: ``python examples/rectifiers.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lab
import optax
from lab import Net, Trial

from jaxacts.initializers import he_normal

SLOPES = {"relu": 0.0, "leaky_relu": 0.01, "prelu": 0.25}
RATES = (1e-3, 1e-2)


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("rectifiers", __doc__, arguments)
    nets = {name: Net((options.width,) * 3, name, he_normal(negative_slope=slope)) for name, slope in SLOPES.items()}
    trials = {f"{name}, adam {rate:g}": Trial(net, optax.adam(rate)) for rate in RATES for name, net in nets.items()}
    fits = lab.run(trials, lab.digits(), options)
    rows = [
        {
            "training": name,
            "mean loss": float(lab.mean([f.loss.mean() for f in of_name])),
            "loss": float(lab.mean([f.loss[-1] for f in of_name])),
            "accuracy": float(lab.mean([f.score[-1] for f in of_name])),
            "dead": max(lab.shares(of_name, "dead")),
            "dormant": max(lab.shares(of_name, "dormant")),
        }
        for name, of_name in fits.items()
    ]
    lab.save("Rectifiers, the worst of three layers", rows, lab.curves(fits), options)
    return rows


if __name__ == "__main__":
    main()
