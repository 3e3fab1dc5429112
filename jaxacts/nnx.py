r"""Activations with a state of their own as ``flax.nnx`` modules.

:class:`PReLU` and :class:`Dice` learn their slopes, :class:`Dice` also keeps running statistics, :class:`RReLU` draws
from an rng stream, and :class:`Maxout` is a dense layer with its activation. The twins in :mod:`jaxacts.linen` have the
same parameters, names and results; there the number of channels is read off the first input. ``nnx.view``,
``model.train()`` and ``eval()`` switch :class:`RReLU` and :class:`Dice` along with ``nnx.Dropout``.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

try:
    from flax import nnx
except ImportError as error:
    raise ImportError('jaxacts.nnx needs flax; install it with pip install "jaxacts[flax]".') from error

from jaxacts import _modules
from jaxacts._core import checked_int
from jaxacts._modules import Initial, Shape
from jaxacts.activations import dice, prelu
from jaxacts.initializers import ones, zeros

__all__ = ["Dice", "Maxout", "PReLU", "RReLU"]


def _stream(module: str, rngs: object, name: str) -> nnx.RngStream:
    """The stream of this name, or ``rngs`` itself where it is one."""
    if isinstance(rngs, nnx.RngStream):
        return rngs
    if not isinstance(rngs, nnx.Rngs):
        raise TypeError(f"{module}: rngs must be nnx.Rngs, got {type(rngs).__name__}; pass nnx.Rngs(0).")
    try:
        return rngs[name]
    except KeyError:
        raise ValueError(f"{module}: there is no stream {name!r} in rngs; pass nnx.Rngs({name}=0).") from None


def _parameter(
    module: nnx.Module, name: str, initial: Initial, shape: Shape, dtype: DTypeLike, rngs: nnx.Rngs | None
) -> nnx.Param[Array]:
    owner = type(module).__name__
    init = _modules.initializer(owner, f"{name}_init", initial, dtype)
    if callable(initial) and rngs is None:
        raise ValueError(
            f"{owner}: the initializer {name}_init needs a random key; pass rngs=nnx.Rngs(0), or a number."
        )
    return nnx.Param(init(None if rngs is None else _stream(owner, rngs, "params")(), shape, dtype))


class _PerChannel(nnx.Module):
    """An activation with parameters that are one number, or one number per entry of an axis."""

    def __init__(self, features: int | None, axis: int | None):
        if (features is None) != (axis is None):
            raise ValueError(
                f"{type(self).__name__}: features and axis belong together, got features={features} and axis={axis}; "
                f"pass both for one value per channel, or None for both for one in all."
            )
        if features is not None and checked_int(type(self).__name__, "features", features) < 1:
            raise ValueError(
                f"{type(self).__name__}: features must be at least 1, got {features}; "
                f"pass the length of axis {axis} of the input."
            )
        self.features = features
        self.axis = axis

    @property
    def _shape(self) -> Shape:
        return () if self.features is None else (self.features,)

    def _along(self, x: ArrayLike, *values: Array) -> list[Array]:
        return [_modules.along(type(self).__name__, self.axis, value, x) for value in values]


class PReLU(_PerChannel):
    r"""Leaky ReLU whose left slope is learned: one slope, or one per channel.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}

    Args:
        features: the number of channels on ``axis``, each with its slope; None for one slope in all.
        axis: the axis of the channels; None for one slope in all.
        negative_slope_init: where the parameter ``negative_slope`` starts, a number or an initializer; 0.25 as in the
            paper.
        param_dtype: dtype of the parameter. The output has the dtype of the input.
        rngs: needed where ``negative_slope_init`` is an initializer.

    Raises:
        ValueError: only one of ``features`` and ``axis`` is given, ``features`` is less than 1, an initializer comes
            without ``rngs``, or, at the call, the input has another number of channels.
        TypeError: ``negative_slope_init`` is neither number nor initializer, ``param_dtype`` no float, or the input is
            complex.

    Note:
        torch starts at 0.25 too, ``flax.nnx.PReLU`` at 0.01 and keras at 0; flax has the shared slope alone, keras one
        per feature unless told to share. The paper trains the slope without weight decay, which would pull it towards
        ReLU. For a sharded slope pass ``nnx.with_partitioning(jaxacts.initializers.constant(0.25), (...))``.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxacts.nnx import PReLU
        >>> model = PReLU(2, axis=-1)
        >>> model.negative_slope[...]
        Array([0.25, 0.25], dtype=float32)
        >>> model(jnp.array([[-4.0, 2.0]]))
        Array([[-1.,  2.]], dtype=float32)

    References:
        He et al. 2015, "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852
    """

    def __init__(
        self,
        features: int | None = None,
        *,
        axis: int | None = None,
        negative_slope_init: Initial = 0.25,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        super().__init__(features, axis)
        self.negative_slope = _parameter(self, "negative_slope", negative_slope_init, self._shape, param_dtype, rngs)

    def __call__(self, x: ArrayLike) -> Array:
        """The activation of an array of any shape, in its dtype."""
        return prelu(x, *self._along(x, self.negative_slope[...]))


class RReLU(nnx.Module):
    r"""Leaky ReLU that draws the left slope of every element while training, and takes the mean slope otherwise.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}
        \qquad a \sim U(l, u), \text{ or } a = \tfrac{l + u}{2} \text{ when deterministic}

    Args:
        lower: the least slope :math:`l`; 1/8 as in torch (and in the paper, which divides by a number from 3 to 8).
        upper: the greatest slope :math:`u`; 1/3 likewise.
        deterministic: take the mean slope; ``train()`` and ``eval()`` set it, as for ``nnx.Dropout``.
        rng_collection: the name of the rng stream.
        rngs: where the keys come from: the stream is forked; None to give it at the call.

    Raises:
        ValueError: ``lower`` is above ``upper``, ``rngs`` has no such stream, or the call has no key and is not
            ``deterministic``.
        TypeError: at the call, a complex input.

    Note:
        It has no parameters. Flax and keras have no such module; torch's is the same.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from jaxacts.nnx import RReLU
        >>> model, x = RReLU(rngs=nnx.Rngs(0)), jnp.array([-48.0, 2.0])
        >>> -16.0 <= float(model(x)[0]) <= -6.0
        True
        >>> model.eval()
        >>> model(x)
        Array([-11.,   2.], dtype=float32)

    References:
        Xu et al. 2015, "Empirical evaluation of rectified activations in convolutional network",
        https://arxiv.org/abs/1505.00853
    """

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        *,
        deterministic: bool = False,
        rng_collection: str = "rrelu",
        rngs: nnx.Rngs | nnx.RngStream | None = None,
    ):
        _modules.check_slopes(type(self).__name__, lower, upper)
        self.lower = lower
        self.upper = upper
        self.deterministic = deterministic
        self.rng_collection = rng_collection
        self.rngs = nnx.data(None if rngs is None else _stream(type(self).__name__, rngs, rng_collection).fork())

    def __call__(
        self, x: ArrayLike, *, deterministic: bool | None = None, rngs: nnx.Rngs | nnx.RngStream | Array | None = None
    ) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            deterministic: take the mean slope; overrides the attribute.
            rngs: a key or where to take one from; overrides the module's own stream.
        """
        fixed = self.deterministic if deterministic is None else deterministic
        source = self.rngs if rngs is None else rngs
        return _modules.random_slopes(type(self).__name__, x, self.lower, self.upper, fixed, lambda: self._key(source))

    def _key(self, rngs: nnx.Rngs | nnx.RngStream | Array | None) -> Array:
        if rngs is None:
            raise ValueError(
                f"{type(self).__name__}: has no random key to draw slopes with; pass rngs=nnx.Rngs(0) to the module "
                f"or to the call, or switch to the mean slope with deterministic=True or eval()."
            )
        if isinstance(rngs, nnx.Rngs | nnx.RngStream):
            return _stream(type(self).__name__, rngs, self.rng_collection)()
        return rngs

    def set_view(self, deterministic: bool | None = None) -> None:
        """Called by ``nnx.view``.

        Args:
            deterministic: take the mean slope.
        """
        if deterministic is not None:
            self.deterministic = deterministic


