"""Recycling: units that do nothing start again, and the optimizer forgets them."""

from __future__ import annotations

import math
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from jaxacts._trace.units.sites import Site
from jaxacts.diagnostics._models import path_of
from jaxacts.diagnostics._report import dormant_units
from jaxacts.diagnostics._state import State
from jaxacts.diagnostics._watch import Watch
from jaxacts.initializers import _checks, gain

__all__ = ["Recycled", "recycle"]


class Recycled(NamedTuple):
    """What :func:`recycle` returns.

    ``variables`` and ``opt_state`` are those to go on with, ``units`` is the number of recycled units of each layer,
    and ``left`` says why the units of a layer cannot be recycled.
    """

    variables: Any
    opt_state: Any
    units: dict[str, Array]
    left: dict[str, str]


def recycle(
    watch: Watch,
    variables: Any,
    opt_state: Any,
    state: State,
    key: Array,
    *,
    tau: float = 0.025,
    fresh: Any = None,
) -> Recycled:
    r"""Replace dormant units: new incoming weights, outgoing weights of zero, and no memory of them in the optimizer.

    .. math:: \frac{\mathbb E|h_i|}{\operatorname{mean}_k \mathbb E|h_k|} \le \tau \quad\Rightarrow\quad
        W_{\text{in}, i} \sim \mathcal N\Bigl(0, \frac{g^2}{\text{fan\_in}}\Bigr), \quad b_i = 0, \quad
        W_{\text{out}, i} = 0, \quad m_i = v_i = 0

    A unit that was dead had no influence, and with outgoing weights of zero it has none yet: the outputs of the model
    stay as they were (those of dormant units that are not quite dead change a little).

    Args:
        watch: the watch of the model.
        variables: those of a linen module, the nnx module, the callable pytree, or the parameters of a function.
        opt_state: the state of any optax optimizer, or of ``nnx.state(optimizer)``, or None. Moments are found by the
            path of their parameter within it and their shape, so that chains, masks and ``multi_transform`` work.
        state: what the watch has seen, of enough examples: a unit that is zero on a few is not dead.
        key: the random key of the new weights.
        tau: the threshold, relative to the mean magnitude of the layer; 0 recycles dead units alone. At least 0.
        fresh: variables to take the new weights from, such as ``model.init(new_key, x)``; None draws normal ones with
            the gain of the activation.

    Returns:
        :class:`Recycled`. Nothing that was passed is changed; a linen module and pytrees can be recycled under jit.

    Raises:
        TypeError: something that is not a watch or a state.
        ValueError: a negative tau.

    Note:
        Layers are left alone, with the reason in ``left``, where the model would not stay as it is: where their result
        is returned, added to a residual stream, shifted, combined with other units of the layer, or multiplied by a
        matrix that is not a parameter; where their input is returned or used elsewhere; where their parameters are used
        more than once or alone give an output, such as a penalty; and inside of scans. (Gates, which multiply element
        by element, change nothing.) So are those whose bias is put together from parts or otherwise computed, and stays
        where it is. Statistics of the input of an activation may go into the state of a linen or nnx module, such as
        ``batch_stats``; those that a function or another callable returns are outputs. A bias becomes 0, and so does a
        running mean that the call subtracts, a scale 1; running variances stay, as does what several units share, and
        in training the scale of a normalization. The paper recycles every 1000 steps with τ = 0.1. No other library of
        jax has this for models that it does not know.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> def model(params, x):
        ...     return jaxacts.relu(x @ params["a"] + params["b"]) @ params["c"]
        >>> params = {"a": jnp.eye(3), "b": jnp.array([0.0, 0.0, -9.0]), "c": jnp.ones((3, 2))}
        >>> x = jax.random.normal(jax.random.key(0), (100, 3))
        >>> watch = diagnostics.watch(model, x, variables=params)
        >>> _, state = watch(params, x)
        >>> new, _, units, _ = diagnostics.recycle(watch, params, None, state, jax.random.key(1))
        >>> int(units["a"]), new["b"].tolist(), new["c"].tolist()
        (1, [0.0, 0.0, 0.0], [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])

    References:
        Sokar et al., "The dormant neuron phenomenon in deep reinforcement learning", 2023,
        https://arxiv.org/abs/2302.12902
    """
    if not isinstance(watch, Watch):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(f"recycle: watch must be a Watch, got {type(watch).__name__}; pass what watch() returned.")
    if not isinstance(state, State):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(f"recycle: state must be what a watch returned, got {type(state).__name__}.")
    threshold = _checks.magnitude("recycle", "tau", tau)
    paths, leaves, rebuilt = watch.opened(variables)
    drawn = None if fresh is None else watch.opened(fresh)[1]
    masks = [None] * len(leaves)
    units, left, ends = dict[str, Array](), dict[str, str](), list[tuple[int, Any]]()
    for site, sums in zip(watch.sites, state.layers, strict=True):
        links = watch.links(site)
        if links.problem:
            left[site.name] = links.problem
            continue
        dormant = dormant_units(sums, threshold, jnp)
        units[site.name] = dormant.sum()
        for leaf, (ids, fan_in) in links.incoming.items():
            mask = _mask(dormant, ids, leaves[leaf])
            new = drawn[leaf] if drawn else _draw(key, paths[leaf], leaves[leaf], site, fan_in)
            leaves[leaf] = jnp.where(mask, new, leaves[leaf])
            masks[leaf] = _either(masks[leaf], mask)
        for group, value in ((links.shifts, 0), (links.scales, 1)):
            for leaf, ids in group.items():
                mask = _mask(dormant, ids, leaves[leaf])
                leaves[leaf] = jnp.where(mask, jnp.asarray(value, leaves[leaf].dtype), leaves[leaf])
                masks[leaf] = _either(masks[leaf], mask)
        ends += [(leaf, _mask(dormant, ids, leaves[leaf])) for leaf, ids in links.outgoing.items()]
    for leaf, mask in ends:
        leaves[leaf] = jnp.where(mask, jnp.zeros((), leaves[leaf].dtype), leaves[leaf])
        masks[leaf] = _either(masks[leaf], mask)
    changed = dict(zip(paths, masks, strict=True))
    return Recycled(rebuilt(leaves), _forgotten(opt_state, changed), units, left)


