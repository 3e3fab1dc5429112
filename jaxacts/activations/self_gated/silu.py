"""x gated by the logistic function."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import finite
from jaxacts._kernels.self_gated import quick_gelu as _quick_gelu
from jaxacts._kernels.self_gated import silu as _silu
from jaxacts._kernels.self_gated import swish as _swish
from jaxacts.activations._logistic import gated, root_of_slope
from jaxacts.activations.self_gated._gate import (
    SILU_LEAST,
    SILU_STEEPEST,
    gated_by,
    gated_slope,
    lowest,
    silu_slope,
)

__all__ = ["quick_gelu", "silu", "swish"]


def _unit_silu(x: Array) -> Array:
    x = lowest(x)
    return gated_by(x, jnp.exp(x / 2))


def _by_beta(x: Array, beta: Array) -> Array:
    x = finite(x)
    rise = finite(x * root_of_slope(beta * x))  # a limit that keeps XLA from squaring x first
    return rise * rise


def _facts(beta: float) -> Facts:
    if beta == 0:
        return Facts((-inf, inf), Line(0.5, 0), Line(0.5, 0), lipschitz=0.5)
    least, lines = SILU_LEAST / beta, (Line(0, 0), Line(1, 0))
    image, lines = ((least, inf), lines) if beta > 0 else ((-inf, least), lines[::-1])
    return Facts(image, *lines, lipschitz=SILU_STEEPEST)


@activation(
    slope=lambda x, beta: silu_slope(beta * finite(x)),
    partials={"beta": _by_beta},
    refined={"value": _swish.swish, "slope": _swish.swish_slope, "beta": _swish.swish_by_beta},
    at_defaults={
        "value": _unit_silu,
        "slope": silu_slope,
        "refined value": _silu.silu,
        "refined slope": _silu.silu_slope,
    },
    facts=_facts,
)
def silu(x: Array, beta: ArrayLike = 1.0) -> Array:
    r"""Sigmoid-weighted linear unit, also called swish.

    .. math::

        f(x) = x\,\sigma(\beta x) = \frac{x}{1 + e^{-\beta x}}

    Args:
        x: array of any shape and real dtype.
        beta: how sharply the gate opens, :math:`\beta`, broadcasts against ``x``; differentiable. 0 gives
            :math:`x/2`, and large ones come close to ReLU.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`[-0.2785/\beta, \infty)` for :math:`\beta > 0`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks. For :math:`\beta = 1` the minimum is at -1.2785, the greatest slope 1.0998 at 2.3994; another
        :math:`\beta` divides the places by it. At -inf the value is 0 (NaN in jax.nn). jax.nn, torch and keras have no
        ``beta``; Ramachandran et al. train it, from 1. Left at its default, it costs nothing.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.silu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.2689, 0.0, 0.7311]
        >>> [round(y, 4) for y in jaxacts.silu(jnp.array([-1.0, 0.0, 1.0]), beta=4.0).tolist()]
        [-0.018, 0.0, 0.982]

    References:
        Elfwing et al. 2017, "Sigmoid-weighted linear units for neural network function approximation",
        https://arxiv.org/abs/1702.03118;
        Ramachandran et al. 2017, "Searching for activation functions", https://arxiv.org/abs/1710.05941
    """
    v = finite(x)
    y = jnp.asarray(beta) * v
    return jnp.where(jnp.isinf(x) & (y >= 0), x, gated(v, y))


swish = silu


def _scaled(x: Array) -> tuple[Array, float, float]:
    return _quick_gelu.BETA * x, _quick_gelu.BETA, 0.0


@activation(
    slope=lambda x: gated_slope(_scaled, x),
    refined={"value": _quick_gelu.quick_gelu, "slope": _quick_gelu.quick_gelu_slope},
    facts=Facts((SILU_LEAST / _quick_gelu.BETA, inf), Line(0, 0), Line(1, 0), lipschitz=SILU_STEEPEST),
)
def quick_gelu(x: Array) -> Array:
    r"""Gelu with the logistic function in place of the normal distribution: silu with a gate 1.702 times as sharp.

    .. math::

        f(x) = x\,\sigma(1.702\,x)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.1637, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -0.7512. It differs from the exact :func:`gelu` by up to 0.0203. CLIP and the models
        built on it are trained with it (``"quick_gelu"`` in Hugging Face); weights of theirs need it, not
        :func:`gelu`. jax.nn and torch do not have it. At -inf the value is 0.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.quick_gelu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.1542, 0.0, 0.8458]

    References:
        Hendrycks & Gimpel 2016, "Gaussian error linear units", https://arxiv.org/abs/1606.08415;
        Radford et al. 2021, "Learning transferable visual models from natural language supervision",
        https://arxiv.org/abs/2103.00020
    """
    x = lowest(x)
    return gated_by(x, jnp.exp(_quick_gelu.BETA / 2 * x))
