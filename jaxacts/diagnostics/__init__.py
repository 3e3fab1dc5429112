"""Diagnostics: which units are dead, dormant or saturated, where gradients vanish, and what to do about it."""

from __future__ import annotations

from jaxacts.diagnostics import plots
from jaxacts.diagnostics._flow import FlowReport, FrozenReport, FrozenUnits, LayerFlow, frozen_units, gradient_flow
from jaxacts.diagnostics._initial import InitialReport, LayerStart, at_init
from jaxacts.diagnostics._propagation import Depth, PropagationReport, propagation
from jaxacts.diagnostics._recycle import Recycled, recycle
from jaxacts.diagnostics._report import LayerHealth, Report, report
from jaxacts.diagnostics._state import Layer, State, UnitSums, merge
from jaxacts.diagnostics._watch import Watch, tap, watch

__all__ = [
    "Depth",
    "FlowReport",
    "FrozenReport",
    "FrozenUnits",
    "InitialReport",
    "Layer",
    "LayerFlow",
    "LayerHealth",
    "LayerStart",
    "PropagationReport",
    "Recycled",
    "Report",
    "State",
    "UnitSums",
    "Watch",
    "at_init",
    "frozen_units",
    "gradient_flow",
    "merge",
    "plots",
    "propagation",
    "recycle",
    "report",
    "tap",
    "watch",
]
