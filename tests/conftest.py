"""Fixtures shared by all tests, the markers ``sampled`` and ``optimized``, and how often garbage is collected."""

from __future__ import annotations

import gc
import zlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import jax
import pytest
from jax._src import compiler

_UNOPTIMIZED = "jax_disable_most_optimizations"
jax.config.update(_UNOPTIMIZED, True)


def pytest_collection_finish() -> None:
    """Leave what is loaded by now out of garbage collections, and collect rarely: they took a fifth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(tryfirst=True)  # before -m is applied
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test with ``sampled(count)`` mark all rows as slow but ``count``, those of the least hashes."""
    rows: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled") and not item.get_closest_marker("slow"):
            rows[item.nodeid.partition("[")[0]].append(item)
    for same in rows.values():
        (count,) = same[0].get_closest_marker("sampled").args
        for item in sorted(same, key=lambda item: zlib.crc32(item.nodeid.encode()))[count:]:
            item.add_marker("slow")


class _Compilation:
    """Compiles as for users where a test is marked ``optimized``, and as quickly as possible elsewhere.

    Without LLVM's optimization and, on CPUs, XLA's fusion emitters, a program compiles in a third of the time. JAX has
    a public setting for the first alone.
    """

    def __init__(self) -> None:
        self._options: Any = compiler.get_compile_options
        self._overrides: list[tuple[str, bool]] | None = None
        compiler.get_compile_options = self._get_compile_options

    def _get_compile_options(self, *args: Any, **kwargs: Any) -> Any:
        options = self._options(*args, **kwargs)
        if self._overrides and jax.config.read(_UNOPTIMIZED):
            options.env_option_overrides = [*self._overrides, *options.env_option_overrides]
        return options

    def pytest_unconfigure(self) -> None:
        compiler.get_compile_options = self._options

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        unoptimized = item.get_closest_marker("optimized") is None
        if jax.config.read(_UNOPTIMIZED) != unoptimized:
            jax.config.update(_UNOPTIMIZED, unoptimized)
            jax.clear_caches()  # they do not tell optimized programs from others
        if self._overrides is None:
            overrides = {"xla_cpu_use_fusion_emitters": False}
            try:
                jax.jit(lambda: 0, compiler_options=overrides)()
            except jax.errors.JaxRuntimeError:  # this XLA has no such option
                overrides = {}
            self._overrides = list(overrides.items())


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Compilation())  # which, unlike a hook of this file, is asked for doctests too


@pytest.fixture
def x64() -> Iterator[None]:
    """64-bit floats for the time of a test."""
    with jax.enable_x64(True):
        yield
