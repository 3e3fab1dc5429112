"""Initializers that do not look at the shape: fixed distributions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Multiplier, Shape
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler

__all__ = ["normal", "truncated_normal", "uniform"]

_LEAST_RESOLUTION = 1024.0


@dataclass(frozen=True)
class Scaled(RandomInitializer):
    """One distribution times ``factor / over``, whatever the shape."""

    sample: Sampler
    factor: Multiplier
    over: float = 1.0

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        return self.sample, _checks.plain(self.factor) / self.over


def normal(stddev: float = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    r"""Gaussian weights of mean zero.

    .. math:: w \sim \mathcal N(0, \text{stddev}^2)

    Args:
        stddev: standard deviation, a number or an array of them that broadcasts to the shape; may be traced. For
            complex weights it may be complex.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a stddev that is not finite; at the call, one that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex stddev for real weights.

    Note:
        float32 values have the bits of ``jax.nn.initializers.normal``. 16-bit and 8-bit dtypes are drawn in float32
        and rounded once, so they have the tails that jax's lack. Complex weights have E|w|² = stddev². torch's
        default is 1, keras's 0.05.

    Example:
        >>> import jax
        >>> w = normal(0.02)(jax.random.key(0), (400, 400))
        >>> w.shape, w.dtype.name, round(float(w.std()), 3)
        ((400, 400), 'float32', 0.02)

    References:
        The default is that of jax.nn.initializers, https://docs.jax.dev/en/latest/jax.nn.initializers.html
    """
    _checks.no_key("normal", stddev)
    return Scaled("normal", dtype, _samplers.normal, _checks.multiplier("normal", "stddev", stddev))


def uniform(scale: float = 1e-2, dtype: DTypeLike | None = None) -> Initializer:
    r"""Uniform weights from zero up to a bound.

    .. math:: w \sim \mathcal U[0, \text{scale}), \qquad \operatorname{std}(w) = \text{scale} / \sqrt{12}

    Args:
        scale: the upper bound, a number or an array of them that broadcasts to the shape; may be traced. A negative
            one is the lower bound, and the upper one 0.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``. Below 32 bits the
        rounding can give ``scale`` itself.

    Raises:
        ValueError: a scale that is not finite; at the call, one that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex scale for real weights.

    Note:
        float32 values have the bits of ``jax.nn.initializers.uniform``. The interval is not symmetric, as in jax and
        torch; keras's is ±0.05. For ±√(3/fan) use :func:`variance_scaling`. Complex weights, which jax refuses, have
        independent parts on [0, scale/√2), so that the total variance is scale²/12 too.

    Example:
        >>> import jax
        >>> w = uniform(2.0)(jax.random.key(0), (400, 400))
        >>> bool(w.min() >= 0), bool(w.max() < 2), round(float(w.mean()), 2)
        (True, True, 1.0)

    References:
        The default is that of jax.nn.initializers, https://docs.jax.dev/en/latest/jax.nn.initializers.html
    """
    _checks.no_key("uniform", scale)
    return Scaled("uniform", dtype, _samplers.Parts(_samplers.unit), _checks.multiplier("uniform", "scale", scale))


def truncated_normal(
    stddev: float = 1e-2, dtype: DTypeLike | None = None, lower: float = -2.0, upper: float = 2.0
) -> Initializer:
    r"""Gaussian weights without the tails, with the standard deviation that is asked for.

    .. math::
        w = \text{stddev} \cdot \frac{z}{s}, \qquad z \sim \mathcal N(0, 1) \mid \text{lower} < z < \text{upper},
        \qquad s = \operatorname{std}(z)

    The weights lie between stddev·lower/s and stddev·upper/s, which is ±2.274 stddev by default (s = 0.8796). Their
    mean is zero where lower = -upper.

    Args:
        stddev: standard deviation **of the weights**, a number or an array of them that broadcasts to the shape; may
            be traced.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        lower: where the parent normal is cut on the left, in its own standard deviations; may be -inf.
        upper: where it is cut on the right; greater than lower, may be inf.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a stddev that is not finite, lower >= upper, or an interval so far out in one tail that float32
            cannot draw from it; at the call, a stddev that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex stddev for real weights.

    Note:
        **This differs from jax, keras and torch**, whose argument is the deviation of the parent normal: by default
        their weights have 0.8796 of the ``stddev`` that they are given. ``truncated_normal(0.8796 * stddev)`` here is
        ``truncated_normal(stddev)`` there. Complex weights, which jax refuses, have independent parts between these
        bounds over √2, so that the total variance is stddev² too.

    Example:
        >>> import jax
        >>> w = truncated_normal(1.0)(jax.random.key(0), (400, 400))
        >>> round(float(w.std()), 2), bool(abs(w).max() < 2.274)
        (1.0, True)

    References:
        Burkardt, "The truncated normal distribution", 2014,
        https://people.sc.fsu.edu/~jburkardt/presentations/truncated_normal.pdf
    """
    name = "truncated_normal"
    _checks.no_key(name, stddev)
    scale = _checks.multiplier(name, "stddev", stddev)
    low, high = (_checks.number(name, n, value, finite=False) for n, value in (("lower", lower), ("upper", upper)))
    if low >= high:
        raise ValueError(f"{name}: lower must be less than upper, got {low} and {high}; exchange or widen them.")
    sample = _samplers.TruncatedNormal(low, high)
    if sample.resolution < _LEAST_RESOLUTION:
        raise ValueError(
            f"{name}: lower and upper must leave a part of the normal that float32 can draw from, got {low} and "
            f"{high}, so far out that fewer than {_LEAST_RESOLUTION:.0f} values remain; move them towards 0."
        )
    return Scaled(name, dtype, _samplers.Parts(sample), scale, sample.std)
