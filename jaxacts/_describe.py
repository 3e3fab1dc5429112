"""All facts about an activation in one place. Stands on the catalogue and on the theory of the initializers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from jax import Array

from . import initializers
from ._core import Activation, Kink, Line, Paper, Shape
from .lookup import USED_BY, Model, catalogue
from .lookup import get as _get

__all__ = ["Description", "describe"]


@dataclass(frozen=True)
class Description:
    """What is known of an activation at the given arguments; None where it has no such fact.

    ``papers`` begins with the one it is from, ``used_by`` has models with a source for each. ``image``, ``left`` and
    ``right`` (the asymptotes), ``lipschitz`` are declared, ``kinks`` follow from the slope formula, ``shape`` from the
    values. ``second_moment`` is E[f(z)²] for a standard normal z, ``forward_gain`` and ``backward_gain`` are those of
    :func:`jaxacts.initializers.gain`, ``initializer`` is the call that makes a fitting initializer.
    """

    name: str
    summary: str
    family: str
    formula: str
    arguments: Mapping[str, Any]
    papers: tuple[Paper, ...]
    used_by: tuple[Model, ...]
    image: tuple[float, float] | None = None
    left: Line | None = None
    right: Line | None = None
    lipschitz: float | None = None
    kinks: tuple[Kink, ...] | None = None
    shape: Shape | None = None
    second_moment: float | None = None
    forward_gain: float | None = None
    backward_gain: float | None = None
    initializer: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dicts and lists."""
        return _plain(self)

    def __str__(self) -> str:
        rows = {field.name: getattr(self, field.name) for field in fields(self)}
        shape = rows.pop("shape")
        if shape is not None:
            rows |= {field.name: getattr(shape, field.name) for field in fields(shape) if field.name not in rows}
            rows |= {f"saturation {side}": getattr(shape, side) for side in ("left", "right")}
        shown = {n: v for n, v in rows.items() if v is not None and v != () and v != {}}
        width = max(map(len, shown))
        return "\n".join(f"{name.replace('_', ' '):{width}}  {_shown(value)}" for name, value in shown.items())


def describe(function: str | Callable[..., Array], **parameters: Any) -> Description:
    """All facts about an activation of the catalogue, those that take a moment to compute included.

    Args:
        function: its name, or the function.
        **parameters: arguments after ``x``; those that are not given have their default or typical value.

    Returns:
        A :class:`Description`; ``print`` it, or take ``to_dict()``.

    Raises:
        TypeError: ``function`` is not an activation of the catalogue.
        ValueError: an unknown name, or a parameter that is an array or out of its domain.

    Note:
        The initializer follows one rule. S-shaped curves, which rise, saturate on both sides and have no kink at 0,
        take ``xavier_normal``, between what the two passes ask for (Glorot & Bengio 2010); where E[f²] = 1 for standard
        normal inputs, ``lecun_normal`` keeps that (Klambauer et al. 2017); all others take the gain of the curve, which
        is He's for ReLU (He et al. 2015). ``sine`` has its own, ``siren``.

    Example:
        >>> import jaxacts
        >>> found = jaxacts.describe("relu6")
        >>> found.image, found.shape.left, found.shape.right, round(found.second_moment, 4)
        ((0, 6), 'hard', 'hard', 0.5)
        >>> jaxacts.describe(jaxacts.gelu, approximate=False).initializer
        'he_normal(activation=functools.partial(jaxacts.gelu, approximate=False))'
    """
    entry = _entry(function)
    arguments = entry.arguments(**parameters)
    common = (entry.name, entry.summary, entry.family, entry.formula, arguments, entry.references)
    used_by = USED_BY.get(entry.name, ())
    if not entry.elementwise:
        return Description(*common, used_by)
    facts, kinks, shape = entry.facts(**parameters), entry.kinks(**parameters), entry.shape(**parameters)
    curve = functools.partial(entry.function, **arguments)
    second_moment = initializers.moments(curve).second_moment
    forward, backward = (_gain(curve, criterion) for criterion in ("forward", "backward"))
    return Description(
        *common,
        used_by,
        facts.image,
        facts.left,
        facts.right,
        facts.lipschitz,
        kinks,
        shape,
        second_moment,
        forward,
        backward,
        _initializer(entry, parameters, kinks, shape, second_moment),
    )


def _entry(function: str | Callable[..., Array]) -> Activation:
    found = _get(function) if isinstance(function, str) else function
    for entry in catalogue().values():
        if entry.function is found:
            return entry
    raise TypeError(
        f"describe: {getattr(function, '__name__', function)!r} is not in the catalogue; pass an activation of "
        f"jaxacts, and its parameters by keyword."
    )


def _gain(curve: Callable[..., Array], criterion: Any) -> float | None:
    try:
        return initializers.gain(curve, criterion)
    except ValueError:  # a slope without second moment, or a curve that lets nothing through
        return None


def _initializer(
    entry: Activation, given: Mapping[str, Any], kinks: tuple[Kink, ...], shape: Shape, second_moment: float
) -> str:
    if entry.name == "sine":
        return f"siren(omega={entry.arguments(**given)['omega']!r})"
    if shape.monotone and shape.left and shape.right and not any(kink.at == 0 for kink in kinks):
        return "xavier_normal()"
    if abs(second_moment - 1) < 1e-3:
        return "lecun_normal()"
    if entry.name == "relu":
        return "he_normal()"
    bound = "".join(f", {n}={v!r}" for n, v in (given or entry.typical).items())
    function = f"jaxacts.{entry.name}"
    return f"he_normal(activation={f'functools.partial({function}{bound})' if bound else function})"


def _plain(value: Any) -> Any:
    """A value of dicts, lists and numbers."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {n: _plain(v) for n, v in value.items()}
    if isinstance(value, tuple):
        names = getattr(value, "_fields", None)
        return dict(zip(names, map(_plain, value), strict=True)) if names else [_plain(v) for v in value]
    return value


def _shown(value: Any) -> str:
    if isinstance(value, Line):
        return f"{value.slope:g} x {'-' if value.intercept < 0 else '+'} {abs(value.intercept):g}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{n}={v!r}" for n, v in value.items())
    if isinstance(value, tuple) and value and isinstance(value[0], Paper):
        return "; ".join(f"{paper.citation}, {paper.url}" for paper in value)
    if isinstance(value, tuple) and value and isinstance(value[0], Model):
        return ", ".join(model.name for model in value)
    if isinstance(value, tuple) and value and isinstance(value[0], Kink):
        return "; ".join(f"at {k.at:g}: {k.left:g} | {k.taken:g} | {k.right:g}" for k in value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
