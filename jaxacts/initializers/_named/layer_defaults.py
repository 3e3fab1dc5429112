"""What torch and keras put into their layers: one table, a row for each layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._basic import Scaled
from jaxacts.initializers._constants import Constant
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._fans.layers import Conv
from jaxacts.initializers._orthogonal import Orthogonal
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._variance import Mode, scaled

__all__ = ["layer_default"]

_NAME = "layer_default"
_Rule: TypeAlias = Callable[[DTypeLike | None], Initializer]
_FanRule: TypeAlias = Callable[[DTypeLike | None, int], Initializer]


_DENSE, _CONV = KernelSpec(), KernelSpec(layer=Conv())


def _bounded(bound: float, dtype: DTypeLike | None) -> Initializer:
    return Scaled(_NAME, dtype, _samplers.Parts(_samplers.symmetric), bound)


def _within_fan(dtype: DTypeLike | None, fan_in: int) -> Initializer:
    return _bounded(1 / math.sqrt(fan_in), dtype)


def _normal(stddev: float) -> _Rule:
    return lambda dtype: Scaled(_NAME, dtype, _samplers.normal, stddev)


def _full(value: float) -> _Rule:
    return lambda dtype: Constant(_NAME, value, dtype)


def _scaled(scale: float, mode: Mode, kernel: KernelSpec = _DENSE) -> _Rule:
    return lambda dtype: scaled(_NAME, scale, mode, "uniform", kernel, dtype)


@dataclass(frozen=True)
class _Row:
    """How one parameter begins: by the shape of the array, by a fan that is given, or either."""

    by_shape: _Rule | None = None
    by_fan: _FanRule | None = None


_THIRD = 1 / 3
"""torch's ``kaiming_uniform_(a=√5)``: the gain² is 2/(1 + 5), and U(±b) has variance b²/3, so b = 1/√fan_in."""

_BY_FAN = _Row(by_fan=_within_fan)
_ZEROS, _ONES = _Row(_full(0.0)), _Row(_full(1.0))
_NORM: Mapping[str, _Row] = MappingProxyType({"scale": _ONES, "bias": _ZEROS})

_ROWS: Mapping[str, Mapping[str, _Row]] = MappingProxyType(
    {
        "torch.Linear": {"kernel": _Row(_scaled(_THIRD, "fan_in"), _within_fan), "bias": _BY_FAN},
        "torch.Conv": {
            "kernel": _Row(_scaled(_THIRD, "fan_in", _CONV), _within_fan),
            "bias": _BY_FAN,
        },
        # torch takes the axis of the outputs of its (in, out, *window) for the inputs.
        "torch.ConvTranspose": {
            "kernel": _Row(_scaled(_THIRD, "fan_in", KernelSpec(-1, -2, layer=Conv())), _within_fan),
            "bias": _BY_FAN,
        },
        "torch.Embedding": {"embedding": _Row(_normal(1.0))},
        "torch.RNN": {"kernel": _BY_FAN, "recurrent_kernel": _BY_FAN, "bias": _BY_FAN},
        # Query, key and value are packed as (3·d, d), so that their fan_avg is 2·d and not d.
        "torch.MultiheadAttention": {
            "kernel": _Row(_scaled(0.5, "fan_avg")),
            "out_kernel": _Row(_scaled(_THIRD, "fan_in"), _within_fan),
            "bias": _ZEROS,
        },
        "torch.BatchNorm": _NORM,
        "torch.LayerNorm": _NORM,
        "keras.Dense": {"kernel": _Row(_scaled(1.0, "fan_avg")), "bias": _ZEROS},
        "keras.Conv": {"kernel": _Row(_scaled(1.0, "fan_avg", _CONV)), "bias": _ZEROS},
        "keras.ConvTranspose": {"kernel": _Row(_scaled(1.0, "fan_avg", _CONV)), "bias": _ZEROS},
        "keras.Embedding": {"embedding": _Row(lambda dtype: _bounded(0.05, dtype))},
        "keras.SimpleRNN": {
            "kernel": _Row(_scaled(1.0, "fan_avg")),
            "recurrent_kernel": _Row(lambda dtype: Orthogonal(_NAME, dtype, 1.0, _DENSE)),
            "bias": _ZEROS,
        },
        "keras.BatchNormalization": _NORM,
        "keras.LayerNormalization": _NORM,
    }
)


