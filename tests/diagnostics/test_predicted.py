"""What theory predicts for each layer, beside integrals over normal numbers that are computed here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from watched import KEY

import jaxacts
from jaxacts import diagnostics
from jaxacts.diagnostics import LayerStart

T = np.linspace(-12.0, 12.0, 4001)
DENSITY = np.exp(-(T**2) / 2) / math.sqrt(2 * math.pi)


def _expected(fn: Callable[[Any], Any], q: float) -> float:
    """E[fn(z)²] for normal z of variance q, by the trapezoidal rule, which is exact to rounding for what is smooth."""
    return float(np.sum(fn(math.sqrt(q) * T) ** 2 * DENSITY) * (T[1] - T[0]))


def _normal(shape: tuple[int, ...], gain: float, seed: int) -> jax.Array:
    numbers = np.random.default_rng(seed).normal(size=shape) * math.sqrt(gain / shape[-2])
    return jnp.asarray(numbers, jnp.float32)


def _gain(kernel: Any) -> float:
    """fan_in · std²"""
    return kernel.shape[0] * float(np.std(np.asarray(kernel, float))) ** 2


def _factors(rows: tuple[LayerStart, ...], name: str) -> Any:
    values = np.array([getattr(row, name) for row in rows])
    return (values[:-1] / values[1:]) ** 2


@pytest.mark.slow
def test_predictions_integrate_each_activation_at_its_variance() -> None:
    widths = (64, 96, 48, 64, 80, 64)
    gains = (6.0, 3.0, 4.0, 0.7, 3.0)
    params = [
        (_normal(shape, gain, i), _normal((1, shape[1]), 2.0, 10 + i))
        for i, (shape, gain) in enumerate(zip(itertools.pairwise(widths), gains, strict=True))
    ]

    def model(params: Any, x: jax.Array) -> jax.Array:
        layers, slope = params
        functions = (jnp.tanh, lambda z: jax.nn.gelu(z, approximate=False), lambda z: jaxacts.prelu(z, slope))
        for (kernel, bias), fn in zip(layers, (*functions, jnp.tanh, jnp.tanh), strict=True):
            x = fn(x @ kernel + bias)
        return x

    x = _normal((128, 64), 128.0, 20)
    report = diagnostics.at_init(model, x, KEY, variables=(params, jnp.asarray(-0.5)))
    rows = report.rows
    kernels = [kernel for kernel, _ in params]
    cdf = np.vectorize(lambda z: math.erfc(-z / math.sqrt(2)) / 2)
    values = (np.tanh, lambda z: z * cdf(z), None, np.tanh)
    slopes = (
        lambda z: 1 - np.tanh(z) ** 2,
        lambda z: cdf(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
        None,
        lambda z: 1 - np.tanh(z) ** 2,
    )
    measured = [row.variance for row in rows]
    first = np.asarray(x @ kernels[0] + params[0][1], float)
    signal = [float(np.mean(first**2))]
    for i, fn in enumerate(values):
        # After the third activation, which has a parameter, theory starts again from what was measured.
        signal.append(measured[i + 1] if fn is None else _gain(kernels[i + 1]) * _expected(fn, signal[i]))
    np.testing.assert_allclose([row.variance_predicted for row in rows], signal, rtol=1e-3)
    for i, fn in enumerate(slopes):
        back = (rows[i].gradient_predicted / rows[i + 1].gradient_predicted) ** 2
        if fn is None:
            assert back == pytest.approx((rows[i].gradient / rows[i + 1].gradient) ** 2, rel=1e-5)
        else:
            fan_out = widths[i + 2] / widths[i + 1] * _gain(kernels[i + 1])
            assert back == pytest.approx(fan_out * _expected(fn, measured[i]), rel=1e-3)
    # None of this could be told apart if theory met the biased network.
    assert all(abs(math.log(signal[i] / measured[i])) > 0.2 for i in (1, 2, 4))
    assert abs(math.log(rows[3].gradient_predicted / rows[3].gradient)) > 0.01
    assert report.predicted_slope == pytest.approx(
        np.polyfit(range(5), np.log([r.gradient_predicted for r in rows]), 1)[0]
    )


def _relu_layers(kernels: Any, x: jax.Array) -> jax.Array:
    for kernel in kernels:
        x = jaxacts.relu(x @ kernel)
    return x


@pytest.mark.slow
def test_predictions_go_from_layer_to_layer() -> None:
    widths = (64, 256, 1024, 128, 512)
    gains = (200.0, 2.0, 0.5, 4.0)  # the first scales the signal, but no gradient between two layers
    kernels = [
        _normal(shape, gain, i) for i, (shape, gain) in enumerate(zip(itertools.pairwise(widths), gains, strict=True))
    ]
    x = _normal((256, 64), 256.0, 20)
    report = diagnostics.at_init(_relu_layers, x, KEY, variables=kernels)
    signal = [200 * math.prod(g / 2 for g in gains[1 : i + 1]) for i in range(4)]
    np.testing.assert_allclose([row.variance_predicted for row in report.rows], signal, rtol=0.1)
    np.testing.assert_allclose([row.variance for row in report.rows], signal, rtol=0.2)
    # The squared gradient by z is the sum over the units of the next layer.
    factors = [
        gain / 2 * fan_out / fan_in for gain, fan_in, fan_out in zip(gains[1:], widths[1:-1], widths[2:], strict=True)
    ]
    gradient = [math.sqrt(math.prod(factors[i:])) for i in range(4)]
    np.testing.assert_allclose([row.gradient_predicted for row in report.rows], gradient, rtol=0.1)
    np.testing.assert_allclose([row.gradient for row in report.rows], gradient, rtol=0.2)
    watch = diagnostics.watch(_relu_layers, x, variables=kernels)
    flow = diagnostics.gradient_flow(watch, lambda y: (y**3).sum(), kernels, x)
    assert flow.predicted == pytest.approx(report.predicted_slope)
    assert "predicted" in flow.notes[0]
    np.testing.assert_allclose([row.chi or 0 for row in report.rows], [g / 2 for g in gains], rtol=0.1)


@pytest.mark.slow
def test_predictions_know_what_is_between_two_activations() -> None:
    """The rows by what is before them: the input, two kernels, softmax, pooling, a normalization, noise, a branch."""
    relu, n = jaxacts.relu, 64
    shapes = {**dict.fromkeys("aefg", (n, n)), "b": (n, 128), "c": (128, 32), "d": (32, n), "pooled": (32, n)}
    params = {name: _normal(shape, 20.0 + i, i) for i, (name, shape) in enumerate(shapes.items())}

    def model(p: Any, x: jax.Array) -> jax.Array:
        h = relu(x @ p["a"])
        h = relu((h @ p["b"]).reshape(4, 16, -1).astype(jnp.float32) @ p["c"])
        h = relu(jax.nn.softmax(h) @ p["d"])
        h = relu(h.reshape(4, 16, 32, 2).mean(-1) @ p["pooled"])
        z = h @ p["e"]
        h = relu(z / jnp.sqrt(jnp.mean(z**2)))
        h = relu(h @ p["f"] + jax.random.normal(p["key"], h.shape))
        return h + relu(h @ p["g"])

    rows = diagnostics.at_init(model, _normal((n, n), n, 20), KEY, variables={**params, "key": KEY}).rows
    last = ("a", "c", "d", "pooled", "e", "f", "g")
    assert [row.std for row in rows] == [pytest.approx(float(params[name].std()), rel=1e-5) for name in last]
    signal = [row.variance for row in rows]
    signal[1] = rows[0].variance / 2 * _gain(params["b"]) * _gain(params["c"])
    signal[6] = rows[5].variance / 2 * _gain(params["g"])
    np.testing.assert_allclose([row.variance_predicted for row in rows], signal, rtol=1e-4)
    back = _factors(rows, "gradient")
    # The last but one has gradients over the branch and past it, so that theory says nothing of it.
    back[0] = _gain(params["b"]) * _gain(params["c"]) * 32 / n / 2
    np.testing.assert_allclose(_factors(rows, "gradient_predicted"), back, rtol=1e-4)
    apart = [i for i, row in enumerate(rows) if abs(row.variance_predicted / row.variance - 1) > 0.01]
    assert apart == [1, 6]
    assert abs(_factors(rows, "gradient")[0] / back[0] - 1) > 0.01


@pytest.mark.slow
def test_steps_of_scans_are_layers() -> None:
    ends = _normal((32, 32), 1.0, 3), _normal((32, 32), 3.0, 4)
    layers = [[_normal((32, 32), 2.0**i, seed + i) for i in range(3)] for seed in (10, 20, 30)]
    x = _normal((64, 32), 64.0, 40)
    relu = jaxacts.relu

    def scanned(params: Any, x: jax.Array) -> jax.Array:
        (first, middle), (a, b, c) = params
        h = jax.lax.scan(lambda h, w: (relu(jnp.tanh(h @ w[0]) @ w[1]), None), jnp.tanh(x @ first), (a, b))[0]
        return jnp.tanh(jax.lax.scan(lambda z, w: (relu(z) @ w, None), h @ middle, c, reverse=True)[0])

    def unrolled(params: Any, x: jax.Array) -> jax.Array:
        (first, middle), (a, b, c) = params
        h = jnp.tanh(x @ first)
        for i in range(3):
            h = relu(jnp.tanh(h @ a[i]) @ b[i])
        z = h @ middle
        for i in (2, 1, 0):
            z = relu(z) @ c[i]
        return jnp.tanh(z)

    found = [
        diagnostics.at_init(f, x, KEY, variables=(ends, kernels)).rows
        for f, kernels in ((scanned, [jnp.stack(kernel) for kernel in layers]), (unrolled, layers))
    ]
    assert [row.layer[-3:] for row in found[0][1:-1]] == [f"[{i}]" for i in (0, 0, 1, 1, 2, 2, 2, 1, 0)]
    for a, b in zip(*found, strict=True):
        assert a.activation == b.activation
        np.testing.assert_allclose(a[2:-1], b[2:-1], rtol=1e-4)
    # Theory goes through all of them, into the scans and out of them.
    differ = [abs(row.variance_predicted / row.variance - 1) > 1e-3 for row in found[0]]
    assert differ == [False, *[True] * 10]


def test_kernels_of_other_scans_have_a_mean_spread() -> None:
    shared = jnp.stack([_normal((16, 16), gain, i) for i, gain in enumerate((1.0, 4.0))])

    def layers(h: jax.Array, given: Any) -> tuple[jax.Array, None]:
        return jax.lax.scan(lambda h, b: (jnp.tanh(h @ given[0] + b), None), h, given[1])

    def model(params: Any, x: jax.Array) -> jax.Array:
        h, _ = jax.lax.scan(layers, x, params)
        z, _ = jax.lax.scan(lambda h, w: (h @ w, None), h, params[0])
        return jaxacts.relu(z - z.mean())

    rows = diagnostics.at_init(model, jnp.ones((4, 16)), KEY, variables=(shared, jnp.ones((2, 3, 16)))).rows
    one, other = (float(kernel.std()) for kernel in shared)
    assert [row.std for row in rows] == pytest.approx([one, one, one, other, other, other, (one + other) / 2], rel=1e-5)
