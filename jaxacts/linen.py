r"""Activations with a state of their own as ``flax.linen`` modules.

:class:`PReLU` and :class:`Dice` learn their slopes, :class:`Dice` also keeps running statistics, :class:`RReLU` draws
from an rng stream, and :class:`Maxout` is a dense layer with its activation. Everything else is a function: write
``jaxacts.gelu(x)``. The twins in :mod:`jaxacts.nnx` have the same parameters, names, defaults and results; there the
number of channels is given, here it is read off the first input.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

try:
    from flax import errors
    from flax import linen as nn
except ImportError as error:
    raise ImportError('jaxacts.linen needs flax; install it with pip install "jaxacts[flax]".') from error

from jaxacts import _modules
from jaxacts._modules import Init, Initial, Shape
from jaxacts.activations import dice, prelu
from jaxacts.initializers import ones, zeros

__all__ = ["Dice", "Maxout", "PReLU", "RReLU"]


class _Module(nn.Module, kw_only=True):
    """A module with parameters."""

    param_dtype: DTypeLike = jnp.float32

    def _parameter(self, name: str, initial: Initial, shape: Shape) -> Array:
        init = _modules.initializer(type(self).__name__, f"{name}_init", initial, self.param_dtype)
        return self.param(name, init, shape, self.param_dtype)  # pyright: ignore[reportUnknownMemberType] (untyped there)


class _PerChannel(_Module, kw_only=True):
    """An activation with parameters that are one number, or one number per entry of an axis."""

    axis: int | None = None

    def _per_channel(self, name: str, initial: Initial, x: ArrayLike) -> Array:
        return self._parameter(name, initial, _modules.shape_along(type(self).__name__, self.axis, x))

    def _along(self, x: ArrayLike, *values: Array) -> list[Array]:
        return [_modules.along(type(self).__name__, self.axis, value, x) for value in values]


class PReLU(_PerChannel, kw_only=True):
    r"""Leaky ReLU whose left slope is learned: one slope, or one per channel.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}

    Args:
        negative_slope_init: where the parameter ``negative_slope`` starts, a number or an initializer; 0.25 as in the
            paper.
        axis: the axis with one slope per entry; None for one slope in all.
        param_dtype: dtype of the parameter. The output has the dtype of the input.

    Raises:
        TypeError: at the call, ``negative_slope_init`` is neither number nor initializer, ``param_dtype`` is not
            floating, or the input is complex.
        ValueError: ``axis`` is out of range for the input.

    Note:
        torch starts at 0.25 too, ``flax.linen.PReLU`` at 0.01 and keras at 0; flax has the shared slope alone, keras
        one per feature unless told to share. The paper trains the slope without weight decay, which would pull it
        towards ReLU. For a sharded slope pass ``nn.with_partitioning(jaxacts.initializers.constant(0.25), (...))``.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxacts.linen import PReLU
        >>> x = jnp.array([[-4.0, 2.0]])
        >>> model = PReLU(axis=-1)
        >>> variables = model.init(jax.random.key(0), x)
        >>> variables["params"]["negative_slope"]
        Array([0.25, 0.25], dtype=float32)
        >>> model.apply(variables, x)
        Array([[-1.,  2.]], dtype=float32)

    References:
        He et al. 2015, "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852
    """

    negative_slope_init: Initial = 0.25

    @nn.compact
    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array of any shape, in its dtype."""
        return prelu(x, *self._along(x, self._per_channel("negative_slope", self.negative_slope_init, x)))