class Maxout(nnx.Module):
    r"""A dense layer whose units are the greatest of several linear pieces: convex functions that are learned.

    .. math::

        f(x)_i = \max_{0 \le j < k} (x W + b)_{ik + j}

    Args:
        in_features: the length of the last axis of the input.
        out_features: the number of outputs.
        pieces: the number :math:`k` of linear pieces per output; 2 gives the absolute value, ReLU and its leaky kin.
        use_bias: whether there is a ``bias``, of shape ``(out_features * pieces,)``.
        dtype: dtype of the computation and the output; None promotes input and parameters as ``nnx.Linear`` does.
        param_dtype: dtype of the parameters.
        precision: of the matrix product, see ``jax.lax.Precision``.
        kernel_init: initializer of the ``kernel``, of shape ``(in_features, out_features * pieces)``. None is a
            Gaussian of variance :math:`1 / (\text{fan\_in} \, \mathrm{E}[\max(z_1, \dots, z_k)^2])` with unit normals
            :math:`z_j`, which keeps the second moment from layer to layer (Tseran & Montúfar 2023):
            1, 1, 0.784, 0.645, 0.556 times 1/fan_in for 1 to 5 pieces.
        bias_init: initializer of the ``bias``, or a number; 0 as in ``nnx.Linear``.
        rngs: for the initializers.

    Raises:
        ValueError: ``in_features``, ``out_features`` or ``pieces`` is less than 1, or, at the call, the input has
            another number of features.
        TypeError: one of the three is not an int, ``param_dtype`` is not floating, or an initializer is neither a
            number nor callable.

    Note:
        The gradient goes to the first of the equal maxima, whole. ``pieces=1`` is a dense layer. Neither flax, torch
        nor keras has such a layer.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from jaxacts.nnx import Maxout
        >>> model = Maxout(4, 2, pieces=3, rngs=nnx.Rngs(0))
        >>> model.kernel.shape, model.bias.shape
        ((4, 6), (6,))
        >>> model(jnp.ones((5, 4))).shape
        (5, 2)

    References:
        Goodfellow et al. 2013, "Maxout networks", https://arxiv.org/abs/1302.4389

        Tseran & Montúfar 2023, "Expected gradients of maxout networks and consequences to parameter initialization",
        https://arxiv.org/abs/2301.06956
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        pieces: int = 2,
        *,
        use_bias: bool = True,
        dtype: DTypeLike | None = None,
        param_dtype: DTypeLike = jnp.float32,
        precision: jax.lax.PrecisionLike = None,
        kernel_init: Initial | None = None,
        bias_init: Initial = zeros,
        rngs: nnx.Rngs,
    ):
        self.in_features = in_features
        self.out_features = out_features
        self.pieces = pieces
        self.dtype = dtype
        self.precision = precision
        kernel_shape, bias_shape = _modules.maxout_shapes(type(self).__name__, in_features, out_features, pieces)
        kernel_init = _modules.maxout_init(pieces) if kernel_init is None else kernel_init
        self.kernel = _parameter(self, "kernel", kernel_init, kernel_shape, param_dtype, rngs)
        self.bias = nnx.data(_parameter(self, "bias", bias_init, bias_shape, param_dtype, rngs) if use_bias else None)

    def __call__(self, x: ArrayLike) -> Array:
        """The layer on the last axis of ``x``."""
        bias = None if self.bias is None else self.bias[...]
        name = type(self).__name__
        return _modules.dense_maxout(name, x, self.kernel[...], bias, self.pieces, self.dtype, self.precision)


class Dice(_PerChannel):
    r"""Data-adaptive PReLU: the corner sits at the mean of the data and is as soft as their spread.

    .. math::

        f(x) = p\,x + (1 - p)\,\alpha x, \qquad p = \sigma\!\left( \frac{x - \mu}{\sqrt{v + \epsilon}} \right)

    In training :math:`\mu` and :math:`v` are mean and variance of the batch, which gradients flow through, and their
    moving averages :math:`r \gets m r + (1 - m) s` are kept as ``nnx.BatchStat`` in ``mean`` (from 0) and ``var`` (from
    1). In evaluation they are these averages.

    Args:
        features: the number of channels on ``axis``, each with its slope, mean and variance; None for one in all.
        axis: the axis of the channels; None for one in all.
        alpha_init: where the parameter ``alpha`` starts, a number or an initializer. The paper does not say; its
            authors' code starts at 0.
        momentum: the :math:`m` of the moving averages; 0.99 as in the authors' code and ``nnx.BatchNorm``.
        epsilon: the :math:`\epsilon` under the root; 1e-8 as in the paper.
        use_running_average: evaluate; ``train()`` and ``eval()`` set it, as for ``nnx.BatchNorm``.
        axis_name: the mapped axis (of ``shard_map`` or ``vmap``) over which statistics are taken together. Under plain
            ``jit`` of sharded arrays they are global without it.
        param_dtype: dtype of ``alpha``. The statistics are kept in float32, and the output has the dtype of the input.
        rngs: needed where ``alpha_init`` is an initializer.

    Raises:
        ValueError: only one of ``features`` and ``axis`` is given, ``features`` is less than 1, an initializer comes
            without ``rngs``, ``momentum`` is not in [0, 1], ``epsilon`` is negative, or, at the call, the input has
            another number of channels.
        TypeError: ``alpha_init`` is neither number nor initializer, ``param_dtype`` not floating, or the input complex.

    Note:
        The variance is that of the population, as in ``nnx.BatchNorm`` (torch keeps the unbiased one), taken around the
        mean, so that it is right where the mean is large. The authors' code also learns a factor of :math:`x - \mu`,
        which the paper does not have.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxacts.nnx import Dice
        >>> model = Dice(1, momentum=0.5)
        >>> y = model(jnp.array([[1.0], [3.0]]))
        >>> model.mean[...], model.var[...]
        (Array([1.], dtype=float32), Array([1.], dtype=float32))
        >>> model.eval()
        >>> model(jnp.array([[1.0]]))
        Array([[0.5]], dtype=float32)

    References:
        Zhou et al. 2017, "Deep interest network for click-through rate prediction", https://arxiv.org/abs/1706.06978;
        the authors' code, https://github.com/zhougr1993/DeepInterestNetwork
    """

    def __init__(
        self,
        features: int | None = None,
        *,
        axis: int | None = -1,
        alpha_init: Initial = 0.0,
        momentum: float = 0.99,
        epsilon: float = 1e-8,
        use_running_average: bool = False,
        axis_name: str | None = None,
        param_dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs | None = None,
    ):
        super().__init__(features, axis)
        _modules.check_statistics(type(self).__name__, momentum, epsilon)
        self.momentum = momentum
        self.epsilon = epsilon
        self.use_running_average = use_running_average
        self.axis_name = axis_name
        self.alpha = _parameter(self, "alpha", alpha_init, self._shape, param_dtype, rngs)
        self.mean = nnx.BatchStat(zeros(None, self._shape, jnp.float32))
        self.var = nnx.BatchStat(ones(None, self._shape, jnp.float32))

    def __call__(self, x: ArrayLike, use_running_average: bool | None = None) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            use_running_average: evaluate; overrides the attribute.
        """
        alpha, mean, var = self._along(x, self.alpha[...], self.mean[...], self.var[...])
        if not (self.use_running_average if use_running_average is None else use_running_average):
            batch_mean, batch_var = _modules.batch_statistics(type(self).__name__, self.axis, x, self.axis_name)
            self.mean[...] = _modules.moved(self.mean[...], batch_mean, self.momentum)
            self.var[...] = _modules.moved(self.var[...], batch_var, self.momentum)
            mean, var = self._along(x, batch_mean, batch_var)
        return dice(x, alpha, mean, var, epsilon=self.epsilon)

    def set_view(self, use_running_average: bool | None = None) -> None:
        """Called by ``nnx.view``.

        Args:
            use_running_average: evaluate.
        """
        if use_running_average is not None:
            self.use_running_average = use_running_average
