"""Watching a model: its activations found by tracing, and reduced to sums while it runs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.ad_checkpoint import checkpoint_name
from jax.core import Tracer

from jaxacts._trace.graph import Graph, graph_of
from jaxacts._trace.units.execute import Moment, Runner
from jaxacts._trace.units.links import Links, links_of
from jaxacts._trace.units.sites import TAP, Site, Sites, sites_of
from jaxacts.diagnostics._arguments import check_call, check_watched, sampled
from jaxacts.diagnostics._models import Call, call_of, kind_of, opened, shapes_of
from jaxacts.diagnostics._saturation import Saturation, is_of_catalogue, saturation_of
from jaxacts.diagnostics._state import Layer, State, UnitSums
from jaxacts.initializers import _checks
from jaxacts.lookup import catalogue

__all__ = ["Watch", "inputs_of", "tap", "watch"]


class Watch:
    """A model that also reports on its units; made by :func:`watch`.

    ``watch(variables, x, state)`` gives the output of the model and the new state. ``init()`` gives an empty state,
    ``layers`` what is watched, ``unfollowed`` what could not be followed.
    """

    def __init__(
        self,
        model: Any,
        sample: Any,
        variables: Any,
        every: int,
        epsilon: float,
        ranks: bool,
        bins: tuple[float, ...],
        axis_name: Any,
        options: dict[str, Any],
    ) -> None:
        self.model, self.kind = model, kind_of("watch", model)
        self.every, self.epsilon, self.ranks, self.bins, self.axis_name = every, epsilon, ranks, bins, axis_name
        self._traced: dict[Any, tuple[Graph, Sites, Any]] = {}
        inputs = inputs_of(sample)
        check_watched(watch, self.kind, model, options)
        shapes = shapes_of("watch", self.kind, model, inputs, variables, options, watch)
        call = call_of(self.kind, model, shapes, inputs, options)

        def function(leaves: list[Any], data: list[Any]) -> Any:
            with sampled("watch", inputs, options, watch):
                return call.function(leaves, data)

        graph, sites, tree = self.traced(call._replace(function=function))
        self.graph, self.sites = graph, sites.found
        self._returned = frozenset(call.returned(jax.tree.unflatten(tree, graph.outputs)))
        self._links: dict[str, Links] = {}
        self._saturations: dict[tuple[str, str], Saturation] = {}
        _, found = jax.eval_shape(Runner(graph, sites.found, self._sums, {}), [*call.leaves, *call.data])
        self._empty = self._state(sites, found)
        self.unfollowed = sites.unfollowed
        if not sites.found:
            listed = f" ({', '.join(sites.unfollowed)} could not be followed)" if sites.unfollowed else ""
            raise ValueError(
                f"watch: the model must have activations, got none{listed}; mark values with "
                f"jaxacts.diagnostics.tap(x, 'name')."
            )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that are watched, in the order of the computation."""
        return tuple(sums.layer for sums in self._empty.layers)

    def init(self) -> State:
        """A state of zeros."""
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), self._empty)

    def __call__(self, variables: Any, x: Any, state: State | None = None, **options: Any) -> tuple[Any, State]:
        """The output of the model, and the state with what its units did added.

        ``x`` is an array or a tuple of the positional arguments; ``options`` are those of the call of the model, for
        linen those of ``apply``, such as ``rngs`` and ``mutable``. An nnx module stands in the place of ``variables``.
        """
        check_call(self.kind, variables, inputs_of(x), state)
        state = self.init() if state is None else state
        call = call_of(self.kind, self.model, variables, inputs_of(x), options)
        graph, sites, tree = self.traced(call)
        due = None if self.every == 1 else state.steps % self.every == 0
        runner = Runner(graph, sites.found, lambda moment: self._due(moment, due), {})
        flat, found = runner([*call.leaves, *call.data])
        new = self._state(sites, found)
        if jax.tree.structure(new) != jax.tree.structure(state):
            raise ValueError(
                f"watch: the state must be of this watch and of a call like that on its sample, got one with "
                f"{_difference(state, new)}; start from watch.init()."
            )
        if self.axis_name is not None:
            summed = jax.lax.psum(new.layers, self.axis_name)
            new = State(summed, new.steps, new.unfollowed)
        total = jax.tree.map(lambda a, b: a + b, state, new)
        out = jax.tree.unflatten(tree, flat)
        call.update(out)
        return call.result(out), total

    def links(self, site: Site) -> Links:
        """The weights of the units of a layer."""
        if site.name not in self._links:
            self._links[site.name] = links_of(self.graph, site, self._returned)
        return self._links[site.name]

    def opened(self, variables: Any) -> tuple[list[str], list[Any], Callable[[list[Any]], Any]]:
        """The variables as named leaves, and what makes variables of leaves."""
        return opened(self.kind, variables)

    def traced(self, call: Call) -> tuple[Graph, Sites, Any]:
        """The graph of a call, its activations, and the structure of its output."""
        try:
            known = self._traced.get(call.signature)
        except TypeError:  # an argument that is not an array and cannot be hashed
            known = None
        if known is not None:
            return known
        structure: list[Any] = []

        def flat(leaves: list[Any], data: list[Any]) -> list[Any]:
            out, tree = jax.tree.flatten(call.function(leaves, data))
            structure[:] = [tree]
            return out

        graph = graph_of(flat, call.leaves, call.data, into_scans=True)
        traced = graph, sites_of(graph, call.paths), structure[0]
        if not any(isinstance(x, Tracer) for x in graph.constants.values()):
            with contextlib.suppress(TypeError):
                self._traced[call.signature] = traced
        return traced

    def _saturation(self, site: Site) -> Saturation:
        key = site.name, site.activation
        if key not in self._saturations:
            self._saturations[key] = saturation_of(site, self.epsilon)
        return self._saturations[key]

    def _state(self, sites: Sites, found: dict[str, Any]) -> State:
        layers = tuple(found[site.name] for site in sites.found)
        return State(layers, jnp.ones((), jnp.int32), sites.unfollowed)

    def _due(self, moment: Moment, due: Array | None) -> UnitSums:
        if due is None:
            return self._sums(moment)
        nothing = jax.eval_shape(lambda: self._sums(moment))
        return jax.lax.cond(
            due,
            lambda: self._sums(moment),
            # Zeros that vary over the axes of a shard_map as the sums do.
            lambda: jax.tree.map(lambda x: jax.lax.full_like(x, 0), nothing),
        )

    def _sums(self, moment: Moment) -> UnitSums:
        site, h = moment.site, moment.after
        saturation = self._saturation(site)
        if moment.before is not None and moment.before.shape != h.shape:
            moment = moment._replace(before=None)
        left, right = saturation.flags(moment)
        units = h.shape[site.axis]
        axes = tuple(a for a in range(h.ndim) if a != site.axis % h.ndim)

        def add(x: Array | None) -> Array:
            return jnp.zeros(units, jnp.float32) if x is None else jnp.sum(x, axes, dtype=jnp.float32)

        wide = h.astype(jnp.float32)
        total = add(wide)
        kinds, inactive = saturation.kinds, saturation.inactive
        layer = Layer(site.name, site.activation, *kinds, inactive, len(site.steps), self.bins)
        return UnitSums(
            absolute=total if _not_negative(site) else add(jnp.abs(wide)),
            total=total,
            square=add(jnp.square(wide)),
            active=add(h != 0),
            left=add(left),
            right=add(right),
            count=jnp.asarray(h.size / max(units, 1), jnp.float32),
            gram=_gram(wide, axes) if self.ranks else None,
            histogram=_histogram(wide, self.bins) if self.bins else None,
            layer=layer,
        )


