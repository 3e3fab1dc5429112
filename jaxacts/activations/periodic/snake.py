"""The identity plus a squared sine."""

from __future__ import annotations

import functools
from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, activation
from jaxacts._kernels.arithmetic.elementary import finite, two_factors
from jaxacts._kernels.wave import wave as refined_wave
from jaxacts.activations.periodic._wave import Wave, phase, wave

__all__ = ["snake", "snake_beta"]


def _twice(wave: Wave, x: Array, rate: Array) -> tuple[Array, Array]:
    """Sine and cosine of 2·rate·x, where 2·rate may overflow though the product does not."""
    large = jnp.abs(rate) > 1
    return wave(x * jnp.where(large, 2, 1).astype(x.dtype), rate * jnp.where(large, 1, 2))


def _slope(wave: Wave, x: Array, alpha: Array) -> Array:
    """1 + sin(2αx), as cos²/(1 - sin) where it comes close to 0."""
    s, c = _twice(wave, x, alpha)
    return jnp.where(s < 0, c * c / (1 - s), 1 + s)


def _by_alpha(wave: Wave, x: Array, alpha: Array) -> Array:
    """2q·x·cos(αx) - q² with q = sin(αx)/α, which is x for α = 0."""
    x = finite(x)
    small = jnp.abs(phase(x, alpha)) < 1e-10
    s, c = wave(x, alpha)
    q = jnp.where(small, x, s / jnp.where(alpha == 0, 1, alpha))
    half = q * c * x
    return half + (half - q * q)


@activation(
    slope=functools.partial(_slope, wave),
    partials={"alpha": functools.partial(_by_alpha, wave)},
    refined={
        "slope": functools.partial(_slope, refined_wave),
        "alpha": functools.partial(_by_alpha, refined_wave),
    },
    facts=lambda alpha: Facts(image=(-inf, inf), lipschitz=2.0 if alpha else 1.0),
)
def snake(x: Array, alpha: ArrayLike = 1.0) -> Array:
    r"""The identity plus a squared sine, for what repeats itself.

    .. math::

        f(x) = x + \frac{\sin^2(\alpha x)}{\alpha}

    Args:
        x: array of any shape and real dtype.
        alpha: the frequency :math:`\alpha`, usually one per channel, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks and no asymptotes; it never falls, its slope is between 0 and 2. For :math:`\alpha = 0` it is the
        identity, its limit, where others add 1e-9 to the divisor. At ±inf the value is ±inf and the slope that at the
        largest number; the slope is right while :math:`2\alpha x` is finite. ``alpha`` is linear: for weights with its
        logarithm, as BigVGAN stores them (``snake_logscale``), pass ``jnp.exp`` of it. The default is what BigVGAN and
        the Descript Audio Codec start with.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.snake(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.2919, 0.0, 1.7081]

    References:
        Ziyin et al. 2020, "Neural networks fail to learn periodic functions and how to fix it",
        https://arxiv.org/abs/2006.08195
    """
    alpha = jnp.asarray(alpha)
    s = jnp.sin(phase(x, alpha))
    return x + s * (s * jnp.where(alpha == 0, 0, 1 / alpha))


def _snake_beta(wave: Wave, x: Array, alpha: Array, beta: Array) -> Array:
    s, _ = wave(x, alpha)
    return x + s * (s / beta)


def _snake_beta_slope(wave: Wave, x: Array, alpha: Array, beta: Array) -> Array:
    """1 + r·sin(2αx) with r = |α/β|, as (1 - r) + r·cos²/(1 - sin) where it may come close to 0."""
    ratio = alpha / beta
    sign = jnp.where(ratio < 0, -1, 1)
    s, c = _twice(wave, x, sign * alpha)
    ratio = jnp.abs(ratio)
    fits = ratio <= float(jnp.finfo(x.dtype).max)  # else α·s/β may be finite
    numerator, denominator = jnp.where(fits, ratio, jnp.abs(alpha)), jnp.where(fits, 1, jnp.abs(beta))
    low = (1 - ratio) + ratio * (c * c / (1 - s))
    return jnp.where(s < jnp.where(ratio < 2, -0.5, -ratio), low, 1 + numerator * s / denominator)


def _over_beta(s: Array, x: Array, rate: Array, beta: Array) -> Array:
    """sin(rate·x)/β; where the sine is its argument as the product, which may underflow before it is divided."""
    larger, smaller = two_factors(x, rate, 1 / beta)
    return jnp.where(jnp.abs(phase(x, rate)) < 1e-10, larger * smaller, s / beta)


def _snake_beta_by_alpha(wave: Wave, x: Array, alpha: Array, beta: Array) -> Array:
    """x·sin(2αx)/β."""
    x = finite(x)
    s, _ = _twice(wave, x, alpha)
    small = (jnp.abs(x) < 1) & (jnp.abs(beta) < 1)
    return jnp.where(small, 2 * x * _over_beta(s / 2, x, alpha, beta), x * s / beta)


def _snake_beta_by_beta(wave: Wave, x: Array, alpha: Array, beta: Array) -> Array:
    """-(sin(αx)/β)²."""
    x = finite(x)
    return -jnp.square(_over_beta(wave(x, alpha)[0], x, alpha, beta))


_SNAKE_BETA = {"slope": _snake_beta_slope, "alpha": _snake_beta_by_alpha, "beta": _snake_beta_by_beta}


@activation(
    slope=functools.partial(_snake_beta_slope, wave),
    partials={n: functools.partial(_SNAKE_BETA[n], wave) for n in ("alpha", "beta")},
    refined={n: functools.partial(f, refined_wave) for n, f in {"value": _snake_beta, **_SNAKE_BETA}.items()},
    facts=lambda alpha, beta: Facts(image=(-inf, inf), lipschitz=1 + abs(alpha / beta)),
    domain={"beta != 0": lambda beta: beta != 0},
)
def snake_beta(x: Array, alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0) -> Array:
    r"""Snake with a magnitude of its own.

    .. math::

        f(x) = x + \frac{\sin^2(\alpha x)}{\beta}

    Args:
        x: array of any shape and real dtype.
        alpha: the frequency :math:`\alpha`, usually one per channel, broadcasts against ``x``; differentiable.
        beta: the divisor :math:`\beta \ne 0` of the wave, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``beta`` is 0.

    Note:
        No kinks and no asymptotes; where :math:`|\alpha| > |\beta|` it falls in places. For :math:`\beta = \alpha` it
        is :func:`snake`, for :math:`\alpha = 0` the identity. Both parameters are linear: for weights with their
        logarithms, as BigVGAN stores them (``snake_logscale``), pass ``jnp.exp`` of them. BigVGAN adds 1e-9 to
        ``beta``. The defaults are what it starts with.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.snake_beta(jnp.array([-1.0, 0.0, 1.0]), 1.0, 2.0).tolist()]
        [-0.646, 0.0, 1.354]

    References:
        Lee et al. 2022, "BigVGAN: a universal neural vocoder with large-scale training",
        https://arxiv.org/abs/2206.04658
    """
    return _snake_beta(wave, x, jnp.asarray(alpha), jnp.asarray(beta))
