"""x gated by its tanh, and x less its tanh."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.coefficients import TANH_SHRINK_SHORT
from jaxacts._kernels.arithmetic.elementary import derivative
from jaxacts._kernels.arithmetic.polynomial import polynomial
from jaxacts._kernels.sigmoids import tanh as _tanh
from jaxacts.activations._logistic import tanh_slope

__all__ = ["lisht", "tanh_shrink"]


@derivative(lambda x: _lisht_curvature(x))
def _lisht_slope(x: Array) -> Array:
    """tanh(x) + x·tanh'(x)."""
    x = jnp.clip(x, -1e3, 1e3)
    return jnp.tanh(x) + x * tanh_slope(x)


def _lisht_curvature(x: Array) -> Array:
    x = jnp.clip(x, -1e3, 1e3)
    return 2 * tanh_slope(x) * (1 - x * jnp.tanh(x))


@activation(
    slope=_lisht_slope,
    facts=Facts(image=(0, inf), left=Line(-1, 0), right=Line(1, 0), lipschitz=1.19967864025773384),
)
def lisht(x: Array) -> Array:
    r"""Linearly scaled tanh: a smooth absolute value.

    .. math::

        f(x) = x \tanh(x)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The greatest slope in magnitude is 1.1997, at ±1.1997. It is even, so that it cannot tell an input
        from its negative. jax.nn, torch and keras do not have it; TensorFlow Addons did.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.lisht(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [0.7616, 0.0, 0.7616]

    References:
        Roy et al. 2019, "LiSHT: non-parametric linearly scaled hyperbolic tangent activation function for neural
        networks", https://arxiv.org/abs/1901.05894
    """
    return x * jnp.tanh(x)


def _tanh_shrink_curvature(x: Array) -> Array:
    return 2 * jnp.tanh(x) * tanh_slope(x)


@derivative(_tanh_shrink_curvature)
def _tanh_shrink_slope(x: Array) -> Array:
    return jnp.square(jnp.tanh(x))


@derivative(_tanh_shrink_curvature)
def _tanh_shrink_refined_slope(x: Array) -> Array:
    return jnp.square(_tanh.tanh(x))


@activation(
    slope=_tanh_shrink_slope,
    refined={"value": _tanh.tanh_shrink, "slope": _tanh_shrink_refined_slope},
    facts=Facts(image=(-inf, inf), left=Line(1, 1), right=Line(1, -1), lipschitz=1.0),
)
def tanh_shrink(x: Array) -> Array:
    r"""Soft shrinkage: flat near 0, and the identity less ±1 far from it.

    .. math::

        f(x) = x - \tanh(x)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. Near 0, where the difference loses every digit, it is computed as
        :math:`x^3/(3 + \frac65 x^2 - \dots)`. It is ``Tanhshrink`` in torch, ``tanh_shrink`` in keras; jax.nn does not
        have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.tanh_shrink(jnp.array([-1.0, 0.0, 3.0])).tolist()]
        [-0.2384, 0.0, 2.0049]

    References:
        Paszke et al. 2019, "PyTorch: an imperative style, high-performance deep learning library",
        https://arxiv.org/abs/1912.01703
    """
    if x.dtype == jnp.float64:
        return _tanh.tanh_shrink(x)
    square = x * x
    return jnp.where(square < 0.25, x * square / polynomial(TANH_SHRINK_SHORT, square), x - jnp.tanh(x))
