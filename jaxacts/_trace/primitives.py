"""The primitives of JAX by what they do to the elements of their operands."""

from __future__ import annotations

__all__ = [
    "DRAWS",
    "ELEMENTWISE",
    "KEEPS_ELEMENTS",
    "LOOPS",
    "MOVES",
    "REDUCES",
    "SAME_PLACE",
    "SCATTERS",
    "SUMS",
    "WINDOWED",
    "ZERO_AMONG_0",
    "ZERO_AT_0",
]

_KEEPS = """
reshape transpose convert_element_type squeeze expand_dims copy copy_p name stop_gradient sharding_constraint
optimization_barrier reduce_precision mesh_cast reshard pbroadcast pvary
"""
_ELEMENTWISE = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bitcast_convert_type cbrt ceil clamp cos cosh div eq erf
erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le log log1p logistic lt
max min mul ne neg not or pow rem round rsqrt select_n shift_left sign sin sinh sqrt square sub tan tanh xor
"""
_MOVES = """
broadcast_in_dim carry concatenate dynamic_slice dynamic_update_slice gather pad reduce_window_max rev slice split
step_of steps
"""
_ZERO_AT_0 = """
abs and asin asinh atan atanh broadcast_in_dim cbrt ceil cumsum erf expm1 expand_dims floor log1p mul neg
reduce_max reduce_min reduce_prod reduce_sum reduce_window_max reduce_window_sum reshape rev round
sharding_constraint sign sin sinh slice split sqrt square squeeze tan tanh transpose
"""

KEEPS_ELEMENTS = frozenset(_KEEPS.split())
"""The result has the elements of the operand, in another order, dtype or place."""

SAME_PLACE = frozenset(
    ["convert_element_type", "copy", "name", "stop_gradient", "reduce_precision", "optimization_barrier"]
)
"""Those among them that leave each element where it is."""

ELEMENTWISE = frozenset(_ELEMENTWISE.split())
MOVES = KEEPS_ELEMENTS | frozenset(_MOVES.split())
REDUCES = frozenset(["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin"])
WINDOWED = frozenset(["reduce_window_sum", "cumsum"])
SCATTERS = frozenset(["scatter-add", "scatter_add"])
SUMS = frozenset(["add", "sub", "add_any"])
ZERO_AT_0 = SAME_PLACE | frozenset(_ZERO_AT_0.split())
"""The result is 0 where one operand is, whatever the others are."""
ZERO_AMONG_0 = SUMS | frozenset(["max", "min", "gt", "lt", "ne", "clamp", "or"])
"""The result is 0 where all operands are."""
LOOPS = frozenset(["scan", "while", "cond"])
DRAWS = frozenset(["random_bits", "random_gamma", "threefry2x32", "rng_bit_generator", "rng_uniform"])
