"""Rectifiers without parameters, and their smooth and two-sided relatives."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, Pieces, activation

__all__ = ["abs", "identity", "relu", "relu6", "sparse_plus"]


@activation(facts=Facts(image=(-inf, inf), left=Line(1, 0), right=Line(1, 0), lipschitz=1.0))
def identity(x: Array) -> Array:
    r"""The straight line, for layers without an activation.

    .. math::

        f(x) = x

    Args:
        x: array of any shape and real dtype.

    Returns:
        ``x``; integers become the default float dtype.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks. Unlike ``jax.nn.identity`` it turns integers into floats, as every activation here does.

    Example:
        >>> import jaxacts
        >>> jaxacts.identity(2.5)
        Array(2.5, dtype=float32, weak_type=True)

    References:
        Kunc & Kléma 2024, "Three decades of activations", https://arxiv.org/abs/2402.09092
    """
    return x


@activation(
    slope=lambda x: Pieces((0.0,), (0.0, 1.0)),
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
)
def relu(x: Array) -> Array:
    r"""Rectified linear unit: zero to the left of 0, the identity to the right.

    .. math::

        f(x) = \max(x, 0)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kink at 0, where the slope is 0 as in jax.nn and torch. Half of its outputs are exactly 0 when the inputs are
        symmetric around 0.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.relu(jnp.array([-1.0, 0.0, 2.0]))
        Array([0., 0., 2.], dtype=float32)

    References:
        Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines",
        https://www.cs.toronto.edu/~hinton/absps/reluICML.pdf
    """
    return jnp.maximum(x, 0)


@activation(
    slope=lambda x: Pieces((0.0, 6.0), (0.0, 1.0, 0.0)),
    facts=Facts(image=(0, 6), left=Line(0, 0), right=Line(0, 6), lipschitz=1.0),
)
def relu6(x: Array) -> Array:
    r"""Rectified linear unit capped at 6, for low-precision inference.

    .. math::

        f(x) = \min(\max(x, 0), 6)

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, 6]`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kinks at 0 and 6, where the slope is 0 as in jax.nn and torch.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.relu6(jnp.array([-1.0, 3.0, 8.0]))
        Array([0., 3., 6.], dtype=float32)

    References:
        Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10",
        https://www.cs.toronto.edu/~kriz/conv-cifar10-aug2010.pdf
    """
    return jnp.clip(x, 0, 6)


@activation(
    slope=lambda x: Pieces((0.0,), (-1.0, 1.0)),
    facts=Facts(image=(0, inf), left=Line(-1, 0), right=Line(1, 0), lipschitz=1.0),
)
def abs(x: Array) -> Array:
    r"""Absolute value rectification: the same response to a feature and its negative.

    .. math::

        f(x) = |x|

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        Kink at 0, where the slope is 0 (1 in ``jnp.abs``, 0 in torch). It is :func:`leaky_relu` at slope -1.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.abs(jnp.array([-2.0, 3.0]))
        Array([2., 3.], dtype=float32)

    References:
        Jarrett et al. 2009, "What is the best multi-stage architecture for object recognition?",
        https://yann.lecun.com/exdb/publis/pdf/jarrett-iccv-09.pdf
    """
    return jnp.abs(x)


@activation(
    slope=lambda x: Pieces((-1.0, 1.0), (0.0, (x + 1) / 2, 1.0), limits=((0.0, 0.0), (1.0, 1.0))),
    facts=Facts(image=(0, inf), left=Line(0, 0), right=Line(1, 0), lipschitz=1.0),
)
def sparse_plus(x: Array) -> Array:
    r"""Sparse counterpart of softplus: zero, then a parabola, then the identity.

    .. math::

        f(x) = \begin{cases} 0 & x \le -1 \\ \tfrac14 (x + 1)^2 & -1 < x < 1 \\ x & x \ge 1 \end{cases}

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks: the slope is continuous, the curvature jumps at -1 and 1.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.sparse_plus(jnp.array([-2.0, 0.0, 2.0]))
        Array([0.  , 0.25, 2.  ], dtype=float32)

    References:
        Martins & Astudillo 2016, "From softmax to sparsemax", https://arxiv.org/abs/1602.02068
    """
    return jnp.where(x >= 1, x, jnp.square(jnp.maximum(x, -1) + 1) / 4)
