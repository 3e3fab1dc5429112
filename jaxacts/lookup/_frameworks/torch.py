"""The classes of ``torch.nn`` and the functions of ``torch.nn.functional`` that its documentation lists as activations.

https://docs.pytorch.org/docs/stable/nn.html and nn.functional.html, torch 2.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from .counterpart import Counterpart, absent, here

__all__ = ["TORCH"]

_AXIS = {"dim": "axis"}
_NO_AXIS = "without dim, torch takes an axis that depends on the number of axes; here it is the last one"

_ROWS: Mapping[tuple[str, ...], Counterpart] = {
    ("AdaptiveLogSoftmaxWithLoss",): absent("it is a loss with layers, not an activation"),
    ("CELU", "celu"): here("celu", "alpha"),
    ("ELU", "elu"): here("elu", "alpha"),
    ("GELU", "gelu"): here(
        "gelu",
        "approximate",
        values={"approximate": {"none": False, "tanh": True}},
        approximate=False,
        differs="the exact one by default; here the tanh form",
    ),
    ("GLU", "glu"): here("glu", renamed=_AXIS),
    ("Hardshrink", "hardshrink"): here("hard_shrink", renamed={"lambd": "threshold"}),
    ("Hardsigmoid", "hardsigmoid"): here("hard_sigmoid"),
    ("Hardswish", "hardswish"): here("hard_silu"),
    ("Hardtanh", "hardtanh"): here("hard_tanh", renamed={"min_val": "min", "max_val": "max"}),
    ("Identity",): here("identity"),
    ("LeakyReLU", "leaky_relu"): here("leaky_relu", "negative_slope"),
    ("LogSigmoid", "logsigmoid"): here("log_sigmoid"),
    ("LogSoftmax", "log_softmax"): here("log_softmax", renamed=_AXIS, differs=_NO_AXIS),
    ("Mish", "mish"): here("mish"),
    ("MultiheadAttention",): absent("it is attention, not an activation; use jax.nn.dot_product_attention"),
    ("PReLU",): here(
        "prelu",
        renamed={"init": "negative_slope"},
        negative_slope=0.25,
        differs="the learnable ones are jaxacts.linen.PReLU and jaxacts.nnx.PReLU",
    ),
    ("RReLU",): here("rrelu", "lower", "upper", differs="here a random key draws the slopes"),
    ("ReLU", "relu"): here("relu"),
    ("ReLU6", "relu6"): here("relu6"),
    ("SELU", "selu"): here("selu"),
    ("SiLU", "silu"): here("silu"),
    ("Sigmoid", "sigmoid"): here("sigmoid"),
    ("Softmax", "softmax"): here("softmax", renamed=_AXIS, differs=_NO_AXIS),
    ("Softmax2d",): here("softmax", axis=-3),
    ("Softmin", "softmin"): here("softmin", renamed=_AXIS, differs=_NO_AXIS),
    ("Softplus", "softplus"): here(
        "softplus",
        "beta",
        ignored={"threshold": (20,)},
        differs="there it is linear where beta·x is above threshold (20); here there is no threshold",
    ),
    ("Softshrink", "softshrink"): here("soft_shrink", renamed={"lambd": "threshold"}),
    ("Softsign", "softsign"): here("soft_sign"),
    ("Tanh", "tanh"): here("tanh"),
    ("Tanhshrink", "tanhshrink"): here("tanh_shrink"),
    ("Threshold", "threshold"): here("threshold", "threshold", "value"),
    ("gumbel_softmax",): here(
        "gumbel_softmax",
        "hard",
        renamed={"tau": "temperature", "dim": "axis"},
        differs="here a random key draws the noise",
    ),
    ("prelu",): here(
        "prelu", renamed={"weight": "negative_slope"}, differs="there channels are the second axis, here the last one"
    ),
    ("rrelu",): here(
        "rrelu",
        "lower",
        "upper",
        renamed={"training": "deterministic"},
        values={"training": {True: False, False: True}},
        deterministic=True,
        differs="training=False there is deterministic=True here; otherwise a random key draws the slopes",
    ),
}

_IN_PLACE = (
    *("celu", "elu", "hardsigmoid", "hardswish", "hardtanh", "leakyrelu", "mish", "relu", "relu6", "rrelu", "selu"),
    *("silu", "threshold"),
)
"""What torch may compute in place, which changes no value; JAX does not have this option."""


def _row(name: str, row: Counterpart) -> Counterpart:
    in_place = name.casefold().replace("_", "") in _IN_PLACE
    return replace(row, ignored={**row.ignored, "inplace": (False, True)}) if in_place else row


TORCH: Mapping[str, Counterpart] = MappingProxyType(
    {name: _row(name, row) for names, row in _ROWS.items() for name in names}
)
