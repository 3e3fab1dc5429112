r"""Smooth maxima of two lines through 0, with parameters that are trained.

:math:`\max(p_1 x, p_2 x)` is :math:`(p_1\,S(z) + p_2\,S(-z))\,x` for a step :math:`S`; a sigmoid makes it smooth.
"""

from __future__ import annotations

from math import inf, pi, sqrt

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import finite, magnitude
from jaxacts._kernels.self_gated import acon as _acon
from jaxacts._kernels.self_gated import normal as _normal
from jaxacts.activations._logistic import root_of_slope
from jaxacts.activations.self_gated._gate import SILU_LEAST, SILU_STEEPEST, times_silu_slope

__all__ = ["acon_c", "smu"]


def _blended(x: Array, share: Array) -> Array:
    return jnp.where(share == 0, 0, x * share)


# With the logistic function


def _z(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    return beta * (p1 - p2) * finite(x)


def _acon_c_slope(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    """The nearer slope, and the step to the other times s(-|z|), with s the slope of silu."""
    z = jnp.clip(_z(x, p1, p2, beta), -1e3, 1e3)
    left, step = z < 0, p1 - p2
    below = jnp.where(left, z, -z)
    n = jnp.exp(below)
    d = 1 + n
    return jnp.where(left, p2, p1) + jnp.where(left, step, -step) * (n / d * ((d + below) / d))


def _acon_c_by_beta(x: Array, p1: Array, p2: Array, beta: Array) -> Array:
    rise = finite(finite((p1 - p2) * finite(x)) * root_of_slope(_z(x, p1, p2, beta)))  # not squared before by XLA
    return rise * rise


def _acon_c_facts(p1: float, p2: float, beta: float) -> Facts:
    step = p1 - p2
    if beta * step == 0:
        mean = (p1 + p2) / 2
        return Facts(None if mean == 0 else (-inf, inf), Line(mean, 0), Line(mean, 0), lipschitz=abs(mean))
    left, right = (p2, p1) if beta * step > 0 else (p1, p2)
    image = (-inf, inf) if left * right > 0 else None
    if p2 == 0 and beta > 0:
        image = (SILU_LEAST / beta, inf)
    steepest = max(abs(p2 + step * s) for s in (SILU_STEEPEST, 1 - SILU_STEEPEST))
    return Facts(image, Line(left, 0), Line(right, 0), lipschitz=steepest)


@activation(
    slope=_acon_c_slope,
    partials={
        "p1": lambda x, p1, p2, beta: times_silu_slope(finite(x), _z(x, p1, p2, beta)),
        "p2": lambda x, p1, p2, beta: times_silu_slope(finite(x), -_z(x, p1, p2, beta)),
        "beta": _acon_c_by_beta,
    },
    refined={
        "slope": _acon.acon_c_slope,
        "p1": _acon.acon_c_by_p1,
        "p2": _acon.acon_c_by_p2,
        "beta": _acon.acon_c_by_beta,
    },
    facts=_acon_c_facts,
    typical={"p1": 1.0, "p2": 0.25, "beta": 1.0},
)
def acon_c(x: Array, p1: ArrayLike, p2: ArrayLike, beta: ArrayLike) -> Array:
    r"""Activate or not: a smooth maximum of two lines, whose slopes and sharpness are trained.

    .. math::

        f(x) = (p_1 - p_2)\,x\,\sigma(\beta (p_1 - p_2)\,x) + p_2\,x

    Args:
        x: array of any shape and real dtype.
        p1: the slope :math:`p_1` of one line, usually one per channel, broadcasts against ``x``;
            differentiable.
        p2: the slope :math:`p_2` of the other; differentiable.
        beta: how sharply it turns from one to the other, :math:`\beta`; differentiable. 0 gives the mean of both lines,
            a negative one a smooth minimum.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks. For :math:`p_1 = 1, p_2 = 0` it is :func:`silu` with the same ``beta``. The paper starts with
        :math:`p_1` and :math:`p_2` from a standard normal distribution and :math:`\beta = 1`, one of each per channel;
        its ACON-A and ACON-B fix :math:`p_1 = 1`, and :math:`p_2 = 0` in the first. In 16 bits a share
        :math:`\sigma(\cdot)` of a line below 1e-38 counts as 0, and the slopes may be up to :math:`2^{100}`. jax.nn,
        torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.acon_c(jnp.array([-1.0, 0.0, 1.0]), 1.5, -0.5, 1.0).tolist()]
        [0.2616, 0.0, 1.2616]

    References:
        Ma et al. 2020, "Activate or not: learning customized activation", https://arxiv.org/abs/2009.04759
    """
    p1, p2 = jnp.asarray(p1), jnp.asarray(p2)
    n = jnp.exp(_z(x, p2, p1, jnp.asarray(beta)))  # exp(-z)
    return _blended(x, p1 / (1 + n) + p2 / (1 + 1 / n))


# With the normal distribution

_GELU_STEEPEST = 1.12890414518515479
_GELU_LEAST = -0.169971207479903662


def _w(x: Array, alpha: Array, mu: Array) -> Array:
    return mu * (1 - alpha) * finite(x)


def _below(w: Array) -> Array:
    """The slope of w·(1 + erf(w))/2 at -|w|."""
    a = jnp.minimum(magnitude(w), 40)
    return jax.lax.erfc(a) / 2 - a * jnp.exp(-a * a) / sqrt(pi)


def _smu_slope(x: Array, alpha: Array, mu: Array) -> Array:
    w = _w(x, alpha, mu)
    return jnp.where(w < 0, alpha, 1) + jnp.where(w < 0, 1 - alpha, alpha - 1) * _below(w)


def _smu_by_alpha(x: Array, alpha: Array, mu: Array) -> Array:
    x, w = finite(x), _w(x, alpha, mu)
    below, a = _below(w), jnp.clip(w, 1, 40)
    half = jnp.exp(a * a / -2) / pi**0.25
    far = x * half * (0.5 / a - a) * half  # where erfc has underflowed
    return jnp.where(w > 9, far, x * jnp.where(w < 0, 1 - below, below))


def _smu_by_mu(x: Array, alpha: Array, mu: Array) -> Array:
    w = jnp.clip(_w(x, alpha, mu), -40, 40)
    rise = finite(finite((1 - alpha) * finite(x)) * jnp.exp(w * w / -2))  # not squared before by XLA
    return rise * rise / sqrt(pi)


def _smu_facts(alpha: float, mu: float) -> Facts:
    if mu * (1 - alpha) == 0:
        mean = (1 + alpha) / 2
        return Facts(None if mean == 0 else (-inf, inf), Line(mean, 0), Line(mean, 0), lipschitz=abs(mean))
    left, right = sorted((1.0, alpha), reverse=mu < 0)
    image = (-inf, inf) if left * right > 0 else None
    if alpha == 0 and mu > 0:
        image = (_GELU_LEAST / (sqrt(2) * mu), inf)
    steepest = max(abs(alpha + (1 - alpha) * s) for s in (_GELU_STEEPEST, 1 - _GELU_STEEPEST))
    return Facts(image, Line(left, 0), Line(right, 0), lipschitz=steepest)


@activation(
    slope=_smu_slope,
    partials={"alpha": _smu_by_alpha, "mu": _smu_by_mu},
    refined={
        "value": _normal.smu,
        "slope": _normal.smu_slope,
        "alpha": _normal.smu_by_alpha,
        "mu": _normal.smu_by_mu,
    },
    facts=_smu_facts,
    typical={"alpha": 0.25, "mu": 1.0},
)
def smu(x: Array, alpha: ArrayLike, mu: ArrayLike) -> Array:
    r"""Smooth maximum unit: leaky ReLU with its corner rounded by the error function.

    .. math::

        f(x) = \frac{(1 + \alpha)\,x + (1 - \alpha)\,x \operatorname{erf}(\mu (1 - \alpha)\,x)}{2}

    Args:
        x: array of any shape and real dtype.
        alpha: the slope :math:`\alpha` on the left, broadcasts against ``x``; differentiable.
        mu: how sharp the corner is, :math:`\mu`, broadcasts against ``x``; differentiable. A negative one gives a
            smooth minimum.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks. For :math:`\alpha = 0, \mu = \sqrt{1/2}` it is the exact :func:`gelu`, and for
        :math:`\mu \to \infty` :func:`leaky_relu`. The paper takes :math:`\alpha = 0.25`, and trains :math:`\mu` from
        1000000 on, where the corner is hardly round. In 16 bits a share of a line below 1e-38 counts as 0, and
        :math:`\alpha` may be up to :math:`2^{100}`. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.smu(jnp.array([-1.0, 0.0, 1.0]), 0.25, 1.0).tolist()]
        [-0.3583, 0.0, 0.8917]

    References:
        Biswas et al. 2021, "SMU: smooth activation function for deep networks using smoothing maximum technique",
        https://arxiv.org/abs/2111.04682
    """
    alpha = jnp.asarray(alpha)
    w = _w(x, alpha, jnp.asarray(mu))
    return _blended(x, (alpha * jax.lax.erfc(w) + jax.lax.erfc(-w)) / 2)
