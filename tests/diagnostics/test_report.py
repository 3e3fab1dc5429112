"""Shares, ranks, verdicts and exports are what the sums say."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import jaxacts
from jaxacts import diagnostics


def seen(
    activation: Any, z: Any, *, ranks: bool = False, tau: float = 0.025, delta: float = 0.01
) -> diagnostics.HealthReport:
    """The report on a layer whose preactivations are these."""
    z = jnp.asarray(z, jnp.float32)
    kernel = jnp.eye(z.shape[1])
    watch = diagnostics.watch(lambda w, x: activation(x @ w), z, variables=kernel, ranks=ranks)
    return diagnostics.report(watch(kernel, z)[1], tau=tau, delta=delta)


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def test_shares_are_those_of_the_definitions() -> None:
    z = normal(500, 6)
    z[:, 0] = -1  # dead
    z[:, 1] = 0.001  # dormant
    row = seen(jaxacts.relu, z).rows[0]
    h = np.maximum(z, 0)
    assert (row.units, row.examples) == (6, 500)
    assert row.dead == pytest.approx(1 / 6)
    magnitude = np.abs(h).mean(0)
    assert row.dormant == pytest.approx((magnitude <= 0.025 * magnitude.mean()).mean()) == pytest.approx(2 / 6)
    assert row.sparsity == pytest.approx((h == 0).mean())
    assert row.mean == pytest.approx(h.mean(), rel=1e-5)
    assert row.std == pytest.approx(h.std(), rel=1e-4)
    assert row.mean_shift == pytest.approx(h.mean() / h.std(), rel=1e-4)
    assert seen(jaxacts.relu, z, tau=0.0).rows[0].dormant == pytest.approx(1 / 6)


def test_ranks_are_those_of_the_matrix() -> None:
    z = np.abs(normal(300, 5)) * np.array([9.0, 3.0, 1.0, 1.0, 0.5])
    row = seen(jaxacts.relu, z, ranks=True, delta=0.1).rows[0]
    singular = np.linalg.svd(np.float64(np.float32(z)), compute_uv=False)
    share = singular / singular.sum()
    assert row.effective_rank == pytest.approx(math.exp(-(share * np.log(share)).sum()), rel=1e-3)
    assert row.stable_rank == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-4)
    assert row.srank == np.argmax(np.cumsum(share) >= 0.9) + 1
    nothing = seen(jaxacts.relu, -z, ranks=True).rows[0]
    assert (nothing.effective_rank, nothing.srank, nothing.stable_rank) == (0, 0, 0)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("activation", "z", "words"),
    [
        (jaxacts.relu, normal(50, 4), "healthy"),
        (jaxacts.relu, normal(50, 4) - [[9, 0, 0, 0]], "25% of the units are dead"),
        (jaxacts.relu, normal(50, 4) - 9, "all units are dead"),
        (jaxacts.sigmoid, normal(50, 4) + 20, "100% of the units are saturated on every example"),
        (jaxacts.tanh, 30 * normal(50, 4), r"saturated on both sides \(soft\)"),
        (jaxacts.tanh, normal(50, 4) * 9 + 9, r"saturated right \(soft\)"),
        (jaxacts.hard_tanh, normal(50, 4) * 9 - 9, r"saturated left \(hard\)"),
        (jaxacts.relu6, normal(500, 4) - 0.3, "healthy"),
        (lambda z: jnp.clip(z, 0, 4), normal(500, 4) - 0.3, "healthy"),
        (jaxacts.relu6, 12 * normal(500, 4), r"saturated right \(hard\), 6\d% of the active values"),
        (jaxacts.relu6, 7 * normal(500, 4), "healthy"),
        (jaxacts.relu6, normal(5000, 4) - 2, "only 2% of the values have a slope"),
        (jaxacts.hard_sigmoid, 5 * normal(500, 4), r"saturated on both sides \(hard\), 5\d% of the values"),
        (lambda z: jnp.clip(z, -1, 1) + 1, 9 * normal(50, 4) - 9, r"saturated left \(hard\)"),
        (lambda z: jnp.clip(z, 0, 1) - 1, 2 * normal(500, 4) - 1, r"saturated left \(hard\), 8\d%"),
        (jaxacts.elu, normal(50, 4) * [[1e-6, 1e-6, 1e-6, 1]], "75% of the units are dormant"),
        (jaxacts.relu, normal(5000, 4) - 2, "only 2% of the values have a slope"),
        (jaxacts.relu, np.full((9, 2), np.nan), "values that are not finite"),
    ],
)
def test_verdicts(activation: Any, z: Any, words: str) -> None:
    report = seen(activation, z)
    assert re.match(words, report.rows[0].verdict), report.rows[0].verdict
    if words == "healthy":
        report.assert_healthy()


def test_assert_healthy_names_every_layer_and_threshold() -> None:
    report = seen(jaxacts.relu, normal(50, 4) - [[9, 0, 0, 0]])
    with pytest.raises(AssertionError, match=r"dead 0\.25, at most 0\.1 expected"):
        report.assert_healthy()
    report.assert_healthy(max_dead=0.25)
    with pytest.raises(AssertionError, match=r"mean_shift .*, at most 0\.1 expected"):
        report.assert_healthy(max_dead=1, max_mean_shift=0.1)
    with pytest.raises(AssertionError, match=r"saturated 0\.\d+, at most 0\.1 expected"):
        report.assert_healthy(max_dead=1, max_saturated=0.1)
    with pytest.raises(AssertionError, match="mean_shift nan, at most inf expected"):
        seen(jaxacts.relu, np.full((9, 2), np.nan)).assert_healthy(max_dead=1)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"max_dead": 5}, ValueError, r"max_dead must be a share from 0 to 1, got 5; pass 0\.05 for 5%\."),
        ({"max_dormant": 200.0}, ValueError, r"max_dormant must be a share .* got 200\.0; pass 0\.05 for 5%\."),
        ({"max_stuck": -0.1}, ValueError, r"max_stuck must be a share from 0 to 1, got -0\.1; pass 0\.05 for 5%\."),
        ({"max_saturated": 95}, ValueError, r"max_saturated must be a share .* got 95; pass 0\.95 for 95%\."),
        ({"max_dead": "5%"}, TypeError, "max_dead must be a real number, got str; pass a Python float"),
        ({"max_saturated": math.nan}, ValueError, "max_saturated must be finite, got nan"),
        ({"max_mean_shift": -1}, ValueError, "max_mean_shift must not be negative, got -1; pass 0"),
        ({"max_mean_shift": "x"}, TypeError, "max_mean_shift must be a real number, got str"),
    ],
)
def test_thresholds_are_shares(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"assert_healthy: {message}"):
        seen(jaxacts.relu, normal(50, 4)).assert_healthy(**given)


@pytest.mark.parametrize("delta", [1, 2.0, 0, -0.5, math.nan])
def test_delta_is_between_0_and_1(delta: float) -> None:
    model = lambda p, x: jaxacts.relu(x * p)  # noqa: E731
    x, p = jnp.ones((2, 3)), jnp.ones(3)
    _, state = diagnostics.watch(model, x, variables=p)(p, x)
    with pytest.raises(ValueError, match="report: delta must be"):
        diagnostics.report(state, delta=delta)


def test_exports_agree() -> None:
    report = seen(jaxacts.relu, normal(50, 4))
    (row,) = report.rows
    loaded = json.loads(report.to_json())
    assert loaded == report.to_dict()
    assert loaded["rows"][0]["sparsity"] == pytest.approx(row.sparsity)
    head, rule, line = report.to_markdown().splitlines()
    assert head.startswith("| layer | activation | units |")
    assert set(rule) <= set("| -")
    assert f"{100 * row.sparsity:.1f}%" in line
    scalars = report.scalars("train/")
    assert scalars[f"train/{row.layer}/dead"] == row.dead
    assert all(isinstance(v, float) for v in scalars.values())
    assert "effective rank" not in str(report)
    assert "effective rank" in str(seen(jaxacts.relu, normal(50, 4), ranks=True))
    broken = seen(jaxacts.relu, np.full((9, 2), np.nan)).to_dict()
    assert broken["rows"][0]["mean"] is None
    with pytest.raises(KeyError, match="HealthReport: no layer 'x'; there are"):
        report["x"]
    assert report[row.layer] is row


def tables_of(report: Any, width: int) -> list[list[str]]:
    """What rich prints: for each table its columns, each as one text without spaces."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(report)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    found = []
    for table in text.split("┏")[1:]:
        lines = [re.split("[┃│]", line)[1:-1] for line in table.splitlines() if line[0] in "┃│"]
        found.append(["".join("".join(column).split()) for column in zip(*lines, strict=True)])
    return found


