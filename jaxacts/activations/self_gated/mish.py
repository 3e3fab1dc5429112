"""x gated by the tanh of its softplus."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import derivative
from jaxacts._kernels.self_gated import mish as _mish
from jaxacts.activations._logistic import root_exp
from jaxacts.activations.self_gated._gate import lowest

__all__ = ["mish"]


@derivative(_mish.curvature)
def _mish_slope(x: Array) -> Array:
    """With m = exp(x) and d = m·(m + 2) + 2: m·((m + 2)·d + 4x·(m + 1))/d²."""
    x = jnp.clip(x, -1e3, 1e3)
    u = root_exp(x, 2.0**15)
    m = u * u
    d = m * (m + 2) + 2
    return u * (((m + 2) * d + 4 * x * (m + 1)) / d / d) * u


@activation(
    slope=_mish_slope,
    refined={"value": _mish.mish, "slope": _mish.mish_slope},
    facts=Facts(image=(-0.308843413017250407, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.08849816125172786),
)
def mish(x: Array) -> Array:
    r"""Self-regularized unit: x gated by the tanh of its softplus.

    .. math::

        f(x) = x \tanh(\log(1 + e^x))

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.3089, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -1.1924. Computed as a rational function of one exponential instead of three
        transcendental functions. At -inf the value is 0 (NaN in jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.mish(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.3034, 0.0, 0.8651]

    References:
        Misra 2019, "Mish: a self regularized non-monotonic activation function", https://arxiv.org/abs/1908.08681
    """
    u = root_exp(x, 2.0**15)
    m = u * u  # tanh(log(1 + m)) = m·(m + 2)/(m·(m + 2) + 2)
    return lowest(x) * (u * ((m + 2) / (m * (m + 2) + 2))) * u
