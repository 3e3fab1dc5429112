"""Sigmoids with a scale: the tanh of LeCun, soft caps, and the units that take the place of normalization."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial, inf
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, activation
from jaxacts._kernels.arithmetic.elementary import derivative, erf, finite, gradient, product, square_times
from jaxacts._kernels.arithmetic.polynomial import polynomial
from jaxacts._kernels.self_gated.gelu import density_ratio
from jaxacts._kernels.sigmoids import hyperbolic as _hyperbolic
from jaxacts._kernels.sigmoids.erf import affine, bell_of_affine
from jaxacts._kernels.sigmoids.tanh import tanh as _tanh
from jaxacts.activations._logistic import root_exp
from jaxacts.activations.sigmoids.distribution import STEEPNESS, bell

__all__ = ["derf", "dyt", "lecun_tanh", "soft_cap"]

Curve: TypeAlias = Callable[[Array], Array]


def _sech_slope(z: Array) -> Array:
    return -jnp.tanh(z) * _sech(z)


@derivative(_sech_slope)
def _sech(z: Array) -> Array:
    """1/cosh(z), whose square is the slope of tanh."""
    u = root_exp(-2 * jnp.abs(z), 1.0)
    return u * (2 * (1 / (1 + u * u)))


_LECUN_SCALE = 1.7159
_LECUN_STEEPNESS = _LECUN_SCALE * 2 / 3


def _lecun_tanh(x: Array, tanh: Curve) -> Array:
    return jnp.where(jnp.abs(x) < 1e-30, _LECUN_STEEPNESS * x, _LECUN_SCALE * tanh(x * (2 / 3)))


def _lecun_slope(sech: Array) -> Array:
    return _LECUN_STEEPNESS * sech * sech


@activation(
    slope=lambda x: _lecun_slope(_sech(x * (2 / 3))),
    refined={
        "value": lambda x: _lecun_tanh(x, _tanh),
        "slope": lambda x: _lecun_slope(_hyperbolic.sech_of_quotient(finite(x), jnp.asarray(1.5, x.dtype))),
    },
    facts=Facts((-_LECUN_SCALE, _LECUN_SCALE), Line(0, -_LECUN_SCALE), Line(0, _LECUN_SCALE), _LECUN_STEEPNESS),
)
def lecun_tanh(x: Array) -> Array:
    r"""Scaled tanh that maps ±1 to ±1, where its curvature is largest.

    .. math::

        f(x) = 1.7159 \tanh\!\left( \tfrac23 x \right)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`(-1.7159, 1.7159)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. The constants are those of the paper, as decimals: :math:`f(1)` is 0.999997. It was the activation of
        the early convolutional networks (LeNet-5). jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.lecun_tanh(jnp.array([-1.0, 0.0, 3.0])).tolist()]
        [-1.0, 0.0, 1.6542]

    References:
        LeCun et al. 1998, "Efficient backprop", https://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
    """
    return _lecun_tanh(x, jnp.tanh)


def _unbounded(x: Array, cap: Array) -> Array:
    """Where the cap is infinite, of the shape of the result: Triton has no choice by one number."""
    return jnp.broadcast_to(cap, jnp.broadcast_shapes(jnp.shape(x), jnp.shape(cap))) == inf


def _fraction(x: Array, cap: Array) -> tuple[Array, Array]:
    """x and the cap, or 0 and 1 for an infinite cap, which bounds nothing, not even infinite numbers."""
    unbounded = _unbounded(x, cap)
    return jnp.where(unbounded, 0 * finite(x), x), jnp.where(unbounded, 1, cap)


def _quotient(x: Array, cap: Array) -> Array:
    return jnp.where(_unbounded(x, cap), 0 * finite(x), x / cap)


def _share(x: Array, cap: Array) -> Array:
    return jnp.clip(_quotient(x, cap), -1e3, 1e3)


def _soft_cap_bend(x: Array, cap: Array) -> Array:
    r = _share(x, cap)
    root = _sech(_quotient(x, cap))
    return 2 * r * jnp.tanh(r) * root * root / cap


@gradient(_soft_cap_bend, lambda x, cap: -_soft_cap_bend(x, cap) * _share(x, cap))
def _soft_cap_by_cap(x: Array, cap: Array) -> Array:
    """tanh(r) - r/cosh²(r) at r = x/cap, as (sinh w - w)/(2cosh² r) with w = 2r where that cancels."""
    r, root = _share(x, cap), _sech(_quotient(x, cap))
    small = jnp.clip(r, -1, 1)
    square = 4 * small * small
    last = 29 if x.dtype == jnp.float64 else 17
    series = polynomial([6 / factorial(k) for k in range(last, 1, -2)], square)  # 3!·(sinh w - w)/w³
    near = small * square * series / 6 * root * root
    return jnp.where(jnp.abs(r) < 1, near, jnp.tanh(r) - r * root * root)


@activation(
    slope=lambda x, cap: jnp.square(_sech(_quotient(x, cap))),
    partials={"cap": _soft_cap_by_cap},
    refined={"slope": lambda x, cap: jnp.square(_hyperbolic.sech_of_quotient(*_fraction(finite(x), cap)))},
    facts=lambda cap: Facts((-cap, cap), Line(0, -cap), Line(0, cap), lipschitz=1.0),
    typical={"cap": 30.0},
    domain={"cap > 0": lambda cap: cap > 0},
)
def soft_cap(x: Array, cap: ArrayLike) -> Array:
    r"""Smooth bound on logits: the identity near 0, never beyond ±cap.

    .. math::

        f(x) = c \tanh\!\left( \frac{x}{c} \right)

    Args:
        x: array of any shape and real dtype.
        cap: the bound :math:`c > 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(-c, c)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``cap`` is a number that is not positive.

    Note:
        No kinks. As ``cap`` grows it becomes the identity, which it is at ∞. Gemma 2 caps attention logits at 50 and
        those of its output at 30, nanochat at 15; there is no default. jax.nn, torch and keras do not have it as a
        function.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.soft_cap(jnp.array([-100.0, 1.0, 30.0]), 30.0).tolist()]
        [-29.9237, 0.9996, 22.8478]

    References:
        Gemma Team 2024, "Gemma 2: improving open language models at a practical size",
        https://arxiv.org/abs/2408.00118
    """
    linear = (jnp.abs(x / cap) < 1e-9) | (cap == inf)  # x/cap may underflow
    return jnp.where(linear, x, cap * jnp.tanh(x / cap))


def _dyt(x: Array, alpha: Array, gamma: Array, beta: Array, tanh: Curve) -> Array:
    x = finite(x)
    z = alpha * x
    return jnp.where(jnp.abs(z) < 1e-30, product(x, alpha, gamma), gamma * tanh(z)) + beta


def _affine_facts(steepness: float, alpha: float, gamma: float, beta: float) -> Facts:
    """Of γ·f(αx + s) + β for a sigmoid f between -1 and 1 with this slope at 0."""
    end, bound = gamma * float(np.sign(alpha)), abs(gamma) * (alpha != 0)
    if not bound:
        return Facts()
    return Facts((beta - bound, beta + bound), Line(0, beta - end), Line(0, beta + end), steepness * abs(alpha * gamma))


@activation(
    slope=lambda x, alpha, gamma, beta: square_times(_sech(alpha * finite(x)), alpha, gamma),
    partials={
        "alpha": lambda x, alpha, gamma, beta: square_times(_sech(alpha * finite(x)), gamma, finite(x)),
        "gamma": lambda x, alpha, gamma, beta: jnp.tanh(alpha * finite(x)),
        "beta": lambda x, alpha, gamma, beta: jnp.ones_like(x),
    },
    refined={
        "value": lambda x, alpha, gamma, beta: _dyt(x, alpha, gamma, beta, _tanh),
        "slope": lambda x, alpha, gamma, beta: square_times(
            _hyperbolic.sech_of_product(finite(x), alpha), alpha, gamma
        ),
        "alpha": lambda x, alpha, gamma, beta: square_times(
            _hyperbolic.sech_of_product(finite(x), alpha), gamma, finite(x)
        ),
        "gamma": lambda x, alpha, gamma, beta: _tanh(alpha * finite(x)),
    },
    facts=lambda alpha, gamma, beta: _affine_facts(1.0, alpha, gamma, beta),
    typical={"alpha": 0.5},
)
def dyt(x: Array, alpha: ArrayLike, gamma: ArrayLike = 1.0, beta: ArrayLike = 0.0) -> Array:
    r"""Dynamic tanh: an elementwise stand-in for a normalization layer.

    .. math::

        f(x) = \gamma \tanh(\alpha x) + \beta

    Args:
        x: array of any shape and real dtype.
        alpha: the scale :math:`\alpha` of the input, one number for a layer, broadcasts against ``x``; differentiable.
        gamma: the scale :math:`\gamma` of the output, per channel or one number; differentiable.
        beta: the shift :math:`\beta` of the output, per channel or one number; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(\beta - |\gamma|, \beta + |\gamma|)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks. The paper replaces each LayerNorm or RMSNorm by it, and starts with :math:`\alpha = 0.5` (other values
        in large language models), :math:`\gamma = 1` and :math:`\beta = 0`; timm has it as a layer.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.dyt(jnp.array([-2.0, 0.0, 2.0]), 0.5, beta=1.0).tolist()]
        [0.2384, 1.0, 1.7616]

    References:
        Zhu et al. 2025, "Transformers without normalization", https://arxiv.org/abs/2503.10622
    """
    return _dyt(x, jnp.asarray(alpha), jnp.asarray(gamma), jnp.asarray(beta), jnp.tanh)


def _derf(x: Array, alpha: Array, shift: Array, gamma: Array, beta: Array, curve: Curve) -> Array:
    """With the erf, ``curve``, of z + shift at z = alpha·x."""
    z = jnp.where(alpha == 0, 0, alpha * x)  # at ±inf too
    # A shift that is not 0 counts more than what z lost if it underflowed.
    near = jnp.abs(z) < 1e-30 * ((shift == 0) & (alpha != 0)).astype(x.dtype)
    return jnp.where(near, STEEPNESS * product(x, alpha, gamma), gamma * curve(z)) + beta


def _derf_by_gamma(x: Array, alpha: Array, shift: Array, curve: Curve) -> Array:
    z = alpha * finite(x)
    near = (jnp.abs(z) < 1e-30) & (shift == 0)
    return jnp.where(near, STEEPNESS * x * alpha, curve(z))


def _refined_erf(x: Array, alpha: Array, shift: Array) -> Array:
    u, rest = affine(x, alpha, shift)
    return erf(u) + STEEPNESS * rest * jnp.square(density_ratio(u))


def _bell(x: Array, alpha: Array, shift: Array) -> Array:
    return bell(alpha * finite(x) + shift)


def _refined_bell(x: Array, alpha: Array, shift: Array) -> Array:
    return bell_of_affine(finite(x), alpha, shift)


@activation(
    slope=lambda x, alpha, shift, gamma, beta: square_times(_bell(x, alpha, shift), alpha, gamma, STEEPNESS),
    partials={
        "alpha": lambda x, alpha, shift, gamma, beta: square_times(_bell(x, alpha, shift), gamma, finite(x), STEEPNESS),
        "shift": lambda x, alpha, shift, gamma, beta: square_times(
            _bell(x, alpha, shift), gamma, jnp.ones_like(shift), STEEPNESS
        ),
        "gamma": lambda x, alpha, shift, gamma, beta: _derf_by_gamma(x, alpha, shift, lambda z: jax.lax.erf(z + shift)),
        "beta": lambda x, alpha, shift, gamma, beta: jnp.ones_like(x),
    },
    refined={
        "value": lambda x, alpha, shift, gamma, beta: _derf(
            x, alpha, shift, gamma, beta, lambda z: _refined_erf(finite(x), alpha, shift)
        ),
        "slope": lambda x, alpha, shift, gamma, beta: square_times(
            _refined_bell(x, alpha, shift), alpha, gamma, STEEPNESS
        ),
        "alpha": lambda x, alpha, shift, gamma, beta: square_times(
            _refined_bell(x, alpha, shift), gamma, finite(x), STEEPNESS
        ),
        "shift": lambda x, alpha, shift, gamma, beta: square_times(
            _refined_bell(x, alpha, shift), gamma, jnp.ones_like(shift), STEEPNESS
        ),
        "gamma": lambda x, alpha, shift, gamma, beta: _derf_by_gamma(
            x, alpha, shift, lambda z: _refined_erf(finite(x), alpha, shift)
        ),
    },
    facts=lambda alpha, shift, gamma, beta: _affine_facts(STEEPNESS, alpha, gamma, beta),
    typical={"alpha": 0.5},
)
def derf(x: Array, alpha: ArrayLike, shift: ArrayLike = 0.0, gamma: ArrayLike = 1.0, beta: ArrayLike = 0.0) -> Array:
    r"""Dynamic erf: an elementwise stand-in for a normalization layer, with the error function for tanh.

    .. math::

        f(x) = \gamma \operatorname{erf}(\alpha x + s) + \beta

    Args:
        x: array of any shape and real dtype.
        alpha: the scale :math:`\alpha` of the input, one number for a layer, broadcasts against ``x``; differentiable.
        shift: the shift :math:`s` of the input, one number for a layer; differentiable.
        gamma: the scale :math:`\gamma` of the output, per channel or one number; differentiable.
        beta: the shift :math:`\beta` of the output, per channel or one number; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`(\beta - |\gamma|, \beta + |\gamma|)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks. The paper finds it the best among elementwise stand-ins for LayerNorm and RMSNorm, and starts with
        :math:`\alpha = 0.5`, :math:`s = 0`, :math:`\gamma = 1` and :math:`\beta = 0`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.derf(jnp.array([-2.0, 0.0, 2.0]), 0.5, beta=1.0).tolist()]
        [0.1573, 1.0, 1.8427]

    References:
        Chen et al. 2025, "Stronger normalization-free transformers", https://arxiv.org/abs/2512.10938
    """
    alpha, shift, gamma, beta = (jnp.asarray(a) for a in (alpha, shift, gamma, beta))
    return _derf(x, alpha, shift, gamma, beta, lambda z: jax.lax.erf(z + shift))
