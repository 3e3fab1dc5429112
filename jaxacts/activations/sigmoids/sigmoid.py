"""The smooth sigmoids."""

from __future__ import annotations

from math import inf

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import derivative, magnitude
from jaxacts._kernels.exponentials import softplus as _softplus
from jaxacts._kernels.sigmoids import sigmoid as _sigmoid
from jaxacts._kernels.sigmoids import tanh as _tanh
from jaxacts.activations import _logistic as logistic
from jaxacts.activations._logistic import sigmoid_slope, tanh_slope

__all__ = ["log_sigmoid", "sigmoid", "soft_sign", "tanh"]


@activation(
    slope=sigmoid_slope,
    refined={"value": _sigmoid.sigmoid},
    facts=Facts(image=(0, 1), left=Line(0, 0), right=Line(0, 1), lipschitz=0.25),
)
def sigmoid(x: Array) -> Array:
    r"""Logistic sigmoid: a probability from a logit.

    .. math::

        f(x) = \frac{1}{1 + e^{-x}}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(0, 1)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The slope :math:`\sigma(x)\sigma(-x) \le 1/4` keeps its digits in both tails, where jax.nn and torch
        compute :math:`y(1-y)` and return 0 once y rounds to 1.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.sigmoid(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [0.2689, 0.5, 0.7311]

    References:
        Cybenko 1989, "Approximation by superpositions of a sigmoidal function",
        https://doi.org/10.1007/BF02551274
    """
    return jax.lax.logistic(x)


@activation(
    slope=tanh_slope,
    refined={"value": _tanh.tanh, "slope": _tanh.tanh_slope},
    facts=Facts(image=(-1, 1), left=Line(0, -1), right=Line(0, 1), lipschitz=1.0),
)
def tanh(x: Array) -> Array:
    r"""Hyperbolic tangent: the sigmoid that is odd and has slope 1 at 0.

    .. math::

        f(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}} = 2\sigma(2x) - 1

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-1, 1)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The slope :math:`1/\cosh^2 x` keeps its digits in both tails, where jax and torch compute
        :math:`1 - y^2`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.tanh(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.7616, 0.0, 0.7616]

    References:
        LeCun et al. 1998, "Efficient backprop", https://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    """
    return jnp.tanh(x)


@activation(
    slope=lambda x: logistic.sigmoid(-x),
    refined={"value": lambda x: -_softplus.softplus(-x)},
    facts=Facts(image=(-inf, 0), left=Line(1, 0), right=Line(0, 0), lipschitz=1.0),
)
def log_sigmoid(x: Array) -> Array:
    r"""Logarithm of the logistic sigmoid: a log-probability from a logit.

    .. math::

        f(x) = \log \sigma(x) = -\log(1 + e^{-x})

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-\infty, 0)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.log_sigmoid(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-1.3133, -0.6931, -0.3133]

    References:
        Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing",
        https://papers.nips.cc/paper/1920
    """
    return jnp.minimum(x, 0) - jnp.log1p(jnp.exp(-jnp.abs(x)))


def _soft_sign_curvature(x: Array) -> Array:
    """∓2/(1 + |x|)³."""
    share = 1 / (1 + magnitude(x))
    return -2 * jnp.sign(x) * share * share * share


@derivative(_soft_sign_curvature)
def _soft_sign_slope(x: Array) -> Array:
    """1/(1 + |x|)², the sum of the square rounded once."""
    a = magnitude(x)
    return 1 / (1 + a * (2 + a))


@activation(
    slope=_soft_sign_slope,
    facts=Facts(image=(-1, 1), left=Line(0, -1), right=Line(0, 1), lipschitz=1.0),
)
def soft_sign(x: Array) -> Array:
    r"""Algebraic sigmoid that saturates slowly, like 1/x.

    .. math::

        f(x) = \frac{x}{1 + |x|}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-1, 1)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks; the curvature jumps at 0. At ±inf the value is ±1 (NaN in jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.soft_sign(jnp.array([-1.0, 0.0, 3.0]))
        Array([-0.5 ,  0.  ,  0.75], dtype=float32)

    References:
        Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    x = jnp.clip(x, -(2.0**60), 2.0**60)  # the limit long before, and inf/inf otherwise
    return x / (1 + jnp.abs(x))
