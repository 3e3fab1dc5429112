"""Parameters that a model uses through a function, and vectors of norm 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Axes, Shape
from jaxacts.initializers._composed.wrapped import Wrapped, checked
from jaxacts.initializers._protocol import Initializer

__all__ = ["transformed", "unit_norm"]


@dataclass(frozen=True)
class _Through:
    init: Initializer
    function: Callable[[Array], Array]

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        return self.function(self.init(key, shape, dtype))


@dataclass(frozen=True)
class _UnitNorm:
    init: Initializer
    axis: int | Shape

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        axes = _checks.axes("unit_norm", "axis", self.axis, shape)
        w = self.init(key, shape, dtype)
        # Without the barrier XLA may multiply the sum of the squares instead of the numbers.
        factor = _power_of_two(jnp.max(jnp.abs(w), axis=axes, keepdims=True, initial=0))
        w = jax.lax.optimization_barrier(w * factor)
        norm = jnp.sqrt(jnp.sum(jnp.square(jnp.abs(w)), axis=axes, keepdims=True))
        return jnp.where(norm > 0, w / jnp.where(norm > 0, norm, 1), 0)


def _power_of_two(largest: Array) -> Array:
    """A factor that keeps the squares of numbers up to ``largest`` in the range of the dtype; 1 where they are."""
    exponent = jnp.finfo(largest.dtype).maxexp
    limit, factor = 2.0 ** (exponent * 5 // 16), 2.0 ** (exponent * 5 // 8)
    return jnp.where(largest > limit, 1 / factor, jnp.where(largest < 1 / limit, factor, 1.0))


def transformed(init: Initializer, inverse: Callable[[Array], Array], dtype: DTypeLike | None = None) -> Initializer:
    r"""Values for a parameter that the model passes through a function before it uses it.

    .. math:: w = f^{-1}(w_0), \qquad f(w) = w_0

    So a step size that the model computes as softplus(w) starts with the distribution of ``init``, and not with that of
    its softplus.

    Args:
        init: any initializer with jax's protocol: the distribution of what the model uses.
        inverse: the inverse of the function in the model, from an array to one of the same shape:
            :func:`jaxacts.softplus_inverse`, ``jnp.log`` for an exponential, ``jax.scipy.special.logit`` for a
            sigmoid, or any other.
        dtype: signed float or complex dtype of the parameter where the call names none; None is that of ``init``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``. dtypes below 32 bits are computed in float32 and rounded
        once.

    Raises:
        TypeError: an ``init`` or ``inverse`` that is not a function.

    Note:
        Mamba's step sizes are ``transformed(log_uniform(1e-3, 1e-1), softplus_inverse)``, the A of Mamba-2 is
        ``transformed(uniform(low=1, high=16), jnp.log)``; chrono's forget biases are
        ``transformed(uniform(low=1, high=longest - 1), jnp.log)``. jax.nn, torch and keras have no such function;
        models write it by hand.

    Example:
        >>> import jax, jaxacts
        >>> from jaxacts.initializers import log_uniform
        >>> w = transformed(log_uniform(1e-3, 1e-1), jaxacts.softplus_inverse)(jax.random.key(0), (4096,))
        >>> dt = jax.nn.softplus(w)
        >>> bool(dt.min() > 0.99e-3), bool(dt.max() < 0.101), round(float(dt.mean()), 3)
        (True, True, 0.021)

    References:
        Gu & Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023, section 3.6,
        https://arxiv.org/abs/2312.00752; Tallec & Ollivier, "Can recurrent neural networks warp time?", 2018,
        https://arxiv.org/abs/1804.11188
    """
    inner = checked("transformed", init)
    if not callable(inverse):
        raise TypeError(
            f"transformed: inverse must be a function of an array, got {type(inverse).__name__}; pass jnp.log."
        )
    return Wrapped("transformed", _Through(inner, inverse), getattr(inner, "dtype", None) if dtype is None else dtype)


def unit_norm(init: Initializer, axis: Axes = -1, dtype: DTypeLike | None = None) -> Initializer:
    r"""Vectors of norm 1 along an axis, in the directions that another initializer draws.

    .. math:: w = \frac{w_0}{\lVert w_0 \rVert_2}, \qquad \sqrt{\mathbb E[w^2]} = \frac{1}{\sqrt n}

    where n is the number of entries along the axis, and the norm is taken over it.

    Args:
        init: any initializer with jax's protocol; ``normal(1.0)`` makes all directions equally likely.
        axis: the axis, or axes, of each vector: for nGPT the one of the embedding, -2 for the kernels that read the
            stream and -1 for those that write to it and for the embedding table.
        dtype: signed float or complex dtype of the weights where the call names none; None is that of ``init``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``. Vectors of zeros stay zero. dtypes below 32 bits are
        normalized in float32 and rounded once.

    Raises:
        ValueError: at the call, an axis that ``shape`` lacks.
        TypeError: an ``init`` that is not a function, an axis that is not an int or a tuple of ints.

    Note:
        nGPT normalizes its matrices again after each step, which is the business of the optimizer. Where a sharding
        splits the axis, each device sums its own part of the norm, and the last bits may differ from those of one
        device. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxacts.initializers import normal
        >>> w = unit_norm(normal(1.0), axis=0)(jax.random.key(0), (64, 3))
        >>> jnp.linalg.norm(w, axis=0).round(4)
        Array([1., 1., 1.], dtype=float32)

    References:
        Loshchilov et al., "nGPT: normalized transformer with representation learning on the hypersphere", 2024,
        https://arxiv.org/abs/2410.01131
    """
    inner = checked("unit_norm", init)
    sample = _UnitNorm(inner, _checks.listed("unit_norm", "axis", axis))
    return Wrapped("unit_norm", sample, getattr(inner, "dtype", None) if dtype is None else dtype)
