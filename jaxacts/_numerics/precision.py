"""How many bits of a result will be kept. The derivative rule says so, the kernels ask.

53 is float64, 24 float32; float16 has 11, bfloat16 8 and the float8 kinds 3 to 5. Below 24 the result is rounded once
more, and a kernel may take its cheaper form. It is a context of JAX: what is traced under one number is not used under
another.
"""

from __future__ import annotations

import jax

__all__ = ["coarse", "narrow", "significand"]

significand = jax.make_user_context(53)


def coarse() -> bool:
    """Whether so few bits are kept that every operation may round as it comes."""
    return significand.value < 24


def narrow() -> bool:
    """Whether the result has no small numbers either: float16 ends at 2^-25, bfloat16 where float32 does."""
    return coarse() and significand.value != 8
