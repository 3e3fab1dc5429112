"""Programs that need several devices, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys


def printed_on(devices: int, program: str) -> str:
    """What the program prints on this many CPU devices, compiled without most optimizations."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    how = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **how}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
