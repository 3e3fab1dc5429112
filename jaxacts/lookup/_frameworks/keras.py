"""The names of ``keras.activations`` and of the layers that hold one, in keras 3: https://keras.io/api/layers/activations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .counterpart import Counterpart, absent, here

__all__ = ["KERAS"]

_RELU = (
    "with negative_slope it is leaky_relu here, with threshold ``threshold(x, threshold, 0)``, and with max_value that "
    "of the three, clipped"
)


def _relu(max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0) -> Mapping[str, Any]:
    """The configuration of keras' relu."""
    if threshold and negative_slope:
        raise ValueError(
            f"get: keras's relu with both negative_slope={negative_slope} and threshold={threshold} has no counterpart "
            f"in jaxacts; leave out one of them."
        )
    config: dict[str, Any] = {"name": "relu"}
    if negative_slope:
        config = {"name": "leaky_relu", "negative_slope": negative_slope}
    elif threshold:
        config = {"name": "threshold", "threshold": threshold, "value": 0.0}
    return config if max_value is None else {"name": "clipped", "function": config, "max": max_value}


KERAS: Mapping[str, Counterpart] = MappingProxyType(
    {
        "ELU": here("elu", "alpha"),
        "LeakyReLU": here("leaky_relu", "negative_slope", negative_slope=0.3, differs="0.3 by default; 0.01 here"),
        "PReLU": here("prelu", negative_slope=0.0, differs="starts at 0; jaxacts.linen.PReLU and nnx.PReLU at 0.25"),
        "ReLU": here("relu", made=_relu, differs=_RELU),
        "Softmax": here("softmax", "axis"),
        "celu": here("celu", "alpha"),
        "elu": here("elu", "alpha"),
        "exponential": absent("use jnp.exp"),
        "gelu": here("gelu", "approximate", approximate=False, differs="the exact one by default; here the tanh form"),
        "glu": here("glu", "axis"),
        "hard_shrink": here("hard_shrink", "threshold"),
        "hard_sigmoid": here("hard_sigmoid"),
        "hard_silu": here("hard_silu"),
        "hard_swish": here("hard_silu"),
        "hard_tanh": here("hard_tanh"),
        "leaky_relu": here("leaky_relu", "negative_slope", negative_slope=0.2, differs="0.2 by default; 0.01 here"),
        "linear": here("identity"),
        "log_sigmoid": here("log_sigmoid"),
        "log_softmax": here("log_softmax", "axis"),
        "mish": here("mish"),
        "relu": here("relu", made=_relu, differs=_RELU),
        "relu6": here("relu6"),
        "selu": here("selu"),
        "sigmoid": here("sigmoid"),
        "silu": here("silu"),
        "soft_shrink": here("soft_shrink", "threshold"),
        "softmax": here("softmax", "axis"),
        "softplus": here("softplus"),
        "softsign": here("soft_sign"),
        "sparse_plus": here("sparse_plus"),
        "sparse_sigmoid": here("sparse_sigmoid"),
        "sparsemax": here("sparsemax", "axis"),
        "squareplus": here("squareplus", "b"),
        "swish": here("silu"),
        "tanh": here("tanh"),
        "tanh_shrink": here("tanh_shrink"),
        "threshold": here("threshold", "threshold", renamed={"default_value": "value"}),
    }
)
