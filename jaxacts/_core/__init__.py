"""What every activation shares, written once: dtypes and rounding, kinks, derivative rule, facts, decorator, errors."""

from .decorator import activation
from .dtypes import (
    as_floating,
    as_mask,
    broadcast,
    check_flag,
    check_key,
    check_number,
    checked_axis,
    checked_int,
    compute_dtype,
    down,
    up,
)
from .entry import Activation, Paper, Variant, entry_of, variant, variant_of
from .errors import unknown_name
from .facts import Facts, Kink, Line
from .kinks import current_choice, kink_choice, plain_form, with_kink_slope
from .pieces import Choice, Pieces, choice_rule
from .shape import Shape

__all__ = [
    "Activation",
    "Choice",
    "Facts",
    "Kink",
    "Line",
    "Paper",
    "Pieces",
    "Shape",
    "Variant",
    "activation",
    "as_floating",
    "as_mask",
    "broadcast",
    "check_flag",
    "check_key",
    "check_number",
    "checked_axis",
    "checked_int",
    "choice_rule",
    "compute_dtype",
    "current_choice",
    "down",
    "entry_of",
    "kink_choice",
    "plain_form",
    "unknown_name",
    "up",
    "variant",
    "variant_of",
    "with_kink_slope",
]
