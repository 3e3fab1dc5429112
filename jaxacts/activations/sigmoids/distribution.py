"""Sigmoids that are distribution functions, up to scale: their slopes are the bells of Cauchy and Gauss."""

from __future__ import annotations

from math import pi, sqrt

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import derivative, finite
from jaxacts._kernels.arithmetic.elementary import erf as _erf
from jaxacts._kernels.self_gated.gelu import density_ratio

__all__ = ["arctan", "erf"]


def _arctan_curvature(x: Array) -> Array:
    slope = _arctan_slope(x)
    return finite(x) * slope * slope * -2


@derivative(_arctan_curvature)
def _arctan_slope(x: Array) -> Array:
    """1/(1 + x²), 0 where the square overflows."""
    return 1 / (1 + x * x)


@activation(
    slope=_arctan_slope,
    facts=Facts(image=(-pi / 2, pi / 2), left=Line(0, -pi / 2), right=Line(0, pi / 2), lipschitz=1.0),
)
def arctan(x: Array) -> Array:
    r"""Arc tangent: a sigmoid that saturates slowly, like 1/x.

    .. math::

        f(x) = \arctan x

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-\pi/2, \pi/2)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The slope is :math:`1/(1 + x^2)`. As a surrogate gradient of spiking networks it is the usual smooth
        stand-in for the step. torch and jax.numpy have it as a mathematical function (``torch.atan``), not as a layer.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.arctan(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.7854, 0.0, 0.7854]

    References:
        Fang et al. 2021, "Incorporating learnable membrane time constant to enhance learning of spiking neural
        networks", https://arxiv.org/abs/2007.05785
    """
    return jnp.arctan(x)


STEEPNESS = 2 / sqrt(pi)
"""The slope of erf at 0."""


def _bell_slope(x: Array) -> Array:
    return -finite(x) * bell(x)


@derivative(_bell_slope)
def bell(x: Array) -> Array:
    """exp(-x²/2), whose square is the slope of erf but for a factor."""
    return jnp.exp(x * x / -2)


@activation(
    slope=lambda x: STEEPNESS * bell(x) * bell(x),
    refined={"value": _erf, "slope": lambda x: STEEPNESS * density_ratio(x) * density_ratio(x)},
    facts=Facts(image=(-1, 1), left=Line(0, -1), right=Line(0, 1), lipschitz=STEEPNESS),
)
def erf(x: Array) -> Array:
    r"""Error function: the sigmoid whose slope is a Gaussian.

    .. math::

        f(x) = \operatorname{erf}(x) = \frac{2}{\sqrt{\pi}} \int_0^x e^{-t^2} \, dt

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-1, 1)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. Its saturation is the fastest among the usual sigmoids; the slope :math:`2e^{-x^2}/\sqrt{\pi}` keeps
        its digits in both tails. In mean-field theory it is the sigmoid whose expectations have a closed form. torch
        and jax have it as a mathematical function (``torch.erf``, ``jax.lax.erf``), not as a layer.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.erf(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.8427, 0.0, 0.8427]

    References:
        Williams 1996, "Computing with infinite networks", https://papers.nips.cc/paper/1197
    """
    return jax.lax.erf(x)
