"""Layers that are an activation together with the weights before it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jaxacts._modules import documentation
from jaxacts._modules.maxout import dense_maxout, maxout_init, maxout_shapes
from jaxacts._modules.parameters import Initial, shape_along
from jaxacts.activations import frelu, maxout
from jaxacts.initializers import normal, zeros

from ._base import Learnable, Module

__all__ = ["FReLU", "Maxout"]


class Maxout(Module, function=maxout, kw_only=False):
    r"""A dense layer whose units are the greatest of several linear pieces: convex functions that are learned.

    .. math::

        f(x)_i = \max_{0 \le j < k} (x W + b)_{ik + j}

    Args:
        features: the number of outputs.
        pieces: the number :math:`k` of linear pieces per output; 2 gives the absolute value, ReLU and its leaky kin.
        use_bias: whether there is a ``bias``, of shape ``(outputs * pieces,)``.
        dtype: dtype of the computation and the output; None promotes input and parameters as Flax's dense layers do.
        param_dtype: dtype of the parameters.
        precision: of the matrix product, see ``jax.lax.Precision``.
        kernel_init: initializer of the ``kernel``, of shape ``(inputs, outputs * pieces)``. None is a Gaussian of
            variance :math:`1 / (\text{fan\_in} \, \mathrm{E}[\max(z_1, \dots, z_k)^2])` with unit normals
            :math:`z_j`, which keeps the second moment from layer to layer (Tseran & Montúfar 2023):
            1, 1, 0.784, 0.645, 0.556 times 1/fan_in for 1 to 5 pieces.
        bias_init: initializer of the ``bias``, or a number; 0 as in Flax's dense layers.

    Raises:
        ValueError: at the call, ``features`` or ``pieces`` is less than 1, or the input is a scalar.
        TypeError: at the call, ``features`` or ``pieces`` is not an int, ``param_dtype`` is not floating, or an
            initializer is neither a number nor callable.

    Note:
        The gradient goes to the first of the equal maxima, whole. ``pieces=1`` is a dense layer. Neither flax, torch
        nor keras has such a layer.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxacts.linen import Maxout
        >>> model = Maxout(features=2, pieces=3)
        >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 4)))
        >>> jax.tree.map(jnp.shape, variables["params"])
        {'bias': (6,), 'kernel': (4, 6)}
        >>> model.apply(variables, jnp.ones((5, 4))).shape
        (5, 2)

    References:
        Goodfellow et al. 2013, "Maxout networks", https://arxiv.org/abs/1302.4389

        Tseran & Montúfar 2023, "Expected gradients of maxout networks and consequences to parameter initialization",
        https://arxiv.org/abs/2301.06956
    """

    features: int
    pieces: int = 2
    use_bias: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32
    precision: jax.lax.PrecisionLike = None
    kernel_init: Initial | None = None
    bias_init: Initial = zeros

    @nn.compact
    def __call__(self, x: ArrayLike) -> Array:
        """The layer on the last axis of ``x``."""
        name = type(self).__name__
        (in_features,) = shape_along(name, -1, x)
        kernel_shape, bias_shape = maxout_shapes(name, in_features, self.features, self.pieces)
        kernel_init = maxout_init(self.pieces) if self.kernel_init is None else self.kernel_init
        kernel = self._parameter("kernel", kernel_init, kernel_shape)
        bias = self._parameter("bias", self.bias_init, bias_shape) if self.use_bias else None
        return dense_maxout(name, x, kernel, bias, self.pieces, self.dtype, self.precision)


class FReLU(Learnable, function=frelu, leading={"kernel": lambda m: (*m.kernel_size, 1)}):
    """The greater of each pixel and a learned condition on its surroundings: a depthwise convolution.

    Args:
        kernel_size: the rows and columns of the surroundings; 3 by 3 as in the paper. The input has as many axes before
            that of the channels, which is the last one.
        kernel_init: a narrow normal distribution, of which the paper says that it begins near ReLU; the shape is
            ``(*kernel_size, 1, channels)``.
        bias_init: 0 here. The paper normalizes the condition over the batch instead of adding a bias.
    """

    kernel_size: tuple[int, ...] = (3, 3)
    kernel_init: Initial = normal(0.01)
    bias_init: Initial = 0.0

    def _channel_axis(self) -> int:
        return -1

    @classmethod
    def _example(cls) -> str:
        return documentation.linen_example(cls, "", (3,), (1, 1, 2, 3))
