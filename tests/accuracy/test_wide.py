"""The float64 references agree with mpmath, which evaluates the definitions."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from references import REFERENCES
from subjects import INFLECTIONS, ROOTS, SUBJECTS
from wide import Reals

from jaxacts._contract.exact import Exact, directional, evaluate

XS = np.concatenate(
    [
        np.linspace(-12, 12, 97) + 1e-3,
        *(s * 10.0 ** np.arange(-30, 3) * 1.37 for s in (1, -1)),
        [-86.5, -40.25, 40.25, 86.5, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0],
    ]
)


def _agree(got: Reals, exact: Exact, floor: Reals) -> None:
    scale = np.maximum(np.abs(exact.high), floor)
    normal = scale > 2.0**-126
    off = np.abs((got - exact.high) - exact.low)[normal] / scale[normal]
    assert off.max() < 1e-10, f"off by {off.max():.2g} at {XS[normal][off.argmax()]!r}"


def _floor(roots: tuple[float, ...]) -> Reals:
    return np.where(np.any([np.abs(XS - r) < 2.0**-4 for r in (*roots, np.inf)], axis=0), 2.0**-8, 0.0)


@pytest.mark.parametrize("label", SUBJECTS)
def test_value_and_slope(label: str) -> None:
    subject = SUBJECTS[label]
    formula, arguments = REFERENCES[subject.name].formula, dict(subject.arguments)
    value, slope, _ = subject.exact(XS)
    _agree(value, evaluate(formula, True, XS, arguments), _floor(()))
    kinks = np.isin(XS, [0.0, -1.0, 1.0, -3.0, 3.0, 6.0])
    exact = directional(formula, True, XS, arguments, np.ones_like(XS))
    exact.high[kinks], exact.low[kinks] = slope[kinks], 0.0  # a central difference is the mean of both sides there
    _agree(slope, exact, _floor((ROOTS[label],) if label in ROOTS else ()))


@pytest.mark.parametrize("label", INFLECTIONS)
def test_curvature(label: str) -> None:
    subject = SUBJECTS[label]
    formula, arguments = REFERENCES[subject.name].formula, dict(subject.arguments)
    xs = XS[XS != 0]
    with mp.workdps(420):
        step = [mp.mpf(10) ** -45 * abs(mp.mpf(float(x))) for x in xs]
        sides = [
            [formula(mp.mpf(float(x)) + s * h, **arguments) for x, h in zip(xs, step, strict=True)] for s in (-1, 0, 1)
        ]
        exact = Exact([(a - 2 * b + c) / h**2 for a, b, c, h in zip(*sides, step, strict=True)])
    bend = subject.exact(XS)[2][XS != 0]
    near = np.any([np.abs(xs - r) < 2.0**-4 for r in (*INFLECTIONS[label], np.inf)], axis=0)
    scale = np.maximum(np.abs(exact.high), np.where(near, 2.0**-8, 2.0**-126))
    off = np.abs((bend - exact.high) - exact.low) / scale
    assert off.max() < 1e-10, f"off by {off.max():.2g} at {xs[off.argmax()]!r}"
