"""The distribution function of a normal variable, as attention takes it in place of a squared ReLU."""

from __future__ import annotations

from math import pi, sqrt

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import derivative
from jaxacts._kernels.self_gated import normal as _normal

__all__ = ["laplace"]

_MEAN, _STEEP = sqrt(0.5), sqrt(2 * pi)


def _centred(x: Array) -> Array:
    return jnp.clip(x, -50, 50) - _MEAN


@derivative(lambda x: _curvature(x))
def _slope(x: Array) -> Array:
    """sqrt(2)·exp(-2π·(x - μ)²)."""
    half = jnp.exp(-pi * jnp.square(_centred(x)))
    return sqrt(2) * half * half


def _curvature(x: Array) -> Array:
    return -4 * pi * _centred(x) * _slope(x)


@activation(
    slope=_slope,
    refined={"value": _normal.laplace, "slope": _normal.laplace_slope},
    facts=Facts(image=(0, 1), left=Line(0, 0), right=Line(0, 1), lipschitz=sqrt(2)),
)
def laplace(x: Array) -> Array:
    r"""Distribution function of a normal variable that meets the squared ReLU in value and slope.

    .. math::

        f(x) = \frac12 \left( 1 + \operatorname{erf} \frac{x - \mu}{\sigma\sqrt2} \right),
        \qquad \mu = \sqrt{1/2},\ \sigma = \sqrt{1/(4\pi)}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(0, 1)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. With these constants value and slope at :math:`x = \sqrt{1/2}` are 1/2 and :math:`\sqrt2`, those of
        the squared ReLU, but both are bounded. MEGA takes it for attention weights in place of softmax (``"laplace"``
        in Hugging Face, with both constants rounded to six digits). It has the name of Laplace and is not the
        distribution function of his distribution. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.laplace(jnp.array([0.0, 0.5, 1.0])).tolist()]
        [0.0061, 0.2314, 0.8504]

    References:
        Ma et al. 2022, "Mega: moving average equipped gated attention", https://arxiv.org/abs/2209.10655
    """
    return jax.lax.erfc(_centred(x) * -_STEEP) / 2
