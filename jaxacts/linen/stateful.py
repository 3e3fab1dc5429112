"""Activations that draw random numbers or keep running statistics."""

from __future__ import annotations

from dataclasses import field

import jax.numpy as jnp
from flax import linen as nn
from jax import Array
from jax.typing import ArrayLike

from jaxacts._modules.categories import expected_categories
from jaxacts._modules.parameters import Init, Initial, Shape, along, shape_along
from jaxacts._modules.statistics import batch_statistics, check_statistics, moved
from jaxacts.activations import dice, gumbel_softmax, rrelu
from jaxacts.initializers import ones, zeros

from ._base import PerChannel, Stochastic, given_once

__all__ = ["Dice", "GumbelSoftmax", "RReLU"]


class RReLU(Stochastic, function=rrelu, kw_only=False):
    """Leaky ReLU that draws the left slope of every element while training, and takes the mean slope otherwise.

    Args:
        lower: the least slope :math:`l`; 1/8 as in torch (and in the paper, which divides by a number from 3 to 8).
        upper: the greatest slope :math:`u`; 1/3 likewise.

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
    """

    lower: float = 1 / 8
    upper: float = 1 / 3
    rng_collection: str = field(default="rrelu", kw_only=True)


class GumbelSoftmax(Stochastic, function=gumbel_softmax, without_key=expected_categories, kw_only=False):
    """Relaxed samples of categories while training; when deterministic the softmax of the logits.

    Args:
        temperature: the temperature :math:`T`; 1 as for the function.
        hard: give the category itself, as 1 among zeros, with the gradient of the relaxed sample; when deterministic
            the most probable one.

    Raises:
        ValueError: at the call, ``deterministic`` is given twice or never, there is no rng stream to draw from,
            ``temperature`` is not positive, or ``axis`` is out of range.
        TypeError: at the call, a complex input.

    Note:
        It has no parameters. Neither flax, torch nor keras has such a module.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxacts.linen import GumbelSoftmax
        >>> logits, model = jnp.array([0.0, 1.0, 3.0]), GumbelSoftmax(hard=True)
        >>> model.apply({}, logits, deterministic=True)
        Array([0., 0., 1.], dtype=float32)
        >>> model.apply({}, logits, deterministic=False, rngs={"gumbel": jax.random.key(0)}).sum()
        Array(1., dtype=float32)
    """

    temperature: float = 1.0
    axis: int | tuple[int, ...] | None = field(default=-1, kw_only=True)
    hard: bool = field(default=False, kw_only=True)
    rng_collection: str = field(default="gumbel", kw_only=True)

    @nn.compact
    def __call__(
        self,
        x: ArrayLike,
        deterministic: bool | None = None,
        rng: Array | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the logits.
            deterministic: draw nothing; give it here or to the constructor.
            rng: the key to draw with, instead of one from the stream.
            where: booleans that broadcast against ``x``: which elements take part; the others are 0.
        """
        return self._drawn(x, deterministic, rng, where=where)


class Dice(PerChannel, function=dice):
    r"""Data-adaptive PReLU: the corner sits at the mean of the data and is as soft as their spread.

    In training :math:`\mu` and :math:`v` are mean and variance of the batch, which gradients flow through, and their
    moving averages :math:`r \gets m r + (1 - m) s` are kept in the collection ``batch_stats`` as ``mean`` (from 0) and
    ``var`` (from 1). In evaluation they are these averages.

    Args:
        alpha_init: 0 as in the authors' code; the paper does not say.
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
        module = type(self).__name__
        check_statistics(module, self.momentum, self.epsilon)
        channels = shape_along(module, self.axis, x)
        arguments = self._arguments(channels)
        running_mean = self._statistic("mean", zeros, channels)
        running_var = self._statistic("var", ones, channels)
        if given_once(module, "use_running_average", self.use_running_average, use_running_average):
            mean, var = running_mean.value, running_var.value
        else:
            axis_name = None if self.is_initializing() else self.axis_name
            mean, var = batch_statistics(module, self.axis, x, axis_name)
            if not self.is_initializing():
                running_mean.value = moved(running_mean.value, mean, self.momentum)
                running_var.value = moved(running_var.value, var, self.momentum)
        mean, variance = (along(module, self.axis, s, x) for s in (mean, var))
        return self.definition(module, self.axis, x, arguments, mean=mean, variance=variance)

    def _statistic(self, name: str, init: Init, shape: Shape) -> nn.Variable[Array]:
        return self.variable(  # pyright: ignore[reportUnknownMemberType] (untyped there)
            "batch_stats", name, init, None, shape, jnp.float32
        )
