"""float32 within its bounds on a dense sample that has every place where a formula switches.

``verify.py float32`` checks all 2^32 inputs; its last result is in ``docs/measured``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from subjects import INFLECTIONS, SUBJECTS, Subject, backward, curvature, forward
from verify import PARTS, errors

from jaxacts._kernels import series

BOUNDS = {"value": 2.0, "slope": 3.0, "second derivative": 8.0}
LARGEST = (-1.837826, -1.236358, -1.009995e-4, -3.25056, -6.570323, -6.735036e-6, -1.51811, -15.98464, -0.1116873)
LARGEST += (-5.0930762, -3.7910721, -8208.6143, -1.2695451, 0.19889635, 5.5384436, -1.8235048, -5.194787, -1.7148209)
LARGEST += (-4.883407e-4, -3.449918e-4, -1.947512e-3, 0.1121947, 0.05302408, -7.830843, -1.1523885, 2.6363564)
LARGEST += (-0.6423261, -0.6691774, -8.9541502, 3.9356885, -0.15795904, -5.9394212, 0.12267230, -8.8047161, -1.8306978)
LARGEST += (-8.8480115e-3, -1.2355821, -0.8048986, 0.5191, -11.517352)
"""Where all numbers, or 35 million random ones without fused multiply-add, had their largest errors."""


def switches(dtype: type = np.float32) -> list[float]:
    """Where a formula changes to another: ends of series, ends of polynomials, ends of exponents."""
    ends = [0.0, 0.25, 0.66, 0.7517915, 1.0, 1.5, 2.0, 3.0, 6.0, 8.0, 9.0, 11.0, 12.0, 14.5, 15.0, 30.0, 40.0]
    ends += [80.0, 87.4, 88.8, 103.9, 114.0, 120.0, 131.0, 1e4, 2.0**60, 2.0**63, 2.0**64]
    for s in vars(series).values():
        if isinstance(s, series.Series):
            middle = s.centre[0] + s.shift
            ends += [middle - s.limit, s.centre[0], middle + s.limit]
    if dtype == np.float64:
        return [*ends, 39.0, 24.0, 256.0, 512.0, 800.0, 2.0**511]
    halves = (np.arange(-200, 200) + 0.5) * np.log(2)  # exponents of exp(-x), and of exp(-2x)
    return [*ends, *halves, *halves / 2]


def _sample() -> np.ndarray:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    even = np.concatenate([rng.uniform(-s, s, 150_000) for s in (0.5, 2, 8, 30, 110)]).astype(np.float32)
    at = np.array([s * v for v in (*switches(), *LARGEST) for s in (1, -1)], np.float32)
    around = (at.view(np.int32)[:, None] + np.arange(-40, 41)).astype(np.int32).view(np.float32).ravel()
    x = np.concatenate([bits, even, around])
    return np.unique(x[np.isfinite(x)])


SAMPLE = _sample()


ROWS = [(label, what) for label in SUBJECTS for what in BOUNDS if what != "second derivative" or label in INFLECTIONS]


def _worst(subject: Subject, what: str, x: np.ndarray) -> tuple[float, float]:
    way = list(BOUNDS).index(what)
    f = subject.ours
    run = {"value": [f], "slope": [lambda x: forward(f, x), lambda x: backward(f, x)]}.get(
        what, [lambda x: curvature(f, x)]
    )
    exact = subject.exact(x.astype(np.float64))[way]
    found = []
    for g in run:
        error = errors(subject, way, np.asarray(jax.jit(g)(x), np.float64), exact, x.astype(np.float64))
        found.append((float(error.max()), float(x[error.argmax()])))
    return max(found)


@pytest.mark.parametrize(("label", "what"), ROWS)
def test_float32(label: str, what: str) -> None:
    worst, at = _worst(SUBJECTS[label], what, SAMPLE)
    assert worst <= BOUNDS[what], f"{what} of {label}: {worst:.3f} ulp at {at!r}"


def test_without_fused_multiply_add() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        __file__,
        "-k",
        "test_float32 and not without and not whole",
    ]
    environment = {**os.environ, "XLA_FLAGS": "--xla_cpu_max_isa=AVX"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_whole_of_float32_was_checked() -> None:
    measured = json.loads((Path(__file__).parents[2] / "docs" / "measured" / "float32.json").read_text())["results"]
    for label in ("elu", "gelu", "gelu tanh", "mish", "relu", "sigmoid", "silu", "softplus", "tanh"):
        assert measured[label]["parts"] == PARTS, f"{label}: {measured[label]['parts']} of {PARTS} parts"
        for (error, at), bound in zip(measured[label]["worst"], (2, 3), strict=True):
            assert error <= bound, f"{label}: {error} at {at}"
