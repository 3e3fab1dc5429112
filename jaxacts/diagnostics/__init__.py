"""Diagnostics: which units are dead, dormant or saturated, where gradients vanish, and what to do about it."""

from __future__ import annotations

from jaxacts.diagnostics._state import Layer, State, UnitSums, merge
from jaxacts.diagnostics._watch import Watch, tap, watch

__all__ = ["Layer", "State", "UnitSums", "Watch", "merge", "tap", "watch"]
