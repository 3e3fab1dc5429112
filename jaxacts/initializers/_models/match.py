"""One call for a whole model: each kernel gets the gain of the activation that follows it, and its own fans."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxacts._core.errors import unknown_name
from jaxacts._trace.graph import Graph, graph_of
from jaxacts._trace.layers.additions import Additions
from jaxacts._trace.layers.measure import measured
from jaxacts.initializers import _checks
from jaxacts.initializers._fans.fans import KernelSpec
from jaxacts.initializers._models.draw import (
    Residual,
    drawn,
    is_identity,
    is_orthogonal,
    residual_factors,
    root_mean_square,
)
from jaxacts.initializers._models.found import Choice, Found, Rule, Skipped, found_behind
from jaxacts.initializers._models.models import Model, all_zero, folded, opened
from jaxacts.initializers._models.reports import MatchedLayer, MatchReport
from jaxacts.initializers._models.verdict import verdict
from jaxacts.initializers._theory.gains import Convention, Criterion, check_convention
from jaxacts.initializers._variance import Distribution, Mode, scaled

__all__ = ["match"]


def match(
    model: Any,
    sample: Any,
    key: Array,
    *,
    variables: Any = None,
    criterion: Criterion = "forward",
    convention: Convention = "second_moment",
    mode: Mode = "fan_in",
    distribution: Distribution = "normal",
    choices: Mapping[str, Choice] | None = None,
    residual: Residual | None = None,
    measure: bool = False,
    arguments: Mapping[str, Any] | None = None,
    **options: Any,
) -> tuple[Any, MatchReport]:
    r"""Redraw all kernels of a model, each with the gain of the activation that follows it.

    .. math:: \operatorname{std}(w) = \frac{g}{\sqrt{n}}, \qquad g = \text{gain of the activation behind the layer}

    The model is traced, not run. Each product and each convolution with a parameter gives fan_in and fan_out exactly;
    its output is followed through biases, reshapes, pooling, sums over an axis or over neighbours, normalizations and
    residual additions to the activation, whatever it is composed of, whose gain is then computed. A layer with nothing
    but layers behind it has gain 1.

    **Constant factors** belong to the activation where there is one: relu(0.1 z) and 1.7 relu(z) have the gains of
    these functions. Where there is none, or a residual addition or a normalization in between, or where the activation
    is multiplied by them before a residual addition, as x + 0.1 relu(z), they are there on purpose, as that of
    attention or of a residual branch, so the gain is that of what is left and a note says by what the output is
    multiplied ("×0.25"). What divides a sum over a window or an axis makes it a mean and is not a factor.

    **Sums**: where k layers are added up before their activation, as in a recurrent cell, each gets 1/√k of its gain.
    A stream with residual branches is not such a sum; ``residual`` is for those. A kernel of zeros that is left alone,
    as of LoRA, adds nothing and does not count.

    **Packed kernels**: gates that are slices of the output of one layer get a gain each, also where several kernels are
    concatenated first. Where a gate and its values cannot be told apart, one gain g serves both, with which
    g·z·f(g·z') has the second moment 1.

    Args:
        model: a ``flax.linen`` or ``flax.nnx`` module; a callable pytree whose floating arrays are the parameters, such
            as a module of Equinox; or a function of a tree of parameters and the sample.
        sample: what the model is called with: an array, or a tuple of the positional arguments. Only shapes matter,
            unless ``measure`` is set.
        key: the random key; each kernel is drawn with the key folded with its path.
        variables: of a linen module, where None takes those of ``model.init``; or the tree of parameters of a function.
            If any is a ``jax.ShapeDtypeStruct``, also in an nnx module, so is all that is returned, and the report says
            what would be drawn.
        criterion, convention: as for :func:`gain`.
        mode, distribution: as for :func:`variance_scaling`; ``mode="spectral"`` is the initialization half of muP.
        choices: what follows a layer where the trace does not say, by the path of its kernel (``*`` stands for
            anything): an activation, or a number, which is the gain itself, or None, which leaves the kernel alone.
        residual: what the kernels that end a residual branch get beside their gain. ``"depth_scaled"`` is 1/√N, where N
            is the number of residual additions, twice that of the blocks of a transformer (GPT-2); ``"layer_scaled"``
            is 1/√(2l) in block l, counted from 1, of two additions each (OLMo); ``"zero"`` is 0, so that each block
            starts as the identity. A branch starts from the value that the stream is, scaled, pooled or, where the
            branch has an activation, projected by one layer. The report warns of branches that this does not reach,
            and where a normalization between the kernel and the addition undoes it.
        measure: whether to run the model on the sample, before and after, for the variances of the outputs of each
            layer; take real data then.
        arguments: further arguments of the call of the model by name, where ``options`` cannot name them, such as one
            called ``mode``.
        **options: further arguments of the call of the model, such as ``train=False`` or ``condition=array``. For a
            linen module ``mutable`` may be among them; it changes nothing, for collections may change in any case.

    Returns:
        The new variables of a linen module, a new nnx module or pytree; and a :class:`MatchReport`, whose text is a
        table. Biases, scales, tables that are looked up alone, and kernels that are all zero or the identity keep their
        values. Kernels with orthogonal columns stay orthogonal, each matrix of a stack and each gate by itself. The
        model that was passed is not changed.

    Raises:
        ValueError: layers of which it is not clear what follows, each with the reason: an output that goes into two
            activations, or into what is neither elementwise nor a layer; a kernel that is transformed before its
            product; random numbers on the way. ``choices`` is the remedy. A model that does not run on the sample.
        TypeError: a model of none of these kinds; an option that its call does not take; a call inside of jit, for it
            runs on the host.

    Note:
        Between a layer and its activation a normalization makes the scale of the kernel unimportant for the forward
        pass (the note says "normalized"). Active dropout is refused, as are RReLU and Dice in training: switch it off,
        by an option of the call or by nnx's ``model.eval()``. A table that is looked up and is the last layer too gets
        the variance of the last layer; the note "looked up too" says that its rows then have this standard deviation.
        For deep networks without normalization of gelu, silu or mish see the note of :func:`gain`; the report warns of
        them, and of residual additions that nothing normalizes. Layers of a scan get the fans of one step. jax.nn,
        torch and keras have no such function.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp, jaxacts
        >>> model = nn.Sequential([nn.Dense(64), jaxacts.gelu, nn.Dense(64), jnp.tanh, nn.Dense(3)])
        >>> variables, report = match(model, jnp.ones((1, 16)), jax.random.key(0))
        >>> for row in report.layers:
        ...     print(row.path, row.fan_in, row.activation, round(row.gain, 4), round(row.std, 4), round(row.chi_1, 2))
        layers_0/kernel 16 gelu 1.5336 0.3834 1.07
        layers_2/kernel 64 tanh 1.5925 0.1991 1.18
        layers_4/kernel 64 linear 1.0 0.125 1.0
        >>> report.assert_healthy()

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852; Radford et al.,
        "Language models are unsupervised multitask learners", 2019, section 2.3 (depth_scaled); Groeneveld et al.,
        "OLMo: accelerating the science of language models", 2024, https://arxiv.org/abs/2402.00838 (layer_scaled)
    """
    scaled("match", 1.0, mode, distribution, KernelSpec(), None)  # refuses unknown names before the model is traced
    check_convention("match", criterion, convention)
    if residual is not None:
        _checks.known("match", "residual", residual, ("depth_scaled", "layer_scaled", "zero"))
    opening = opened(match, model, sample, key, variables, options, arguments)
    graph = graph_of(opening.call, opening.leaves, opening.sample, into_scans=True)
    uses = graph.uses()
    chosen = _choices_by_leaf(choices or {}, opening.paths, {use.leaf for use in uses})
    zero = frozenset(use.leaf for use in uses if use.leaf not in chosen and all_zero(opening.leaves[use.leaf]))
    additions = Additions(graph, zero)
    found, left = _decided(graph, opening, additions, chosen, Rule(criterion, convention))
    factors = residual_factors(graph, found, residual)
    leaves = list(opening.leaves)
    rows = dict[int, MatchedLayer]()
    # The largest first and one at a time, for drawing takes a multiple of the memory of a kernel.
    for index, one in sorted(found.items(), key=lambda item: -opening.leaves[item[0]].size):
        old = leaves[index]
        own, factor = folded(key, opening.paths[index]), factors.get(index, 1.0)
        leaves[index], std = drawn(graph, one, old, own, mode, distribution, factor)
        jax.block_until_ready(leaves[index])
        undone = one.undone and residual != "zero"
        ends = f"ends a residual branch{', whose normalization undoes the factor' if undone else ''}"
        rows[index] = _row(graph, one, opening.paths[index], old, std, (ends,) if index in factors else ())
    layers, broken = {index: rows[index] for index in found}, ()
    if measure and not opening.abstract:
        layers, broken = _with_variances(graph, opening, leaves, found, layers)
    new = opening.rebuilt(leaves)
    if opening.abstract:
        new = jax.tree.map(_shape, new)
    drift, warnings = verdict(graph, opening.paths, additions, found, residual)
    return new, MatchReport(tuple(layers.values()), left, (*warnings, *broken), drift)


def _shape(value: Any) -> Any:
    """An array by its shape alone."""
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return value
    return jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=getattr(value, "sharding", None))


def _decided(
    graph: Graph, opening: Model, additions: Additions, chosen: Mapping[int, Choice], rule: Rule
) -> tuple[dict[int, Found], dict[str, str]]:
    """The kernels to draw in the order of the computation, and those to leave alone; an error if any is not clear."""
    uses, known = graph.uses(), dict[int, Any](zip(graph.leaves, opening.leaves, strict=True))
    found, left, unclear = dict[int, Found](), dict[str, str](), dict[str, Skipped]()
    for index in dict.fromkeys([*(use.leaf for use in uses), *range(len(opening.leaves))]):
        path, leaf, here = opening.paths[index], opening.leaves[index], [use for use in uses if use.leaf == index]
        kept = _kept(leaf) if here and index not in chosen else ""
        one = Skipped(kept) if kept else found_behind(graph, known, additions, index, here, chosen, rule)
        if isinstance(one, Found):
            same = is_orthogonal(graph, one, leaf)
            found[index] = one._replace(notes=(*one.notes, "orthogonal")) if same else one
        elif one.refused:
            unclear[path] = one
        elif one.reason:
            left[path] = one.reason
    if unclear:
        listed = "\n".join(f"  {path} {why.reason}" for path, why in unclear.items())
        path, first = next(iter(unclear.items()))
        raise ValueError(
            f"match: it must be clear what follows each kernel, got\n{listed}\nSay it in choices, such as "
            f"choices={{{path!r}: {first.remedy}}}; a number is the gain itself, None leaves it alone."
        )
    return found, left


def _kept(leaf: Any) -> str:
    """Why a kernel keeps its values unless it is chosen, or nothing."""
    if all_zero(leaf):
        return "all zero, which it may have to be; name it in choices to draw it"
    return "the identity, which it may have to be; name it in choices to draw it" if is_identity(leaf) else ""


def _row(graph: Graph, found: Found, path: str, old: Any, std: float, more: tuple[str, ...]) -> MatchedLayer:
    use, parts = found.use, found.parts
    was = math.nan if isinstance(old, jax.ShapeDtypeStruct) or not old.size else float(root_mean_square(old))
    notes = (*found.notes, *more)
    by_shape = _default_fan_in(tuple(old.shape), len(graph.stacked(use)) if use.op.loops else 0)
    if by_shape > 1.5 * use.fan_in and 0.5 < was**2 * by_shape < 3 and _off(was, by_shape) < _off(was, use.fan_in):
        notes = (*notes, f"was drawn with fan_in {by_shape:g}")
    columns = [(p.columns[1] - p.columns[0]) if p.columns else 1 for p in parts]
    gain = math.sqrt(sum(n * p.gain**2 for n, p in zip(columns, parts, strict=True)) / sum(columns))
    name, chi = " | ".join(p.name for p in parts), max(p.chi_1 for p in parts)
    return MatchedLayer(path, tuple(old.shape), use.fan_in, use.fan_out, name, gain, std, notes, was, chi)


def _default_fan_in(shape: tuple[int, ...], stacked: int) -> float:
    """What the default axes of initializers give, without the axes of a scan."""
    own = shape[stacked:]
    return KernelSpec().fans("match", own).fan_in if len(own) > 1 else 0.0


def _off(std: float, fan_in: float) -> float:
    """How far a variance is from what layers start with, 1/fan_in, 2/fan_in or, in torch, 1/(3 fan_in)."""
    # Chance is left out, so that of two fans which fit as well neither is closer.
    return max(0.1, min(abs(math.log(std**2 * fan_in / usual)) for usual in (1 / 3, 1, 2)))


def _with_variances(
    graph: Graph, opening: Model, leaves: list[Any], found: Mapping[int, Found], layers: Mapping[int, MatchedLayer]
) -> tuple[dict[int, MatchedLayer], tuple[str, ...]]:
    """The rows with the variances of the outputs before and after, and a warning of outputs that are not finite."""
    run = jax.jit(measured(graph, [one.use for one in found.values()]))
    data = jax.tree.leaves(opening.sample)
    (before, _), (after, finite) = (run(some, data) for some in (opening.leaves, leaves))
    new = {
        index: row._replace(before=_farthest(old), after=_farthest(now), finite=bool(jnp.isfinite(now).all()))
        for (index, row), old, now in zip(layers.items(), before, after, strict=True)
    }
    text = "the outputs of the model on the sample are not finite; look at the sample and at what follows the layers"
    return new, () if finite else (text,)


def _farthest(variances: Array) -> float:
    """That of the step which is farthest from 1."""
    return max(map(float, variances.ravel()), key=lambda x: abs(math.log(x)) if x > 0 else math.inf)


def _choices_by_leaf(choices: Mapping[str, Choice], paths: list[str], used: set[int]) -> dict[int, Choice]:
    if not isinstance(choices, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(
            f"match: choices must map paths of kernels to what follows them, got {type(choices).__name__}; "
            f"pass choices={{'*/kernel': jaxacts.relu}}."
        )
    chosen = dict[int, Choice]()
    for pattern, choice in choices.items():
        hits = [i for i, path in enumerate(paths) if fnmatch.fnmatchcase(path, pattern)]
        if not hits:
            raise unknown_name("match", "path in choices", pattern, paths)
        if isinstance(choice, str):
            raise TypeError(
                f"match: choices[{pattern!r}] must be a function, a number or None, got {choice!r}; "
                f"pass jaxacts.{choice}, the function itself."
            )
        if not (choice is None or callable(choice)):
            choice = _checks.magnitude("match", f"choices[{pattern!r}]", choice)
        # A pattern may hit biases, which it does not mean.
        chosen |= {i: choice for i in hits if choice is None or i in used or paths[i] == pattern}
    return chosen
