"""The sine of networks that represent signals."""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxacts._core import Facts, activation
from jaxacts._kernels.wave import wave as refined_wave
from jaxacts.activations.periodic._wave import Wave, wave

__all__ = ["sine"]


def _of_numbers(x: Array, omega: Array, y: Array) -> Array:
    """y, and NaN where x is infinite: a wave has no limit."""
    return jnp.where(jnp.isinf(x) & (omega != 0), jnp.nan, y)


def _sine(wave: Wave, x: Array, omega: Array) -> Array:
    return _of_numbers(x, omega, wave(x, omega)[0])


def _slope(wave: Wave, x: Array, omega: Array) -> Array:
    return _of_numbers(x, omega, omega * wave(x, omega)[1])


def _by_omega(wave: Wave, x: Array, omega: Array) -> Array:
    return _of_numbers(x, omega, x * wave(x, omega)[1])


@activation(
    slope=functools.partial(_slope, wave),
    partials={"omega": functools.partial(_by_omega, wave)},
    refined={
        "value": functools.partial(_sine, refined_wave),
        "slope": functools.partial(_slope, refined_wave),
        "omega": functools.partial(_by_omega, refined_wave),
    },
    facts=lambda omega: Facts(image=(-1, 1) if omega else (0, 0), lipschitz=abs(omega)),
)
def sine(x: Array, omega: ArrayLike = 1.0) -> Array:
    r"""Sine, the unit of networks that represent images, sounds and fields by their coordinates (SIREN).

    .. math::

        f(x) = \sin(\omega x)

    Args:
        x: array of any shape and real dtype.
        omega: the frequency :math:`\omega`, broadcasts against ``x``; differentiable.

    Returns:
        Array of the common shape and the dtype of ``x``, in :math:`[-1, 1]`.

    Raises:
        TypeError: an argument is complex or not an array.
        ValueError: the shapes do not broadcast.

    Note:
        No kinks, and no limits: ±inf gives NaN. In float32 and float64 the rounding of :math:`\omega x` is made good,
        so that the result is right for every finite product; where that overflows it is that of the largest number. In
        16 bits the product is that of float32.
        The paper takes :math:`\omega = 30` with weights uniform in :math:`\pm\sqrt{6/n}/\omega` for ``n`` inputs; the
        default 1 leaves the frequency to the weights. jax.nn, torch and keras do not have it.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> [round(y, 4) for y in jaxacts.sine(jnp.array([-1.0, 0.0, 1.0]), 0.5).tolist()]
        [-0.4794, 0.0, 0.4794]

    References:
        Sitzmann et al. 2020, "Implicit neural representations with periodic activation functions",
        https://arxiv.org/abs/2006.09661
    """
    return _sine(wave, x, jnp.asarray(omega))
