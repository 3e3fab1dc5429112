"""Weights for residual networks, so that the sum of many branches does not grow with their number.

N branches of unit variance that are added up have variance N. Either each branch is made smaller by √N
(:func:`depth_scaled`), or all but nothing at the start (:func:`fixup`, and ``zeros`` for the scale of the last
normalization of each branch), or the sum is normalized with a heavier skip connection (:func:`deepnorm`).
"""

from __future__ import annotations

from typing import NamedTuple

from jaxacts.initializers import _checks
from jaxacts.initializers._composed.wrapped import Wrapped, checked
from jaxacts.initializers._constants import zeros
from jaxacts.initializers._protocol import Initializer

__all__ = ["DeepNorm", "Fixup", "deepnorm", "depth_scaled", "fixup", "scaled_by"]


def scaled_by(init: Initializer, factor: float) -> Initializer:
    r"""Another initializer times a number.

    .. math:: w = \text{factor} \cdot w_0

    Args:
        init: any initializer with jax's protocol, of this library or not.
        factor: finite and at least 0.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``. dtypes below 32 bits are drawn in float32, multiplied, and
        rounded once.

    Raises:
        ValueError: a factor that is negative or not finite.
        TypeError: an ``init`` that is not a function.

    Note:
        jax.nn, torch and keras have no such function.

    Example:
        >>> import jax
        >>> from jaxacts.initializers import he_normal
        >>> w = scaled_by(he_normal(), 0.5)(jax.random.key(0), (800, 256))
        >>> round(float(w.std()), 3)
        0.025

    References:
        Zhang, Dauphin & Ma, "Fixup initialization", 2019, https://arxiv.org/abs/1901.09321
    """
    return _scaled("scaled_by", init, _checks.magnitude("scaled_by", "factor", factor))


def depth_scaled(init: Initializer, branches: int) -> Initializer:
    r"""Weights for the last layer of each residual branch, whose sum keeps its size at any depth.

    .. math:: w = \frac{w_0}{\sqrt{N}}, \qquad N = \text{branches}

    Args:
        init: any initializer with jax's protocol, what the layer would have without residual connections.
        branches: how many residual additions there are; at least 1. A transformer of n blocks has 2n: attention and
            the dense part of each, which gives the 1/√(2n) of GPT-2.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``.

    Raises:
        ValueError: fewer than one branch.
        TypeError: branches that are not an int, an ``init`` that is not a function.

    Note:
        jax.nn, torch and keras have no such function; it is written by hand in most transformer code.

    Example:
        >>> import jax
        >>> from jaxacts.initializers import normal
        >>> w = depth_scaled(normal(0.02), branches=2 * 12)(jax.random.key(0), (768, 768))
        >>> round(float(w.std()) * 24**0.5, 3)
        0.02

    References:
        Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.3,
        https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf
    """
    return _scaled("depth_scaled", init, _checks.count("depth_scaled", "branches", branches, 1) ** -0.5)


class Fixup(NamedTuple):
    """Initializers for a residual branch: ``inner`` for all its layers but the last, ``last`` for that one."""

    inner: Initializer
    last: Initializer


