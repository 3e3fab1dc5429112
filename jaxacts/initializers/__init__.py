"""Initializers: the first values of the weights of a network.

A layer that sums over ``n`` inputs multiplies their second moment by n·Var(w). Thirty layers that are wrong by a
factor of two are wrong by a billion, so the variance of the weights has to follow from the shape of the kernel, and
from the activation behind it:

* :func:`he_normal` and its kin undo what a (leaky) relu takes away, variance 2/((1 + negative_slope²)·fan_in);
* :func:`lecun_normal`, variance 1/fan_in, is for layers with a selu or nothing behind them;
* :func:`xavier_normal`, variance 2/(fan_in + fan_out), is between what forward and backward pass ask for;
* :func:`variance_scaling` is the rule itself, of which they are the named rows;
* :func:`orthogonal` and :func:`delta_orthogonal` fix all singular values, not only their mean square;
* :func:`identity` and :func:`dirac` pass on their input, :func:`sparse` connects each output to a few inputs;
* :func:`layer_default` is what a layer of torch or keras starts with;
* :func:`for_activation` takes the variance from any activation by its :func:`gain`, and :func:`critical` from the
  theory of infinitely deep networks;
* :func:`depth_scaled`, :func:`fixup` and :func:`deepnorm` are for residual networks;
* :func:`match`, :func:`lsuv` and :func:`by_path` take a whole model, of Flax, of Equinox or plain;
* :func:`small_init`, :func:`wang_init`, :func:`spectral`, :func:`t_fixup`, :func:`siren` and :func:`finer` are what
  models of these names start with;
* :func:`transformed` serves parameters that the model uses through a function, :func:`blocks` packed ones,
  :func:`unit_norm` vectors on the sphere;
* :func:`normal`, :func:`uniform`, :func:`log_uniform`, :func:`truncated_normal`, :func:`ring`, :func:`constant`,
  :data:`zeros` and :data:`ones` do not depend on the shape.

How many inputs a layer sums over is not always in the shape of its kernel: :func:`fans` says how it is counted, and
every initializer above takes the same axes, and as ``layer`` the same descriptions: :class:`Conv`, :class:`Einsum`,
:class:`Embed`, :class:`Dense`.

Each gives a function ``init(key, shape, dtype=None, out_sharding=None)``, jax's own protocol, so that it is a
``kernel_init`` of Flax (``zeros`` and ``ones`` are such functions themselves). For Haiku, which passes no key, write
``w_init=lambda shape, dtype: init(hk.next_rng_key(), shape, dtype)``; for the weights of Equinox, which are (out, in),
name ``in_axis=1, out_axis=0``. Every call that ``jax.nn.initializers`` accepts works here, and draws from the same
distribution, with two exceptions: the ``stddev`` of ``truncated_normal`` is that of the weights rather than of the
normal that is cut (``parent=True`` is jax's), and ``he_normal``, ``xavier_normal`` and ``lecun_normal``, with their
other names, are not truncated (``he_truncated_normal`` and so on are). The random ones compare equal when their
arguments do, and pickle. What holds for all:

* dtypes below 32 bits are drawn in float32 and rounded once;
* one key gives the same bits under every sharding, jitted or not, and each device builds only its own part (but for
  the matrix decomposition of the orthogonal ones); in :func:`unit_norm` a norm over an axis that is split is a sum of
  sums, and the values may differ by its rounding;
* a name means what it says: ``*_normal`` is Gaussian and ``*_truncated_normal`` is truncated, where jax and keras call
  the truncated one ``he_normal``.

Of the rest of jaxacts this package imports the catalogue of activations, its error helpers and ``jaxacts._trace``.
"""

from __future__ import annotations

from jaxacts._core import errors as _errors
from jaxacts.initializers._basic import normal, truncated_normal
from jaxacts.initializers._composed.blocks import blocks
from jaxacts.initializers._composed.residual import DeepNorm, Fixup, deepnorm, depth_scaled, fixup, scaled_by
from jaxacts.initializers._composed.transformed import transformed, unit_norm
from jaxacts.initializers._constants import constant, ones, zeros
from jaxacts.initializers._fans.fans import Fans, fans
from jaxacts.initializers._fans.layers import Conv, Dense, Einsum, Embed
from jaxacts.initializers._models.by_path import by_path
from jaxacts.initializers._models.lsuv import lsuv
from jaxacts.initializers._models.match import match
from jaxacts.initializers._models.reports import LsuvReport, MatchedLayer, MatchReport, ScaledLayer
from jaxacts.initializers._named.for_activation import for_activation
from jaxacts.initializers._named.he import (
    he_normal,
    he_truncated_normal,
    he_uniform,
    kaiming_normal,
    kaiming_truncated_normal,
    kaiming_uniform,
)
from jaxacts.initializers._named.layer_defaults import layer_default
from jaxacts.initializers._named.lecun import (
    lecun_normal,
    lecun_truncated_normal,
    lecun_uniform,
)
from jaxacts.initializers._named.periodic import Finer, Siren, finer, siren
from jaxacts.initializers._named.transformers import TFixup, small_init, spectral, t_fixup, wang_init
from jaxacts.initializers._named.xavier import (
    glorot_normal,
    glorot_truncated_normal,
    glorot_uniform,
    xavier_normal,
    xavier_truncated_normal,
    xavier_uniform,
)
from jaxacts.initializers._orthogonal import delta_orthogonal, orthogonal
from jaxacts.initializers._protocol import Initializer
from jaxacts.initializers._structured import dirac, identity, sparse
from jaxacts.initializers._theory.critical import Critical, critical
from jaxacts.initializers._theory.fixed_point import FixedPoint, fixed_point
from jaxacts.initializers._theory.gains import Moments, gain, moments
from jaxacts.initializers._theory.maps import correlation_map, variance_map
from jaxacts.initializers._uniform import log_uniform, ring, uniform
from jaxacts.initializers._variance import variance_scaling

__all__ = [
    "Conv",
    "Critical",
    "DeepNorm",
    "Dense",
    "Einsum",
    "Embed",
    "Fans",
    "Finer",
    "FixedPoint",
    "Fixup",
    "Initializer",
    "LsuvReport",
    "MatchReport",
    "MatchedLayer",
    "Moments",
    "ScaledLayer",
    "Siren",
    "TFixup",
    "blocks",
    "by_path",
    "constant",
    "correlation_map",
    "critical",
    "deepnorm",
    "delta_orthogonal",
    "depth_scaled",
    "dirac",
    "fans",
    "finer",
    "fixed_point",
    "fixup",
    "for_activation",
    "gain",
    "glorot_normal",
    "glorot_truncated_normal",
    "glorot_uniform",
    "he_normal",
    "he_truncated_normal",
    "he_uniform",
    "identity",
    "kaiming_normal",
    "kaiming_truncated_normal",
    "kaiming_uniform",
    "layer_default",
    "lecun_normal",
    "lecun_truncated_normal",
    "lecun_uniform",
    "log_uniform",
    "lsuv",
    "match",
    "moments",
    "normal",
    "ones",
    "orthogonal",
    "ring",
    "scaled_by",
    "siren",
    "small_init",
    "sparse",
    "spectral",
    "t_fixup",
    "transformed",
    "truncated_normal",
    "uniform",
    "unit_norm",
    "variance_map",
    "variance_scaling",
    "wang_init",
    "xavier_normal",
    "xavier_truncated_normal",
    "xavier_uniform",
    "zeros",
]


def __getattr__(name: str) -> None:
    raise _errors.missing(__name__, name, __all__)