@pytest.mark.parametrize(("width", "number"), [(300, 1), (120, 2), (80, 4)])
def test_a_small_console_gets_several_tables_in_which_nothing_is_cut(width: int, number: int) -> None:
    found = seen(jaxacts.tanh, 9 * normal(50, 4) + 9, ranks=True)
    (row,) = found.rows
    found = dataclasses.replace(found, rows=(row._replace(layer="a_layer_with_a_long_name"), row))
    head, _, *lines = found.to_markdown().splitlines()
    cells = zip(*(line.strip("| ").split(" | ") for line in (head, *lines)), strict=True)
    layers, *others = ["".join("".join(column).split()) for column in cells]
    tables = tables_of(found, width)
    assert [table[0] for table in tables] == [layers] * number
    assert [column for table in tables for column in table[1:]] == others


def test_the_other_reports_fit_into_a_small_console_too() -> None:
    row = diagnostics.LayerStart("layers_0", "relu", 16.0, *[0.12345] * 7, "std 0.5 instead of 0.25")
    flow = diagnostics.FlowReport((), (), 0.0, None, "healthy")
    tables = tables_of(diagnostics.InitialReport((row,), ("balanced",), 0.0, flow, 0.0, "balanced"), 80)
    assert [len(table) for table in tables] == [7, 5]
    assert tables[0][4:] == ["variance0.1235", "variancepredicted0.1235", "output0.1235"]
    assert tables[1][-1] == "advicestd0.5insteadof0.25"


@pytest.mark.parametrize(("missing", "stuck"), [(0, 1.0), (2, 1.0), (200_000, 0.0)])
def test_sums_beyond_24_bits_are_compared_as_rounded_ones(missing: int, stuck: float) -> None:
    watch = diagnostics.watch(lambda w, x: jnp.tanh(x @ w), jnp.ones((1, 1)), variables=jnp.eye(1))
    _, state = watch(jnp.eye(1), jnp.ones((1, 1)))
    sides = {"left": jnp.float32([15_000_001]), "right": jnp.float32([15_000_002 - missing])}
    many = dataclasses.replace(state.layers[0], active=jnp.float32([3e7]), count=jnp.float32(30_000_003), **sides)
    assert diagnostics.report(dataclasses.replace(state, layers=(many,))).rows[0].stuck == stuck


def test_reports_are_made_on_the_host() -> None:
    watch = diagnostics.watch(lambda w, x: jnp.tanh(x @ w), jnp.ones((2, 2)), variables=jnp.eye(2))
    with pytest.raises(TypeError, match="report: runs on the host"):
        jax.jit(lambda s: diagnostics.report(s).rows[0].mean)(watch.init())
