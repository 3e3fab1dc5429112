"""Normal distributions that do not depend on the shape, whole and truncated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Multiplier, Shape
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler

__all__ = ["Scaled", "normal", "truncated_normal"]

_LEAST_RESOLUTION = 1024.0


@dataclass(frozen=True)
class Scaled(RandomInitializer):
    """One distribution times ``factor / over``, plus ``mean``, whatever the shape."""

    sample: Sampler
    factor: Multiplier
    over: float = 1.0
    mean: Multiplier = 0.0

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        return self.sample, _checks.plain(self.factor) / self.over

    def added(self, dtype: np.dtype[Any]) -> Any:
        return None if self.mean == 0.0 else _checks.plain(self.mean)


def normal(stddev: float = 1e-2, dtype: DTypeLike | None = None, *, mean: float = 0.0) -> Initializer:
    r"""Gaussian weights.

    .. math:: w \sim \mathcal N(\text{mean}, \text{stddev}^2)

    Args:
        stddev: standard deviation, a number or an array of them that broadcasts to the shape; may be traced. For
            complex weights it may be complex.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        mean: what is added to every draw: a number or an array like ``stddev``.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a stddev or mean that is not finite; at the call, one that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex stddev or mean for real
            weights.

    Note:
        float32 values of mean 0 have the bits of ``jax.nn.initializers.normal``, which has no mean. 16-bit and 8-bit
        dtypes are drawn in float32 and rounded once, so they have the tails that jax's lack. Complex weights have
        E|w - mean|² = stddev². torch's default is 1, keras's 0.05.

    Example:
        >>> import jax
        >>> w = normal(0.02)(jax.random.key(0), (400, 400))
        >>> w.shape, w.dtype.name, round(float(w.std()), 3)
        ((400, 400), 'float32', 0.02)

    References:
        The default is that of jax.nn.initializers, https://docs.jax.dev/en/latest/jax.nn.initializers.html
    """
    _checks.no_key("normal", stddev)
    factor, shift = (_checks.multiplier("normal", name, x) for name, x in (("stddev", stddev), ("mean", mean)))
    return Scaled("normal", dtype, _samplers.normal, factor, mean=shift)


def truncated_normal(
    stddev: float = 1e-2,
    dtype: DTypeLike | None = None,
    lower: float = -2.0,
    upper: float = 2.0,
    *,
    parent: bool = False,
) -> Initializer:
    r"""Gaussian weights without the tails, with the standard deviation that is asked for.

    .. math::
        w = \text{stddev} \cdot \frac{z}{s}, \qquad z \sim \mathcal N(0, 1) \mid \text{lower} < z < \text{upper},
        \qquad s = \operatorname{std}(z)

    The weights lie between stddev·lower/s and stddev·upper/s, which is ±2.274 stddev by default (s = 0.8796). Their
    mean is zero where lower = -upper. With ``parent`` the weights are stddev·z, of standard deviation s·stddev: 0.8796
    stddev for cuts at ±2, 0.98658 stddev at ±3.

    Args:
        stddev: standard deviation **of the weights**, a number or an array of them that broadcasts to the shape; may
            be traced.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.
        lower: where the parent normal is cut on the left, in its own standard deviations; may be -inf.
        upper: where it is cut on the right; greater than lower, may be inf.
        parent: whether ``stddev`` is that of the parent normal, as in jax, keras and torch, instead of the weights.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a stddev that is not finite, lower >= upper, or an interval so far out in one tail that float32
            cannot draw from it; at the call, a stddev that the dtype does not hold.
        TypeError: a dtype that is not a signed float or complex one; at the call, a complex stddev for real weights.

    Note:
        **This differs from jax, keras and torch**, whose argument is the deviation of the parent normal: by default
        their weights have 0.8796 of the ``stddev`` that they are given; ``parent=True`` gives theirs, in float32 with
        the bits of jax. OLMo's is ``truncated_normal(std, lower=-3, upper=3, parent=True)``. torch's ``trunc_normal_``
        has its bounds ±2 in absolute units: with std=0.02, as most code calls it, they are 100 deviations away and cut
        nothing, which is :func:`normal` here. Complex weights, which jax refuses, have independent parts between these
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
    return Scaled(name, dtype, _samplers.Parts(sample), scale, 1.0 if parent else sample.std)
