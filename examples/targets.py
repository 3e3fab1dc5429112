"""A number as the target, by regression and by classification, and three classes by softmax with cross-entropy.

The data are those of scikit-learn: the progress of diabetes a year later, as a number and as one of eight classes of
equal size (whose mean, weighted by the probabilities, is the prediction), and three cultivars of wine. Run it from the
repository root: ``python examples/targets.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import lab
import numpy as np
import optax
from lab import Data, Net, Trial
from sklearn.datasets import load_diabetes, load_wine

CLASSES = 8


def split(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Four fifths to train on and one to test, always the same."""
    order = np.random.default_rng(0).permutation(len(x))
    test, train = np.split(order, [len(x) // 5])
    return x[train], y[train], x[test], y[test]


def data_of(x: np.ndarray, y: np.ndarray) -> Data:
    return Data(*(jnp.asarray(part) for part in split(np.asarray(lab.standardized(x)), y)))


def squared(prediction: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.square(prediction[:, 0] - target).mean()


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    options = lab.options_of("targets", __doc__, arguments, width=32, steps=400)
    raw = load_diabetes()
    progress = np.asarray(lab.standardized(raw.target))
    edges = np.quantile(progress, np.linspace(0, 1, CLASSES + 1)[1:-1])
    classes = np.digitize(progress, edges)
    centres = jnp.array([progress[classes == c].mean() for c in range(CLASSES)])
    # The second column of the targets of the classes is the number itself, to compare errors with.
    both = np.stack([classes, progress], 1)

    def class_loss(logits: jax.Array, target: jax.Array) -> jax.Array:
        return lab.cross_entropy(logits, target[:, 0].astype(int))

    def class_error(logits: jax.Array, target: jax.Array) -> jax.Array:
        return squared((jax.nn.softmax(logits) @ centres)[:, None], target[:, 1])

    adam = optax.adamw(1e-3, weight_decay=1e-2)
    widths, wine = (options.width,) * 2, load_wine()
    number = {"regression": Trial(Net(widths, outputs=1), adam)}
    fits = lab.run(number, data_of(raw.data, progress), options, loss=squared, score=squared)
    as_classes = {"regression as classification": Trial(Net(widths, outputs=CLASSES), adam)}
    fits |= lab.run(as_classes, data_of(raw.data, both), options, loss=class_loss, score=class_error)
    three = {"classification (wine)": Trial(Net(widths, outputs=3), adam)}
    wines = lab.run(three, data_of(wine.data, wine.target.astype(np.int32)), options)
    rows = [
        {"task": name, "test": f"squared error {best(of_name):.3f} of a variance of 1, at best"}
        for name, of_name in fits.items()
    ]
    rows += [{"task": n, "test": f"accuracy {lab.mean([f.score[-1] for f in of]):.3f}"} for n, of in wines.items()]
    lab.save("Targets", rows, lab.curves(fits, score="squared error on the test set"), options)
    return rows


def best(fits: Sequence[lab.Fit]) -> float:
    return float(lab.mean([f.score for f in fits]).min())


if __name__ == "__main__":
    main()
