"""A deep classifier, fifteen relu layers of 1024 and 512 units for ten classes, with the health of each layer.

Run it from the repository root: ``python examples/deep_classifier.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lab
import optax
from lab import Net, Trial

from jaxacts.diagnostics import plots


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("deep_classifier", __doc__, arguments, width=1024, steps=300, seeds=1)
    widths = (options.width,) * 8 + (max(options.width // 2, 1),) * 7
    fits = lab.run({"relu": Trial(Net(widths), optax.adam(3e-4))}, lab.digits(), options, points=10)
    (one, *_) = fits["relu"]
    fields = ("layer", "units", "dead", "dormant", "sparsity", "mean_shift", "verdict")
    rows = [{name: getattr(row, name) for name in fields} for row in one.report.rows]
    figure = plots.layers(one.report)
    figure.suptitle(f"15 relu layers after {options.steps} steps: accuracy {one.score[-1]:.3f}", fontsize=10)
    lab.save(f"Health by layer; accuracy {one.score[-1]:.3f}", rows, figure, options)
    return rows


if __name__ == "__main__":
    main()
