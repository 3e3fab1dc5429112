"""Piecewise linear sigmoids."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation

__all__ = ["hard_sigmoid", "hard_tanh", "sparse_sigmoid"]


@activation(
    slope=lambda x, min, max: Pieces((min, max), (0.0, 1.0, 0.0)),
    partials={
        "min": lambda x, min, max: Pieces((min,), (1.0, 0.0)),
        "max": lambda x, min, max: Pieces((max,), (0.0, 1.0)),
    },
    facts=lambda min, max: Facts((min, max), Line(0, min), Line(0, max), lipschitz=1.0),
    domain={"min < max": lambda min, max: min < max},
)
def hard_tanh(x: Array, min: ArrayLike = -1.0, max: ArrayLike = 1.0) -> Array:
    r"""Piecewise linear tanh: the identity between two bounds, constant outside.

    .. math::

        f(x) = \begin{cases} a & x \le a \\ x & a < x < b \\ b & x \ge b \end{cases}

    Args:
        x: array of any shape and real dtype.
        min: the lower bound :math:`a`, broadcasts against ``x``; differentiable.
        max: the upper bound :math:`b > a`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`[a, b]`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or both bounds are numbers and ``min`` is not the lesser.

    Note:
        Kinks at both bounds, where the slope is 0, as in torch (1 in jax.nn). The derivatives by ``min`` and ``max``
        are 0 at the bounds too. The defaults are those of jax and torch.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.hard_tanh(jnp.array([-2.0, 0.5, 2.0]))
        Array([-1. ,  0.5,  1. ], dtype=float32)

    References:
        Collobert 2004, "Large scale machine learning" (thesis),
        https://ronan.collobert.com/pub/matos/2004_phdthesis_lip6.pdf
    """
    return jnp.where(x >= max, max, jnp.where(x <= min, min, x))


@activation(
    slope=lambda x: Pieces((-3.0, 3.0), (0.0, 1 / 6, 0.0)),
    facts=Facts(image=(0, 1), left=Line(0, 0), right=Line(0, 1), lipschitz=1 / 6),
)
def hard_sigmoid(x: Array) -> Array:
    r"""Piecewise linear sigmoid.

    .. math::

        f(x) = \frac{\min(\max(x + 3, 0), 6)}{6}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 1]`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kinks at -3 and 3, where the slope is 0, as in jax.nn and torch. The slope 1/6 is that of MobileNetV3, jax,
        torch and keras 3; keras 2 had 0.2.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.hard_sigmoid(jnp.array([-4.0, 0.0, 1.5]))
        Array([0.  , 0.5 , 0.75], dtype=float32)

    References:
        Howard et al. 2019, "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244
    """
    return jnp.clip(x + 3, 0, 6) / 6


@activation(
    slope=lambda x: Pieces((-1.0, 1.0), (0.0, 0.5, 0.0)),
    facts=Facts(image=(0, 1), left=Line(0, 0), right=Line(0, 1), lipschitz=0.5),
)
def sparse_sigmoid(x: Array) -> Array:
    r"""Slope of sparse_plus: exactly 0 and 1 outside [-1, 1].

    .. math::

        f(x) = \frac{\min(\max(x + 1, 0), 2)}{2}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 1]`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kinks at -1 and 1, where the slope is 0 (0.25 in jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.sparse_sigmoid(jnp.array([-2.0, 0.0, 0.5]))
        Array([0.  , 0.5 , 0.75], dtype=float32)

    References:
        Martins & Astudillo 2016, "From softmax to sparsemax", https://arxiv.org/abs/1602.02068
    """
    return jnp.clip(x + 1, 0, 2) / 2
