"""Every input of 8 and 16 bits gives the correctly rounded value and slope, forward and backward, jitted and eager."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from rounding import FLOAT8, NARROW, every_input, rounded, wrong
from subjects import SUBJECTS, backward, forward


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("label", SUBJECTS)
def test_every_input_is_rounded_correctly(label: str, dtype: str) -> None:
    subject = SUBJECTS[label]
    x = every_input(dtype)
    wide = x.astype(np.float64)
    value, slope, _ = subject.exact(wide)

    @jax.jit
    def ways(x: jax.Array) -> dict[str, jax.Array]:
        return {
            "value": subject.ours(x),
            "slope (jvp)": forward(subject.ours, x),
            "slope (vjp)": backward(subject.ours, x),
        }

    for way, got in ways(x).items():
        exact = value if way == "value" else slope
        bad = wrong(np.asarray(got).astype(np.float64), exact, wide, dtype)
        assert not bad.any(), (
            f"{way} of {label} in {dtype} is rounded wrongly at {bad.sum()} inputs, the first {x[bad][0]}: "
            f"{np.asarray(got)[bad][0]} for {rounded(exact, dtype)[bad][0]}"
        )


@pytest.mark.parametrize("label", ["gelu", "sigmoid", "silu", "softplus"])
def test_eager_has_the_bits_of_jit(label: str) -> None:
    f = SUBJECTS[label].ours
    x = every_input("bfloat16")
    for way in (f, functools.partial(forward, f), functools.partial(backward, f)):
        np.testing.assert_array_equal(np.asarray(way(x)), np.asarray(jax.jit(way)(x)))


def test_without_fused_multiply_add() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", __file__, "-k", "every_input and float16"]
    environment = {**os.environ, "XLA_FLAGS": "--xla_cpu_max_isa=AVX"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("label", ["gelu", "gelu tanh", "mish", "silu", "softplus", "tanh"])
def test_the_digits_of_one_dtype_do_not_reach_another(label: str) -> None:
    f = SUBJECTS[label].ours
    x = np.linspace(-9, 9, 3001, dtype=np.float32)
    alone = jax.jit(jax.vmap(jax.value_and_grad(f)))(x)

    @jax.jit
    def together(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        narrow, back = jax.vjp(f, x.astype("bfloat16"))
        wide, slope = jax.vmap(jax.value_and_grad(f))(x)
        return wide, slope, back(narrow)[0]

    for got, expected in zip(together(x), alone, strict=False):
        np.testing.assert_array_equal(got, expected)


def test_a_wrong_rounding_is_seen() -> None:
    x = every_input("bfloat16")
    wide = x.astype(np.float64)
    got = np.asarray(jax.nn.selu(x)).astype(np.float64)
    assert wrong(got, SUBJECTS["selu"].exact(wide)[0], wide, "bfloat16").sum() > 1000


@pytest.mark.parametrize("dtype", FLOAT8)
def test_rounded_agrees_with_ml_dtypes(dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=10000) * 2
    np.testing.assert_array_equal(rounded(values, dtype), values.astype(np.dtype(dtype)).astype(np.float64))
