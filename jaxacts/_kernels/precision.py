"""How many bits of a result will be kept. The derivative rule says so, the kernels ask.

53 is float64, 24 float32; float16 has 11, bfloat16 8 and the float8 kinds 3 to 5. Below 24 the result is rounded once
more, and a kernel may take its cheaper form. It is a context of JAX: what is traced under one number is not used under
another. Rules of custom_jvp are traced later, outside of it: what a derivative shares with its value may not depend on
it.
"""

from __future__ import annotations

import jax

__all__ = ["coarse", "short_range", "significand"]

significand = jax.make_user_context(53)


def coarse() -> bool:
    """Whether so few bits are kept that every operation may round as it comes."""
    return significand.value < 24


def short_range() -> bool:
    """Whether the result ends far above the smallest number of float32: in all dtypes below 32 bits but bfloat16."""
    return coarse() and significand.value != 8
