"""Units whose left side is an exponential that saturates."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels.arithmetic.elementary import finite, negative_part
from jaxacts._kernels.exponentials import elu as _elu

__all__ = ["celu", "elu", "selu"]

# Exact fixed point (mean 0, variance 1) of Klambauer et al. 2017, equation 14, to float64.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_SELU_LEFT = _SELU_SCALE * _SELU_ALPHA
_SELU_LIMITS = ((_SELU_LEFT, _SELU_SCALE),)


def _elu_slope(x: Array, alpha: Array) -> Pieces:
    half = jnp.exp(negative_part(x) / 2)  # exp(x) itself may underflow where alpha·exp(x) does not
    return Pieces((0.0,), (alpha * half * half, 1.0), limits=((alpha, 1.0),))


@activation(
    slope=_elu_slope,
    partials={"alpha": lambda x, alpha: jnp.expm1(negative_part(x))},
    refined={"value": _elu.elu, "alpha": _elu.elu_by_alpha},
    facts=lambda alpha: Facts((min(-alpha, 0), inf), Line(0, -alpha), Line(1, 0), lipschitz=max(1.0, alpha, -alpha)),
)
def elu(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""Exponential linear unit: the identity to the right, a saturating exponential to the left.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: minus the limit at :math:`-\infty`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-\alpha, \infty)` for :math:`\alpha \ge 0`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        For :math:`\alpha \ne 1` a kink at 0, where the slope is the lesser of :math:`\alpha` and 1, and 0 for a
        negative :math:`\alpha` (always :math:`\alpha` in jax.nn and torch). The default 1 is that of the paper's
        experiments, jax, torch and keras.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.elu(jnp.array([-1.0, 0.0, 2.0])).tolist()]
        [-0.6321, 0.0, 2.0]

    References:
        Clevert et al. 2015, "Fast and accurate deep network learning by exponential linear units",
        https://arxiv.org/abs/1511.07289
    """
    return jnp.where(x > 0, x, alpha * jnp.expm1(x))


def _selu_slope(x: Array) -> Pieces:
    half = jnp.exp(negative_part(x) / 2)
    return Pieces((0.0,), (_SELU_LEFT * half * half, _SELU_SCALE), limits=_SELU_LIMITS)


@activation(
    slope=_selu_slope,
    refined={
        "value": lambda x: _elu.selu(x, _SELU_SCALE, _SELU_LEFT),
        "slope": lambda x: Pieces((0.0,), (_elu.selu_decay(x, _SELU_LEFT), _SELU_SCALE), limits=_SELU_LIMITS),
    },
    facts=Facts(
        image=(-_SELU_LEFT, inf),
        left=Line(0, -_SELU_LEFT),
        right=Line(_SELU_SCALE, 0),
        lipschitz=_SELU_LEFT,
    ),
)
def selu(x: Array) -> Array:
    r"""Scaled exponential linear unit: ELU with constants that keep mean 0 and variance 1 through the layers.

    .. math::

        f(x) = \lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}
        \qquad \alpha = 1.6732632423543772,\ \lambda = 1.0507009873554805

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-\lambda\alpha, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kink at 0, where the slope is :math:`\lambda` (:math:`\lambda\alpha` in jax.nn). Use it with
        :func:`jaxacts.initializers.lecun_normal`, for which the constants were derived.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.selu(jnp.array([-1.0, 1.0])).tolist()]
        [-1.1113, 1.0507]

    References:
        Klambauer et al. 2017, "Self-normalizing neural networks", https://arxiv.org/abs/1706.02515
    """
    return jnp.where(x > 0, _SELU_SCALE * x, _SELU_LEFT * jnp.expm1(x))


def _celu_slope(x: Array, alpha: Array) -> Pieces:
    return Pieces((0.0,), (jnp.exp(negative_part(finite(x)) / alpha), 1.0), limits=((1.0, 1.0),))


@activation(
    slope=_celu_slope,
    partials={"alpha": lambda x, alpha: _elu.celu_by_alpha(x, alpha, jnp.expm1)},
    refined={
        "value": _elu.celu,
        "slope": lambda x, alpha: Pieces((0.0,), (_elu.celu_decay(x, alpha), 1.0), limits=((1.0, 1.0),)),
        "alpha": _elu.celu_by_alpha,
    },
    facts=lambda alpha: Facts((-alpha, inf), Line(0, -alpha), Line(1, 0), lipschitz=1.0),
    domain={"alpha > 0": lambda alpha: alpha > 0},
)
def celu(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""Continuously differentiable exponential linear unit: ELU whose slope is 1 at 0 for every alpha.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ \alpha (e^{x/\alpha} - 1) & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: minus the limit at :math:`-\infty`, :math:`\alpha > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-\alpha, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``alpha`` is a number that is not positive.

    Note:
        No kinks. The default 1 is that of jax and torch, where it equals :func:`elu`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.celu(jnp.array([-2.0, 3.0]), 2.0).tolist()]
        [-1.2642, 3.0]

    References:
        Barron 2017, "Continuously differentiable exponential linear units", https://arxiv.org/abs/1704.07483
    """
    r = negative_part(x) / alpha  # near 0 it may underflow where alpha·expm1(r), which is x there, does not
    return jnp.where((x > 0) | (r > -1e-9), x, alpha * jnp.expm1(r))
