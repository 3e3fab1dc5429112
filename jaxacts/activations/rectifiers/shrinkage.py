"""Shrinkage: what is small becomes 0."""

from __future__ import annotations

from math import inf
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation

__all__ = ["hard_shrink", "soft_shrink"]


def _ends(threshold: Any) -> tuple[Any, Any]:
    """Minus the threshold, as a product, since Pallas does not negate numbers on a GPU, and the threshold."""
    return threshold * -1.0, threshold


def _slope(x: Array, threshold: Array) -> Pieces:
    return Pieces(_ends(threshold), (1.0, 0.0, 1.0))


_DOMAIN = {"threshold >= 0": lambda threshold: threshold >= 0}


@activation(
    slope=_slope,
    partials={"threshold": lambda x, threshold: jnp.zeros_like(x)},
    facts=lambda threshold: Facts((-inf, inf), Line(1, 0), Line(1, 0), None if threshold else 1.0),
    domain=_DOMAIN,
)
def hard_shrink(x: Array, threshold: ArrayLike = 0.5) -> Array:
    r"""Hard shrinkage: zero where the magnitude is at most a threshold, the identity elsewhere.

    .. math::

        f(x) = \begin{cases} x & |x| > \lambda \\ 0 & |x| \le \lambda \end{cases}

    Args:
        x: array of any shape and real dtype.
        threshold: the magnitude :math:`\lambda \ge 0` to exceed, broadcasts against ``x``. The value jumps there, and
            the derivative by it is 0.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``threshold`` is a negative number.

    Note:
        At :math:`\pm\lambda` value and slope are 0, as in torch, where the argument is called ``lambd``; in keras it is
        ``threshold``. The default is that of both. With threshold 0 it is the identity, but for the slope 0 at 0.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.hard_shrink(jnp.array([-2.0, -0.5, 0.25, 0.75]))
        Array([-2.  ,  0.  ,  0.  ,  0.75], dtype=float32)

    References:
        Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage",
        https://doi.org/10.1093/biomet/81.3.425
    """
    return jnp.where(jnp.abs(x) <= threshold, 0, x)


@activation(
    slope=_slope,
    partials={"threshold": lambda x, threshold: Pieces(_ends(threshold), (1.0, 0.0, -1.0))},
    facts=lambda threshold: Facts((-inf, inf), Line(1, threshold), Line(1, -threshold), 1.0),
    domain=_DOMAIN,
)
def soft_shrink(x: Array, threshold: ArrayLike = 0.5) -> Array:
    r"""Soft shrinkage: every magnitude less by a threshold, and 0 where nothing is left.

    .. math::

        f(x) = \operatorname{sign}(x) \max(|x| - \lambda, 0)

    Args:
        x: array of any shape and real dtype.
        threshold: what is taken away, :math:`\lambda \ge 0`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or ``threshold`` is a negative number.

    Note:
        Kinks at :math:`\pm\lambda`, where the slope is 0, as in torch, where the argument is called ``lambd``; in
        keras it is ``threshold``. The default is that of both. It is the proximal operator of :math:`\lambda |x|`,
        which ISTA and its learned forms apply. With threshold 0 it is the identity, but for the slope 0 at 0.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.soft_shrink(jnp.array([-2.0, -0.5, 0.25, 0.75]))
        Array([-1.5 ,  0.  ,  0.  ,  0.25], dtype=float32)

    References:
        Donoho & Johnstone 1994, "Ideal spatial adaptation by wavelet shrinkage",
        https://doi.org/10.1093/biomet/81.3.425
    """
    return x - jnp.clip(x, *_ends(threshold))
