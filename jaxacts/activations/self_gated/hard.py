"""Piecewise quadratic self-gated units."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, Pieces, activation

__all__ = ["hard_mish", "hard_silu", "hard_swish"]


@activation(
    slope=lambda x: Pieces((-3.0, 3.0), (0.0, (x + 1.5) / 3, 1.0), limits=((0.0, -0.5), (1.5, 1.0))),
    facts=Facts(image=(-0.375, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.5),
)
def hard_silu(x: Array) -> Array:
    r"""Piecewise quadratic silu, also called hard swish.

    .. math::

        f(x) = x \, \frac{\min(\max(x + 3, 0), 6)}{6}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-3/8, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kinks at -3 (slopes -1/2 and 0; 0 is taken) and 3 (slopes 3/2 and 1; 1 is taken), as in jax.nn. At -inf the
        value is 0 (NaN in jax.nn).

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.hard_silu(jnp.array([-4.0, -1.5, 4.0]))
        Array([-0.   , -0.375,  4.   ], dtype=float32)

    References:
        Howard et al. 2019, "Searching for MobileNetV3", https://arxiv.org/abs/1905.02244
    """
    x = jnp.maximum(x, -3)
    share = jnp.where(x < -1.5, (x + 3) / 6, x / 6 + 0.5)
    return x * jnp.minimum(share, 1)


hard_swish = hard_silu


@activation(
    slope=lambda x: Pieces((-2.0, 0.0), (0.0, x + 1, 1.0), limits=((0.0, -1.0), (1.0, 1.0))),
    facts=Facts(image=(-0.5, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
)
def hard_mish(x: Array) -> Array:
    r"""Piecewise quadratic mish: zero, then a parabola, then the identity.

    .. math::

        f(x) = x \, \frac{\min(\max(x + 2, 0), 2)}{2}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-1/2, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kink at -2 (slopes 0 and -1; 0 is taken). At 0 the slope is continuous. timm has it; jax.nn, torch and keras do
        not.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.hard_mish(jnp.array([-3.0, -1.0, 4.0]))
        Array([-0. , -0.5,  4. ], dtype=float32)

    References:
        Misra 2020, "H-Mish", https://github.com/digantamisra98/H-Mish
    """
    x = jnp.maximum(x, -2)
    return x * jnp.minimum(x / 2 + 1, 1)
