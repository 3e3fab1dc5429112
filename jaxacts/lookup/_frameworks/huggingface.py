"""The keys of ``ACT2FN`` in Hugging Face's transformers 5.24, https://github.com/huggingface/transformers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .counterpart import Counterpart, here

__all__ = ["HUGGING_FACE"]

_ROUNDED = "there by another formula with several roundings; the same function"

HUGGING_FACE: Mapping[str, Counterpart] = MappingProxyType(
    {
        "gelu": here("gelu", approximate=False, differs="the exact one"),
        "gelu_10": Counterpart(
            {"name": "clipped", "function": {"name": "gelu", "approximate": False}, "min": -10.0, "max": 10.0},
            differs="the exact one, clipped at 10; at 10 the slope is 0 here and 1 there",
        ),
        "gelu_accurate": here("gelu", approximate=True, differs=_ROUNDED),
        "gelu_fast": here("gelu", approximate=True, differs="there √(2/π) is cut to ten digits"),
        "gelu_new": here("gelu", approximate=True, differs=_ROUNDED),
        "gelu_python": here("gelu", approximate=False, differs="the exact one; " + _ROUNDED),
        "gelu_python_tanh": here("gelu", approximate=True, differs=_ROUNDED),
        "gelu_pytorch_tanh": here("gelu", approximate=True),
        "hardswish": here("hard_silu"),
        "laplace": here("laplace", differs="there μ = 0.707107 and σ = 0.282095; here √(1/2) and √(1/(4π))"),
        "leaky_relu": here("leaky_relu"),
        "linear": here("identity"),
        "mish": here("mish"),
        "prelu": here("prelu", negative_slope=0.25, differs="a module there; jaxacts.linen and nnx have one"),
        "quick_gelu": here("quick_gelu"),
        "relu": here("relu"),
        "relu2": here("relu_squared"),
        "relu6": here("relu6"),
        "sigmoid": here("sigmoid"),
        "silu": here("silu"),
        "sqrtsoftplus": here("sqrt_softplus", differs="there the slope is NaN where softplus underflows"),
        "swish": here("silu"),
        "tanh": here("tanh"),
        "xielu": here(
            "xielu",
            differs="a module there, with a step of 8e-7 at 0; jaxacts.linen and nnx have one",
        ),
    }
)
