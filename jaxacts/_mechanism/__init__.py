"""What every activation shares, written once: dtype rule, kink rule, derivative rule, catalogue, decorator, errors."""

from .catalogue import Activation, Facts, Kink, Line, catalogue, entry_of, get
from .decorator import activation, keep_pre_activations, with_kink_slope
from .dtypes import as_mask, check_flag, check_number, checked_axis, checked_int, compute_dtype, down, up
from .errors import unknown_name
from .pieces import Pieces
from .scaling import scale

__all__ = [
    "Activation",
    "Facts",
    "Kink",
    "Line",
    "Pieces",
    "activation",
    "as_mask",
    "catalogue",
    "check_flag",
    "check_number",
    "checked_axis",
    "checked_int",
    "compute_dtype",
    "down",
    "entry_of",
    "get",
    "keep_pre_activations",
    "scale",
    "unknown_name",
    "up",
    "with_kink_slope",
]