def watch(
    model: Any,
    sample: Any,
    *,
    variables: Any = None,
    every: int = 1,
    epsilon: float = 0.01,
    ranks: bool = False,
    bins: int | Sequence[float] = 0,
    axis_name: str | tuple[str, ...] | None = None,
    **options: Any,
) -> Watch:
    r"""Watch the units of a model, which stays as it is: every activation is found in the program that jax traces.

    .. math::
        \text{dead}_i = [\max_x |h_i(x)| = 0], \qquad
        \text{dormant}_i = \Bigl[\tfrac{\mathbb E|h_i|}{\operatorname{mean}_k \mathbb E|h_k|} \le \tau\Bigr], \qquad
        \text{saturated}_i(x) = [|f'(z_i)| < \varepsilon]

    for the results :math:`h = f(z)` of each activation. What is kept are sums, which add over batches, devices and
    steps; :func:`report` turns them into shares.

    Args:
        model: a ``flax.linen`` or ``flax.nnx`` module, another pytree that can be called (as those of Equinox), or a
            function ``f(params, x)``.
        sample: what the model is called with, an array or a tuple of the positional arguments. Only shapes matter.
        variables: those of a linen module, of which None takes the shapes that ``model.init`` gives, or the parameters
            of a function.
        every: only each so many-th call adds to the sums; at least 1. The others cost a comparison.
        epsilon: slopes below this in magnitude count as saturated; positive.
        ranks: also keep the matrix Σ h hᵀ of each layer, from which the report has ranks; units² numbers a layer.
        bins: also keep a histogram of the values of each layer, for :func:`plots.histograms`: the number of bins
            between -10 and 10, or their rising edges.
        axis_name: the axis, or axes, of ``shard_map``, ``pmap`` or ``vmap`` to add the sums up over.
        **options: further arguments of the call of the model, such as ``train=False``; for linen those of ``apply``.

    Returns:
        A :class:`Watch`. ``watch(variables, x, state)`` gives what the model gives, and the new state. It is a pure
        function (an nnx module in the place of the variables changes as in any call of it) under jit, grad, scan, vmap
        and shard_map.

    Raises:
        TypeError: a model of another sort; variables that are missing, or given to a model that has its own; an option
            that the call of the model does not take; in a call, arguments in the places of others.
        ValueError: a model without activations, or that does not run on the sample; arguments out of range.

    Note:
        Activations are recognized by what they compute: elementwise functions of one value that are not linear, inside
        of jit, remat, scan and custom derivatives too, so that ``x * jax.nn.sigmoid(x)`` is a silu. A unit is a channel
        of the layer before the activation. Layers that are scanned over have a row for each step; a loop over time,
        whose steps share their parameters, is one layer. What happens in a ``while`` loop, a ``cond``, a kernel or a
        ``shard_map`` inside of the model is not followed but named in ``watch.unfollowed``; :func:`tap` marks what
        comes out of it. Gradients of the model are unchanged, and the sums have none. No other library finds saturation
        by the slope of the activation itself.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> model = nn.Sequential([nn.Dense(64), jaxacts.relu, nn.Dense(64), jnp.tanh, nn.Dense(3)])
        >>> x = jax.random.normal(jax.random.key(1), (256, 16))
        >>> variables = model.init(jax.random.key(0), x)
        >>> watch = diagnostics.watch(model, x)
        >>> y, state = jax.jit(watch)(variables, x, watch.init())
        >>> [(layer.layer.name, layer.layer.activation) for layer in state.layers]
        [('layers_0', 'relu'), ('layers_2', 'tanh')]

    References:
        Sokar et al., "The dormant neuron phenomenon in deep reinforcement learning", 2023,
        https://arxiv.org/abs/2302.12902; Gulcehre et al., "Noisy activation functions", 2016,
        https://arxiv.org/abs/1603.00391 (hard and soft saturation)
    """
    count = _checks.count("watch", "every", every)
    threshold = _checks.positive("watch", "epsilon", epsilon)
    return Watch(model, sample, variables, count, threshold, bool(ranks), _edges(bins), axis_name, options)


