"""Uniform distributions that do not depend on the shape: on an interval, in the logarithm, on a ring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Multiplier, Shape, Values
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler

__all__ = ["log_uniform", "ring", "uniform"]


@dataclass(frozen=True)
class Between(RandomInitializer):
    """Uniform on [low, low + span); the parts of complex weights on that over √2."""

    span: Multiplier
    low: Multiplier = 0.0

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        return _samplers.Parts(_samplers.unit), _checks.plain(self.span)

    def added(self, dtype: np.dtype[Any]) -> Any:
        if self.low == 0.0:
            return None
        low = _checks.plain(self.low)
        return low * complex(math.sqrt(0.5), math.sqrt(0.5)) if jnp.issubdtype(dtype, jnp.complexfloating) else low


@dataclass(frozen=True)
class Fixed(RandomInitializer):
    """One distribution, which is not scaled."""

    sample: Sampler
    real: bool = False

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        if self.real and jnp.issubdtype(dtype, jnp.complexfloating):
            raise TypeError(f"{self.function}: dtype must be a real one, got {dtype}; pass dtype=jnp.float32.")
        return self.sample, 1.0


def uniform(
    scale: float = 1e-2, dtype: DTypeLike | None = None, *, low: float | None = None, high: float | None = None
) -> Initializer:
    r"""Uniform weights, from zero up to a bound or between two bounds.

    .. math::
        w \sim \mathcal U[0, \text{scale}) \quad\text{or}\quad w \sim \mathcal U[\text{low}, \text{high}), \qquad
        \operatorname{std}(w) = (\text{high} - \text{low}) / \sqrt{12}

    Args:
        scale: the upper bound, a number or an array of them that broadcasts to the shape; may be traced. A negative
            one is the lower bound, and the upper one 0.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        low, high: both bounds, numbers or arrays like ``scale``, which is then left out.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``. Below 32 bits, and
        with a ``low`` that is not 0, the rounding can give the upper bound itself.

    Raises:
        ValueError: a bound that is not finite, one of low and high without the other or beside a scale, a low that is
            not less than high; at the call, a bound that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex bound for real weights.

    Note:
        float32 values have the bits of ``jax.nn.initializers.uniform``, which has no low and high. The interval of
        ``scale`` is not symmetric, as in jax and torch; keras's is ±0.05. For ±√(3/fan) use :func:`variance_scaling`.
        Complex weights, which jax refuses, have independent parts between the bounds over √2, so that the total
        variance is that of the real ones.

    Example:
        >>> import jax
        >>> w = uniform(2.0)(jax.random.key(0), (400, 400))
        >>> bool(w.min() >= 0), bool(w.max() < 2), round(float(w.mean()), 2)
        (True, True, 1.0)
        >>> w = uniform(low=-0.1, high=0.3)(jax.random.key(0), (400, 400))
        >>> round(float(w.mean()), 2), round(float(w.std()) * 12**0.5, 2)
        (0.1, 0.4)

    References:
        The default is that of jax.nn.initializers, https://docs.jax.dev/en/latest/jax.nn.initializers.html
    """
    name = "uniform"
    _checks.no_key(name, scale)
    if low is None and high is None:
        return Between(name, dtype, _checks.multiplier(name, "scale", scale))
    if low is None or high is None or not (isinstance(scale, float) and scale == 1e-2):
        raise ValueError(
            f"uniform: low and high must both be given, and no scale with them, got low {low}, high {high} and scale "
            f"{scale}; pass low=0 for an interval from zero."
        )
    bounds = [_checks.multiplier(name, n, value) for n, value in (("low", low), ("high", high))]
    lowest, highest = map(_checks.plain, bounds)
    if not any(isinstance(x, jax.Array) or np.iscomplexobj(x) for x in (lowest, highest)) and np.any(lowest >= highest):
        raise ValueError(f"uniform: low must be less than high, got {low} and {high}; exchange or widen them.")
    span = highest - lowest
    return Between(name, dtype, Values(span) if np.ndim(span) else span, bounds[0])


def log_uniform(low: float, high: float, dtype: DTypeLike | None = None) -> Initializer:
    r"""Positive weights whose logarithm is uniform: as many between 0.001 and 0.01 as between 0.01 and 0.1.

    .. math::
        w = e^u, \quad u \sim \mathcal U[\ln a, \ln b), \qquad \mathbb E[w] = \frac{b - a}{\ln(b / a)}, \qquad
        \mathbb E[w^2] = \frac{b^2 - a^2}{2 \ln(b / a)}

    where a and b are ``low`` and ``high``.

    Args:
        low: the least weight; positive.
        high: the largest; more than low, finite.
        dtype: signed real float dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a low that is not positive, a high that is not finite and more than low.
        TypeError: bounds that are not numbers, a dtype that is not a signed real float.

    Note:
        For time constants and step sizes: Mamba's, S4's and S5's lie between 1e-3 and 1e-1. dtypes below 32 bits are
        drawn in float32 and rounded once. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax
        >>> w = log_uniform(1e-3, 1e-1)(jax.random.key(0), (400, 400))
        >>> bool(w.min() >= 1e-3), bool(w.max() <= 0.1), round(float((w < 0.01).mean()), 2)
        (True, True, 0.5)

    References:
        Gu & Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023, section 3.6,
        https://arxiv.org/abs/2312.00752
    """
    name = "log_uniform"
    _checks.no_key(name, low, "low, high")
    lowest, highest = (_checks.positive(name, n, value) for n, value in (("low", low), ("high", high)))
    if lowest >= highest:
        raise ValueError(f"{name}: low must be less than high, got {low} and {high}; exchange or widen them.")
    return Fixed(name, dtype, _samplers.LogUniform(lowest, highest), real=True)


def ring(r_min: float, r_max: float, max_phase: float = 2 * math.pi, dtype: DTypeLike | None = None) -> Initializer:
    r"""Eigenvalues of a linear recurrence: uniform by area between two circles around 0.

    .. math::
        w = r e^{i \theta}, \qquad r = \sqrt{r_\text{min}^2 + u \, (r_\text{max}^2 - r_\text{min}^2)}, \quad
        u \sim \mathcal U[0, 1), \quad \theta \sim \mathcal U[0, \text{max\_phase}), \qquad
        \sqrt{\mathbb E[r^2]} = \sqrt{(r_\text{min}^2 + r_\text{max}^2) / 2}

    Real dtypes hold the radius r alone.

    Args:
        r_min: the radius of the inner circle; at least 0.
        r_max: that of the outer one; more than r_min, below 1 for a recurrence that is stable.
        max_phase: how far the angle goes, in radians; positive. Small ones make the recurrence slow.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a radius that is negative or not finite, an r_max that is not more than r_min, a phase that is not
            positive.
        TypeError: arguments that are not numbers, a dtype that is not a signed float or complex one.

    Note:
        LRU stores log(-log r), which is ``transformed(ring(0.9, 0.999), lambda r: jnp.log(-jnp.log(r)))``, and
        RG-LRU (Griffin, RecurrentGemma) the Λ with r = exp(-softplus(Λ)), which is ``transformed(ring(0.9, 0.999),
        lambda r: softplus_inverse(-jnp.log(r)))``. Keep radii close to 1 in float32: bfloat16 has no number between
        0.996 and 1. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> r = ring(0.9, 0.999)(jax.random.key(0), (4096,))
        >>> bool(r.min() >= 0.9), bool(r.max() <= 0.999), round(float((r**2).mean()) ** 0.5, 3)
        (True, True, 0.951)
        >>> ring(0.9, 0.999)(jax.random.key(0), (2,), jnp.complex64).dtype
        dtype('complex64')

    References:
        Orvieto et al., "Resurrecting recurrent neural networks for long sequences", 2023, lemma 3.2,
        https://arxiv.org/abs/2303.06349; De et al., "Griffin: mixing gated linear recurrences with local attention for
        efficient language models", 2024, https://arxiv.org/abs/2402.19427
    """
    name = "ring"
    _checks.no_key(name, r_min, "r_min, r_max")
    inner, outer = (_checks.magnitude(name, n, value) for n, value in (("r_min", r_min), ("r_max", r_max)))
    if inner >= outer:
        raise ValueError(f"{name}: r_min must be less than r_max, got {r_min} and {r_max}; exchange or widen them.")
    return Fixed(name, dtype, _samplers.Ring(inner, outer, _checks.positive(name, "max_phase", max_phase)))