def fixup(init: Initializer, branches: int, layers: int) -> Fixup:
    r"""Weights for residual branches without normalization: small inside, zero at the end.

    .. math:: w_\text{inner} = L^{-\frac{1}{2m - 2}} \, w_0, \qquad w_\text{last} = 0

    Every block is the identity at the start, and the first steps of gradient descent change the output as much as those
    of a shallow network do.

    Args:
        init: any initializer with jax's protocol, usually ``he_normal()``.
        branches: L, how many residual branches there are; at least 1.
        layers: m, how many weight layers each branch has; at least 2.

    Returns:
        :class:`Fixup`, the initializers ``inner`` and ``last``.

    Raises:
        ValueError: fewer than one branch or fewer than two layers.
        TypeError: numbers that are not ints, an ``init`` that is not a function.

    Note:
        The paper also has zero for the classifier, and learned scalar biases and one multiplier in each branch, which
        are the business of the model. With normalization, ``zeros`` for the scale of the last one in each branch does
        the same (Goyal et al.), as does ReZero's zero gate. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax
        >>> from jaxacts.initializers import he_normal
        >>> inner, last = fixup(he_normal(), branches=16, layers=2)
        >>> key = jax.random.key(0)
        >>> round(float(inner(key, (800, 256)).std()) * 4, 3), float(last(key, (256, 800)).max())
        (0.05, 0.0)

    References:
        Zhang, Dauphin & Ma, "Fixup initialization", 2019, https://arxiv.org/abs/1901.09321; Goyal et al., "Accurate,
        large minibatch SGD", 2017, https://arxiv.org/abs/1706.02677; Bachlechner et al., "ReZero is all you need",
        2020, https://arxiv.org/abs/2003.04887
    """
    count, depth = _checks.count("fixup", "branches", branches, 1), _checks.count("fixup", "layers", layers, 2)
    return Fixup(_scaled("fixup", init, count ** (-1 / (2 * depth - 2))), zeros)


class DeepNorm(NamedTuple):
    """``alpha`` multiplies the skip connection, ``beta`` is the gain of the weights of the branch."""

    alpha: float
    beta: float


def deepnorm(encoder_layers: int = 0, decoder_layers: int = 0) -> tuple[DeepNorm | None, DeepNorm | None]:
    r"""DeepNorm's factors for post-normalized transformers of hundreds of layers, for encoder and decoder.

    .. math::
        x_{l+1} = \operatorname{LayerNorm}(\alpha x_l + G_l(x_l))

    ==================== ======================================== ===================================
    architecture         encoder (α, β)                           decoder (α, β)
    ==================== ======================================== ===================================
    N encoder layers     (2N)^¼, (8N)^-¼                          none
    M decoder layers     none                                     (2M)^¼, (8M)^-¼
    both                 0.81 (N⁴M)^(1/16), 0.87 (N⁴M)^(-1/16)    (3M)^¼, (12M)^-¼
    ==================== ======================================== ===================================

    Args:
        encoder_layers: N; 0 for a model without encoder.
        decoder_layers: M; 0 for a model without decoder.

    Returns:
        ``(encoder, decoder)``, each a :class:`DeepNorm` (alpha, beta) or None. beta is the gain of xavier_normal for
        the dense part and for the value and output projections; queries and keys have gain 1.

    Raises:
        ValueError: a negative number, or no layers at all.
        TypeError: numbers that are not ints.

    Note:
        A layer is a whole block, attention and dense part together. jax.nn, torch and keras have no such function.

    Example:
        >>> from jaxacts.initializers import xavier_normal
        >>> _, decoder = deepnorm(decoder_layers=200)
        >>> round(decoder.alpha, 4), round(decoder.beta, 4)
        (4.4721, 0.1581)
        >>> init = xavier_normal(gain=decoder.beta)

    References:
        Wang et al., "DeepNet: scaling transformers to 1,000 layers", 2022, figure 2, https://arxiv.org/abs/2203.00555
    """
    n, m = (
        _checks.count("deepnorm", name, value, 0)
        for name, value in (("encoder_layers", encoder_layers), ("decoder_layers", decoder_layers))
    )
    if not n and not m:
        raise ValueError(
            "deepnorm: encoder_layers or decoder_layers must be at least 1, got 0 and 0; count the blocks."
        )
    if not m:
        return DeepNorm((2 * n) ** 0.25, (8 * n) ** -0.25), None
    if not n:
        return None, DeepNorm((2 * m) ** 0.25, (8 * m) ** -0.25)
    both = (n**4 * m) ** (1 / 16)
    return DeepNorm(0.81 * both, 0.87 / both), DeepNorm((3 * m) ** 0.25, (12 * m) ** -0.25)


def _scaled(caller: str, init: Initializer, factor: float) -> Initializer:
    inner = checked(caller, init)
    return Wrapped(caller, inner, getattr(inner, "dtype", None), factor)
