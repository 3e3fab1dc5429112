"""Recycling: units that do nothing start again, and the optimizer forgets them."""

from __future__ import annotations

import math
import sys
import zlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
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
    ``left`` says why the units of a layer cannot be recycled, and ``kept`` why an array of the optimizer still has what
    it knew of them.
    """

    variables: Any
    opt_state: Any
    units: dict[str, Array]
    left: dict[str, str]
    kept: dict[str, str]


class _Changed(NamedTuple):
    """The shape of a parameter, and which of its weights changed: masks that broadcast to it."""

    shape: tuple[int, ...]
    masks: list[Array]


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
        opt_state: the state of an optax optimizer, or ``nnx.state(optimizer)``, or None. Moments are found by the path
            of their parameter within it and their shape, so that chains, masks and ``multi_transform`` work; so are
            the means over rows and columns that Adafactor has. What stays as it was is in ``kept``.
        state: what the watch has seen, of enough examples: a unit that is zero on a few is not dead. Under jit, where
            nobody can tell, a state that has seen none recycles none.
        key: the random key of the new weights.
        tau: the threshold, relative to the mean magnitude of the layer; 0 recycles dead units alone. At least 0.
        fresh: variables to take the new weights from, such as ``model.init(new_key, x)``, of which the kernels are
            enough; None draws normal ones with the gain of the activation.

    Returns:
        :class:`Recycled`. Nothing that was passed is changed; a linen module and pytrees can be recycled under jit.

    Raises:
        TypeError: something that is not a watch or a state; an optimizer in the place of its state.
        ValueError: a negative tau; a state that has seen nothing, or of another watch; variables of another model.

    Note:
        Layers are left alone, with the reason in ``left``, where the model would not stay as it is: where their result
        is returned, added to a residual stream, shifted, combined with other units of the layer, or multiplied by a
        matrix that is not a parameter; where their input is returned or used elsewhere; where their parameters are used
        more than once or alone give an output, such as a penalty; where several units share weights, as the positions
        do of channels that are flattened before the activation; and inside of scans. (Gates, which multiply element by
        element, change nothing.) A unit is an element of one axis: where that stands for several columns, as with the
        heads of ``nn.DenseGeneral`` or the members of an ensemble, it is dormant if all of these are together, and all
        are recycled. Also left alone are layers whose bias is put together from parts or otherwise computed, and stays
        where it is. Statistics of the input of an activation may go into the state of a linen or nnx module, such as
        ``batch_stats``; those that a function or another callable returns are outputs. A bias becomes 0, and so does a
        running mean that the call subtracts, a scale 1; running variances stay, as does what several units share, and
        in training the scale of a normalization. An array at the path of a parameter counts as a moment of it, the
        averages of parameters that ``optax.contrib.schedule_free`` has too. The paper recycles every 1000 steps with
        τ = 0.1. No other library of jax has this for models that it does not know.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> def model(params, x):
        ...     return jaxacts.relu(x @ params["a"] + params["b"]) @ params["c"]
        >>> params = {"a": jnp.eye(3), "b": jnp.array([0.0, 0.0, -9.0]), "c": jnp.ones((3, 2))}
        >>> x = jax.random.normal(jax.random.key(0), (100, 3))
        >>> watch = diagnostics.watch(model, x, variables=params)
        >>> _, state = watch(params, x)
        >>> new, _, units, *_ = diagnostics.recycle(watch, params, None, state, jax.random.key(1))
        >>> int(units["a"]), new["b"].tolist(), new["c"].tolist()
        (1, [0.0, 0.0, 0.0], [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])

    References:
        Sokar et al., "The dormant neuron phenomenon in deep reinforcement learning", 2023,
        https://arxiv.org/abs/2302.12902
    """
    threshold = _checked(watch, state, opt_state, tau)
    paths, leaves, rebuilt = _opened(watch, "variables", variables)
    drawn = None if fresh is None else _drawn(watch, fresh)
    changed = [_Changed(np.shape(leaf), []) for leaf in leaves]
    units, left, ends = dict[str, Array](), dict[str, str](), list[tuple[int, Array]]()

    def replace(leaf: int, mask: Array, new: Any) -> None:
        leaves[leaf] = jnp.where(mask, jnp.asarray(new, leaves[leaf].dtype), leaves[leaf])
        changed[leaf].masks.append(mask)

    for site, sums in zip(watch.sites, state.layers, strict=True):
        links = watch.links(site)
        if links.problem:
            left[site.name] = links.problem
            continue
        dormant = dormant_units(sums, threshold, jnp) & (sums.count > 0)
        units[site.name] = dormant.sum()
        for leaf, (ids, fan_in) in links.incoming.items():
            if drawn is None:
                new = _draw(key, paths[leaf], leaves[leaf], site, fan_in)
            else:
                new = _fresh(drawn, paths[leaf], changed[leaf].shape)
            replace(leaf, _mask(dormant, ids, changed[leaf].shape), new)
        for group, value in ((links.shifts, 0), (links.scales, 1)):
            for leaf, ids in group.items():
                replace(leaf, _mask(dormant, ids, changed[leaf].shape), value)
        ends += [(leaf, _mask(dormant, ids, changed[leaf].shape)) for leaf, ids in links.outgoing.items()]
    for leaf, mask in ends:
        replace(leaf, mask, 0)
    new_state, kept = _forgotten(opt_state, dict(zip(paths, changed, strict=True)))
    return Recycled(rebuilt(leaves), new_state, units, left, kept)


