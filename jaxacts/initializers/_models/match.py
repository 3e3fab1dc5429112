"""One call for a whole model: each kernel gets the gain of the activation that follows it, and its own fans."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from jax import Array
from jax.sharding import NamedSharding

from jaxacts._core.errors import unknown_name
from jaxacts._trace.follow import GATE, Trail, follow
from jaxacts._trace.graph import PRODUCTS, Graph, Use, graph_of
from jaxacts._trace.primitives import KEEPS_ELEMENTS, LOOPS
from jaxacts._trace.recognize import recognized, same
from jaxacts.initializers import _checks
from jaxacts.initializers._fans.fans import FAN, KernelSpec
from jaxacts.initializers._models.models import all_zero, folded, opened, table
from jaxacts.initializers._theory.curve import curve_of
from jaxacts.initializers._theory.gains import Convention, Criterion, check_convention, gain_of
from jaxacts.initializers._variance import Distribution, Mode, of_variance, scaled
from jaxacts.lookup import catalogue

__all__ = ["Choice", "MatchReport", "MatchedLayer", "match"]

Choice: TypeAlias = Callable[..., Any] | float | None


class MatchedLayer(NamedTuple):
    """A row of the report: one kernel, what follows it, and what it got."""

    path: str
    shape: tuple[int, ...]
    fan_in: float
    fan_out: float
    activation: str
    gain: float
    std: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class MatchReport:
    """What :func:`match` did: ``layers`` that were redrawn, and those ``left`` alone, with the reason. Print it."""

    layers: tuple[MatchedLayer, ...]
    left: Mapping[str, str]

    def __str__(self) -> str:
        heads = ("layer", "shape", "fan_in", "fan_out", "activation", "gain", "std", "notes")
        rows = [
            (
                r.path,
                "×".join(map(str, r.shape)),
                *(f"{fan:g}" for fan in (r.fan_in, r.fan_out)),
                r.activation,
                f"{r.gain:.4f}",
                f"{r.std:.5f}",
                ", ".join(r.notes),
            )
            for r in self.layers
        ]
        return table([heads, *rows], self.left)


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
    **options: Any,
) -> tuple[Any, MatchReport]:
    r"""Redraw all kernels of a Flax model, each with the gain of the activation that follows it.

    .. math:: \operatorname{std}(w) = \frac{g}{\sqrt{n}}, \qquad g = \text{gain of the activation behind the layer}

    The model is traced, not run. Each product and each convolution with a parameter gives fan_in and fan_out exactly;
    its output is followed through biases, reshapes, pooling, normalizations and residual additions to the activation,
    whatever it is composed of, whose gain is then computed. A layer with nothing but layers behind it has gain 1.

    **Constant factors** belong to the activation where there is one: relu(0.1 z) and 1.7 relu(z) have the gains of
    these functions. Where there is none they are there on purpose, as that of attention or of a residual branch, so the
    gain stays 1 and a note says by what the output is multiplied ("×0.25"). What divides a sum over a window or an axis
    makes it a mean and is not a factor.

    Args:
        model: a ``flax.linen`` or a ``flax.nnx`` module.
        sample: what the model is called with: an array, or a tuple of the positional arguments. Only shapes matter.
        key: the random key; each kernel is drawn with the key folded with its path.
        variables: of a linen module; None takes those of ``model.init``.
        criterion, convention: as for :func:`gain`.
        mode, distribution: as for :func:`variance_scaling`.
        choices: what follows a layer where the trace does not say, by the path of its kernel (``*`` stands for
            anything): an activation, or a number, which is the gain itself, or None, which leaves the kernel alone.
        **options: further arguments of the call of the model, such as ``train=False``.

    Returns:
        The new variables of a linen module, or a new nnx module; and a :class:`MatchReport`, whose text is a table.
        Biases, scales, tables and kernels that are all zero keep their values, and the model that was passed is not
        changed.

    Raises:
        ValueError: layers of which it is not clear what follows, each with the reason: an output that goes into two
            activations, or into what is neither elementwise nor a layer; a kernel that is transformed before its
            product, or looked up as a table too; random numbers on the way. ``choices`` is the remedy.
            A model that does not run on the sample.
        TypeError: a model that is not a Flax module; an option that its call does not take; a call inside of jit, for
            it runs on the host.
        ImportError: flax is not installed.

    Note:
        Between a layer and its activation a normalization makes the scale of the kernel unimportant for the forward
        pass (the note says "normalized"). Active dropout is refused, as are RReLU and Dice in training: switch it off,
        by an option of the call or by nnx's ``model.eval()``. A layer that holds a gate and its values is refused too,
        for one gain has to serve both: the square root of that of the gate suits their product. For deep networks
        without normalization of gelu, silu or mish see the note of :func:`gain`. Layers of a scan get the fans of one
        step. jax.nn, torch and keras have no such function.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp, jaxacts
        >>> model = nn.Sequential([nn.Dense(64), jaxacts.gelu, nn.Dense(64), jnp.tanh, nn.Dense(3)])
        >>> variables, report = match(model, jnp.ones((1, 16)), jax.random.key(0))
        >>> print(report)
        layer            shape  fan_in  fan_out  activation  gain    std      notes
        layers_0/kernel  16×64  16      64       gelu        1.5336  0.38340
        layers_2/kernel  64×64  64      64       tanh        1.5925  0.19907
        layers_4/kernel  64×3   64      3        linear      1.0000  0.12500

    References:
        He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015, https://arxiv.org/abs/1502.01852
    """
    scaled("match", 1.0, mode, distribution, KernelSpec(), None)  # refuses unknown names before the model is traced
    check_convention("match", criterion, convention)
    opening = opened(match, model, sample, key, variables, options)
    graph = graph_of(opening.call, opening.leaves, opening.sample, into_scans=True)
    layers, left, unclear = list[MatchedLayer](), dict[str, str](), dict[str, str]()
    leaves = list(opening.leaves)
    uses, known = graph.uses(), dict[int, Any](zip(graph.leaves, leaves, strict=True))
    chosen = _choices_by_leaf(choices or {}, opening.paths, {use.leaf for use in uses})
    for index in dict.fromkeys([*(use.leaf for use in uses), *range(len(leaves))]):
        path, here = opening.paths[index], [use for use in uses if use.leaf == index]
        if here and index not in chosen and all_zero(leaves[index]):
            found = _Skipped("all zero, which it may have to be; name it in choices to draw it")
        else:
            found = _found(graph, known, index, here, chosen)
        if isinstance(found, _Skipped):
            if found.reason:
                (unclear if found.refused else left)[path] = found.reason
            continue
        gain = found.follows
        if callable(gain):
            gain = gain_of("match", curve_of("match", gain, {}), criterion, convention)
        fan_in, fan_out = found.use.fan_in, found.use.fan_out
        std = gain / FAN[mode](fan_in, fan_out) ** 0.5
        leaf = leaves[index]
        init = of_variance("match", std**2, distribution)
        placement = getattr(leaf, "sharding", None)
        sharding = placement if isinstance(placement, NamedSharding) else None
        leaves[index] = init(folded(key, path), leaf.shape, leaf.dtype, sharding)
        layers.append(MatchedLayer(path, leaf.shape, fan_in, fan_out, found.name, gain, std, found.notes))
    if unclear:
        listed = "\n".join(f"  {path} {why}" for path, why in unclear.items())
        raise ValueError(
            f"match: it must be clear what follows each kernel, got\n{listed}\nSay it in choices, such as "
            f"choices={{{next(iter(unclear))!r}: jaxacts.relu}}; a number is the gain itself, None leaves it alone."
        )
    return opening.rebuilt(leaves), MatchReport(tuple(layers), left)


class _Found(NamedTuple):
    """A kernel to draw: where it is used, and the activation behind it, or its gain."""

    use: Use
    follows: Callable[..., Any] | float
    name: str
    notes: tuple[str, ...] = ()


class _Skipped(NamedTuple):
    """A parameter that is not drawn: because it is none of ours, or because that is not clear."""

    reason: str
    refused: bool = False


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


def _found(
    graph: Graph, known: dict[int, Any], index: int, uses: list[Use], chosen: Mapping[int, Choice]
) -> _Found | _Skipped:
    if index in chosen and chosen[index] is None:
        return _Skipped("as chosen")
    if not uses:
        return _unused(graph, index, index in chosen)
    if len({(use.fan_in, use.fan_out) for use in uses}) > 1:
        return _Skipped("is used with different fans; choose None and draw it yourself", refused=True)
    if index in chosen:
        choice = chosen[index]
        name = getattr(choice, "__name__", "chosen") if callable(choice) else "chosen"
        assert choice is not None
        return _Found(uses[0], choice, name, ("chosen",))
    if any(op.name == "gather" and graph.kernels.get(op.inputs[0]) == index for op in graph.ops):
        return _Skipped("is looked up as a table and multiplied with as well", refused=True)
    found = [_behind(follow(graph, use, known), use) for use in uses]
    first = found[0]
    refused = next((f for f in found if isinstance(f, _Skipped)), None)
    if refused or isinstance(first, _Skipped):
        return refused or first
    agree = all(isinstance(f, _Found) and same(f.follows, first.follows) for f in found)
    return first if agree else _Skipped("is used in several places with different activations behind it", refused=True)


def _unused(graph: Graph, index: int, chosen: bool) -> _Skipped:
    """A parameter that is not itself the kernel of a product."""

    def matrix(value: int) -> bool:
        return min(len(graph.shapes[v]) for v in (value, graph.leaves[index])) > 1

    taken = [
        (op, v) for op in graph.ops for v in op.inputs if index in graph.origins.get(v, ()) and v not in graph.varying
    ]
    made = [v for op, v in taken if op.name in PRODUCTS and matrix(v)]
    opaque = [op.name for op, v in taken if op.name in {*LOOPS, "pure_callback", "pallas_call"} and matrix(v)]
    if any(v not in graph.kernels for v in made):
        return _Skipped("is transformed before its product; draw it yourself and choose None", refused=True)
    if opaque:
        return _Skipped(f"goes into {opaque[0]}, which is not followed; draw it yourself and choose None", refused=True)
    if chosen:
        return _Skipped("is not the kernel of a product or convolution; leave it out of choices", refused=True)
    # A bias or scale is but spread out and added or multiplied; anything else is worth a line.
    spread = KEEPS_ELEMENTS | {"broadcast_in_dim", "step_of", "add", "sub", "mul", "div"}
    plain = all(op.name in spread for op, _ in taken)
    return _Skipped("" if plain else "no kernel of a product or convolution")


def _behind(trail: Trail, use: Use) -> _Found | _Skipped:
    """The one activation at which the trail ends."""
    if trail.unclear:
        return _Skipped("; ".join(trail.unclear), refused=True)
    if not trail.ends:
        return _Skipped("has an output that reaches neither a layer nor the end of the model", refused=True)
    notes = tuple(trail.notes)
    found = list[_Found]()
    for end in trail.ends:
        one = _Found(use, 1.0, "linear", notes) if end.linear else _Found(use, *recognized(trail, end), notes)
        if not any(same(one.follows, other.follows) for other in found):
            found.append(one)
    if len(found) > 1 and trail.gated:
        gates = [name for f in found if (name := f.name.removesuffix(" (exact)")) in catalogue()]
        return _Skipped(GATE.format(*gates[:1] or ["silu"]), refused=True)
    if len(found) > 1:
        names = " and ".join("a layer or the end as it is" if f.name == "linear" else f.name for f in found)
        return _Skipped(f"has an output that goes into {names}", refused=True)
    return found[0]
