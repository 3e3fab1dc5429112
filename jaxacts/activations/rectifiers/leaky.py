"""Rectifiers with a slope on the left: fixed, learned or drawn."""

from __future__ import annotations

from math import exp, inf

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation, check_flag, check_key, compute_dtype
from jaxacts._kernels.arithmetic.elementary import finite, negative_part
from jaxacts.activations._logistic import root_of_slope

__all__ = ["arelu", "leaky_relu", "prelu", "rrelu"]


def _leaky(x: Array, negative_slope: ArrayLike) -> Array:
    left = jnp.where(jnp.equal(negative_slope, 0), 0, x * negative_slope)  # at -inf, too
    return jnp.where(x < 0, left, x)


def _leaky_slope(x: Array, negative_slope: Array) -> Pieces:
    return Pieces((0.0,), (negative_slope, 1.0), tie="left")


def _leaky_facts(negative_slope: float) -> Facts:
    lowest = -inf if negative_slope > 0 else 0
    return Facts(
        (lowest, inf), Line(negative_slope, 0), Line(1, 0), lipschitz=max(1.0, -negative_slope, negative_slope)
    )


_LEAKY_PARTIALS = {"negative_slope": lambda x, negative_slope: negative_part(x)}


@activation(slope=_leaky_slope, partials=_LEAKY_PARTIALS, facts=_leaky_facts)
def leaky_relu(x: Array, negative_slope: ArrayLike = 0.01) -> Array:
    r"""Leaky rectified linear unit: a small fixed slope to the left of 0.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        negative_slope: the slope :math:`a`, any real number or an array that broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        Kink at 0, where the slope is ``negative_slope``, as in torch (1 in jax.nn). That is the subgradient of least
        magnitude for :math:`0 \le a \le 1`; outside that range it is still the left slope. The default 0.01 is
        that of the paper, jax and torch; keras has 0.3, its function 0.2.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.leaky_relu(jnp.array([-2.0, 3.0]), 0.25)
        Array([-0.5,  3. ], dtype=float32)

    References:
        Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models",
        https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf
    """
    return _leaky(x, negative_slope)


@activation(slope=_leaky_slope, partials=_LEAKY_PARTIALS, facts=_leaky_facts, typical={"negative_slope": 0.25})
def prelu(x: Array, negative_slope: ArrayLike) -> Array:
    r"""Parametric rectified linear unit: leaky ReLU whose left slope is learned.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        negative_slope: the slope :math:`a`, one number, one per channel of the last axis (shape ``(channels,)``), or
            any array that broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        Kink at 0, where the slope is ``negative_slope``, as in torch. The Flax modules ``jaxacts.linen.PReLU`` and
        ``jaxacts.nnx.PReLU`` hold the slope; the paper starts it at 0.25 (flax at 0.01, keras at 0) and trains it
        without weight decay.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> x = jnp.array([[-2.0, -2.0], [1.0, 1.0]])
        >>> jaxacts.prelu(x, jnp.array([0.25, 0.5]))
        Array([[-0.5, -1. ],
               [ 1. ,  1. ]], dtype=float32)
        >>> jax.grad(lambda a: jaxacts.prelu(x, a).sum())(jnp.array([0.25, 0.5]))
        Array([-2., -2.], dtype=float32)

    References:
        He et al. 2015, "Delving deep into rectifiers", https://arxiv.org/abs/1502.01852
    """
    return _leaky(x, negative_slope)


_LEAST, _GREATEST = 0.01, 0.99  # what arelu clamps its left slope to


def _amplification(beta: ArrayLike) -> Array:
    """1 + σ(β)."""
    return 2 - 1 / (1 + jnp.exp(beta))


def _arelu_slope(x: Array, alpha: Array, beta: Array) -> Pieces:
    return Pieces((0.0,), (jnp.clip(alpha, _LEAST, _GREATEST), _amplification(beta)), tie="left")


def _by_alpha(x: Array, alpha: Array, beta: Array) -> Array:
    return jnp.where((alpha <= _LEAST) | (alpha >= _GREATEST), 0, negative_part(x))


def _by_beta(x: Array, alpha: Array, beta: Array) -> Array:
    root = root_of_slope(beta)
    return finite(jnp.maximum(x, 0)) * root * root


