"""Figures show the numbers that they are made of."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import jaxacts
from jaxacts import diagnostics
from jaxacts.diagnostics import plots

X = jax.random.normal(jax.random.key(0), (50, 6))


def history(bins: int = 0) -> list[diagnostics.State]:
    """Three intervals, in which one unit after the other dies."""

    def model(bias: jax.Array, x: jax.Array) -> jax.Array:
        return jaxacts.relu(x @ jnp.eye(6) + bias)

    watch = diagnostics.watch(model, X, variables=jnp.zeros(6), bins=bins)
    return [watch(jnp.where(jnp.arange(6) < dead, -99.0, 0.0), X)[1] for dead in range(3)]


def image(figure: Figure, panel: int = 0) -> np.ndarray:
    (mesh,) = figure.axes[panel].collections
    return np.asarray(mesh.get_array())


def test_alive_is_a_row_a_unit() -> None:
    figure = plots.alive(history(), [10, 20, 30])
    assert image(figure).reshape(6, 3).sum(0).tolist() == [6, 5, 4]
    assert "33% dead at the end" in figure.axes[0].get_title(loc="left")


def test_histograms_are_logarithms_of_counts() -> None:
    states = history(bins=8)
    shown = image(plots.histograms(states)).reshape(8, 3)
    np.testing.assert_allclose(np.expm1(shown).sum(0), 300, rtol=1e-5)
    wanted = np.histogram(np.maximum(np.asarray(X), 0), np.linspace(-10, 10, 9))[0]
    np.testing.assert_allclose(np.expm1(shown[:, 0]), wanted, rtol=1e-5)
    with pytest.raises(ValueError, match="histograms: the states must have histograms"):
        plots.histograms(history())
    with pytest.raises(TypeError, match="alive: states must be a list of states"):
        plots.alive(states[0])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("draw", [plots.alive, plots.histograms])
def test_there_is_a_step_for_each_state(draw: Any) -> None:
    states = history(bins=4)
    with pytest.raises(
        ValueError, match=rf"{draw.__name__}: steps must have a number for each of the 3 states, got sh"
    ):
        draw(states, [10, 20])


def test_layers_are_coloured_by_a_share() -> None:
    report = diagnostics.report(history()[2])
    figure = plots.layers(report)
    assert "33.3% dead" in figure.axes[0].texts[0].get_text()
    assert "% sparsity" in plots.layers(report, "sparsity").axes[0].texts[0].get_text()
    with pytest.raises(ValueError, match="layers: unknown field 'units'"):
        plots.layers(report, "units")


@pytest.mark.slow
def test_depth_has_measured_and_dashed_lines() -> None:
    report = diagnostics.propagation(jaxacts.tanh, 1.5, depth=5, width=32)
    figure = plots.depth({"tanh": report})
    for ax, name in zip(figure.axes, ("signal", "gradient"), strict=True):
        solid, dashed = ax.lines
        np.testing.assert_allclose(solid.get_ydata(), [getattr(r, name) for r in report.rows], rtol=1e-6)
        np.testing.assert_allclose(
            dashed.get_ydata(), [getattr(r, f"{name}_predicted") for r in report.rows], rtol=1e-6
        )
        assert dashed.get_linestyle() == "--"