def layer_default(
    layer: str, parameter: str = "kernel", *, fan_in: int | None = None, dtype: DTypeLike | None = None
) -> Initializer:
    r"""How a layer of torch or keras starts, by its name, for parameters in the layout of Flax.

    .. math:: w, b \sim \mathcal U[-1/\sqrt{\text{fan\_in}}, 1/\sqrt{\text{fan\_in}}) \quad\text{(torch's Linear)}

    * torch.Linear, torch.Conv: kernel and bias within :math:`\pm 1/\sqrt{\text{fan\_in}}`
    * torch.ConvTranspose: the same, where fan_in is outputs·window, for torch looks at the other axis
    * torch.Embedding: embedding :math:`\mathcal N(0, 1)`
    * torch.RNN, for LSTM and GRU too: kernel, recurrent_kernel and bias, with the hidden size as fan_in
    * torch.MultiheadAttention: kernel of query, key or value as if packed in one (uniform, variance 1/(2d)), out_kernel
      as torch.Linear, and every bias 0
    * keras.Dense, keras.Conv, keras.ConvTranspose: kernel :func:`xavier_uniform`, bias 0
    * keras.Embedding: embedding :math:`\mathcal U[-0.05, 0.05)`
    * keras.SimpleRNN: kernel :func:`xavier_uniform`, recurrent_kernel :func:`orthogonal`, bias 0
    * torch.BatchNorm, torch.LayerNorm, keras.BatchNormalization, keras.LayerNormalization: scale 1, bias 0

    Args:
        layer: the framework and the class, as in the list; Conv stands for Conv1d to Conv3d.
        parameter: as in the list.
        fan_in: inputs of each output. torch's biases need it, for their shape does not tell; its kernels take it
            from the shape where it is not given, a grouped convolution included.
        dtype: dtype of the parameter where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``.

    Raises:
        ValueError: an unknown layer or parameter, a fan_in below 1, one that is missing or that nothing depends on.

    Note:
        This is for networks that have to start as they did elsewhere. torch's Linear leaves a third of the variance
        without its bias, and a sixth behind a relu; :func:`he_normal` and :func:`lecun_normal` leave all of it. Through
        torch's ``ConvTranspose`` the variance changes with inputs/outputs too. Flax's own defaults are
        :func:`lecun_truncated_normal` and :data:`zeros`.

    Example:
        >>> import jax
        >>> kernel = layer_default("torch.Linear")(jax.random.key(0), (100, 64))
        >>> bias = layer_default("torch.Linear", "bias", fan_in=100)(jax.random.key(1), (64,))
        >>> round(float(abs(kernel).max()), 3), bool(abs(bias).max() < 0.1)
        (0.1, True)

    References:
        ``reset_parameters`` of torch.nn.Linear, _ConvNd, Embedding, RNNBase and MultiheadAttention,
        https://github.com/pytorch/pytorch/tree/v2.9.0/torch/nn/modules; the arguments of the layers of keras,
        https://keras.io/api/layers/
    """
    _checks.no_key(_NAME, layer, "layer")
    _checks.known(_NAME, "layer", layer, _ROWS)
    _checks.known(_NAME, f"parameter of {layer}", parameter, _ROWS[layer])
    row = _ROWS[layer][parameter]
    if fan_in is None:
        if row.by_shape is None:
            raise ValueError(
                f"{_NAME}: the {parameter} of {layer} depends on fan_in, which its shape does not tell, got None; "
                f"pass fan_in=, the number of inputs that each output sums over."
            )
        return row.by_shape(dtype)
    if row.by_fan is None:
        raise ValueError(f"{_NAME}: the {parameter} of {layer} does not depend on fan_in, got {fan_in}; leave it out.")
    return row.by_fan(dtype, _checks.count(_NAME, "fan_in", fan_in))
