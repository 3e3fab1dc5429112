"""One key gives the same bits on one device, on every mesh of eight, and in two processes; nobody builds the whole."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
from sharded_worker import GRIDS, INITIALIZERS, ONE_OF_EACH, OTHER_DTYPES, OTHER_GRID, SHAPES, WHOLE_ON_EACH
from test_protocol import KEY, SAMPLERS

pytestmark = pytest.mark.optimized

ROOT = Path(__file__).parents[2]
# On a busy machine the threads and processes of a collective may come to it minutes after each other.
PATIENT = [
    f"--xla_cpu_collective_{name}_seconds=86400"
    for name in ("timeout", "call_terminate_timeout", "call_warn_stuck_timeout")
]
OTHER = {f"{name} {dtype}": (name, dtype) for name, dtype in OTHER_DTYPES}


@functools.cache
def single() -> dict[str, np.ndarray]:
    """The arrays that one device makes."""
    return {name: np.asarray(init(KEY, SHAPES[name])) for name, init in INITIALIZERS.items()} | {
        label: np.asarray(INITIALIZERS[name](KEY, SHAPES[name], dtype)).astype(np.complex64)
        for label, (name, dtype) in OTHER.items()
    }


def run(devices: int, path: Path, arguments: list[list[str]]) -> list[dict[str, np.ndarray]]:
    """What the workers found, one for each list of arguments, all at the same time."""
    python_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    flags = " ".join([f"--xla_force_host_platform_device_count={devices}", *PATIENT])
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": python_path}
    command = [sys.executable, str(Path(__file__).with_name("sharded_worker.py"))]
    paths = [path / f"{process}.npz" for process in range(len(arguments))]
    with contextlib.ExitStack() as running:
        workers = [
            running.enter_context(worker([*command, str(p), *more], environment))
            for p, more in zip(paths, arguments, strict=True)
        ]
        succeed(workers)
    return [read(p) for p in paths]


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as parts:
        return dict(parts)


@contextlib.contextmanager
def worker(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child that does not outlive this block, however it is left."""
    with subprocess.Popen(command, env=environment) as child:
        try:
            yield child
        finally:
            child.kill()


def succeed(workers: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all have ended, or one has failed: the others may then wait for it forever."""
    codes: Queue[int] = Queue()
    for one in workers:
        threading.Thread(target=lambda one=one: codes.put(one.wait()), daemon=True).start()
    for _ in workers:
        assert codes.get() == 0


def wrong(found: dict[str, np.ndarray]) -> list[str]:
    """The parts that are not those of the array that one device makes."""
    rows, expected = [], single()
    for row, part in found.items():
        name, where, bounds = row.split("|")
        if where.endswith("memory"):
            continue
        ends = [int(n) for n in bounds.split(",")]
        index = tuple(slice(*pair) for pair in zip(ends[::2], ends[1::2], strict=True))
        # A norm over an axis that is split is a sum of sums.
        bound = 4 * float(np.finfo(np.float32).eps) if name == "unit_norm" and ends[1] - ends[0] < 8 else 0
        if not np.allclose(expected[name][index], part, rtol=bound, atol=0):
            rows.append(row)
    return rows


def assert_none_builds_the_whole(found: dict[str, np.ndarray], grid: tuple[int, int]) -> None:
    """By the shapes in the program of a device, and by its memory beside arguments and result."""
    for name in SAMPLERS:
        largest, output, temporary = found[f"{name}|{grid} memory|"]
        assert output <= 1.01 / 8, name
        if name in WHOLE_ON_EACH:
            # The matrix is decomposed on each device; a window of two halves what the matrix is of the whole.
            assert 0.4 < temporary < 4.1, name
            continue
        assert largest <= 1 / 8, name
        # Threefry keeps three arrays of the size of the part; the order of the sparse one three more.
        assert temporary <= (6.1 if name == "sparse" else 3.1) / 8, name


@pytest.mark.slow
def test_every_mesh_gives_the_bits_of_one_device(tmp_path: Path) -> None:
    (found,) = run(8, tmp_path, [[]])
    assert wrong(found) == []
    drawn = {(name, where) for name, where, _ in (row.split("|") for row in found)}
    expected = {(name, f"{grid} jitted") for name in INITIALIZERS for grid in GRIDS}
    expected |= {(name, f"{grid} eager") for name in ONE_OF_EACH for grid in GRIDS}
    expected |= {(name, f"{OTHER_GRID} eager") for name in INITIALIZERS}
    expected |= {(name, f"{OTHER_GRID} eager") for name in OTHER}
    for kind in ("Auto", "Explicit"):
        expected |= {(name, f"{kind} {how}") for name in SAMPLERS for how in ("split", "whole")}
    assert expected <= drawn
    for grid in GRIDS:
        assert_none_builds_the_whole(found, grid)


@pytest.mark.slow
def test_two_processes_give_the_bits_of_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for found in run(4, tmp_path, [[port, "0"], [port, "1"]]):
        assert wrong(found) == []
        assert_none_builds_the_whole(found, (2, 4))
        for how in ("eager", "jitted"):
            for name in INITIALIZERS:
                whole = single()[name]
                held = sum(part.size for row, part in found.items() if row.startswith(f"{name}|(2, 4) {how}|"))
                assert held == whole.size // 2, (name, how)
