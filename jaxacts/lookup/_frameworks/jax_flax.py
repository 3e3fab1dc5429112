"""The names of ``jax.nn``, and those of ``flax.linen`` and ``flax.nnx``, which take their functions from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .counterpart import Counterpart, absent, here

__all__ = ["FLAX", "JAX"]

JAX: Mapping[str, Counterpart] = MappingProxyType(
    {
        "celu": here("celu", "alpha"),
        "dot_product_attention": absent("not an activation; use jax.nn.dot_product_attention"),
        "elu": here("elu", "alpha"),
        "gelu": here("gelu", "approximate"),
        "get_scaled_dot_general_config": absent("not an activation; use jax.nn.get_scaled_dot_general_config"),
        "glu": here("glu", "axis"),
        "hard_sigmoid": here("hard_sigmoid"),
        "hard_silu": here("hard_silu"),
        "hard_swish": here("hard_silu"),
        "hard_tanh": here("hard_tanh", "min", "max"),
        "identity": here("identity", differs="integers become floats here"),
        "leaky_relu": here("leaky_relu", "negative_slope"),
        "log1mexp": absent("not an activation; use jax.nn.log1mexp"),
        "log_sigmoid": here("log_sigmoid"),
        "log_softmax": here("log_softmax", "axis", "where"),
        "logmeanexp": absent("not an activation; use jax.nn.logmeanexp"),
        "logsumexp": absent("not an activation; use jax.nn.logsumexp"),
        "mish": here("mish"),
        "one_hot": absent("not an activation; use jax.nn.one_hot"),
        "relu": here("relu", differs="integers become floats here"),
        "relu6": here("relu6"),
        "scaled_dot_general": absent("not an activation; use jax.nn.scaled_dot_general"),
        "scaled_matmul": absent("not an activation; use jax.nn.scaled_matmul"),
        "selu": here("selu"),
        "sigmoid": here("sigmoid"),
        "silu": here("silu"),
        "soft_sign": here("soft_sign"),
        "softmax": here("softmax", "axis", "where"),
        "softplus": here("softplus"),
        "sparse_plus": here("sparse_plus"),
        "sparse_sigmoid": here("sparse_sigmoid"),
        "squareplus": here("squareplus", "b"),
        "standardize": absent("not an activation; use jax.nn.standardize"),
        "swish": here("silu"),
        "tanh": here("tanh"),
    }
)

FLAX: Mapping[str, Counterpart] = MappingProxyType(
    {
        name: JAX[name]
        for name in (
            *("celu", "elu", "gelu", "glu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "identity"),
            *("leaky_relu", "log_sigmoid", "log_softmax", "logsumexp", "one_hot", "relu", "relu6", "selu", "sigmoid"),
            *("silu", "soft_sign", "softmax", "softplus", "standardize", "swish", "tanh"),
        )
    }
    | {
        "PReLU": here(
            "prelu",
            renamed={"negative_slope_init": "negative_slope"},
            negative_slope=0.01,
            differs="the modules jaxacts.linen.PReLU and jaxacts.nnx.PReLU start at 0.25",
        ),
        "normalize": absent("not an activation; use jax.nn.standardize"),
    }
)