def _checked(watch: Any, state: Any, opt_state: Any, tau: Any) -> float:
    """The threshold, once the other arguments are known to be what they should be."""
    if not isinstance(watch, Watch):
        raise TypeError(f"recycle: watch must be a Watch, got {type(watch).__name__}; pass what watch() returned.")
    if not isinstance(state, State):
        raise TypeError(f"recycle: state must be what a watch returned, got {type(state).__name__}.")
    nnx = sys.modules.get("flax.nnx")
    if nnx is not None and isinstance(opt_state, nnx.Optimizer):
        raise TypeError("recycle: opt_state must be a state, got an nnx.Optimizer; pass nnx.state(optimizer).")
    if hasattr(type(opt_state), "apply_gradients"):
        got = type(opt_state).__name__
        raise TypeError(f"recycle: opt_state must be the state of an optimizer, got a {got}; pass its opt_state.")
    if hasattr(type(opt_state), "init"):
        raise TypeError("recycle: opt_state must be the state of an optimizer, got the optimizer; pass its state.")
    threshold = _checks.magnitude("recycle", "tau", tau)
    empty = jax.eval_shape(watch.init)
    if jax.tree.structure(state) != jax.tree.structure(empty):
        names = [[sums.layer.name for sums in s.layers] for s in (empty, state)]
        raise ValueError(f"recycle: state must be one of the watch, with the layers {names[0]}, got {names[1]}.")
    if [np.shape(x) for x in jax.tree.leaves(state)] != [x.shape for x in jax.tree.leaves(empty)]:
        raise ValueError(
            "recycle: state must have one row for each layer, got a stack of them; add up what vmap has stacked by "
            "diagnostics.merge(state, axis=0)."
        )
    counts = [sums.count for sums in state.layers]
    if not any(isinstance(count, Tracer) or np.any(np.asarray(count)) for count in counts):
        raise ValueError("recycle: the state must have seen examples, got one of zeros; call the watch first.")
    return threshold


def _opened(watch: Watch, argument: str, variables: Any) -> tuple[list[str], list[Any], Any]:
    """The leaves of variables that are those of the watch; random keys aside, which options may hold too."""
    paths, leaves, rebuilt = watch.opened(variables)
    given = [np.shape(x) for x in leaves if not _is_key(x.dtype)]
    inputs = [v.aval for v in watch.graph.program.jaxpr.invars[: len(watch.graph.leaves)]]
    due = [aval.shape for aval in inputs if not _is_key(aval.dtype)]
    if given != due:
        difference = f"{len(given)} arrays instead of {len(due)}" if len(given) != len(due) else "other shapes"
        raise ValueError(f"recycle: {argument} must be those of the watch, got {difference}; {_REMEDIES[watch.kind]}.")
    return paths, leaves, rebuilt


