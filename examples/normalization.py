"""Batch normalization against none, in six relu layers and at large learning rates.

Claim: without batch normalization deep relu networks, and large learning rates, fail. Run it from the repository root:
``python examples/normalization.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lab
import optax
from lab import Net, Trial

RATES = (1e-3, 1e-2, 3e-2)


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("normalization", __doc__, arguments, depth=6, width=128)
    nets = {
        "none": Net((options.width,) * options.depth),
        "batch normalization": Net((options.width,) * options.depth, norm=True),
    }
    trials = {f"{name}, adam {rate:g}": Trial(net, optax.adam(rate)) for rate in RATES for name, net in nets.items()}
    fits = lab.run(trials, lab.digits(), options)
    rows = [
        {
            "training": name,
            "dead by layer": lab.as_digits(lab.shares(of_name, "dead")),
            "loss": float(lab.mean([f.loss[-1] for f in of_name])),
            "accuracy": float(lab.mean([f.score[-1] for f in of_name])),
        }
        for name, of_name in fits.items()
    ]
    lab.save(f"{options.depth} relu layers", rows, lab.curves(fits), options)
    return rows


if __name__ == "__main__":
    main()
