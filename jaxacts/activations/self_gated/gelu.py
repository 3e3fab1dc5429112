"""x gated by the distribution function of a normal variable."""

from __future__ import annotations

import math
from math import inf

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core import Facts, Line, activation, check_flag
from jaxacts._kernels.self_gated import gelu as _gelu
from jaxacts._kernels.self_gated import gelu_tanh as _gelu_tanh
from jaxacts.activations.self_gated._gate import gated_slope, self_gated

__all__ = ["gelu"]


def _gelu_facts(approximate: bool) -> Facts:
    least, steepest = (
        (-0.170040750571254051, 1.12899306865877177) if approximate else (-0.169971207479903662, 1.12890414518515479)
    )
    return Facts((least, inf), Line(0, 0), Line(1, 0), lipschitz=steepest)


_TAIL = 0.9942


def _erfc_ends(x: Array) -> float:
    """Where erfc underflows in float32; from there to -13.3, where gelu does, it is -φ(x)·(1 - 1/x² + ...)."""
    return -math.inf if x.dtype == jnp.float64 else -12.97


def _cubic(x: Array) -> tuple[Array, Array, Array]:
    linear, cube, square = _gelu_tanh.LINEAR, _gelu_tanh.CUBE, x * x
    return x * (linear + cube * square), linear + 3 * cube * square, 6 * cube * x


def _gelu_slope(x: Array, approximate: bool) -> Array:
    if approximate:
        return gated_slope(_cubic, x)
    x = jnp.clip(x, -40, 40)
    half = jnp.exp(x * x / -4)
    steep = x * half * _gelu.DENSITY_AT_0 * half
    return jnp.where(x < _erfc_ends(x), _TAIL * steep, jax.lax.erfc(-math.sqrt(0.5) * x) / 2 + steep)


@activation(
    slope=_gelu_slope,
    refined={
        "value": lambda x, approximate: _gelu_tanh.gelu_tanh(x) if approximate else _gelu.gelu(x),
        "slope": lambda x, approximate: _gelu_tanh.gelu_tanh_slope(x) if approximate else _gelu.gelu_slope(x),
    },
    facts=_gelu_facts,
    static=("approximate",),
)
def gelu(x: Array, approximate: bool = True) -> Array:
    r"""Gaussian error linear unit: x times the probability that a standard normal variable is below x.

    .. math::

        f(x) = x\,\Phi(x) \quad\text{or}\quad
        \frac{x}{2} \left( 1 + \tanh\!\left( \sqrt{2/\pi}\,(x + 0.044715\,x^3) \right) \right)

    Args:
        x: array of any shape and real dtype.
        approximate: take the tanh form (the second); False takes the exact one.

    Returns:
        Array of the shape and dtype of ``x``, in :math:`[-0.1701, \infty)`.

    Raises:
        TypeError: ``x`` is complex or not an array, or ``approximate`` is not a bool (torch's ``"tanh"`` is True here).

    Note:
        **The default is the tanh form, as in jax.nn; torch and keras default to the exact one.** They differ by up to
        4.7e-4, so pass ``approximate=False`` for weights trained there. No kinks. The minimum is at -0.752.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.gelu(jnp.array([-1.0, 0.0, 1.0])).tolist()]
        [-0.1588, 0.0, 0.8412]
        >>> [round(y, 4) for y in jaxacts.gelu(jnp.array([-1.0, 0.0, 1.0]), approximate=False).tolist()]
        [-0.1587, 0.0, 0.8413]

    References:
        Hendrycks & Gimpel 2016, "Gaussian error linear units", https://arxiv.org/abs/1606.08415
    """
    check_flag("gelu", "approximate", approximate)
    if approximate:
        return self_gated(_cubic, x)
    x = jnp.maximum(x, -40)
    half = jnp.exp(x * x / -4)
    tail = half * (-_TAIL * _gelu.DENSITY_AT_0) * half
    return jnp.where(x < _erfc_ends(x), tail, x / 2 * jax.lax.erfc(-math.sqrt(0.5) * x))
