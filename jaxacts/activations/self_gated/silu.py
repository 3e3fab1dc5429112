"""x gated by the logistic function."""

from __future__ import annotations

from math import inf

from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels import silu as _silu
from jaxacts.activations.self_gated._gate import gated_slope, self_gated

__all__ = ["silu", "swish"]


def _linear(x: Array) -> tuple[Array, float, float]:
    return x, 1.0, 0.0


@activation(
    slope=lambda x: gated_slope(_linear, x),
    refined={"value": _silu.silu, "slope": _silu.silu_slope},
    facts=Facts(image=(-0.278464542761073795, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.09983932012886692),
)
def silu(x: Array) -> Array:
    r"""Sigmoid-weighted linear unit, also called swish.

    .. math::

        f(x) = x\,\sigma(x) = \frac{x}{1 + e^{-x}}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.2785, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -1.2785, the greatest slope 1.0998 at 2.3994. At -inf the value is 0 (NaN in
        jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.silu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.2689, 0.0, 0.7311]

    References:
        Elfwing et al. 2017, "Sigmoid-weighted linear units for neural network function approximation",
        https://arxiv.org/abs/1702.03118
    """
    return self_gated(_linear, x)


swish = silu
