"""Whole nnx models get the gains of their linen counterparts."""

from __future__ import annotations

from typing import Any

import jax
import pytest
from flax import nnx
from nnx_models import MODELS
from real_models import KEY, LINEN, Model

from jaxacts import initializers as ji


def gains(report: ji.MatchReport) -> set[tuple[Any, ...]]:
    """What the layers got, by the activation behind them and their fans, the stack of a scan left out."""
    return {(row.activation, row.fan_in, row.fan_out, round(row.gain, 4), round(row.std, 5)) for row in report.layers}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", MODELS)
def test_nnx_models_get_the_gains_of_linen_ones(name: str) -> None:
    make, sample = MODELS[name]
    model = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    _, report = ji.match(model, sample, KEY)
    paths = {"/".join(map(str, path)) for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    kernels = {path for path in paths if path.endswith("kernel")}
    assert kernels <= {row.path for row in report.layers}
    body, _ = LINEN[name]
    shapes = jax.eval_shape(Model(body).init, KEY, sample)
    assert gains(report) == gains(ji.match(Model(body), sample, KEY, variables=shapes)[1])
