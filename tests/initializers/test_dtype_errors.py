"""Dtypes that cannot be drawn: the words of jax, and an error that code written for jax catches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxacts import initializers as ji

KEY = jax.random.key(0)
DRAWS: dict[str, Callable[..., Any]] = {
    name: getattr(ji, name)
    for name in (
        "normal",
        "truncated_normal",
        "uniform",
        "he_normal",
        "xavier_uniform",
        "lecun_normal",
        "orthogonal",
        "delta_orthogonal",
    )
}


@pytest.mark.parametrize("name", DRAWS)
def test_integers_cannot_be_drawn(name: str) -> None:
    words = f"dtype argument to `{name}` must be a float or complex dtype, got int32"
    for error in (ValueError, TypeError):
        with pytest.raises(error, match=words):
            DRAWS[name]()(KEY, (3, 4, 4), jnp.int32)
    with pytest.raises(ValueError, match="dtype argument to"):
        getattr(jax.nn.initializers, name)()(KEY, (3, 4, 4), jnp.int32)
