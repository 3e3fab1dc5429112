"""x gated by the tanh of its exponential, and by the error function of its softplus."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf, pi, sqrt

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.coefficients import SERF_ROOT, TANH_EXP_ROOT
from jaxacts._kernels.arithmetic.double_word import split
from jaxacts._kernels.arithmetic.elementary import derivative, erf, magnitude
from jaxacts._kernels.arithmetic.exponential import exp_words
from jaxacts._kernels.arithmetic.polynomial import about_root
from jaxacts._kernels.sigmoids import tanh as _tanh
from jaxacts.activations._logistic import root_exp, root_of_slope, sigmoid
from jaxacts.activations.self_gated._gate import lowest

__all__ = ["serf", "tanh_exp", "telu"]

_TAIL = -8.0
"""From here on to the left exp(x) stands for its tanh in float32."""


def _tail(x: Array) -> float:
    return -19.0 if x.dtype == jnp.float64 else _TAIL


@derivative(lambda x: _tanh_exp_curvature(x))
def _tanh_exp_slope(x: Array) -> Array:
    """tanh(m) + x·m·tanh'(m) with m = exp(x)."""
    x = jnp.clip(x, -1e3, 6)  # the slope is 1 long before
    u = jnp.exp(x / 2)
    m = u * u
    e = jnp.exp(-2 * m)
    steep = e / (1 + e) / (1 + e)
    return jnp.where(x < _tail(x), u * (1 + x) * u, jnp.tanh(m) + 4 * x * m * steep)


def _tanh_exp_curvature(x: Array) -> Array:
    """m·tanh'(m)·(2 + x·(1 - 2m·tanh(m)))."""
    x = jnp.clip(x, -1e3, 6)
    u = jnp.exp(x / 2)
    m = u * u
    v = u * root_of_slope(2 * m)
    return v * (4 * (2 + x * (1 - 2 * m * jnp.tanh(m)))) * v


def _tanh_exp_refined_curvature(x: Array) -> Array:
    """The same with exp(x) as a sum of two words: on the right an error of it is multiplied by itself."""
    x = jnp.clip(x, -1e3, 6)
    m, lo = exp_words(jnp.maximum(x, -20))
    v = jnp.exp(x / 2) * root_of_slope(2 * m)
    return v * (4 * (1 - 2 * lo * jnp.tanh(m)) * (2 + x * (1 - 2 * m * jnp.tanh(m)))) * v


@derivative(_tanh_exp_refined_curvature)
def _tanh_exp_slope_about_root(x: Array) -> Array:
    return about_root(x, TANH_EXP_ROOT, _tanh_exp_slope(x))


def _tanh_exp(gate: Callable[[Array, Array], Array], x: Array) -> Array:
    u = jnp.exp(x / 2)
    return jnp.where(x < _tail(x), lowest(x) * u * u, x * gate(x, u))


@activation(
    slope=_tanh_exp_slope,
    refined={"value": partial(_tanh_exp, lambda x, u: _tanh.tanh(jnp.exp(x))), "slope": _tanh_exp_slope_about_root},
    facts=Facts(image=(-0.353285777848211271, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.06197530871791597),
)
def tanh_exp(x: Array) -> Array:
    r"""x gated by the tanh of its exponential, also called TeLU.

    .. math::

        f(x) = x \tanh(e^x)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.3533, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -1.0789, the greatest slope 1.0620 at 0.6966. On the right it comes close to the
        identity sooner than :func:`silu`, :func:`gelu` and :func:`mish`. At -inf the value is 0. jax.nn, torch and
        keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.tanh_exp(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.3521, 0.0, 0.9913]

    References:
        Liu & Di 2020, "TanhExp: a smooth activation function with high convergence speed for lightweight neural
        networks", https://arxiv.org/abs/2003.09855;
        Fernandez & Mali 2024, "TeLU activation function for fast and stable deep learning",
        https://arxiv.org/abs/2412.20269
    """
    return _tanh_exp(lambda x, u: jnp.tanh(u * u), x)


telu = tanh_exp

_DENSITY = 2 / sqrt(pi)
_SERF_TAIL = -17.0


def _serf_tail(x: Array) -> float:
    """From here on to the left exp(x) stands for its softplus."""
    return -38.0 if x.dtype == jnp.float64 else _SERF_TAIL


def _serf(erf: Callable[[Array], Array], x: Array) -> Array:
    x = jnp.maximum(x, -1e3)
    u = jnp.exp(x / 2)
    return jnp.where(x < _serf_tail(x), _DENSITY * x * u * u, x * erf(jnp.log1p(u * u)))


def _serf_steepness(erf: Callable[[Array], Array], x: Array) -> Array:
    """erf(s) + x·erf'(s)·σ(x) with s = softplus(x)."""
    x = jnp.clip(x, -1e3, 40)  # the slope is 1 long before
    u = jnp.exp(x / 2)
    m = u * u
    s = jnp.log1p(m)
    near = erf(s) + x * m * (_DENSITY * jnp.exp(-s - s * s))  # σ(x) is m·exp(-s)
    return jnp.where(x < _serf_tail(x), u * (_DENSITY * (1 + x)) * u, near)


@derivative(lambda x: _serf_curvature(x))
def _serf_slope(x: Array) -> Array:
    return _serf_steepness(jax.lax.erf, x)


def _serf_curvature(x: Array) -> Array:
    """erf'(s)·σ(x)·(2 + x·(σ(-x) - 2s·σ(x)))."""
    x = jnp.clip(x, -1e3, 1e3)
    p, right = sigmoid(x), jnp.where(x < 0, 0, x)
    less = jnp.log1p(jnp.exp(-magnitude(x)))
    s = right + less
    # s² as an exact square and a rest: on the right one rounding of it would cost as many units as it is large.
    half = jax.lax.stop_gradient(split(right))
    root, rest = jnp.exp(-half * half / 2), jnp.exp((half - right) * (half + right) - less * (right + s))
    u = root_exp(-magnitude(x), 1.0)
    share, factor = jnp.where(x < 0, u / (1 + u * u), p), jnp.where(x < 0, u, 1)
    return share * root * (_DENSITY * (2 + x * (sigmoid(-x) - 2 * s * p)) * rest) * root * factor


@derivative(_serf_curvature)
def _serf_slope_about_root(x: Array) -> Array:
    return about_root(x, SERF_ROOT, _serf_steepness(erf, x))


@activation(
    slope=_serf_slope,
    refined={"value": partial(_serf, erf), "slope": _serf_slope_about_root},
    facts=Facts(image=(-0.348437458759606420, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.08612544145099715),
)
def serf(x: Array) -> Array:
    r"""x gated by the error function of its softplus.

    .. math::

        f(x) = x \operatorname{erf}(\log(1 + e^x))

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.3485, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The minimum is at -1.1931, the greatest slope 1.0861 at 1.0960. It is :func:`mish` with the error
        function in place of tanh. At -inf the value is 0. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.serf(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.3422, 0.0, 0.9367]

    References:
        Nag et al. 2021, "SERF: towards better training of deep neural networks using log-softplus error activation
        function", https://arxiv.org/abs/2108.09598
    """
    return _serf(jax.lax.erf, x)
