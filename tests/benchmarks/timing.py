"""What the benchmarks share: a quiet process, paired timings, and a description of the machine."""

from __future__ import annotations

import ctypes
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

MEASURED = Path(__file__).parents[2] / "docs" / "measured"
LIBRARIES = ("ours", "jax.nn")
INSTRUCTION_SETS = {"default": "", "AVX2": "--xla_cpu_max_isa=AVX2"}

Run = Callable[[], Any]


def quiet() -> None:
    """Pin the process to one core and keep freed memory; to be called before JAX starts its threads.

    Otherwise the scheduler may leave both halves of a loop on one core for a whole run, and large arrays come from the
    kernel, which clears every page: on Linux that takes several times as long as most functions here.
    """
    if sys.platform != "linux":
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    trim_threshold, mmap_threshold, arenas = -1, -3, -8
    for parameter, value in {trim_threshold: 2**30, mmap_threshold: 2**30, arenas: 1}.items():
        if ctypes.CDLL(None).mallopt(parameter, value) != 1:
            sys.exit("mallopt failed; pass --noisy to run without it.")
    np.ones(2**26)


def timed(run: Run) -> tuple[float, Any]:
    """Seconds of one call, until its results are there, and the results."""
    start = time.perf_counter()
    results = jax.block_until_ready(run())
    return time.perf_counter() - start, results


def seconds(run: Run) -> float:
    return timed(run)[0]


def beside(times: Iterable[tuple[float, float]], unit: float = 1.0) -> dict[str, float]:
    """The medians of paired times (ours, jax.nn's), in multiples of the unit, and the median of their ratios."""
    times = list(times)
    ours, theirs = (statistics.median(column) / unit for column in zip(*times, strict=True))
    return {"ours": ours, "jax.nn": theirs, "ratio": statistics.median(a / b for a, b in times)}


def paired(ours: Run, theirs: Run, repetitions: int, unit: float = 1.0) -> dict[str, float]:
    """Call both in turns, so that whatever else the machine does affects both alike."""
    for _ in range(2):
        seconds(ours), seconds(theirs)
    return beside([(seconds(ours), seconds(theirs)) for _ in range(repetitions)], unit)


def stages(program: Callable[..., Any], *arguments: Any) -> tuple[float, float, Any]:
    """Seconds to trace and lower a program, seconds that XLA takes to compile it, and the compiled program."""
    jax.config.update("jax_enable_compilation_cache", False)
    jax.clear_caches()
    start = time.perf_counter()
    lowered = jax.jit(program).lower(*arguments)
    middle = time.perf_counter()
    compiled = lowered.compile()
    return middle - start, time.perf_counter() - middle, compiled


def paired_stages(ours: Run, theirs: Run, repetitions: int) -> dict[str, dict[str, float]]:
    """Trace and compile times of two calls of :func:`stages`, in turns; something was compiled before."""
    pairs = [(ours(), theirs()) for _ in range(repetitions)]
    return {what: beside([(a[i], b[i]) for a, b in pairs]) for i, what in enumerate(("trace", "compile"))}


def geometric_mean(ratios: Iterable[float]) -> float:
    return math.exp(statistics.mean(map(math.log, ratios)))


def machine() -> dict[str, str]:
    """Versions, backend and processor or accelerator."""
    device = jax.devices()[0]
    found = {"jax": version("jax"), "backend": jax.default_backend(), "cpu": processor()}
    return found if device.platform == "cpu" else found | {"device": device.device_kind}


def processor() -> str:
    """Its name, and whether it has float16 arithmetic, which makes jax.nn's functions much faster there."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    name = next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), "")
    return (name or platform.processor()) + (" with AVX512-FP16" if "avx512_fp16" in text else "")


def save(path: Path, measured: dict[str, Any]) -> None:
    path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def instruction_sets() -> list[str]:
    """Those that this processor can be asked for."""
    return list(INSTRUCTION_SETS) if platform.machine().lower() in ("x86_64", "amd64") else ["default"]


def in_child(script: str, title: str, arguments: Iterable[str]) -> dict[str, Any]:
    """What a script measures in a process of its own, with the flags of this instruction set."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {INSTRUCTION_SETS[title]}".strip()
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.json"
        command = [sys.executable, script, *arguments, "--title", title, "--output", str(path)]
        subprocess.run(command, env=environment, check=True)
        return json.loads(path.read_text())
