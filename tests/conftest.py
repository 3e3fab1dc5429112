"""Fixtures shared by all tests, and how often they collect garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import jax
import pytest


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of garbage collections, and collect rarely: they took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture
def x64() -> Iterator[None]:
    """64-bit floats for the time of a test."""
    with jax.enable_x64(True):
        yield
