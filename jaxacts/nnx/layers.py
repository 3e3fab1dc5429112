"""Layers that are an activation together with the weights before it."""

from __future__ import annotations

from dataclasses import InitVar, field

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts import linen
from jaxacts._modules import documentation
from jaxacts._modules.maxout import dense_maxout, maxout_init, maxout_shapes
from jaxacts._modules.parameters import Initial, Shape, check_channels
from jaxacts.initializers import normal, zeros

from ._base import Learnable, Module, parameter

__all__ = ["FReLU", "Maxout"]


class Maxout(Module, twin=linen.Maxout):
    """A dense layer whose units are the greatest of several linear pieces: convex functions that are learned.

    Args:
        in_features: the length of the last axis of the input.
        out_features: the number of outputs.
        rngs: for the initializers.

    Raises:
        ValueError: ``in_features``, ``out_features`` or ``pieces`` is less than 1, or, at the call, the input has
            another number of features.
        TypeError: one of the three is not an int, ``param_dtype`` is not floating, or an initializer is neither a
            number nor callable.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from jaxacts.nnx import Maxout
        >>> model = Maxout(4, 2, pieces=3, rngs=nnx.Rngs(0))
        >>> model.kernel.shape, model.bias.shape
        ((4, 6), (6,))
        >>> model(jnp.ones((5, 4))).shape
        (5, 2)
    """

    in_features: int = field(kw_only=False)
    out_features: int = field(kw_only=False)
    pieces: int = field(default=2, kw_only=False)
    use_bias: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    precision: jax.lax.PrecisionLike = None
    kernel_init: InitVar[Initial | None] = None
    bias_init: InitVar[Initial] = zeros
    rngs: InitVar[nnx.Rngs]

    def __post_init__(self, kernel_init: Initial | None, bias_init: Initial, rngs: nnx.Rngs) -> None:
        kernel_shape, bias_shape = maxout_shapes(type(self).__name__, self.in_features, self.out_features, self.pieces)
        kernel_init = maxout_init(self.pieces) if kernel_init is None else kernel_init
        self.kernel = parameter(self, "kernel", kernel_init, kernel_shape, self.param_dtype, rngs)
        self.bias = nnx.data(
            parameter(self, "bias", bias_init, bias_shape, self.param_dtype, rngs) if self.use_bias else None
        )

    def __call__(self, x: ArrayLike) -> Array:
        """The layer on the last axis of ``x``."""
        bias = None if self.bias is None else self.bias[...]
        name = type(self).__name__
        return dense_maxout(name, x, self.kernel[...], bias, self.pieces, self.dtype, self.precision)


class FReLU(Learnable, twin=linen.FReLU):
    """The greater of each pixel and a learned condition on its surroundings: a depthwise convolution.

    Args:
        features: the number of channels on the last axis of the input.
        rngs: for the initializers.
    """

    features: int = field(kw_only=False)
    kernel_size: tuple[int, ...] = (3, 3)
    kernel_init: InitVar[Initial] = normal(0.01)
    bias_init: InitVar[Initial] = 0.0

    def _build(self, rngs: nnx.Rngs | None, starts: dict[str, Initial]) -> None:
        check_channels(type(self).__name__, self.features, -1)
        super()._build(rngs, starts)

    def _channels(self) -> Shape:
        return (self.features,)

    def _channel_axis(self) -> int:
        return -1

    @classmethod
    def _example(cls) -> str:
        return documentation.nnx_example(cls, "3, rngs=nnx.Rngs(0)", (3,), (1, 1, 2, 3))
