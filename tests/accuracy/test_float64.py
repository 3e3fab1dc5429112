"""float64 within 4 (value) and 8 (slope) units in the last place of mpmath, on a dense sample with every switch."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from references import REFERENCES
from subjects import ROOTS, SUBJECTS, forward
from test_float32 import switches

from jaxacts._contract.exact import directional, errors_in_ulps, evaluate

BOUNDS = (4.0, 8.0)


def _sample() -> np.ndarray:
    rng = np.random.default_rng(0)
    even = np.concatenate([rng.uniform(-s, s, 120) for s in (0.5, 2, 8, 40, 700)])
    tiny = 10.0 ** rng.uniform(-300, 0, 40) * rng.choice([-1, 1], 40)
    roots = rng.uniform(-2.2, 0.3, 150)  # of slopes, and where their series end
    ends = [s * np.nextafter(v, to) for v in switches(np.float64) for s in (1, -1) for to in (0, np.inf)]
    x = np.unique([*even, *tiny, *roots, *ends])
    return x[np.abs(x) > np.finfo(np.float64).tiny]


SAMPLE = _sample()


@pytest.mark.parametrize("order", [0, 1], ids=["value", "slope"])
@pytest.mark.parametrize("label", SUBJECTS)
def test_float64(label: str, order: int, x64: None) -> None:
    subject = SUBJECTS[label]
    formula, arguments = REFERENCES[subject.name].formula, dict(subject.arguments)
    x = SAMPLE[~np.isin(SAMPLE, [0.0, 1.0, -1.0, 3.0, -3.0, 6.0])]  # kinks have a clause of their own
    f = subject.ours if order == 0 else lambda x: forward(subject.ours, x)
    got = np.asarray(jax.jit(f)(x))
    assert got.dtype == np.float64
    exact = (
        directional(formula, True, x, arguments, np.ones_like(x)) if order else evaluate(formula, True, x, arguments)
    )
    root = ROOTS.get(label, np.inf) if order else np.inf
    error = errors_in_ulps(got, exact, np.float64, np.where(np.abs(x - root) < 2.0**-4, 0.25, 0.0))
    assert error.max() <= BOUNDS[order], f"{error.max():.2f} ulp at {x[error.argmax()]!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", ROOTS)
def test_slopes_keep_their_digits_at_the_root(label: str, dtype: type, x64: None) -> None:
    """In units of themselves, however small they are."""
    subject = SUBJECTS[label]
    root = dtype(ROOTS[label])
    x = np.array([root + k * np.spacing(root) for k in (-8, -2, -1, 0, 1, 2, 8)], dtype)
    got = np.asarray(jax.jit(lambda x: forward(subject.ours, x))(x))
    formula, arguments = REFERENCES[subject.name].formula, dict(subject.arguments)
    exact = directional(formula, True, x.astype(np.float64), arguments, np.ones(x.shape))
    assert errors_in_ulps(got, exact, dtype).max() <= 2