def _mask(dormant: Array, ids: NDArray[np.int32], leaf: Any) -> Array:
    """Which weights belong to dormant units, as an array that broadcasts to the parameter."""
    units = ids.reshape(leaf.shape)
    for axis in range(units.ndim):
        if (units == units.take([0], axis)).all():
            units = units.take([0], axis)
    return jnp.where(units >= 0, dormant[units], False)


def _either(one: Any, other: Any) -> Any:
    return other if one is None else one | other


def _draw(key: Array, path: str, leaf: Any, site: Site, fan_in: float) -> Array:
    try:
        factor = 1.0 if site.function is None else gain(site.function)
    except ValueError:  # a function without a gain
        factor = 1.0
    own = jax.random.fold_in(key, zlib.crc32(path.encode()))
    return (factor / math.sqrt(fan_in) * jax.random.normal(own, leaf.shape, jnp.float32)).astype(leaf.dtype)


def _forgotten(opt_state: Any, masks: dict[str, Any]) -> Any:
    """The state of the optimizer with zeros for the weights that changed; the mask of a parameter may be None."""

    def forget(keys: tuple[Any, ...], leaf: Any) -> Any:
        path = "/" + path_of(keys)
        # Of "w" and "enc/w" the longer is meant.
        found = max((p for p in masks if path.endswith("/" + p) or not p), key=len, default=None)
        mask = None if found is None else masks[found]
        shape = np.shape(leaf)
        if mask is None or len(shape) != mask.ndim or jnp.broadcast_shapes(shape, mask.shape) != shape:
            return leaf
        return jnp.where(mask, jnp.zeros((), leaf.dtype), leaf)

    return jax.tree_util.tree_map_with_path(forget, opt_state)
