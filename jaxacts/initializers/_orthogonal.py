"""Orthogonal matrices, and kernels of convolutions that act as one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Axes, Multiplier, Shape
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._fans.kernel import Layer
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler

__all__ = ["Orthogonal", "delta_orthogonal", "orthogonal"]

Direction: TypeAlias = Literal["fan_in", "fan_out"]


def _stretch(rows: int, columns: int, mode: str | None) -> float:
    """What keeps the second moment where the matrix keeps the norm of fewer numbers than it makes."""
    wider = {None: 1.0, "fan_in": columns / rows, "fan_out": rows / columns}[mode]
    return math.sqrt(max(1.0, wider))


@dataclass(frozen=True)
class _Matrices:
    """Uniformly distributed orthogonal matrices, laid out in the kernel by the roles of its axes."""

    roles: tuple[tuple[int, str], ...]

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        axes = {role: [i for i, (_, r) in enumerate(self.roles) if r == role] for role in ("batch", "row", "column")}
        sizes = {role: math.prod(self.roles[i][0] for i in found) for role, found in axes.items()}
        stacked = (sizes["batch"],) if axes["batch"] else ()
        drawn = jax.random.orthogonal(key, sizes["row"], stacked, dtype, sizes["column"])
        order = [*axes["batch"], *axes["row"], *axes["column"]]
        placed = drawn.reshape([self.roles[i][0] for i in order])
        return placed.transpose(np.argsort(order)).reshape(shape)


@dataclass(frozen=True)
class _Delta:
    """The matrix at the centre of the window, zero elsewhere."""

    in_axis: int
    out_axis: int
    column_axis: int

    def __call__(self, key: Array, shape: Shape, dtype: np.dtype[Any]) -> Array:
        own = self.in_axis, self.out_axis
        sizes = tuple(shape[a] for a in own)
        roles = tuple((n, "column" if a == self.column_axis else "row") for a, n in enumerate(sizes))
        matrix = _Matrices(roles)(key, sizes, dtype)
        centre = tuple(slice(None) if a in own else (n - 1) // 2 for a, n in enumerate(shape))
        return jnp.zeros(shape, dtype).at[centre].set(matrix if self.in_axis < self.out_axis else matrix.T)


@dataclass(frozen=True)
class Orthogonal(RandomInitializer):
    scale: Multiplier
    kernel: KernelSpec
    mode: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode is not None:
            _checks.known(self.function, "mode", self.mode, ("fan_in", "fan_out"))

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        if len(shape) < 2:
            raise ValueError(
                f"{self.function}: orthogonal initializer requires at least a 2D shape, got {shape}; "
                f"use zeros or normal for a bias."
            )
        roles = tuple(part for axis in self.kernel.roles(self.function, shape) for part in axis)
        if 0 in shape:
            return _samplers.normal, 1.0
        rows, columns = (math.prod(n for n, r in roles if r == role) for role in ("row", "column"))
        return _Matrices(roles), _checks.plain(self.scale) * _stretch(rows, columns, self.mode)


@dataclass(frozen=True)
class DeltaOrthogonal(Orthogonal):
    column_axis: int = -1

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        if len(shape) < 3:
            raise ValueError(
                f"{self.function}: Delta orthogonal initializer requires a 3D, 4D or 5D shape. It must be that of a "
                f"convolution, (*window, inputs, outputs), got {shape}; use orthogonal for a matrix."
            )
        (into,), (out,) = (
            _checks.axes(self.function, name, axis, shape)
            for name, axis in (("in_axis", self.kernel.in_axis), ("out_axis", self.kernel.out_axis))
        )
        if into == out:
            raise ValueError(
                f"{self.function}: in_axis and out_axis must be different axes, got axis {into} of shape {shape} for "
                f"both; name each axis once."
            )
        (column,) = _checks.axes(self.function, "column_axis", self.column_axis, (shape[into], shape[out]))
        if 0 in shape:
            return _samplers.normal, 1.0
        # Whichever of the two holds the columns.
        return _Delta(into, out, column), _checks.plain(self.scale) * _stretch(shape[into], shape[out], self.mode)


def orthogonal(
    scale: float = 1.0,
    column_axis: Axes = -1,
    dtype: DTypeLike | None = None,
    *,
    mode: Direction | None = None,
    batch_axis: Axes = (),
    layer: Layer | None = None,
) -> Initializer:
    r"""Orthogonal matrices, uniformly distributed (Haar): all singular values are equal.

    .. math:: W^\top W = \text{scale}^2 I \quad\text{or}\quad W W^\top = \text{scale}^2 I

    The first holds where the matrix has at least as many rows as columns, the second where it is wide; a square one
    has both. Complex ones are unitary.

    Args:
        scale: every singular value where ``mode`` says nothing else, up to its sign or, for complex weights, its
            phase; may be an array that broadcasts to the shape, and traced.
        column_axis: the axis or axes of the kernel that hold the columns, the outputs; the others together are the
            rows. It is 0 for (outputs, inputs, \*window), as in Equinox and torch.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        mode: ``"fan_in"`` multiplies by :math:`\sqrt{\max(1, \text{columns} / \text{rows})}`, so that the second moment
            of every output is scale² times that of the inputs, also where there are more outputs than inputs;
            ``"fan_out"`` by :math:`\sqrt{\max(1, \text{rows} / \text{columns})}`, which does so for the gradients. None
            leaves the singular values at ``scale``.
        batch_axis: axis or axes along which independent matrices are stacked, such as 0 for the layers of a scan.
        layer: which matrices the kernel holds, where its axes do not say it: :class:`Dense` with ``packed`` gates,
            grouped :class:`Conv`, :class:`Einsum`, as in :func:`fans`. Each matrix is then orthogonal by itself;
            ``column_axis`` stays at its default.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``, of at least two axes.

    Raises:
        ValueError: a scale that is not finite, an unknown mode, a column_axis beside a layer; at the call, fewer than
            two axes, an axis that ``shape`` lacks or that has two roles, a layer that does not fit the shape.
        TypeError: a dtype that is not a signed float or complex one, a layer that is not one.

    Note:
        float32 values have those of ``jax.nn.initializers.orthogonal``, which raises for 16-bit dtypes and for
        out_sharding; here the decomposition runs in float32 and is rounded once. Without ``mode``, a layer from n to
        m > n units has output variance n/m, as in jax, torch and keras: the norm of n numbers is spread over m. A layer
        to fewer units has variance 1 either way. That √(m/n) is the natural scale of a layer is what Yang et al. find
        for its spectral norm; the maximum with 1 is what a random, not yet aligned input needs. The decomposition
        itself is not split over devices: each computes it whole, with four times the memory of the matrix, and keeps
        its part. PPO's networks have the scale √2 before tanh, 0.01 for the last layer of the policy and 1 for that of
        the value.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> w = orthogonal()(jax.random.key(0), (64, 32))
        >>> bool(jnp.allclose(w.T @ w, jnp.eye(32), atol=1e-5))
        True
        >>> from jaxacts.initializers import Dense
        >>> gates = orthogonal(layer=Dense(packed=4))(jax.random.key(0), (64, 4 * 64))
        >>> bool(jnp.allclose(gates[:, :64].T @ gates[:, :64], jnp.eye(64), atol=1e-5))
        True

    References:
        Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks", 2014, https://arxiv.org/abs/1312.6120; Andrychowicz et al., "What matters in on-policy reinforcement
        learning?", 2020, https://arxiv.org/abs/2006.05990 (PPO); Mezzadri, "How to generate random matrices from the
        classical compact groups", 2007, https://arxiv.org/abs/math-ph/0609050; Yang, Simon & Bernstein, "A spectral
        condition for feature learning", 2023, https://arxiv.org/abs/2310.17813
    """
    _checks.no_key("orthogonal", scale)
    kernel = KernelSpec(
        out_axis=_checks.listed("orthogonal", "column_axis", column_axis), batch_axis=batch_axis, layer=layer
    )
    if layer is not None and column_axis != -1:
        raise ValueError(
            f"orthogonal: column_axis must be -1 beside a layer, which says where the outputs are, got {column_axis}; "
            f"leave one of them out."
        )
    factor = _checks.multiplier("orthogonal", "scale", scale)
    return Orthogonal("orthogonal", dtype, factor, kernel.checked("orthogonal"), mode)


def delta_orthogonal(
    scale: float = 1.0,
    column_axis: int = -1,
    dtype: DTypeLike | None = None,
    *,
    mode: Direction | None = None,
    in_axis: int = -2,
    out_axis: int = -1,
) -> Initializer:
    r"""Convolution kernels that apply one orthogonal matrix at every position and mix no neighbours.

    .. math:: W_{k} = \begin{cases} \text{scale} \cdot Q & k \text{ is the centre of the window} \\ 0 \end{cases}

    Q is what :func:`orthogonal` draws for (inputs, outputs), so a convolution with ``"SAME"`` padding and stride 1
    keeps the norm, times scale, where there are at least as many outputs as inputs. With fewer outputs Q has
    orthonormal columns instead of rows: the convolution projects at random, which keeps the second moment of the
    outputs, and the norm of the gradients.

    Args:
        scale: every singular value of Q where ``mode`` says nothing else, as in :func:`orthogonal`.
        column_axis: the axis of Q, -1 or -2, that holds its columns.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        mode: ``"fan_in"`` or ``"fan_out"`` keeps the second moment of outputs or gradients, as in :func:`orthogonal`.
        in_axis, out_axis: the axes of the kernel that hold inputs and outputs; all others are the window. They are 1
            and 0 for (outputs, inputs, \*window), as in Equinox and torch.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``, which is
        ``(*window, inputs, outputs)`` by default, with at least one window axis. An even window of n has its centre at
        n/2 - 1.

    Raises:
        ValueError: a scale that is not finite, an unknown mode; at the call, fewer than three axes, an axis that the
            shape lacks or that is both in_axis and out_axis, or a column_axis that Q lacks.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        float32 values have those of ``jax.nn.initializers.delta_orthogonal``, which refuses more inputs than outputs,
        more than three window axes, 16-bit dtypes and out_sharding. torch and keras have none.

    Example:
        >>> import jax
        >>> w = delta_orthogonal()(jax.random.key(0), (3, 3, 8, 16))
        >>> w.shape, int((w != 0).any((2, 3)).sum()), round(float((w**2).sum()), 3)
        ((3, 3, 8, 16), 1, 8.0)

    References:
        Xiao et al., "Dynamical isometry and a mean field theory of CNNs", 2018, https://arxiv.org/abs/1806.05393
    """
    _checks.no_key("delta_orthogonal", scale)
    factor = _checks.multiplier("delta_orthogonal", "scale", scale)
    into, out, column = (
        _checks.axis("delta_orthogonal", name, axis)
        for name, axis in (("in_axis", in_axis), ("out_axis", out_axis), ("column_axis", column_axis))
    )
    return DeltaOrthogonal("delta_orthogonal", dtype, factor, KernelSpec(into, out), mode, column)
