"""Pictures show what the functions do."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts
from jaxacts.plotting import plot_activation

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _figures() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


def _curve(axes: Any, label: str) -> tuple[np.ndarray, np.ndarray]:
    (line,) = [line for line in axes.get_lines() if line.get_label() == label]
    return line.get_data()


def _dots(axes: Any, *, filled: bool) -> set[tuple[float, float]]:
    lines = [line for line in axes.get_lines() if line.get_marker() == "o"]
    found = [line.get_xydata() for line in lines if (line.get_markerfacecolor() != "white") is filled]
    return {(round(float(x), 3), round(float(y), 3)) for points in found for x, y in points}


def test_value_and_slope() -> None:
    axes = plot_activation(jaxacts.silu, curvature=True)
    x, y = _curve(axes, "value")
    np.testing.assert_allclose(y, jaxacts.silu(jnp.asarray(x)), rtol=1e-5, atol=1e-6)
    x, y = _curve(axes, "slope")
    np.testing.assert_allclose(np.gradient(_curve(axes, "value")[1], x)[1:-1], y[1:-1], atol=1e-3)
    assert len(_curve(axes, "curvature")[0]) == len(x)


def test_kinks_are_marked() -> None:
    axes = plot_activation(jaxacts.relu6)
    assert _dots(axes, filled=True) == {(0, 0), (6, 0)}
    assert _dots(axes, filled=False) == {(0, 1), (6, 1)}
    low, high = axes.get_xlim()
    assert low < 0
    assert high > 6
    assert np.isnan(_curve(axes, "slope")[1]).sum() == 2


@pytest.mark.parametrize(("weight", "taken"), [("left", 0.0), (0.5, 0.5), ("right", 1.0)])
def test_the_slope_that_is_taken(weight: Any, taken: float) -> None:
    axes = plot_activation(jaxacts.with_kink_slope(jaxacts.relu, weight))
    assert _dots(axes, filled=True) == {(0, taken)}
    assert _dots(axes, filled=False) == {(0, 0), (0, 1)} - {(0, taken)}


def test_parameters_range_and_axes() -> None:
    given = plt.subplots()[1]
    axes = plot_activation(jaxacts.leaky_relu, ax=given, xlim=(-1, 3), negative_slope=0.5)
    assert axes is given
    assert axes.get_xlim() == (-1, 3)
    assert _dots(axes, filled=True) == {(0, 0.5)}


def test_any_function_of_a_number() -> None:
    axes = plot_activation(lambda x: jnp.where(x > 1, 2 * x - 1, x), kinks=(1.0,))
    assert _dots(axes, filled=False) == {(1, 2)}


def test_not_a_function() -> None:
    with pytest.raises(TypeError, match="plot_activation: expected a function, got 'relu'"):
        plot_activation("relu")


@pytest.mark.parametrize(
    ("function", "name"),
    [(jaxacts.softmax, "softmax"), (lambda x: x * jnp.ones(3), "<lambda>"), (lambda x: (x, x), "<lambda>")],
)
def test_not_a_function_of_a_number(function: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"plot_activation: {name} must take a number to a number, got .*; wrap it"):
        plot_activation(function)


@pytest.mark.parametrize("kinks", ["a", "12", 3, [None], [math.nan], [math.inf]])
def test_wrong_kinks(kinks: Any) -> None:
    with pytest.raises(TypeError, match="plot_activation: kinks must be finite numbers, got"):
        plot_activation(jaxacts.relu, kinks=kinks)


def test_wrong_axes() -> None:
    with pytest.raises(TypeError, match="plot_activation: ax must be matplotlib axes, got 3; pass"):
        plot_activation(jaxacts.relu, ax=3)


def test_errors_of_the_function_itself_come_through() -> None:
    def refuses(x: Any, k: float) -> Any:
        raise ValueError("refuses: k must be positive")

    with pytest.raises(ValueError, match="refuses: k must be positive"):
        plot_activation(refuses, k=-1.0)
    assert plot_activation(lambda x, k: k * x, k=2.0).get_xlim() == (-4, 4)


def test_kinks_on_the_left() -> None:
    axes = plot_activation(lambda x: jnp.where(x > -1, 2 * x + 1, x), kinks=[-1.0])
    assert _dots(axes, filled=False) == {(-1, 2)}


def test_a_slope_without_facts() -> None:
    square = jaxacts.activation(slope=lambda x: jaxacts.Pieces((0.0,), (0.0, 2 * x)))(lambda x: jnp.maximum(x, 0) ** 2)
    assert plot_activation(square).get_xlim() == (-4, 4)


def test_range_without_asymptotes() -> None:
    facts = jaxacts.Facts((0, math.inf), None, None, None)
    square = jaxacts.activation(slope=lambda x: 2 * x, facts=facts)(lambda x: x * x)
    assert plot_activation(square).get_xlim() == (-6, 6)


@pytest.mark.parametrize("xlim", [3, (3.0,), (3.0, -3.0), (float("nan"), 1.0), (0.0, float("inf")), ("a", "b")])
def test_wrong_range(xlim: Any) -> None:
    with pytest.raises(ValueError, match="plot_activation: xlim must be two rising numbers, got"):
        plot_activation(jaxacts.relu, xlim=xlim)


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "jaxacts\[plot\]"'):
        plot_activation(jaxacts.relu)
