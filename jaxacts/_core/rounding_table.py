"""Written by ``tests/tools/make_rounding_table.py``: inputs whose result float32 rounds to the wrong side.

Under (function, "value", "slope" or parameter, static arguments, dtype): those to move away from 0, and towards it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["TABLE"]

# fmt: off
TABLE: dict[tuple[Any, ...], tuple[tuple[float, ...], tuple[float, ...]]] = {
}
# fmt: on
