"""What torch and keras start with: the bound, deviation or value of every row of the table."""

from __future__ import annotations

import inspect
import math

import jax
import numpy as np
import pytest

from jaxacts import initializers as ji
from jaxacts.initializers._named import layer_defaults

KEY = jax.random.key(8)
D = 256

# Layer, parameter, shape in Flax's layout, fan_in if it is given, ("uniform", bound), ("normal", std), ("all", value).
ROWS = [
    ("torch.Linear", "kernel", (400, 300), None, ("uniform", 1 / 20)),
    ("torch.Linear", "kernel", (400, 300), 100, ("uniform", 1 / 10)),
    ("torch.Linear", "bias", (30_000,), 400, ("uniform", 1 / 20)),
    ("torch.Conv", "kernel", (3, 3, 64, 100), None, ("uniform", 1 / 24)),
    ("torch.Conv", "kernel", (3, 64, 100), None, ("uniform", 1 / math.sqrt(192))),
    ("torch.Conv", "bias", (30_000,), 576, ("uniform", 1 / 24)),
    ("torch.ConvTranspose", "kernel", (3, 3, 100, 64), None, ("uniform", 1 / 24)),
    ("torch.ConvTranspose", "bias", (30_000,), 576, ("uniform", 1 / 24)),
    ("torch.Embedding", "embedding", (500, 300), None, ("normal", 1.0)),
    ("torch.RNN", "kernel", (50, 400), 100, ("uniform", 1 / 10)),
    ("torch.RNN", "recurrent_kernel", (100, 400), 100, ("uniform", 1 / 10)),
    ("torch.RNN", "bias", (30_000,), 100, ("uniform", 1 / 10)),
    # xavier_uniform_ of the packed (3·d, d).
    ("torch.MultiheadAttention", "kernel", (D, D), None, ("uniform", math.sqrt(6 / (4 * D)))),
    ("torch.MultiheadAttention", "out_kernel", (D, D), None, ("uniform", 1 / 16)),
    ("torch.MultiheadAttention", "bias", (D,), None, ("all", 0)),
    ("torch.BatchNorm", "scale", (D,), None, ("all", 1)),
    ("torch.BatchNorm", "bias", (D,), None, ("all", 0)),
    ("torch.LayerNorm", "scale", (D,), None, ("all", 1)),
    ("torch.LayerNorm", "bias", (D,), None, ("all", 0)),
    ("keras.Dense", "kernel", (400, 200), None, ("uniform", 1 / 10)),
    ("keras.Dense", "bias", (D,), None, ("all", 0)),
    ("keras.Conv", "kernel", (3, 3, 40, 60), None, ("uniform", math.sqrt(6 / 900))),
    ("keras.Conv", "bias", (D,), None, ("all", 0)),
    ("keras.ConvTranspose", "kernel", (3, 3, 40, 60), None, ("uniform", math.sqrt(6 / 900))),
    ("keras.ConvTranspose", "bias", (D,), None, ("all", 0)),
    ("keras.Embedding", "embedding", (500, 300), None, ("uniform", 0.05)),
    ("keras.SimpleRNN", "kernel", (400, 200), None, ("uniform", 1 / 10)),
    ("keras.SimpleRNN", "bias", (D,), None, ("all", 0)),
    ("keras.BatchNormalization", "scale", (D,), None, ("all", 1)),
    ("keras.BatchNormalization", "bias", (D,), None, ("all", 0)),
    ("keras.LayerNormalization", "scale", (D,), None, ("all", 1)),
    ("keras.LayerNormalization", "bias", (D,), None, ("all", 0)),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("layer", "parameter", "shape", "fan_in", "law"), ROWS, ids=lambda value: str(value).replace(" ", "")
)
def test_row(layer: str, parameter: str, shape: tuple[int, ...], fan_in: int | None, law: tuple[str, float]) -> None:
    w = np.asarray(ji.layer_default(layer, parameter, fan_in=fan_in)(KEY, shape), np.float64)
    kind, value = law
    if kind == "all":
        assert (w == value).all()
        return
    std = value / math.sqrt(3) if kind == "uniform" else value
    assert w.std() == pytest.approx(std, rel=5 * math.sqrt(2 / w.size))
    assert abs(w.mean()) < 5 * std / math.sqrt(w.size)
    if kind == "uniform":
        assert 0.999 * value < abs(w).max() <= value * (1 + 1e-6)
    else:
        assert abs(w).max() > 4 * std


def test_recurrent_kernel_of_keras_is_orthogonal() -> None:
    w = np.asarray(ji.layer_default("keras.SimpleRNN", "recurrent_kernel")(KEY, (40, 40)))
    np.testing.assert_allclose(w @ w.T, np.eye(40), atol=1e-5)


def test_every_row_is_tested_and_documented() -> None:
    table = {(layer, parameter) for layer, row in layer_defaults._ROWS.items() for parameter in row}
    assert table == {row[:2] for row in ROWS} | {("keras.SimpleRNN", "recurrent_kernel")}
    text = inspect.getdoc(ji.layer_default) or ""
    assert not [word for pair in table for word in pair if word not in text]


REFUSED = {
    "layer": (("torch.Liner",), {}, "layer_default: unknown layer 'torch.Liner'; did you mean .*'torch.Linear'"),
    "parameter": (
        ("torch.Linear", "weight"),
        {},
        "layer_default: unknown parameter of torch.Linear 'weight'; did you mean 'bias' or 'kernel'",
    ),
    "fan_in missing": (
        ("torch.Linear", "bias"),
        {},
        "layer_default: the bias of torch.Linear depends on fan_in, .* got None; pass fan_in=",
    ),
    "fan_in not used": (
        ("keras.Dense", "bias"),
        {"fan_in": 3},
        "layer_default: the bias of keras.Dense does not depend on fan_in, got 3; leave it out",
    ),
    "fan_in zero": (("torch.Linear", "bias"), {"fan_in": 0}, "layer_default: fan_in must be at least 1, got 0"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    arguments, options, message = REFUSED[row]
    with pytest.raises(ValueError, match=message):
        ji.layer_default(*arguments, **options)