def tap(x: Array, name: str) -> Array:
    """Mark a value, which a watch then has a row for: what an opaque kernel gives, or anything else.

    .. math:: y = x

    Args:
        x: any array of at least one axis; the last one holds the units, if no layer before it says otherwise.
        name: what the row is called.

    Returns:
        ``x``. Without a watch this costs nothing.

    Raises:
        TypeError: a name that is not a string.

    Note:
        The mark is a ``jax.ad_checkpoint.checkpoint_name``, so that it passes through all of jax's transformations.
        Flax's ``sow`` and ``perturb`` need a place in the variables instead.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxacts import diagnostics
        >>> def model(w, x):
        ...     return diagnostics.tap(x @ w, "mixed").sum()
        >>> watch = diagnostics.watch(model, jnp.ones((3, 2)), variables=jnp.eye(2))
        >>> watch.layers[0].name
        'mixed'
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(f"tap: name must be a str, got {type(name).__name__}; pass a name such as 'attention'.")
    return checkpoint_name(x, TAP + name)


def _difference(state: State, new: State) -> str:
    """In what a state is not that of a call."""
    given, due = ([sums.layer for sums in s.layers] for s in (state, new))
    if [layer.name for layer in given] != [layer.name for layer in due]:
        before, after = ([layer.name for layer in layers] for layers in (given, due))
        return f"the layers {before}, while the call has {after}"
    for one, other in zip(given, due, strict=True):
        for name, old, now in zip(Layer._fields, one, other, strict=True):
            if old != now:
                return f"{name} {old!r} in the layer {one.name!r}, while the call has {now!r}"
    if state.unfollowed != new.unfollowed:
        return f"{list(state.unfollowed)} not followed, while the call has {list(new.unfollowed)}"
    return "other arrays, as of a watch with other ranks or bins"


def _edges(bins: int | Sequence[float]) -> tuple[float, ...]:
    if np.ndim(bins) == 0:
        number = _checks.count("watch", "bins", bins, 0)
        return tuple(np.linspace(-10.0, 10.0, number + 1).tolist()) if number else ()
    edges = tuple(_checks.number("watch", "bins", edge) for edge in np.asarray(bins).tolist())
    if len(edges) < 2 or any(b <= a for a, b in itertools.pairwise(edges)):
        raise ValueError(f"watch: bins must be a number of bins or at least two rising edges, got {edges}.")
    return edges


def _gram(h: Array, axes: tuple[int, ...]) -> Array:
    """Σ h hᵀ over these axes."""
    # Where shardings belong to the type, that of a sum over a sharded axis has to be said.
    spec = jax.sharding.PartitionSpec() if jax.sharding.get_abstract_mesh().explicit_axes else None
    contracted = ((axes, axes), ((), ()))
    return jax.lax.dot_general(h, h, contracted, precision=jax.lax.Precision.HIGHEST, out_sharding=spec)


def _histogram(h: Array, edges: tuple[float, ...]) -> Array:
    """How many values are in each bin, the last edge included; sums alone, which shardings pass through."""
    below = [jnp.sum(h < edge, dtype=jnp.float32) for edge in edges[:-1]]
    return jnp.diff(jnp.stack([*below, jnp.sum(h <= edges[-1], dtype=jnp.float32)]))


def _not_negative(site: Site) -> bool:
    if not is_of_catalogue(site, site.activation):
        return False
    entry = catalogue()[site.activation]
    image = entry.facts().image if entry.declared else None
    return image is not None and image[0] >= 0


def inputs_of(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)
