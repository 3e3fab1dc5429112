"""What follows each kernel, as a gain or as an activation, or why that is not clear."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from jaxacts._trace.graph import PRODUCTS, Graph, Op, Use
from jaxacts._trace.layers.additions import Additions
from jaxacts._trace.layers.follow import Signal, Trail, follow
from jaxacts._trace.layers.lookups import looks_up
from jaxacts._trace.layers.recognize import recognized
from jaxacts._trace.primitives import KEEPS_ELEMENTS, LOOPS
from jaxacts.initializers._theory.curve import curve_of
from jaxacts.initializers._theory.gains import Convention, Criterion, gain_of, moments_of
from jaxacts.lookup import catalogue

__all__ = ["Choice", "Found", "Part", "Rule", "Skipped", "found_behind", "unused"]

Choice: TypeAlias = Callable[..., Any] | float | None


class Part(NamedTuple):
    """Some columns of a kernel, all of them where that is None: what follows them, their gain and χ₁."""

    name: str
    gain: float
    chi_1: float
    columns: tuple[int, int] | None = None


class Found(NamedTuple):
    """A kernel to draw: where it is used, its parts, and the residual additions whose branch it ends.

    ``undone`` says that a normalization comes between the kernel and such an addition.
    """

    use: Use
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
    branches: tuple[Op, ...] = ()
    undone: bool = False


class Skipped(NamedTuple):
    """A parameter that is not drawn: because it is not a kernel or, where ``refused``, because something is unclear."""

    reason: str
    refused: bool = False
    remedy: str = "None"


class Rule(NamedTuple):
    """How an activation becomes a gain."""

    criterion: Criterion
    convention: Convention

    def part(self, follows: Callable[..., Any] | float, name: str, signal: Signal | None = None) -> Part:
        """With the gain for one of as many layers as are added up."""
        terms, columns = (1, None) if signal is None else (signal.terms, signal.columns)
        if not callable(follows):
            return Part(name, follows / math.sqrt(terms), follows**2, columns)
        curve = curve_of("match", follows, {})
        curve.name = name
        gain = gain_of("match", curve, self.criterion, self.convention)
        return Part(name, gain / math.sqrt(terms), gain**2 * moments_of(curve, 1.0).slope, columns)

    def gated(self, follows: Callable[..., Any], name: str) -> Part:
        """One gain g for a gate and its values together, which gives their product g·z·f(g·z') the second moment 1."""
        curve = curve_of("match", follows, {})
        low, high = 1e-6, 1e6
        while high > low * (1 + 1e-12):
            q = math.sqrt(low * high)
            low, high = (q, high) if q * moments_of(curve, q).second_moment < 1 else (low, q)
        found = moments_of(curve, low)
        return Part(f"{name} and its values", math.sqrt(low), low * (found.second_moment + low * found.slope))


def found_behind(
    graph: Graph,
    known: dict[int, Any],
    additions: Additions,
    index: int,
    uses: list[Use],
    chosen: Mapping[int, Choice],
    rule: Rule,
) -> Found | Skipped:
    """What follows the uses of the parameter of this index."""
    if index in chosen and chosen[index] is None:
        return Skipped("as chosen")
    if not uses:
        return unused(graph, index, index in chosen)
    looked_up = any(op.name == "gather" and graph.kernels.get(op.inputs[0]) == index for op in graph.ops)
    layers = [use for use in uses if not looks_up(graph, use)]
    if not layers and index not in chosen:
        return Skipped("looked up alone, by a product with one-hot vectors; name it in choices to draw it")
    uses, looked_up = layers or uses, looked_up or len(layers) < len(uses)
    if len({(use.fan_in, use.fan_out) for use in uses}) > 1:
        return Skipped("is used with different fans; choose None and draw it yourself", refused=True)
    choice = chosen.get(index)
    try:
        trails = [follow(graph, use, known, additions) for use in uses]
        if choice is not None:
            name = getattr(choice, "__name__", "chosen") if callable(choice) else "chosen"
            return _joined(Found(uses[0], (rule.part(choice, name),), ("chosen",)), trails)
        found = [_behind(trail, use, rule) for trail, use in zip(trails, uses, strict=True)]
    except ValueError as error:
        return Skipped(str(error).removeprefix("match: "), refused=True, remedy="1.0")
    first = found[0]
    refused = next((f for f in found if isinstance(f, Skipped)), None)
    if refused or isinstance(first, Skipped):
        return refused or first
    several = [f for f in found if isinstance(f, Found)]
    if not all(_alike(f.parts, first.parts) for f in several):
        reason = "is used in several places with different activations behind it"
        return Skipped(reason, refused=True, remedy=_named(first.parts))
    notes = dict.fromkeys(note for f in several for note in f.notes)
    if looked_up:
        notes["looked up too"] = None
    return _joined(first._replace(notes=tuple(notes)), trails)


def _joined(found: Found, trails: list[Trail]) -> Found:
    """With the residual additions that the outputs of the kernel are a branch of."""
    branches = tuple(op for trail in trails for op in trail.branches.values())
    return found._replace(branches=branches, undone=any(trail.undone for trail in trails))


def unused(graph: Graph, index: int, chosen: bool = False) -> Skipped:
    """A parameter that is not itself the kernel of a product."""

    def matrix(value: int) -> bool:
        return min(len(graph.shapes[v]) for v in (value, graph.leaves[index])) > 1

    taken = [
        (op, v) for op in graph.ops for v in op.inputs if index in graph.origins.get(v, ()) and v not in graph.varying
    ]
    made = [v for op, v in taken if op.name in PRODUCTS and matrix(v)]
    opaque = [op.name for op, v in taken if op.name in {*LOOPS, "pure_callback", "pallas_call"} and matrix(v)]
    if any(v not in graph.kernels for v in made):
        return Skipped("is transformed before its product; draw it yourself and choose None", refused=True)
    if opaque:
        return Skipped(f"goes into {opaque[0]}, which is not followed; draw it yourself and choose None", refused=True)
    if chosen:
        return Skipped("is not the kernel of a product or convolution; leave it out of choices", refused=True)
    # A bias or scale is but spread out and added or multiplied; anything else is worth a line.
    spread = KEEPS_ELEMENTS | {"broadcast_in_dim", "concatenate", "step_of", "add", "sub", "mul", "div"}
    plain = all(op.name in spread for op, _ in taken)
    return Skipped("" if plain else "no kernel of a product or convolution")


def _behind(trail: Trail, use: Use, rule: Rule) -> Found | Skipped:
    """The activation at which the trail ends, or those of its parts."""
    if trail.gate:
        gate = catalogue()[trail.gate].function
        return Found(use, (rule.gated(gate, trail.gate),), tuple(trail.notes))
    if trail.unclear:
        reason = "; ".join(trail.unclear)
        met = [Part(recognized(trail, end)[1], 1.0, 1.0) for end in trail.ends if end.spoiled]
        return Skipped(reason, refused=True, remedy="0.885" if "maxout" in reason else _named(met))
    if not trail.ends:
        return Skipped("has an output that reaches neither a layer nor the end of the model", refused=True)
    notes = tuple(trail.notes)
    followed = [(1.0, "linear") if end.linear else recognized(trail, end) for end in trail.ends]
    parts = list[Part]()
    for end, (follows, name) in zip(trail.ends, followed, strict=True):
        part = rule.part(follows, name, end)
        if not any(_same(part, other) for other in parts):
            parts.append(part)
    columns = [part.columns for part in parts]
    if all(math.isclose(part.gain, parts[0].gain, rel_tol=1e-4) for part in parts):
        name = " and ".join(dict.fromkeys(part.name for part in parts))
        one = Part(name, parts[0].gain, max(part.chi_1 for part in parts))
        return Found(use, (one,), notes)
    if _apart(columns, use, trail.graph):
        return Found(use, tuple(sorted(parts, key=lambda p: p.columns or ())), notes)
    bent = [(f, n) for f, n in followed if callable(f)]
    if trail.gated and len(bent) == 1:
        return Found(use, (rule.gated(*bent[0]),), notes)
    straight = [part for part in parts if part.name == "linear"]
    if straight and (straight[0].gain != 1 or not {"residual", "normalized"}.isdisjoint(notes)):
        # A sum has to be of size 1, and before a normalization the activation does not depend on the scale.
        return Found(use, (straight[0]._replace(columns=None),), (*notes, f"goes into {bent[0][1]} too"))
    names = " and ".join("a layer or the end as it is" if p.name == "linear" else p.name for p in parts)
    return Skipped(f"has an output that goes into {names}", refused=True, remedy=_named(parts))


def _apart(columns: list[tuple[int, int] | None], use: Use, graph: Graph) -> bool:
    """Whether the parts are different columns of one kernel, each a layer of its own."""
    known = sorted(c for c in columns if c is not None)
    whole = graph.shapes[use.output][use.axis]
    packed = use.columns == (0, whole)
    return packed and len(known) == len(columns) and all(a[1] <= b[0] for a, b in itertools.pairwise(known))


def _same(part: Part, other: Part) -> bool:
    """Whether two ends ask for the same weights."""
    return part.columns == other.columns and math.isclose(part.gain, other.gain, rel_tol=1e-4)


def _alike(parts: tuple[Part, ...], others: tuple[Part, ...]) -> bool:
    return len(parts) == len(others) and all(map(_same, parts, others))


def _named(parts: Any) -> str:
    """The first activation of the catalogue, as one writes it, or the gain of none."""
    names = (part.name for part in parts if part.name in catalogue())
    return next((f"jaxacts.{name}" for name in names), "1.0")
