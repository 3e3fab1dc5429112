"""What every activation shares, written once: dtype rule, kink rule, derivative rule, catalogue, decorator, errors."""

from .catalogue import Activation, catalogue, entry_of, get
from .decorator import activation, keep_pre_activations
from .dtypes import as_mask, check_flag, check_number, checked_axis, checked_int, compute_dtype, down, up
from .errors import unknown_name
from .facts import Facts, Kink, Line
from .kinks import kink_choice, with_kink_slope
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
    "kink_choice",
    "scale",
    "unknown_name",
    "up",
    "with_kink_slope",
]
