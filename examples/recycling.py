"""A network that a learning rate of 1e-2 has killed, trained on with its dead units recycled and without.

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

KILLING, HEALING = 1e-2, 1e-3


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("recycling", __doc__, arguments)
    data, net = lab.digits(), Net((options.width,) * 3)
    killed = lab.run({"killed": Trial(net, optax.adam(KILLING))}, data, options)["killed"]
    fits: dict[str, list[lab.Fit]] = {"trained on": [], "recycled": []}
    kept = []
    for seed, one in enumerate(killed):
        new = diagnostics.recycle(one.watch, one.variables, one.optimizer, one.states[-1], jax.random.key(100 + seed))
        kept.append(float(lab.accuracy(net.apply(new.variables, data.test_x), data.test_y)))
        starts = {"trained on": (one.variables, one.optimizer), "recycled": (new.variables, new.opt_state)}
        for name, start in starts.items():
            key = jax.random.key(1000 + seed)
            again = Trial(net, optax.adam(HEALING))
            fits[name].append(lab.fit(again, data, steps=options.steps, key=key, start=start))
    rows = [row("killed", killed)]
    rows.append({**rows[0], "network": "killed, after recycling", "accuracy": float(lab.mean(kept)), **NOT_MEASURED})
    rows += [row(name, of_name) for name, of_name in fits.items()]
    figure = lab.curves(fits)
    figure.suptitle(f"After {options.steps} steps of Adam at {KILLING:g}: the next ones at {HEALING:g}", fontsize=10)
    lab.save("Recycling", rows, figure, options)
    return rows


NOT_MEASURED = {"dead by layer": "–", "loss": "–"}


def row(name: str, fits: Sequence[lab.Fit]) -> dict[str, Any]:
    return {
        "network": name,
        "dead by layer": lab.as_digits(lab.shares(fits, "dead")),
        "loss": float(lab.mean([f.loss[-1] for f in fits])),
        "accuracy": float(lab.mean([f.score[-1] for f in fits])),
    }


if __name__ == "__main__":
    main()
