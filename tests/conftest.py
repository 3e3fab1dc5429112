"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture
def x64() -> Iterator[None]:
    """64-bit floats for the time of a test."""
    with jax.enable_x64(True):
        yield
