"""Networks that large learning rates have killed, trained on with their dead units recycled and without.

Run it from the repository root: ``python examples/recycling.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import lab
import optax
from lab import Net, Trial

from jaxacts import diagnostics

KILLING, HEALING = (1e-2, 3e-2), 1e-3


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("recycling", __doc__, arguments)
    data, net = lab.standardized_digits(), Net((options.width,) * 3)
    killed = lab.run({f"killed at {rate:g}": Trial(net, optax.adam(rate)) for rate in KILLING}, data, options)
    fits: dict[str, list[lab.Fit]] = {}
    rows = []
    for name, of_name in killed.items():
        trained, recycled = f"{name}, trained on", f"{name}, recycled"
        kept = []
        for seed, one in enumerate(of_name):
            key = jax.random.key(100 + seed)
            new = diagnostics.recycle(one.watch, one.variables, one.optimizer, one.states[-1], key)
            kept.append(float(lab.accuracy(net.apply(new.variables, data.test_x), data.test_y)))
            for goes_on, start in ((trained, (one.variables, one.optimizer)), (recycled, new[:2])):
                again = Trial(net, optax.adam(HEALING))
                fits.setdefault(goes_on, []).append(lab.fit(again, data, steps=options.steps, key=key, start=start))
        rows.append(row(name, of_name))
        rows.append(
            {"network": f"{recycled}, at once", "dead by layer": "–", "loss": "–", "accuracy": float(lab.mean(kept))}
        )
        rows += [row(goes_on, fits[goes_on]) for goes_on in (trained, recycled)]
    figure = lab.curves(fits)
    figure.suptitle(f"After {options.steps} steps of Adam that killed units: the next ones at {HEALING:g}", fontsize=10)
    lab.save("Recycling", rows, figure, options)
    return rows


def row(name: str, fits: Sequence[lab.Fit]) -> dict[str, Any]:
    return {
        "network": name,
        "dead by layer": lab.as_digits(lab.shares(fits, "dead")),
        "loss": float(lab.mean([f.loss[-1] for f in fits])),
        "accuracy": float(lab.mean([f.score[-1] for f in fits])),
    }


if __name__ == "__main__":
    main()
