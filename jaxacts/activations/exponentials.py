r"""Exponential units: smooth relatives of ReLU whose left side saturates or vanishes.

ELU and its scaled and continuously differentiable forms let the mean of a layer's outputs come near zero, which ReLU
cannot; softplus and squareplus are ReLU with the corner rounded. Slopes on the left are computed from the exponential
itself, never from the value plus a constant, so they keep every digit where the curve is already flat.
"""

from __future__ import annotations

import math
from math import inf

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels import (
    decay,
    decay_of_quotient,
    expm1_negative,
    finite,
    hyperbola,
    hyperbola_root,
    hyperbola_slope,
    negative_part,
    polynomial,
    sigmoid,
    where,
)
from jaxacts._kernels import softplus as _softplus

__all__ = ["celu", "elu", "selu", "softplus", "squareplus"]

# Exact fixed point (mean 0, variance 1) of Klambauer et al. 2017, equation 14, to float64.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_SELU_LEFT = _SELU_SCALE * _SELU_ALPHA


def _elu(x: Array, alpha: ArrayLike) -> Array:
    return where(x >= 0, x, expm1_negative(x) * alpha)


@activation(
    slope=lambda x, alpha: Pieces((0.0,), (decay(negative_part(x)).times(alpha), 1.0), limits=((alpha, 1.0),)),
    partials={"alpha": lambda x, alpha: expm1_negative(x)},
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
        TypeError: an argument is complex or no array.
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
    return _elu(x, alpha)


@activation(
    slope=lambda x: Pieces(
        (0.0,), (decay(negative_part(x)).times(_SELU_LEFT), _SELU_SCALE), limits=((_SELU_LEFT, _SELU_SCALE),)
    ),
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
        TypeError: ``x`` is complex or no array.

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
    left = float(np.asarray(_SELU_LEFT, x.dtype))
    y = expm1_negative(x)
    return where(x >= 0, _SELU_SCALE * x, y * left + y * (_SELU_LEFT - left))


def _celu_by_alpha(x: Array, alpha: Array) -> Array:
    """expm1(r) - r·exp(r) at r = x/alpha < 0; near 0, where that cancels, minus the sum of r^k (k-1)/k! for k >= 2."""
    r = negative_part(where(x < -1e4 * alpha, -1e4 * alpha, x) / alpha)
    near = where(r > -1, r, 0)
    series = near * near * polynomial([-(k - 1) / math.factorial(k) for k in range(20, 1, -1)], near)
    return where(r > -1, series, expm1_negative(r) - r * decay(r).value)


@activation(
    slope=lambda x, alpha: Pieces(
        (0.0,), (decay_of_quotient(negative_part(finite(x)), alpha).value, 1.0), limits=((1.0, 1.0),)
    ),
    partials={"alpha": _celu_by_alpha},
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
        TypeError: an argument is complex or no array.
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
    r = x / alpha
    return where((x > 0) | (jnp.abs(r) < 1e-20), x, expm1_negative(r) * alpha)


@activation(
    slope=sigmoid,
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
)
def softplus(x: Array) -> Array:
    r"""Smooth ReLU whose slope is the sigmoid.

    .. math::

        f(x) = \log(1 + e^x)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or no array.

    Note:
        No kinks. Both tails keep every digit; torch switches to the identity above 20.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.softplus(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [0.3133, 0.6931, 1.3133]

    References:
        Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing",
        https://papers.nips.cc/paper/1920
    """
    return _softplus(x)


@activation(
    slope=hyperbola_slope,
    partials={"b": lambda x, b: 0.25 / hyperbola_root(x, b)},
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
    domain={"b >= 0": lambda b: b >= 0},
)
def squareplus(x: Array, b: ArrayLike = 4) -> Array:
    r"""Algebraic softplus: a hyperbola, with no exponential to compute.

    .. math::

        f(x) = \tfrac12 \left( x + \sqrt{x^2 + b} \right)

    Args:
        x: array of any shape and real dtype.
        b: how round the corner is, :math:`b \ge 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(0, \infty)`.

    Raises:
        TypeError: an argument is complex or no array.
        ValueError: the shapes do not broadcast, or ``b`` is a negative number.

    Note:
        No kinks for :math:`b > 0`; for 0 it is ReLU, whose kink is not in the catalogue. The default 4 is that of jax;
        it gives the second derivative of softplus at 0.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.squareplus(jnp.array([-1.5, 0.0, 1.5]))
        Array([0.5, 1. , 2. ], dtype=float32)

    References:
        Barron 2021, "Squareplus: a softplus-like algebraic rectifier", https://arxiv.org/abs/2112.11687
    """
    return hyperbola(x, jnp.asarray(b, x.dtype))
