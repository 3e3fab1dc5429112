"""Initializers with a structure: layers that start as the identity, and matrices that are mostly zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxacts.initializers import _checks
from jaxacts.initializers._checks import Shape
from jaxacts.initializers._protocol import Initializer, OutSharding, RandomInitializer, Sampler, sharded

__all__ = ["dirac", "identity", "sparse"]


@dataclass(frozen=True)
class _Ones:
    """``value`` where the layer copies an input channel to an output, zero elsewhere; every entry by itself."""

    shape: Shape
    groups: int

    def __call__(self, value: Array) -> Array:
        *window, _, outputs = self.shape
        *place, inward, outward = (jax.lax.broadcasted_iota(np.int32, self.shape, a) for a in range(len(self.shape)))
        copied = inward == outward % max(1, outputs // self.groups)
        for index, n in zip(place, window, strict=True):
            copied &= index == (n - 1) // 2
        return jnp.where(copied, value, jnp.zeros_like(value))


@dataclass(frozen=True)
class Identity:
    function: str
    scale: float
    dtype: DTypeLike | None
    groups: int = 1
    window: bool = False

    def __call__(
        self, key: Array | None, shape: Sequence[int], dtype: DTypeLike | None = None, out_sharding: OutSharding = None
    ) -> Array:
        sizes = _checks.sizes(self.function, shape)
        if not self.window and len(sizes) != 2:
            raise ValueError(
                f"{self.function}: shape must be that of a matrix, (inputs, outputs), got {sizes}; "
                f"use dirac for a convolution, jax.vmap for a stack."
            )
        if self.window and len(sizes) < 3:
            raise ValueError(
                f"{self.function}: shape must be that of a convolution, (*window, inputs, outputs), got {sizes}; "
                f"use identity for a matrix."
            )
        _checks.divides(self.function, "groups", self.groups, "outputs", sizes[-1])
        stored = _checks.default_dtype(self.function, self.dtype if dtype is None else dtype)
        _checks.representable(self.function, "scale", self.scale, stored)
        value = jnp.asarray(self.scale, stored)
        return sharded(_Ones(sizes, self.groups), len(sizes), out_sharding, value)


def identity(scale: float = 1.0, dtype: DTypeLike | None = None) -> Initializer:
    r"""The identity matrix: a dense layer that starts by passing on its input.

    .. math:: w_{ij} = \text{scale} \cdot \delta_{ij}

    Args:
        scale: the value on the diagonal; any finite number.
        dtype: dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which ignores the key, for a ``shape`` of two axes. With
        more outputs than inputs the last outputs are zero; with fewer the last inputs are dropped.

    Raises:
        ValueError: a scale that is not finite; at the call, a shape that is not that of a matrix, or a scale that the
            dtype does not hold.

    Note:
        As torch's ``eye_`` and keras's ``Identity``; jax.nn has none. Its main use is the recurrent matrix of a relu
        network, with scale 1, or less for a shorter memory.

    Example:
        >>> identity()(None, (2, 3))
        Array([[1., 0., 0.],
               [0., 1., 0.]], dtype=float32)

    References:
        Le, Jaitly & Hinton, "A simple way to initialize recurrent networks of rectified linear units", 2015,
        https://arxiv.org/abs/1504.00941
    """
    _checks.no_key("identity", scale)
    return Identity("identity", _checks.number("identity", "scale", scale), dtype)


def dirac(groups: int = 1, scale: float = 1.0, dtype: DTypeLike | None = None) -> Initializer:
    r"""Convolution kernels that pass each input channel on to the output channel of its number.

    .. math::
        w_{k,i,o} = \begin{cases}
            \text{scale} & k \text{ is the centre of the window and } i = o \bmod (\text{outputs}/\text{groups}) \\
            0 & \text{otherwise}
        \end{cases}

    Args:
        groups: ``feature_group_count`` of the convolution; each group passes on its own channels.
        scale: the value of the ones; any finite number.
        dtype: dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which ignores the key, for a ``shape`` of
        ``(*window, inputs / groups, outputs)`` with at least one window axis. An even window of n has its centre at
        n/2 - 1, where ``"SAME"`` padding needs it.

    Raises:
        ValueError: groups below 1, a scale that is not finite; at the call, fewer than three axes, groups that do not
            divide the outputs, or a scale that the dtype does not hold.

    Note:
        As torch's ``dirac_`` in the layout of Flax; torch's centre of an even window is n/2, which fits its padding.
        jax.nn and keras have none.

    Example:
        >>> dirac(groups=2)(None, (3, 2, 4))[1]
        Array([[1., 0., 1., 0.],
               [0., 1., 0., 1.]], dtype=float32)

    References:
        Zagoruyko & Komodakis, "DiracNets: training very deep neural networks without skip-connections", 2017,
        https://arxiv.org/abs/1706.00388
    """
    _checks.no_key("dirac", groups)
    scale = _checks.number("dirac", "scale", scale)
    return Identity("dirac", scale, dtype, _checks.count("dirac", "groups", groups), window=True)


@dataclass(frozen=True)
class _Sparse:
    """Standard normal, with ``zeros`` of each column set to zero, all choices of them equally likely."""

    zeros: int

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        value_key, order_key = jax.random.split(key)
        order = jnp.argsort(jax.random.bits(order_key, shape, np.uint32), axis=0)
        return jnp.where(order < self.zeros, 0, jax.random.normal(value_key, shape, dtype)).astype(dtype)


@dataclass(frozen=True)
class Sparse(RandomInitializer):
    sparsity: float
    stddev: float

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, float]:
        if len(shape) != 2:
            raise ValueError(
                f"{self.function}: shape must be that of a matrix, (inputs, outputs), got {shape}; "
                f"use jax.vmap for a stack."
            )
        # Of the fraction that was meant: in floats, 0.07 of 100 is more than 7.
        return _Sparse(math.ceil(Fraction(self.sparsity).limit_denominator(10**9) * shape[0])), self.stddev


def sparse(sparsity: float, stddev: float = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    r"""Gaussian matrices in which every output listens to a few inputs only.

    .. math::
        w_{ij} = \begin{cases} 0 & i \in Z_j \\ \mathcal N(0, \text{stddev}^2) & \text{otherwise} \end{cases}
        \qquad |Z_j| = \lceil \text{sparsity} \cdot \text{inputs} \rceil

    Each :math:`Z_j` is a set of inputs drawn for column j alone. The variance over all entries is stddev² times the
    fraction that is not zero.

    Args:
        sparsity: the fraction of each column that is zero, from 0 to 1.
        stddev: standard deviation of the others; finite and at least 0. ``m ** -0.5`` with m = inputs - \|Z\| keeps the
            second moment.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``, (inputs, outputs).

    Raises:
        ValueError: a sparsity outside [0, 1], a stddev that is negative or not finite; at the call, a shape that is not
            that of a matrix.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        As in the paper, the number of incoming weights is fixed. torch's ``sparse_``, which has the same default,
        fixes it along the first axis of its (outputs, inputs) matrices, so for outgoing ones. jax.nn and keras have
        none. Choosing the zeros sorts each column; devices that share the inputs exchange their parts for that, and
        none holds the whole.

    Example:
        >>> import jax
        >>> w = sparse(0.75)(jax.random.key(0), (400, 300))
        >>> (w == 0).sum(0).min().item(), (w == 0).sum(0).max().item(), round(float(w[w != 0].std()), 3)
        (300, 300, 0.01)

    References:
        Martens, "Deep learning via Hessian-free optimization", 2010, section 5,
        https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf
    """
    _checks.no_key("sparse", sparsity, "sparsity")
    fraction = _checks.number("sparse", "sparsity", sparsity)
    if not 0 <= fraction <= 1:
        raise ValueError(f"sparse: sparsity must be from 0 to 1, got {fraction}; pass the fraction of zeros.")
    return Sparse("sparse", dtype, fraction, _checks.magnitude("sparse", "stddev", stddev))
