"""Activations that draw random numbers or keep running statistics."""

from __future__ import annotations

from dataclasses import InitVar, field

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jaxacts import linen
from jaxacts._modules.parameters import Initial, along
from jaxacts._modules.statistics import batch_statistics, check_statistics, moved
from jaxacts.initializers import ones, zeros

from ._base import PerChannel, Stochastic

__all__ = ["Dice", "GumbelSoftmax", "RReLU"]


class RReLU(Stochastic, twin=linen.RReLU, kw_only=False):
    """Leaky ReLU that draws the left slope of every element while training, and takes the mean slope otherwise.

    Raises:
        ValueError: ``lower`` is greater than ``upper``, ``rngs`` has no such stream, or the call has no key and is not
            ``deterministic``.
        TypeError: at the call, a complex input.

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
    """

    lower: float = 1 / 8
    upper: float = 1 / 3
    rng_collection: str = field(default="rrelu", kw_only=True)


class GumbelSoftmax(Stochastic, twin=linen.GumbelSoftmax, kw_only=False):
    """Relaxed samples of categories while training; when deterministic the softmax of the logits.

    Raises:
        ValueError: ``temperature`` is not positive, ``rngs`` has no such stream, or, at the call, there is no key and
            it is not ``deterministic``, or ``axis`` is out of range.
        TypeError: at the call, a complex input.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from jaxacts.nnx import GumbelSoftmax
        >>> logits, model = jnp.array([0.0, 1.0, 3.0]), GumbelSoftmax(hard=True, rngs=nnx.Rngs(0))
        >>> model(logits).sum()
        Array(1., dtype=float32)
        >>> model.eval()
        >>> model(logits)
        Array([0., 0., 1.], dtype=float32)
    """

    temperature: float = 1.0
    axis: int | tuple[int, ...] | None = field(default=-1, kw_only=True)
    hard: bool = field(default=False, kw_only=True)
    rng_collection: str = field(default="gumbel", kw_only=True)

    def __call__(
        self,
        x: ArrayLike,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the logits.
            deterministic: draw nothing; overrides the attribute.
            rngs: a key or where to take one from; overrides the module's own stream.
            where: booleans that broadcast against ``x``: which elements take part; the others are 0.
        """
        return self._drawn(x, deterministic, rngs, where=where)


class Dice(PerChannel, twin=linen.Dice):
    r"""Data-adaptive PReLU: the corner sits at the mean of the data and is as soft as their spread.

    In training :math:`\mu` and :math:`v` are mean and variance of the batch, which gradients flow through, and their
    moving averages :math:`r \gets m r + (1 - m) s` are kept as ``nnx.BatchStat`` in ``mean`` (from 0) and ``var`` (from
    1). In evaluation they are these averages.

    Args:
        use_running_average: evaluate; ``train()`` and ``eval()`` set it, as for ``nnx.BatchNorm``.

    Raises:
        ValueError: only one of ``features`` and ``axis`` is given, ``features`` is less than 1, an initializer comes
            without ``rngs``, ``momentum`` is not in [0, 1], ``epsilon`` is negative, or, at the call, the input has
            another number of channels.
        TypeError: ``alpha_init`` is neither number nor initializer, ``param_dtype`` is not floating, or the input is
            complex.

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
    """

    axis: int | None = -1
    alpha_init: InitVar[Initial] = 0.0
    momentum: float = 0.99
    epsilon: float = 1e-8
    use_running_average: bool = False
    axis_name: str | None = None

    def _build(self, rngs: nnx.Rngs | None, starts: dict[str, Initial]) -> None:
        check_statistics(type(self).__name__, self.momentum, self.epsilon)
        super()._build(rngs, starts)
        self.mean = nnx.BatchStat(zeros(None, self._channels(), jnp.float32))
        self.var = nnx.BatchStat(ones(None, self._channels(), jnp.float32))

    def __call__(self, x: ArrayLike, use_running_average: bool | None = None) -> Array:
        """The activation of an array of any shape, in its dtype.

        Args:
            x: the array.
            use_running_average: evaluate; overrides the attribute.
        """
        module = type(self).__name__
        mean, variance = (along(module, self.axis, s[...], x) for s in (self.mean, self.var))
        if not (self.use_running_average if use_running_average is None else use_running_average):
            batch = batch_statistics(module, self.axis, x, self.axis_name)
            for running, statistic in zip((self.mean, self.var), batch, strict=True):
                running[...] = moved(running[...], statistic, self.momentum)
            mean, variance = (along(module, self.axis, s, x) for s in batch)
        return self.definition(module, self.axis, x, self._arguments(), mean=mean, variance=variance)

    def set_view(self, use_running_average: bool | None = None) -> None:
        """Called by ``nnx.view``.

        Args:
            use_running_average: evaluate.
        """
        if use_running_average is not None:
            self.use_running_average = use_running_average
