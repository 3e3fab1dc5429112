"""ReLU and its capped, squared, thresholded, smooth and two-sided relatives."""

from __future__ import annotations

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, Line, Pieces, activation
from jaxacts._kernels import star_relu as _star_relu
from jaxacts._kernels.arithmetic.elementary import finite

__all__ = ["abs", "identity", "relu", "relu6", "relu_squared", "sparse_plus", "star_relu", "threshold"]


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


@activation(
    slope=lambda x: Pieces((0.0,), (0.0, 2 * x)),
    facts=Facts(image=(0, inf), left=Line(0, 0)),
)
def relu_squared(x: Array) -> Array:
    r"""Square of ReLU: zero to the left of 0, a parabola to the right.

    .. math::

        f(x) = \max(x, 0)^2

    Args:
        x: array of any shape and real dtype.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[0, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array.

    Note:
        No kinks: the curvature jumps at 0. The slope has no bound, and there is no asymptote to the right. It is the
        activation of Primer, Nemotron-4 and nanochat; Hugging Face calls it ``relu2``. jax.nn and torch do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.relu_squared(jnp.array([-1.0, 0.5, 3.0]))
        Array([0.  , 0.25, 9.  ], dtype=float32)

    References:
        So et al. 2021, "Primer: searching for efficient transformers for language modeling",
        https://arxiv.org/abs/2109.08668
    """
    return jnp.square(jnp.maximum(x, 0))


def _star_relu_slope(x: Array, scale: Array, bias: Array) -> Pieces:
    x = jnp.where(scale == 0, finite(x), x)
    # Neither product overflows or vanishes before the end.
    grown = jnp.where(jnp.abs(scale) > 1, x * scale * 2, x * (2 * scale))
    return Pieces((0.0,), (0.0, grown))


def _by_scale(x: Array, scale: Array, bias: Array) -> Array:
    return jnp.square(jnp.maximum(x, 0))


def _star_relu_facts(scale: float, bias: float) -> Facts:
    image = (bias, inf) if scale > 0 else (-inf, bias) if scale < 0 else (bias, bias)
    return Facts(image, Line(0, bias), None if scale else Line(0, bias), None if scale else 0.0)


@activation(
    slope=_star_relu_slope,
    partials={"scale": _by_scale, "bias": lambda x, scale, bias: jnp.where(x != x, x, 1)},
    refined={"value": _star_relu.star_relu},
    facts=_star_relu_facts,
)
def star_relu(x: Array, scale: ArrayLike = 0.8944, bias: ArrayLike = -0.4472) -> Array:
    r"""Square of ReLU with a scale and a bias, which make mean and variance those of the input.

    .. math::

        f(x) = s \max(x, 0)^2 + b

    Args:
        x: array of any shape and real dtype.
        scale: the factor :math:`s`, any real number or an array that broadcasts against ``x``; differentiable.
        bias: the value :math:`b` to the left of 0, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks: the curvature jumps at 0. The defaults are those of the paper, :math:`s = 2/\sqrt5` and
        :math:`b = -1/\sqrt5` in four digits, with which a standard normal input gives outputs of mean 0 and variance 1.
        It is the activation of MetaFormer (CAFormer, ConvFormer), which learns both; timm's module starts at 1 and 0,
        where it is :func:`relu_squared`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.star_relu(jnp.array([-1.0, 0.0, 2.0]), scale=0.5, bias=-1.0)
        Array([-1., -1.,  1.], dtype=float32)

    References:
        Yu et al. 2022, "MetaFormer baselines for vision", https://arxiv.org/abs/2210.13452
    """
    x = jnp.maximum(x, 0)
    return jnp.where(jnp.equal(scale, 0) & (x > 0), 0, scale * x * x) + bias  # without scale also at inf


def _threshold_facts(threshold: float, value: float) -> Facts:
    return Facts((min(threshold, value), inf), Line(0, value), Line(1, 0), 1.0 if threshold == value else None)


@activation(
    slope=lambda x, threshold, value: Pieces((threshold,), (0.0, 1.0)),
    partials={
        "threshold": lambda x, threshold, value: jnp.zeros_like(x),
        "value": lambda x, threshold, value: Pieces((threshold,), (1.0, 0.0), tie="left"),
    },
    facts=_threshold_facts,
    typical={"threshold": 1.0, "value": 0.0},
)
def threshold(x: Array, threshold: ArrayLike, value: ArrayLike) -> Array:
    r"""Identity above a threshold, a constant up to it.

    .. math::

        f(x) = \begin{cases} x & x > \theta \\ v & x \le \theta \end{cases}

    Args:
        x: array of any shape and real dtype.
        threshold: the number :math:`\theta` that ``x`` has to exceed, broadcasts against ``x``. The value jumps there,
            unless :math:`v = \theta`, and the derivative by it is 0.
        value: what takes the place of ``x`` elsewhere, :math:`v`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        At the threshold the value is :math:`v` and the slope 0, as in torch. torch has the same signature; keras calls
        the arguments ``threshold`` and ``default_value``. With :math:`v = 0` it is the thresholded ReLU of the paper,
        which keras 2 had as ``ThresholdedReLU(theta=1.0)``; with :math:`v = \theta` it is :func:`tlu`.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.threshold(jnp.array([-1.0, 0.5, 1.0, 2.0]), 1.0, 0.0)
        Array([0., 0., 0., 2.], dtype=float32)

    References:
        Konda et al. 2014, "Zero-bias autoencoders and the benefits of co-adapting features",
        https://arxiv.org/abs/1402.3337
    """
    return jnp.where(x <= threshold, value, x)