def _arelu_facts(alpha: float, beta: float) -> Facts:
    left, right = min(max(alpha, _LEAST), _GREATEST), 1 + 1 / (1 + exp(-beta))
    return Facts((-inf, inf), Line(left, 0), Line(right, 0), lipschitz=right)


@activation(slope=_arelu_slope, partials={"alpha": _by_alpha, "beta": _by_beta}, facts=_arelu_facts)
def arelu(x: Array, alpha: ArrayLike = 0.9, beta: ArrayLike = 2.0) -> Array:
    r"""Attention-based rectified linear unit: a learned leak on the left, and a learned amplification on the right.

    .. math::

        f(x) = \begin{cases} (1 + \sigma(\beta))\, x & x > 0 \\ \min(\max(\alpha, 0.01), 0.99)\, x & x \le 0 \end{cases}

    Args:
        x: array of any shape and real dtype.
        alpha: the slope :math:`\alpha` on the left, any number or an array that broadcasts against ``x``;
            differentiable, with derivative 0 where it is clamped.
        beta: the logit :math:`\beta` of what the slope on the right exceeds 1 by, any number or an array that
            broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        Kink at 0, where the slope is the left one. The paper learns one pair for each layer, which starts at the
        defaults; what is positive is amplified, so that gradients do not vanish. jax.nn, torch and keras do not have
        it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.arelu(jnp.array([-2.0, 2.0]), alpha=0.25, beta=0.0)
        Array([-0.5,  3. ], dtype=float32)

    References:
        Chen et al. 2020, "AReLU: attention-based rectified linear unit", https://arxiv.org/abs/2006.13858
    """
    return x * jnp.where(x < 0, jnp.clip(alpha, _LEAST, _GREATEST), _amplification(beta))


@activation(
    static=("deterministic",),
    typical={"deterministic": True},
    domain={"lower <= upper": lambda lower, upper: lower <= upper},
)
def rrelu(
    x: Array,
    key: Array | None = None,
    lower: ArrayLike = 1 / 8,
    upper: ArrayLike = 1 / 3,
    deterministic: bool = False,
) -> Array:
    r"""Randomized leaky rectified linear unit: every element draws its own left slope while training.

    .. math::

        f(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}
        \qquad a \sim U(l, u), \text{ or } a = \tfrac{l + u}{2} \text{ when deterministic}

    Args:
        x: array of any shape and real dtype.
        key: a JAX random key; needed unless ``deterministic``.
        lower: the least slope :math:`l`; differentiable.
        upper: the greatest slope :math:`u`; differentiable.
        deterministic: take the mean slope, for evaluation.

    Returns:
        Array of the shape and dtype of ``x``. The gradient uses the slopes that were drawn.

    Raises:
        TypeError: ``x`` is complex or not an array, ``key`` is not a key, or ``deterministic`` is not a bool.
        ValueError: there is no ``key`` and ``deterministic`` is False, or there are several, or ``lower`` and ``upper``
            are numbers and ``lower`` is the greater.

    Note:
        Kink at 0, where the slope is the drawn one. The defaults are those of torch; the paper divides by a number
        drawn from 3 to 8, which gives slopes in the same range. The same key gives the same slopes.

    Example:
        >>> import jax, jaxacts
        >>> -0.34 < float(jaxacts.rrelu(-1.0, jax.random.key(0))) < -0.12
        True
        >>> jaxacts.rrelu(-48.0, deterministic=True)
        Array(-11., dtype=float32, weak_type=True)

    References:
        Xu et al. 2015, "Empirical evaluation of rectified activations in convolutional network",
        https://arxiv.org/abs/1505.00853
    """
    check_flag("rrelu", "deterministic", deterministic)
    if deterministic:
        return leaky_relu(x, (jnp.asarray(lower) + upper) / 2)
    if key is None:
        raise ValueError("rrelu: needs a random key to draw slopes; pass key=jax.random.key(0) or deterministic=True.")
    check_key("rrelu", key)
    drawn = jax.random.uniform(key, x.shape, compute_dtype(x.dtype))
    return leaky_relu(x, lower + drawn * (jnp.asarray(upper) - lower))
