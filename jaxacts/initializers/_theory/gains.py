"""Gains: by how much the weights before an activation make up for what it takes away."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from jaxacts.initializers import _checks
from jaxacts.initializers._theory.curve import Curve, curve_of

__all__ = ["Convention", "Criterion", "Moments", "gain", "moments", "moments_of", "squared_gain"]

Criterion: TypeAlias = Literal["forward", "backward", "geometric"]
Convention: TypeAlias = Literal["second_moment", "variance"]


class Moments(NamedTuple):
    """What an activation does to a normal variable z ~ N(mean, q).

    ``second_moment`` is E[f(z)²], ``mean`` E[f(z)] and ``slope`` E[f'(z)²]. ``sensitivity`` is the derivative of the
    second moment with respect to q; ``variance`` is the second moment without the square of the mean.
    """

    second_moment: float
    mean: float
    slope: float
    sensitivity: float

    @property
    def variance(self) -> float:
        return self.second_moment - self.mean**2


def moments_of(curve: Curve, q: float, mean: float = 0.0) -> Moments:
    std = math.sqrt(q)
    return Moments(*curve.expect(mean, q, lambda t, f, slope: [f * f, f, slope * slope, t * f * slope / std]))


def moments(fn: Callable[..., Any], q: float = 1.0, mean: float = 0.0, **parameters: Any) -> Moments:
    r"""The moments of an activation whose inputs are normal, to ten digits.

    .. math::
        \mathbb E[f(z)^2], \quad \mathbb E[f(z)], \quad \mathbb E[f'(z)^2], \quad
        \frac{\partial}{\partial q} \mathbb E[f(z)^2], \qquad z \sim \mathcal N(\text{mean}, q)

    Args:
        fn: any elementwise function of a real array that JAX can differentiate, of this library or not; finite on the
            twelve standard deviations around the mean, and smooth but for kinks and jumps.
        q: variance of the inputs; positive.
        mean: their mean; finite.
        **parameters: the arguments of ``fn`` after the first. Arrays have one value for each channel, and the result
            is the average over channels, which is what the next layer sums over.

    Returns:
        :class:`Moments`, four Python floats.

    Raises:
        ValueError: a q that is not positive; a function that is not elementwise, not finite, has a slope without
            second moment, or grows so fast that its moments do not exist.
        TypeError: a function or parameter that is traced, or a function whose result is not a real array.

    Note:
        The sums run on the host, in float64 with or without jax's x64 mode, also while a surrounding function is being
        traced, by Gauss-Legendre panels split at the kinks (those the catalogue knows, or found by bisection).
        Gauss-Hermite with 100 nodes, as is usual, is wrong by 3e-2 for the slope of hard_tanh. A function that
        computes in float32 inside gives six digits. Kinks closer than a twentieth can be missed unless the catalogue
        knows them. The slope is that of ``jax.jvp``; jumps of the value have none.

    Example:
        >>> import jaxacts
        >>> moments(jaxacts.relu)
        Moments(second_moment=0.5, mean=0.398942280401, slope=0.5, sensitivity=0.5)
        >>> round(moments(jaxacts.gelu, approximate=False).second_moment, 7)
        0.4252215

    References:
        Klambauer et al., "Self-normalizing neural networks", 2017, https://arxiv.org/abs/1706.02515 (the map of mean
        and variance); Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016,
        https://arxiv.org/abs/1606.05340
    """
    variance, centre = _checks.positive("moments", "q", q), _checks.number("moments", "mean", mean)
    found = moments_of(curve_of("moments", fn, parameters), variance, centre)
    return Moments(*(0.0 if abs(m) < 1e-15 else float(f"{m:.12g}") for m in found))


_PRESERVED: Mapping[str, Callable[[float, float], float]] = MappingProxyType(
    {
        "forward": lambda forward, backward: forward,
        "backward": lambda forward, backward: backward,
        "geometric": lambda forward, backward: math.sqrt(forward * backward),
    }
)
_CONVENTIONS = ("second_moment", "variance")


def check_convention(caller: str, criterion: Criterion, convention: Convention) -> None:
    """A ValueError for a name that is none of those."""
    _checks.known(caller, "criterion", criterion, _PRESERVED)
    _checks.known(caller, "convention", convention, _CONVENTIONS)


def gain_of(caller: str, curve: Curve, criterion: Criterion, convention: Convention) -> float:
    check_convention(caller, criterion, convention)
    found = moments_of(curve, 1.0)
    kept = _PRESERVED[criterion](getattr(found, convention), found.slope)
    if kept < 1e-14:
        raise ValueError(
            f"{caller}: {curve.name} must let something through for its {criterion} gain, but what it keeps is "
            f"{kept:g}; no weights make up for that."
        )
    # The quadrature is good to ten digits; without the rest, relu gives √2 to the last.
    return math.sqrt(1.0 / float(f"{kept:.12g}"))


def gain(
    fn: Callable[..., Any],
    criterion: Criterion = "forward",
    *,
    convention: Convention = "second_moment",
    **parameters: Any,
) -> float:
    r"""The factor of the standard deviation of the weights before an activation.

    .. math::
        g_\text{forward} = \frac{1}{\sqrt{\mathbb E[f(z)^2]}}, \qquad
        g_\text{backward} = \frac{1}{\sqrt{\mathbb E[f'(z)^2]}}, \qquad
        g_\text{geometric} = \sqrt{g_\text{forward} \, g_\text{backward}}, \qquad z \sim \mathcal N(0, 1)

    Args:
        fn: any elementwise function, as for :func:`moments`.
        criterion: what a layer of standard deviation g/√fan keeps: ``"forward"`` the size of the signal, ``"backward"``
            that of the gradient, ``"geometric"`` neither, being between both.
        convention: ``"second_moment"`` is right for independent weights of mean zero; ``"variance"`` puts
            E[f²] - E[f]² in the place of E[f²], for weights that are centred over each fan_in (weight standardization).
        **parameters: the arguments of ``fn`` after the first, as for :func:`moments`.

    Returns:
        A Python float, the ``gain`` of :func:`he_normal`, :func:`lecun_normal`, :func:`xavier_normal` and their kin,
        and the square root of the ``scale`` of :func:`variance_scaling`.

    Raises:
        ValueError: an unknown criterion or convention, a function that is constant, and what :func:`moments` refuses.
        TypeError: as for :func:`moments`.

    Note:
        Forward and backward are the same for relu, leaky or not, only. **The forward gain makes q = 1 a fixed point,
        but an unstable one for gelu, silu, mish and hard_silu**: with it, the variance runs away from 1 by 1.144,
        1.173, 1.076 and 1.224 a layer. That does not matter for a few layers or between normalizations; for deep plain
        networks use :func:`critical`. torch's ``calculate_gain`` has 5/3 for tanh (here 1.592537), 3/4 for selu (here
        1), 1 for sigmoid (here 1.846229), and nothing for gelu, silu, elu and mish.

    Example:
        >>> import jaxacts
        >>> round(gain(jaxacts.tanh), 6), round(gain(jaxacts.tanh, "backward"), 6)
        (1.592537, 1.467414)
        >>> round(gain(jaxacts.prelu, negative_slope=0.25) ** 2 * (1 + 0.25**2), 6)
        2.0
        >>> import jax.numpy as jnp
        >>> round(gain(lambda x: jnp.maximum(x, 0) ** 2), 6)
        0.816497

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852; Brock, De & Smith,
        "Characterizing signal propagation to close the performance gap in unnormalized ResNets", 2021,
        https://arxiv.org/abs/2101.08692 (the variance)
    """
    return gain_of("gain", curve_of("gain", fn, parameters), criterion, convention)


def squared_gain(
    function: str,
    negative_slope: float,
    gain: float | None,
    activation: Callable[..., Any] | None = None,
    *,
    default: float,
) -> float:
    """The scale of a member: 2/(1 + negative_slope²), or what one of gain and activation says instead."""
    slope = _checks.number(function, "negative_slope", negative_slope)
    said = {"negative_slope": None if slope == default else slope, "gain": gain, "activation": activation}
    given = [name for name, value in said.items() if value is not None]
    if len(given) > 1:
        values = " and ".join(str(getattr(said[name], "__name__", said[name])) for name in given)
        both = " and ".join(given)
        fixed = f", or activation=functools.partial(f, negative_slope={slope:g})" if slope != default else ""
        raise ValueError(f"{function}: {both} both set the variance, got {values}; pass one of them{fixed}.")
    if activation is not None and not callable(activation):  # pyright: ignore[reportUnnecessaryComparison] (untyped callers)
        raise TypeError(
            f"{function}: activation must be a function of an array, got {type(activation).__name__}; "
            f"pass jaxacts.tanh, the function itself."
        )
    if activation is not None:
        gain = gain_of(function, curve_of(function, activation, {}), "forward", "second_moment")
    if gain is None:
        return 2.0 / (1.0 + _checks.squared(function, "negative_slope", slope))
    return _checks.squared(function, "gain", _checks.magnitude(function, "gain", gain))
