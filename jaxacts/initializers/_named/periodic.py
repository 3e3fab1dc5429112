"""What networks of sines start with: SIREN and FINER."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._checks import Shape
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._protocol import Initializer, RandomInitializer, Sampler
from jaxacts.initializers._uniform import uniform
from jaxacts.initializers._variance import scaled

__all__ = ["Finer", "Siren", "finer", "siren"]


@dataclass(frozen=True)
class WithinFan(RandomInitializer):
    """Uniform within 1/fan_in."""

    def plan(self, shape: Shape, dtype: np.dtype[Any]) -> tuple[Sampler, Any]:
        fan_in, _ = KernelSpec().fans(self.function, shape)
        return _samplers.Parts(_samplers.symmetric), 1 / fan_in if fan_in else 1.0


class Siren(NamedTuple):
    """Initializers of the kernels of a SIREN: of the ``first`` layer, and of all ``hidden`` and last ones."""

    first: Initializer
    hidden: Initializer


class Finer(NamedTuple):
    """Initializers of a FINER: of the kernels, as for SIREN, and of the ``bias`` of the first layer."""

    first: Initializer
    hidden: Initializer
    bias: Initializer


def siren(omega: float = 30.0, dtype: DTypeLike | None = None) -> Siren:
    r"""Weights for networks of sin(ω(Wx + b)), whose preactivations are normal with variance 1 at every depth.

    .. math::
        w_\text{first} \sim \mathcal U\left[-\tfrac{1}{n}, \tfrac{1}{n}\right), \qquad
        w_\text{hidden} \sim \mathcal U\left[-\tfrac{\sqrt{6 / n}}{\omega}, \tfrac{\sqrt{6 / n}}{\omega}\right), \qquad
        \operatorname{std}(w_\text{first}) = \frac{1}{\sqrt 3 \, n}, \quad
        \operatorname{std}(w_\text{hidden}) = \frac{\sqrt{2 / n}}{\omega}

    where n is fan_in.

    Args:
        omega: ω, the frequency that the model multiplies its preactivations by; positive.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        :class:`Siren`, the initializers ``first`` and ``hidden``.

    Raises:
        ValueError: an omega that is not positive; at the call, fewer than two axes.
        TypeError: an omega that is not a number, a dtype that is not a signed float or complex one.

    Note:
        The division by ω undoes the factor in front, so that ω only speeds up training. ``first`` assumes coordinates
        in [-1, 1]. Where the model has the factor outside of the layer, gain and :func:`match` see sin(30 z), whose
        gain √2 makes gradients 900 times too large; take these. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax
        >>> first, hidden = siren(omega=30.0)
        >>> w = hidden(jax.random.key(0), (256, 256))
        >>> round(float(w.std()) * 30 * 128**0.5, 2), float(abs(first(jax.random.key(0), (2, 256))).max()) < 0.5
        (1.0, True)

    References:
        Sitzmann, Martel, Bergman, Lindell & Wetzstein, "Implicit neural representations with periodic activation
        functions", 2020, https://arxiv.org/abs/2006.09661
    """
    return _siren("siren", omega, dtype)


def finer(bias_scale: float, omega: float = 30.0, dtype: DTypeLike | None = None) -> Finer:
    r"""Weights for networks of sin(ω(abs(z) + 1)z), which reach higher frequencies by the biases of the first layer.

    .. math::
        w \text{ as in } \operatorname{siren}(\omega), \qquad b_\text{first} \sim \mathcal U[-k, k), \qquad
        \operatorname{std}(b_\text{first}) = \frac{k}{\sqrt 3}

    Args:
        bias_scale: k: the larger, the higher the frequencies; positive.
        omega: ω, the frequency that the model multiplies its preactivations by; positive.
        dtype: signed float or complex dtype of the parameters where the call names none; None is jax's default float.

    Returns:
        :class:`Finer`, the initializers ``first``, ``hidden`` and ``bias``.

    Raises:
        ValueError: an omega or bias_scale that is not positive; at the call of a kernel, fewer than two axes.
        TypeError: arguments that are not numbers, a dtype that is not a signed float or complex one.

    Note:
        k has no default, for it selects the frequencies that the network learns first. jax.nn, torch and keras have no
        such function.

    Example:
        >>> import jax
        >>> _, _, bias = finer(bias_scale=5.0)
        >>> round(float(bias(jax.random.key(0), (100_000,)).std()) * 3**0.5, 1)
        5.0

    References:
        Liu et al., "FINER: flexible spectral-bias tuning in implicit neural representation by variable-periodic
        activation functions", 2024, https://arxiv.org/abs/2312.02434
    """
    _checks.no_key("finer", bias_scale, "bias_scale")
    k = _checks.positive("finer", "bias_scale", bias_scale)
    return Finer(*_siren("finer", omega, dtype), uniform(low=-k, high=k, dtype=dtype))


def _siren(caller: str, omega: float, dtype: DTypeLike | None) -> Siren:
    _checks.no_key(caller, omega)
    scale = 2 / _checks.squared(caller, "omega", _checks.positive(caller, "omega", omega))
    return Siren(WithinFan(caller, dtype), scaled(caller, scale, "fan_in", "uniform", KernelSpec(), dtype))