class RReLU(nn.Module):
    r"""Leaky ReLU that draws the left slope of every element while training, and takes the mean slope otherwise.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}
        \qquad a \sim U(l, u), \text{ or } a = \tfrac{l + u}{2} \text{ when deterministic}

    Args:
        lower: the least slope :math:`l`; 1/8 as in torch (and in the paper, which divides by a number from 3 to 8).
        upper: the greatest slope :math:`u`; 1/3 likewise.
        deterministic: take the mean slope; give it here or at the call, as for ``nn.Dropout``.
        rng_collection: the name of the rng stream.

    Raises:
        ValueError: at the call, ``deterministic`` is given twice or never, there is no rng stream to draw from, or
            ``lower`` is greater than ``upper``.
        TypeError: at the call, a complex input.

    Note:
        It has no parameters. Flax and keras have no such module; torch's is the same.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxacts.linen import RReLU
        >>> x = jnp.array([-48.0, 2.0])
        >>> RReLU().apply({}, x, deterministic=True)
        Array([-11.,   2.], dtype=float32)
        >>> y = RReLU().apply({}, x, deterministic=False, rngs={"rrelu": jax.random.key(0)})
        >>> -16.0 <= float(y[0]) <= -6.0
        True

    References:
        Xu et al. 2015, "Empirical evaluation of rectified activations in convolutional network",
        https://arxiv.org/abs/1505.00853
    """

    lower: float = 1 / 8
    upper: float = 1 / 3
    deterministic: bool | None = None
    rng_collection: str = "rrelu"

    @nn.compact
    def __call__(self, x: ArrayLike, deterministic: bool | None = None, rng: Array | None = None) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            deterministic: take the mean slope; give it here or to the constructor.
            rng: the key to draw with, instead of one from the stream.
        """
        deterministic = nn.merge_param("deterministic", self.deterministic, deterministic)
        return _modules.random_slopes(
            type(self).__name__, x, self.lower, self.upper, deterministic, lambda: self._key() if rng is None else rng
        )

    def _key(self) -> Array:
        try:
            return self.make_rng(self.rng_collection)
        except errors.InvalidRngError:
            raise ValueError(
                f"{type(self).__name__}: there is no rng stream {self.rng_collection!r} to draw slopes from; "
                f"pass rngs={{{self.rng_collection!r}: key}} to apply, or deterministic=True to the module."
            ) from None


class Maxout(_Module):
    r"""A dense layer whose units are the greatest of several linear pieces: convex functions that are learned.

    .. math::

        f(x)_i = \max_{0 \le j < k} (x W + b)_{ik + j}

    Args:
        features: the number of outputs.
        pieces: the number :math:`k` of linear pieces per output; 2 gives the absolute value, ReLU and its leaky kin.
        use_bias: whether there is a ``bias``, of shape ``(features * pieces,)``.
        dtype: dtype of the computation and the output; None promotes input and parameters as ``nn.Dense`` does.
        param_dtype: dtype of the parameters.
        precision: of the matrix product, see ``jax.lax.Precision``.
        kernel_init: initializer of the ``kernel``, of shape ``(in_features, features * pieces)``. None is a Gaussian of
            variance :math:`1 / (\text{fan\_in} \, \mathrm{E}[\max(z_1, \dots, z_k)^2])` with unit normals
            :math:`z_j`, which keeps the second moment from layer to layer (Tseran & Montúfar 2023):
            1, 1, 0.784, 0.645, 0.556 times 1/fan_in for 1 to 5 pieces.
        bias_init: initializer of the ``bias``, or a number; 0 as in ``nn.Dense``.

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
    precision: jax.lax.PrecisionLike = None
    kernel_init: Initial | None = None
    bias_init: Initial = zeros

    @nn.compact
    def __call__(self, x: ArrayLike) -> Array:
        """The layer on the last axis of ``x``."""
        name = type(self).__name__
        (in_features,) = _modules.shape_along(name, -1, x)
        kernel_shape, bias_shape = _modules.maxout_shapes(name, in_features, self.features, self.pieces)
        kernel_init = _modules.maxout_init(self.pieces) if self.kernel_init is None else self.kernel_init
        kernel = self._parameter("kernel", kernel_init, kernel_shape)
        bias = self._parameter("bias", self.bias_init, bias_shape) if self.use_bias else None
        return _modules.dense_maxout(name, x, kernel, bias, self.pieces, self.dtype, self.precision)


