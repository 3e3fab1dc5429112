"""Derivatives by a parameter meet the bounds of slopes at every element."""

from __future__ import annotations

import jax
import mpmath as mp
import numpy as np
import pytest
from references import REFERENCES
from rounding import every_input, wrong
from subjects import by
from test_float32 import BOUNDS, SAMPLE
from wide import PARTIALS, Reals

import jaxacts

TINY = 2.0**-126


def _exact(name: str, parameter: str, x: Reals) -> Reals:
    with np.errstate(all="ignore"):
        return PARTIALS[name, parameter](x, **jaxacts.catalogue()[name].arguments())


def _ours(name: str, parameter: str, x: np.ndarray, back: bool) -> Reals:
    at = jaxacts.catalogue()[name].arguments()[parameter]
    got = jax.jit(lambda x: by(parameter, jaxacts.get(name), x, at, back))(x)
    return np.asarray(got).astype(np.float64)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(("name", "parameter"), PARTIALS)
def test_every_input_is_rounded_correctly(name: str, parameter: str, dtype: str, back: bool) -> None:
    x = every_input(dtype)
    wide = x.astype(np.float64)
    bad = wrong(_ours(name, parameter, x, back), _exact(name, parameter, wide), wide, dtype)
    assert not bad.any(), f"{bad.sum()} inputs, the first {x[bad][0]}"


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("name", "parameter"), PARTIALS)
def test_float32(name: str, parameter: str, back: bool) -> None:
    wide = SAMPLE.astype(np.float64)
    exact = _exact(name, parameter, wide)
    size = np.maximum(np.abs(exact), TINY)
    error = np.abs(_ours(name, parameter, SAMPLE, back) - exact) / 2.0 ** (np.floor(np.log2(size)) - 23)
    error[(np.abs(exact) < TINY) | ((np.abs(wide) < TINY) & (wide != 0))] = 0
    assert error.max() <= BOUNDS["slope"], f"{error.max():.3f} ulp at {SAMPLE[error.argmax()]!r}"


@pytest.mark.parametrize(("name", "parameter"), PARTIALS)
def test_references_agree_with_mpmath(name: str, parameter: str) -> None:
    arguments = jaxacts.catalogue()[name].arguments()
    xs = np.concatenate([np.linspace(-9, 9, 61), [-40.5, -1e-4, 1e-4, 40.5]])
    with mp.workdps(60):
        for x, got in zip(xs, _exact(name, parameter, xs), strict=True):

            def at(v: mp.mpf, x: float = x) -> mp.mpf:
                return REFERENCES[name].formula(mp.mpf(x), **{**arguments, parameter: v})

            exact = mp.diff(at, mp.mpf(arguments[parameter]))
            assert abs(got - exact) <= 1e-12 * abs(exact) + 1e-30, x
