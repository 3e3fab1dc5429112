"""Diagnostics: which units are dead, dormant or saturated, where gradients vanish, and what to do about it.

* :func:`watch` finds the activations of a model in the program that jax traces, and sums up what their units do while
  the model runs; :func:`tap` marks a value that it cannot find, :func:`merge` adds sums up, :func:`report` turns them
  into shares and a verdict in words;
* :func:`at_init` looks at a model before training, :func:`gradient_flow` at its gradients at any time,
  :func:`propagation` at plain networks of one activation, each beside the theory;
* :func:`frozen_units` finds units without gradients from the second moments of Adam alone;
* :func:`recycle` makes dormant units start again;
* :mod:`jaxacts.diagnostics.plots` draws all that.

Models are those of ``flax.linen`` and ``flax.nnx``, other callable pytrees, and functions of a parameter tree. May
import the catalogue, ``jaxacts._trace`` and the initializers. Tables in colour need rich, and plots matplotlib.
"""

from __future__ import annotations

from jaxacts._core import errors as _errors
from jaxacts.diagnostics import plots as plots
from jaxacts.diagnostics._recycle import Recycled, recycle
from jaxacts.diagnostics._report import HealthReport, LayerHealth, report
from jaxacts.diagnostics._signals.flow import (
    FlowReport,
    FrozenReport,
    FrozenUnits,
    LayerFlow,
    frozen_units,
    gradient_flow,
)
from jaxacts.diagnostics._signals.initial import InitialReport, LayerStart, at_init
from jaxacts.diagnostics._signals.propagation import Depth, PropagationReport, propagation
from jaxacts.diagnostics._state import Layer, State, UnitSums, merge
from jaxacts.diagnostics._watch import Watch, tap, watch

__all__ = [
    "Depth",
    "FlowReport",
    "FrozenReport",
    "FrozenUnits",
    "HealthReport",
    "InitialReport",
    "Layer",
    "LayerFlow",
    "LayerHealth",
    "LayerStart",
    "PropagationReport",
    "Recycled",
    "State",
    "UnitSums",
    "Watch",
    "at_init",
    "frozen_units",
    "gradient_flow",
    "merge",
    "propagation",
    "recycle",
    "report",
    "tap",
    "watch",
]


def __getattr__(name: str) -> None:
    raise _errors.missing(__name__, name, [*__all__, "plots"])