class Dice(_PerChannel, kw_only=True):
    r"""Data-adaptive PReLU: the corner sits at the mean of the data and is as soft as their spread.

    .. math::

        f(x) = p\,x + (1 - p)\,\alpha x, \qquad p = \sigma\!\left( \frac{x - \mu}{\sqrt{v + \epsilon}} \right)

    In training :math:`\mu` and :math:`v` are mean and variance of the batch, which gradients flow through, and their
    moving averages :math:`r \gets m r + (1 - m) s` are kept in the collection ``batch_stats`` as ``mean`` (from 0) and
    ``var`` (from 1). In evaluation they are these averages.

    Args:
        alpha_init: where the parameter ``alpha`` starts, a number or an initializer. The paper does not say; its
            authors' code starts at 0.
        axis: the axis with one slope, mean and variance per entry; None for one in all.
        momentum: the :math:`m` of the moving averages; 0.99 as in the authors' code and ``nn.BatchNorm``.
        epsilon: the :math:`\epsilon` under the root; 1e-8 as in the paper.
        use_running_average: evaluate; give it here or at the call, as for ``nn.BatchNorm``.
        axis_name: the mapped axis (of ``shard_map`` or ``vmap``) over which statistics are taken together. Under plain
            ``jit`` of sharded arrays they are global without it.
        param_dtype: dtype of ``alpha``. The statistics are kept in float32, and the output has the dtype of the input.

    Raises:
        TypeError: at the call, ``alpha_init`` is neither number nor initializer, ``param_dtype`` is not floating, or
            the input is complex.
        ValueError: at the call, ``axis`` is out of range for the input, ``momentum`` is not in [0, 1], ``epsilon`` is
            negative, or ``use_running_average`` is given twice or never.

    Note:
        The variance is that of the population, as in ``nn.BatchNorm`` (torch keeps the unbiased one), taken around the
        mean, so that it is right where the mean is large. Initialization does not move the averages. The authors' code
        also learns a factor of :math:`x - \mu`, which the paper does not have.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxacts.linen import Dice
        >>> x = jnp.array([[1.0], [3.0]])
        >>> model = Dice(momentum=0.5)
        >>> variables = model.init(jax.random.key(0), x, use_running_average=False)
        >>> y, moved = model.apply(variables, x, use_running_average=False, mutable=["batch_stats"])
        >>> moved["batch_stats"]["mean"], moved["batch_stats"]["var"]
        (Array([1.], dtype=float32), Array([1.], dtype=float32))
        >>> model.apply({**variables, **moved}, jnp.array([[1.0]]), use_running_average=True)
        Array([[0.5]], dtype=float32)

    References:
        Zhou et al. 2017, "Deep interest network for click-through rate prediction", https://arxiv.org/abs/1706.06978;
        the authors' code, https://github.com/zhougr1993/DeepInterestNetwork
    """

    alpha_init: Initial = 0.0
    axis: int | None = -1
    momentum: float = 0.99
    epsilon: float = 1e-8
    use_running_average: bool | None = None
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: ArrayLike, use_running_average: bool | None = None) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            use_running_average: evaluate; give it here or to the constructor.
        """
        name = type(self).__name__
        _modules.check_statistics(name, self.momentum, self.epsilon)
        alpha = self._per_channel("alpha", self.alpha_init, x)
        running_mean = self._statistic("mean", zeros, alpha.shape)
        running_var = self._statistic("var", ones, alpha.shape)
        if nn.merge_param("use_running_average", self.use_running_average, use_running_average):
            mean, var = running_mean.value, running_var.value
        else:
            axis_name = None if self.is_initializing() else self.axis_name
            mean, var = _modules.batch_statistics(name, self.axis, x, axis_name)
            if not self.is_initializing():
                running_mean.value = _modules.moved(running_mean.value, mean, self.momentum)
                running_var.value = _modules.moved(running_var.value, var, self.momentum)
        return dice(x, *self._along(x, alpha, mean, var), epsilon=self.epsilon)

    def _statistic(self, name: str, init: Init, shape: Shape) -> nn.Variable[Array]:
        return self.variable(  # pyright: ignore[reportUnknownMemberType] (untyped there)
            "batch_stats", name, init, None, shape, jnp.float32
        )
