"""The same tests with other instructions than those of this processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_INFO = Path("/proc/cpuinfo")
_WITHOUT_AVX512 = _INFO.exists() and "avx512f" not in _INFO.read_text()

OTHERS = [
    "AVX",
    pytest.param("AVX2", marks=pytest.mark.skipif(_WITHOUT_AVX512, reason="what this processor has in any case")),
]
"""AVX has no fused multiply-add. On processors without these instructions XLA takes what there is."""


def assert_passed_with(isa: str, file: str, expression: str) -> None:
    """Run the tests of a file that an expression chooses, slow ones too, in a process with these instructions."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "slow or not slow"]
    environment = {**os.environ, "XLA_FLAGS": f"--xla_cpu_max_isa={isa}"}
    done = subprocess.run([*command, file, "-k", expression], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
