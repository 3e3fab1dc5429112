"""What the whole-model calls report: rows for each kernel, as text, Markdown and plain data."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["LsuvReport", "MatchReport", "MatchedLayer", "ScaledLayer", "plain"]

_MARGIN = 0.01


class MatchedLayer(NamedTuple):
    """A row of the report: one kernel, what follows it, and what it got.

    ``was`` is the root mean square of the kernel as it was passed, ``chi_1`` the factor of the squared gradient at the
    layer (of its parts the largest). ``before`` and ``after`` are the variances of the outputs of the layer on the
    sample, NaN where they were not measured; in a scan, those of the step that is farthest from 1. ``finite`` says that
    those of the new kernel, if measured, are.
    """

    path: str
    shape: tuple[int, ...]
    fan_in: float
    fan_out: float
    activation: str
    gain: float
    std: float
    notes: tuple[str, ...]
    was: float = math.nan
    chi_1: float = 1.0
    before: float = math.nan
    after: float = math.nan
    finite: bool = True

    @property
    def verdict(self) -> str:
        """What the layer does to squared gradients: "contractive", "expansive" or, within 1 %, "marginal".

        "not finite" where its measured outputs are not.
        """
        if not self.finite:
            return "not finite"
        return "marginal" if abs(self.chi_1 - 1) <= _MARGIN else "contractive" if self.chi_1 < 1 else "expansive"


class ScaledLayer(NamedTuple):
    """A row of the report: the variance of the outputs with the orthonormal kernel and at the end, and the scalings.

    Where a scan has a kernel for each step, the variances are those of the step farthest from 1, and factor and
    iterations the means over the steps.
    """

    path: str
    shape: tuple[int, ...]
    before: float
    after: float
    factor: float
    iterations: float


class _Report:
    """Text, Markdown and plain data from ``layers``, ``left`` and the columns."""

    layers: tuple[Any, ...]
    left: Mapping[str, str]
    warnings: tuple[str, ...]

    def _columns(self) -> dict[str, list[str]]:
        raise NotImplementedError

    def _lines(self) -> list[tuple[str, str]]:
        left = [("left alone", f"{path} ({why})") for path, why in self.left.items()]
        return [*left, *(("warning", text) for text in self.warnings)]

    def __str__(self) -> str:
        columns = [[head, *cells] for head, cells in self._columns().items()]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *(f"{kind}: {text}" for kind, text in self._lines())])

    def to_markdown(self) -> str:
        """The report as a table in Markdown, with what was left alone and the warnings as a list below it."""
        columns = self._columns()
        rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
        notes = [f"- {kind}: {text}" for kind, text in self._lines()]
        return "\n".join([*lines, *(["", *notes] if notes else [])])

    def to_dict(self) -> dict[str, Any]:
        """The report as lists, dicts, strings and numbers, ready for JSON: None stands for what is not finite."""
        layers = [{k: plain(v) for k, v in row._asdict().items()} for row in self.layers]
        return {"layers": layers, "left": dict(self.left), "warnings": list(self.warnings)}


@dataclass(frozen=True)
class MatchReport(_Report):
    """What :func:`match` did: ``layers`` that were redrawn, those ``left`` alone with the reason, and ``warnings``.

    Print it, or take it as :meth:`to_markdown` or :meth:`to_dict`. ``drift`` is the product of the factors χ₁ of the
    activated layers that no normalization or gate follows, along the path where it is largest: what becomes of the
    squared gradient over the depth.
    """

    layers: tuple[MatchedLayer, ...]
    left: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    drift: float = 1.0

    def _columns(self) -> dict[str, list[str]]:
        rows = self.layers
        columns = {
            "layer": [r.path for r in rows],
            "shape": ["×".join(map(str, r.shape)) for r in rows],
            "fan_in": [f"{r.fan_in:g}" for r in rows],
            "fan_out": [f"{r.fan_out:g}" for r in rows],
            "activation": [r.activation for r in rows],
            "gain": [f"{r.gain:.4f}" for r in rows],
            "std": [f"{r.std:.5f}" for r in rows],
            "was": [_number(r.was, "{:.5f}") for r in rows],
            "χ₁": [f"{r.chi_1:.3g}" for r in rows],
            "before": [_number(r.before, "{:.3g}") for r in rows],
            "after": [_number(r.after, "{:.3g}") for r in rows],
            "verdict": [r.verdict for r in rows],
            "notes": [", ".join(r.notes) for r in rows],
        }
        return {head: cells for head, cells in columns.items() if head in _ALWAYS or any(cells)}

    def to_dict(self) -> dict[str, Any]:
        """The report as lists, dicts, strings and numbers, ready for JSON: None stands for what is not finite."""
        data = super().to_dict()
        for layer, row in zip(data["layers"], self.layers, strict=True):
            layer["verdict"] = row.verdict
        return {**data, "drift": plain(self.drift)}

    def assert_healthy(self, smallest: float = 0.01, largest: float = 100.0, std_factor: float = 100.0) -> None:
        """Raises an AssertionError with the layers and the drift that are out of bounds.

        Args:
            smallest: the least variance of outputs, χ₁ and drift that is taken for healthy.
            largest: the largest.
            std_factor: by which factor the standard deviation of a kernel may differ from 1/√fan_in, either way.
                Kernels of zeros are left out, for these are on purpose.

        Raises:
            AssertionError: a χ₁ or a measured variance of a layer, or the drift, is below ``smallest`` or above
                ``largest`` or not finite, a standard deviation differs too much, or there are ``warnings``.
        """
        wrong = [
            f"{row.path} has {what} {value:.3g}"
            for row in self.layers
            for what, value in (("χ₁", row.chi_1), ("variance", row.after))
            if row.std and not (smallest <= value <= largest or math.isnan(value))
        ]
        wrong += [f"{row.path} has outputs that are not finite" for row in self.layers if not row.finite]
        wrong += [
            f"{row.path} has std {row.std:.3g}, {row.std * row.fan_in**0.5:.3g} times 1/√fan_in"
            for row in self.layers
            if row.std and not 1 / std_factor <= row.std * row.fan_in**0.5 <= std_factor
        ]
        wrong += [] if smallest <= self.drift <= largest else [f"the drift over the depth is {self.drift:.3g}"]
        if wrong or self.warnings:
            listed = "\n".join(f"  {text}" for text in [*wrong, *self.warnings])
            raise AssertionError(
                f"MatchReport: all layers must be within {smallest:g} and {largest:g}, and their std within a factor "
                f"of {std_factor:g} of 1/√fan_in, got\n{listed}"
            )


_ALWAYS = ("layer", "shape", "fan_in", "fan_out", "activation", "gain", "std", "χ₁", "verdict", "notes")


@dataclass(frozen=True)
class LsuvReport(_Report):
    """What :func:`lsuv` did, layer by layer in the order of the computation, and what it ``left`` alone. Print it."""

    layers: tuple[ScaledLayer, ...]
    left: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def _columns(self) -> dict[str, list[str]]:
        rows: Sequence[ScaledLayer] = self.layers
        return {
            "layer": [r.path for r in rows],
            "shape": ["×".join(map(str, r.shape)) for r in rows],
            "variance before": [f"{r.before:.4g}" for r in rows],
            "after": [f"{r.after:.4g}" for r in rows],
            "factor": [f"{r.factor:.4g}" for r in rows],
            "iterations": [f"{r.iterations:.4g}" for r in rows],
        }


def plain(value: Any) -> Any:
    """A value for JSON: lists, Python's numbers, None for what is not finite."""
    match value:
        case tuple():
            return [plain(v) for v in value]
        case bool():
            return value
        case numbers.Integral():
            return int(value)
        case numbers.Real():
            return float(value) if math.isfinite(value) else None
        case _:
            return value


def _number(value: float, text: str) -> str:
    return "" if math.isnan(value) else text.format(value)
