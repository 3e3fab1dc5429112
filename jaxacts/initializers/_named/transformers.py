"""What transformers start with: standard deviations by width and depth, and by the spectral norm."""

from __future__ import annotations

from typing import NamedTuple

from jax.typing import DTypeLike

from jaxacts.initializers import _checks, _samplers
from jaxacts.initializers._basic import Scaled
from jaxacts.initializers._checks import Axes
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._fans.kernel import Layer
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._variance import Distribution, scaled

__all__ = ["TFixup", "small_init", "spectral", "t_fixup", "wang_init"]


def small_init(width: int, dtype: DTypeLike | None = None) -> Initializer:
    r"""Small Gaussian weights for transformers, by the width of the residual stream.

    .. math:: \operatorname{std}(w) = \sqrt{\frac{2}{5 d}}, \qquad d = \text{width}

    Args:
        width: d, the size of the residual stream, for all kernels alike, those of the wider hidden layer too.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a width below 1.
        TypeError: a width that is not an int, a dtype that is not a signed float or complex one.

    Note:
        It is Xavier's variance for a matrix from d to 4d, used everywhere. GPT-NeoX, Pythia and xLSTM use it for all
        layers but the last of each residual branch, which get :func:`wang_init`. Queries and keys, d by d, keep 0.4 of
        the variance. jax.nn, torch and keras have no such function.

    Example:
        >>> import jax
        >>> round(float(small_init(640)(jax.random.key(0), (640, 2560)).std()), 4)
        0.025

    References:
        Nguyen & Salazar, "Transformers without tears: improving the normalization of self-attention", 2019,
        https://arxiv.org/abs/1910.05895; Black et al., "GPT-NeoX-20B", 2022, https://arxiv.org/abs/2204.06745
    """
    _checks.no_key("small_init", width, "width")
    d = _checks.count("small_init", "width", width)
    return Scaled("small_init", dtype, _samplers.normal, (2 / (5 * d)) ** 0.5)


def wang_init(width: int, layers: int, dtype: DTypeLike | None = None) -> Initializer:
    r"""Gaussian weights for the last layer of each residual branch of a transformer, by width and depth.

    .. math:: \operatorname{std}(w) = \frac{2}{L \sqrt d}, \qquad d = \text{width}, \quad L = \text{layers}

    Args:
        width: d, the size of the residual stream.
        layers: L, how many blocks the transformer has; at least 1.
        dtype: signed float or complex dtype of the weights where the call names none; None is jax's default float.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of any ``shape``.

    Raises:
        ValueError: a width or a number of layers below 1.
        TypeError: numbers that are not ints, a dtype that is not a signed float or complex one.

    Note:
        GPT-NeoX, Pythia and xLSTM use it beside :func:`small_init`. It falls with L where :func:`depth_scaled` falls
        with √L, so that the branches together add less the more there are. jax.nn, torch and keras have no such
        function.

    Example:
        >>> import jax
        >>> round(float(wang_init(640, layers=4)(jax.random.key(0), (2560, 640)).std()), 4)
        0.0198

    References:
        Wang & Komatsuzaki, "GPT-J-6B", 2021, https://github.com/kingoflolz/mesh-transformer-jax; Black et al.,
        "GPT-NeoX-20B", 2022, https://arxiv.org/abs/2204.06745
    """
    _checks.no_key("wang_init", width, "width, layers")
    d, depth = _checks.count("wang_init", "width", width), _checks.count("wang_init", "layers", layers)
    return Scaled("wang_init", dtype, _samplers.normal, 2 / (depth * d**0.5))


def spectral(
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DTypeLike | None = None,
    *,
    layer: Layer | None = None,
    gain: float = 1.0,
    distribution: Distribution = "normal",
) -> Initializer:
    r"""Weights whose spectral norm is of the order √(fan_out/fan_in), whatever the width.

    .. math::
        \operatorname{std}(w) = \frac{\text{gain}}{\sqrt{\text{fan\_in}}} \,
        \min\left(1, \sqrt{\frac{\text{fan\_out}}{\text{fan\_in}}}\right)

    Args:
        in_axis, out_axis, batch_axis, dtype, layer: as in :func:`variance_scaling`.
        gain: the factor of the standard deviation; at least 0.
        distribution: as in :func:`variance_scaling`.

    Returns:
        ``init(key, shape, dtype=None, out_sharding=None)``, which gives an array of ``shape``.

    Raises:
        ValueError: a negative gain, an unknown distribution; at the call, what :func:`fans` raises.
        TypeError: a dtype that is not a signed float or complex one.

    Note:
        This is the initialization half of muP: hidden layers that keep or widen their input have 1/√fan_in, the last
        layer, to few outputs, far less. The other half, learning rates by role and width, belongs to the optimizer.
        nanochat uses it. ``match(mode="spectral")`` has it for a whole model. jax.nn, torch and keras have no
        such function.

    Example:
        >>> import jax
        >>> widening, last = (spectral()(jax.random.key(0), s).std() for s in ((256, 1024), (1024, 64)))
        >>> round(float(widening) * 16, 2), round(float(last) * 128, 2)
        (1.0, 1.0)

    References:
        Yang, Simon & Bernstein, "A spectral condition for feature learning", 2023, https://arxiv.org/abs/2310.17813;
        Yang et al., "Tensor programs V", 2022, https://arxiv.org/abs/2203.03466
    """
    name = "spectral"
    _checks.no_key(name, in_axis)
    factor = _checks.squared(name, "gain", _checks.magnitude(name, "gain", gain))
    return scaled(name, factor, name, distribution, KernelSpec(in_axis, out_axis, batch_axis, layer), dtype)


class TFixup(NamedTuple):
    """Factors of the weights of T-Fixup: of the tables of embeddings, and of encoder and decoder blocks."""

    embedding: float
    encoder: float
    decoder: float


def t_fixup(layers: int) -> TFixup:
    r"""T-Fixup's factors for transformers without layer normalization and without warmup.

    .. math::
        w_\text{encoder} = 0.67 \, N^{-1/4} \, w_0, \qquad w_\text{decoder} = (9 N)^{-1/4} \, w_0, \qquad
        \operatorname{std}(w_\text{embedding}) = (9 N)^{-1/4} \, d^{-1/2}

    where w₀ is Xavier's.

    Args:
        layers: N, how many blocks the encoder has, and the decoder; at least 1.

    Returns:
        :class:`TFixup`: ``embedding`` is the factor of the standard deviation 1/√d of both tables, ``encoder`` and
        ``decoder`` are the gains of :func:`xavier_uniform` for the value and output projections of attention and for
        the two dense layers of a block; queries, keys and the last layer have gain 1.

    Raises:
        ValueError: fewer than one layer.
        TypeError: layers that are not an int.

    Note:
        The layer normalizations are taken out of the model, which is the business of the model. jax.nn, torch and keras
        have no such function.

    Example:
        >>> from jaxacts.initializers import normal, xavier_uniform
        >>> factors = t_fixup(layers=6)
        >>> [round(f, 4) for f in factors]
        [0.3689, 0.4281, 0.3689]
        >>> table, dense = normal(factors.embedding / 512**0.5), xavier_uniform(gain=factors.encoder)

    References:
        Huang, Pérez, Ba & Volkovs, "Improving transformer optimization through better initialization", 2020,
        https://proceedings.mlr.press/v119/huang20f.html
    """
    n = _checks.count("t_fixup", "layers", layers)
    return TFixup((9 * n) ** -0.25, 0.67 * n**-0.25, (9 * n) ** -0.25)