_REMEDIES = {
    "linen": "pass all that model.init returned, such as {'params': ..., 'batch_stats': ...}",
    "nnx": "pass the nnx module",
    "pytree": "pass the model",
    "function": "pass what the model takes as its parameters",
}


def _is_key(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jax.dtypes.prng_key)


def _drawn(watch: Watch, fresh: Any) -> dict[str, Any]:
    """The arrays to take new weights from, by their paths."""
    paths, leaves, _ = watch.opened(fresh)
    return dict(zip(paths, leaves, strict=True))


def _fresh(drawn: dict[str, Any], path: str, shape: tuple[int, ...]) -> Any:
    if path not in drawn or np.shape(drawn[path]) != shape:
        got = list(np.shape(drawn[path])) if path in drawn else "none"
        raise ValueError(
            f"recycle: fresh must have {path or 'a parameter'} of shape {list(shape)}, got {got}; pass variables of "
            f"the same model."
        )
    return drawn[path]


def _mask(dormant: Array, ids: NDArray[np.int32], shape: tuple[int, ...]) -> Array:
    """Which weights belong to dormant units, as an array that broadcasts to the parameter."""
    units = ids.reshape(shape)
    for axis in range(units.ndim):
        if (units == units.take([0], axis)).all():
            units = units.take([0], axis)
    return jnp.where(units >= 0, dormant[units], False)


def _draw(key: Array, path: str, leaf: Any, site: Site, fan_in: float) -> Array:
    try:
        factor = 1.0 if site.function is None else gain(site.function)
    except ValueError:  # a function without a gain
        factor = 1.0
    own = jax.random.fold_in(key, zlib.crc32(path.encode()))
    return (factor / math.sqrt(fan_in) * jax.random.normal(own, leaf.shape, jnp.float32)).astype(leaf.dtype)


def _forgotten(opt_state: Any, changed: dict[str, _Changed]) -> tuple[Any, dict[str, str]]:
    """The state of the optimizer with zeros for the weights that changed, and what has no zeros and why."""
    kept = dict[str, str]()

    def forget(keys: tuple[Any, ...], leaf: Any) -> Any:
        name, shape = path_of(keys), np.shape(leaf)
        # Of "w" and "enc/w" the longer is meant.
        found = max((p for p in changed if f"/{name}".endswith(f"/{p}") or not p), key=len, default=None)
        masks = [] if found is None else _masks(changed[found], name, shape)
        if masks:
            for mask in masks:
                leaf = jnp.where(mask, jnp.zeros((), leaf.dtype), leaf)
        elif math.prod(shape) > 1 and jnp.issubdtype(leaf.dtype, jnp.floating):
            if found is None:
                kept[name] = "it is not at the path of a parameter"
            elif changed[found].masks:
                kept[name] = "its elements are not those of single units"
        return leaf

    new = jax.tree_util.tree_map_with_path(forget, opt_state)
    return new, kept if any(c.masks for c in changed.values()) else {}


def _masks(changed: _Changed, name: str, shape: tuple[int, ...]) -> list[Array]:
    """Which elements of a moment belong to the weights that changed: a moment of each weight, or of rows or columns."""
    if shape == changed.shape:
        return changed.masks
    axis = _averaged(name, changed.shape)
    if axis is None or shape != tuple(np.delete(changed.shape, axis)):
        return []
    return [mask.squeeze(axis) for mask in changed.masks if mask.shape[axis] == 1]


def _averaged(name: str, shape: tuple[int, ...]) -> int | None:
    """The axis of a parameter over which a factored moment of optax is a mean."""
    last = {"v_row": -1, "v_col": -2}
    kind = next((part for part in name.split("/") if part in last), "")
    return int(np.argsort(shape)[last[kind]]) if kind and len(shape) > 1 else None
