"""The bell curve."""

from __future__ import annotations

from math import exp, sqrt

import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels import gaussian as _gaussian

__all__ = ["gaussian"]


def _slope(x: Array) -> Array:
    x = jnp.clip(x, -40, 40)
    half = jnp.exp(x * x / -2)  # exp(-x²) itself may underflow where x·exp(-x²) does not
    return -2 * x * half * half


@activation(
    slope=_slope,
    refined={"value": _gaussian.gaussian, "slope": _gaussian.gaussian_slope},
    facts=Facts(image=(0, 1), left=Line(0, 0), right=Line(0, 0), lipschitz=sqrt(2) * exp(-0.5)),
)
def gaussian(x: Array) -> Array:
    r"""Bell curve: 1 at 0, and nothing far from it.

    .. math::

        f(x) = e^{-x^2}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(0, 1]`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The greatest slope, 0.8578, is at :math:`\pm\sqrt{1/2}`. For a width scale ``x``. It is the radial
        basis function of networks with centres, and stands in for sines in networks of coordinates. jax.nn, torch and
        keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.gaussian(jnp.array([-1.0, 0.0, 2.0])).tolist()]
        [0.3679, 1.0, 0.0183]

    References:
        Ramasinghe & Lucey 2021, "Beyond periodicity: towards a unifying framework for activations in coordinate-MLPs",
        https://arxiv.org/abs/2111.15135
    """
    return jnp.exp(-jnp.square(jnp.clip(x, -40, 40)))
