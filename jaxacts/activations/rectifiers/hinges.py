"""Rectifiers with learned or several hinges."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import (
    Choice,
    Facts,
    Line,
    Pieces,
    activation,
    as_floating,
    broadcast,
    checked_axis,
    choice_rule,
    current_choice,
    down,
    up,
)
from jaxacts.activations.rectifiers.relu import relu

__all__ = ["apl", "crelu", "srelu", "tlu"]


def _large(x: Array) -> float:
    """What sums and differences of smaller numbers are far from overflowing."""
    return float(jnp.finfo(x.dtype).max) * 2.0**-30


@activation(
    slope=lambda x, tau: Pieces((tau,), (0.0, 1.0)),
    partials={"tau": lambda x, tau: Pieces((tau,), (1.0, 0.0))},
    facts=lambda tau: Facts((tau, inf), Line(0, tau), Line(1, 0), lipschitz=1.0),
    typical={"tau": -0.5},
)
def tlu(x: Array, tau: ArrayLike) -> Array:
    r"""Thresholded linear unit: the greater of the input and a learned threshold.

    .. math::

        f(x) = \max(x, \tau)

    Args:
        x: array of any shape and real dtype.
        tau: the threshold :math:`\tau`, one number, one per channel of the last axis, or any array that broadcasts
            against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`[\tau, \infty)`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        Kink at :math:`\tau`, where the slope is 0, and the derivative by ``tau`` too. It follows filter response
        normalization, which has no mean to take away; the paper starts :math:`\tau` at 0, where it is :func:`relu`.
        jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.tlu(jnp.array([-2.0, 0.0, 3.0]), -1.0)
        Array([-1.,  0.,  3.], dtype=float32)

    References:
        Singh & Krishnan 2019, "Filter response normalization layer", https://arxiv.org/abs/1911.09737
    """
    return jnp.maximum(x, tau)


@activation(static=("axis",))
def crelu(x: Array, axis: int = -1) -> Array:
    r"""Concatenated ReLU: the positive and the negative part side by side.

    .. math::

        f(x) = [\max(x, 0), \max(-x, 0)]

    Args:
        x: array of any real dtype with at least one axis.
        axis: the axis along which the two parts are concatenated.

    Returns:
        Array of the dtype of ``x`` with ``axis`` twice as long.

    Raises:
        TypeError: ``x`` is complex or not an array.
        ValueError: ``axis`` is out of range.

    Note:
        Kink at 0, where the slope of both parts is 0. Nothing is lost: ``x`` is the first half less the second. In
        TensorFlow it is ``tf.nn.crelu``, with the same order of the halves; jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.crelu(jnp.array([-2.0, 3.0]))
        Array([0., 3., 2., 0.], dtype=float32)

    References:
        Shang et al. 2016, "Understanding and improving convolutional neural networks via concatenated rectified linear
        units", https://arxiv.org/abs/1603.05201
    """
    return jnp.concatenate([relu(x), relu(-x)], checked_axis("crelu", axis, x.ndim))


def _srelu_facts(right_threshold: float, right_slope: float, left_threshold: float, left_slope: float) -> Facts:
    left = Line(left_slope, left_threshold * (1 - left_slope))
    right = Line(right_slope, right_threshold * (1 - right_slope))
    ends = [line.slope * x if line.slope else line.intercept for line, x in ((left, -inf), (right, inf))]
    values = [*ends, left_threshold, right_threshold]
    return Facts((min(values), max(values)), left, right, max(1.0, abs(left_slope), abs(right_slope)))


@activation(
    slope=lambda x, right_threshold, right_slope, left_threshold, left_slope: Pieces(
        (left_threshold, right_threshold), (left_slope, 1.0, right_slope), tie=("left", "right")
    ),
    partials={
        "right_threshold": lambda x, right_threshold, right_slope, left_threshold, left_slope: Pieces(
            (right_threshold,), (0.0, 1 - right_slope)
        ),
        "right_slope": lambda x, right_threshold, right_slope, left_threshold, left_slope: Pieces(
            (right_threshold,), (0.0, x - right_threshold)
        ),
        "left_threshold": lambda x, right_threshold, right_slope, left_threshold, left_slope: Pieces(
            (left_threshold,), (1 - left_slope, 0.0)
        ),
        "left_slope": lambda x, right_threshold, right_slope, left_threshold, left_slope: Pieces(
            (left_threshold,), (x - left_threshold, 0.0)
        ),
    },
    facts=_srelu_facts,
    typical={"right_threshold": 1.0, "right_slope": 0.5, "left_threshold": -1.0, "left_slope": 0.125},
    domain={
        "left_threshold < right_threshold": lambda left_threshold, right_threshold: left_threshold < right_threshold
    },
)
def srelu(
    x: Array, right_threshold: ArrayLike, right_slope: ArrayLike, left_threshold: ArrayLike, left_slope: ArrayLike
) -> Array:
    r"""S-shaped rectified linear unit: the identity between two thresholds, and a line of its own slope on each side.

    .. math::

        f(x) = \begin{cases} t_r + a_r (x - t_r) & x \ge t_r \\ x & t_l < x < t_r \\ t_l + a_l (x - t_l) & x \le t_l
        \end{cases}

    Args:
        x: array of any shape and real dtype.
        right_threshold: where the right line begins, :math:`t_r`; broadcasts against ``x``, as all four do;
            differentiable.
        right_slope: its slope :math:`a_r`, any real number; differentiable.
        left_threshold: where the left line ends, :math:`t_l < t_r`; differentiable.
        left_slope: its slope :math:`a_l`, any real number; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast, or both thresholds are numbers and the left one is not the
            lesser.

    Note:
        Kinks at the thresholds, where the slope is that of the outer line. That is the subgradient of least magnitude
        for slopes between 0 and 1; others are taken there too. The derivatives by the thresholds are 0 at them. The
        paper trains one set per channel; :math:`t_l = 0` and :math:`a_r = 1` make it :func:`leaky_relu`. jax.nn, torch
        and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.srelu(jnp.array([-3.0, 0.5, 3.0]), 1.0, 2.0, -1.0, 0.25)
        Array([-1.5,  0.5,  5. ], dtype=float32)

    References:
        Jin et al. 2015, "Deep learning with S-shaped rectified linear activation units",
        https://arxiv.org/abs/1512.07030
    """
    largest = jnp.maximum(jnp.abs(left_threshold), jnp.abs(right_threshold))
    unit = jnp.where(largest > _large(x), 0.5, 1.0)  # x - t may overflow where f(x) does not
    z, low, high = x * unit, left_threshold * unit, right_threshold * unit
    t = jnp.clip(z, low, high)
    slope = jnp.where(z < low, left_slope, right_slope)
    line = jnp.where(slope == 0, 0, slope * (z - t))  # at ±inf, too
    return (t + line) * (1 / unit)


def _hinge(x: Array, b: Array) -> Array:
    """max(b - x, 0), whose derivative at b is 0."""
    return jnp.where(x < b, b - x, 0)


@functools.partial(jax.checkpoint, static_argnums=(0,), prevent_cse=False)
def _apl_tangent(
    choice: Choice, primals: tuple[Array, list[Array], list[Array]], tangents: tuple[Array, list[Array], list[Array]]
) -> Array:
    """The sum of all tangent terms in the compute dtype; checkpointed, so that x is kept and nothing else."""
    narrow = primals[0].dtype
    (x, slopes, hinges), (dx, *others) = jax.tree.map(lambda a: up(a, narrow), (primals, tangents))
    left, right = jnp.where(x > 0, 1, 0).astype(x.dtype), jnp.where(x >= 0, 1, 0).astype(x.dtype)
    terms: list[Array] = []
    for a, b, da, db in zip(slopes, hinges, *others, strict=True):
        left, right = left - jnp.where(x <= b, a, 0), right - jnp.where(x < b, a, 0)
        terms += [_hinge(x, b) * da, jnp.where(x < b, a, 0) * db]
    slope = jnp.where(x != x, x, choice_rule(choice)(left, right))
    return down(sum(terms, slope * dx), narrow)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _apl(choice: Choice, x: Array, slopes: list[Array], hinges: list[Array]) -> Array:
    z, a, b = jax.tree.map(lambda v: up(v, x.dtype), (x, slopes, hinges))
    unit = jnp.where(jnp.abs(z) > _large(z), 2.0**-30, 1)  # the terms may overflow where their sum does not
    y = jnp.maximum(z * unit, 0)
    at_left, steepness = jnp.zeros_like(z), jnp.zeros_like(z)
    for slope, hinge in zip(a, b, strict=True):
        y = y + slope * _hinge(z * unit, hinge * unit)
        at_left, steepness = at_left + slope * hinge, steepness + slope
    at_left = jnp.where(steepness == 0, at_left, steepness * inf)
    return down(jnp.where(z == -inf, at_left, y * (1 / unit)), x.dtype)


@_apl.defjvp
def _(choice: Choice, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    return _apl(choice, *primals), _apl_tangent(choice, primals, tangents)


def _each(argument: str, values: Sequence[ArrayLike] | Array) -> list[Array]:
    """The entries of a sequence, or of the first axis of an array."""
    if isinstance(values, tuple | list):
        return [as_floating("apl", f"{argument}[{k}]", v) for k, v in enumerate(values)]
    array = as_floating("apl", argument, values)
    if not array.ndim:
        raise ValueError(
            f"apl: {argument} must have a first axis with an entry for each hinge, got a scalar; pass (a,)."
        )
    return list(array)


@activation(parameters=("slopes", "hinges"), typical={"slopes": (0.25, -0.125), "hinges": (-0.5, 1.5)})
def apl(x: Array, slopes: Sequence[ArrayLike] | Array, hinges: Sequence[ArrayLike] | Array) -> Array:
    r"""Adaptive piecewise linear unit: ReLU plus K learned hinges that open to the left.

    .. math::

        f(x) = \max(x, 0) + \sum_{k=1}^K a_k \max(b_k - x, 0)

    Args:
        x: array of any shape and real dtype.
        slopes: the factors :math:`a_k`, any real numbers: an array whose *first* axis has length K, or a sequence of K
            numbers or arrays. Each of them broadcasts against ``x``: the shape is ``(K,)`` for all channels together
            and ``(K, channels)`` for each of the last axis by itself. Differentiable.
        hinges: where the terms begin, :math:`b_k`, in any order; as many as ``slopes``, and of such shapes.
            Differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: there are not as many hinges as slopes, or the shapes do not broadcast.

    Note:
        Kinks at 0 and at every hinge, where the slope is the one of least magnitude between those of the whole sum on
        both sides; the derivative by :math:`b_k` at the hinge is 0. The backward pass keeps ``x``, whatever K is. The
        paper has K from 1 to 5, one set for every unit, and decays the slopes a little; :math:`K = 1` with
        :math:`b = 0` is :func:`leaky_relu` of slope :math:`-a`. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> jaxacts.apl(jnp.array([-2.0, 0.0, 3.0]), slopes=(0.25, -0.5), hinges=(0.0, 1.0))
        Array([-1. , -0.5,  3. ], dtype=float32)

    References:
        Agostinelli et al. 2014, "Learning activation functions to improve deep neural networks",
        https://arxiv.org/abs/1412.6830
    """
    a, b = _each("slopes", slopes), _each("hinges", hinges)
    if len(a) != len(b):
        raise ValueError(f"apl: needs as many hinges as slopes, got {len(b)} and {len(a)}; give one for each.")
    names = ("x", *(f"slopes[{k}]" for k in range(len(a))), *(f"hinges[{k}]" for k in range(len(b))))
    x, *rest = broadcast("apl", names, [x, *a, *b])
    return _apl(current_choice.get(), x, rest[: len(a)], rest[len(a) :])
