"""Docstrings of the modules: what the function's says, and what the class adds to it.

A class writes the summary and, where there is more to say than its function does, an ``Args`` entry, a ``Note``, an
``Example``. Formula and references are those of the function.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .parameters import Shape

__all__ = ["Sections", "arguments", "compose", "linen_example", "merged", "nnx_example", "sections"]

Sections: TypeAlias = Mapping[str, str]
"""What stands under ``Args``, ``Note`` and so on, without its indentation; what comes before them is under ``""``."""

_HEADING = re.compile(r"^(Args|Returns|Raises|Note|Example|References):\n", re.MULTILINE)
_ORDER = ("Args", "Raises", "Note", "Example", "References")
_WIDTH = 116


def sections(docstring: str | None) -> dict[str, str]:
    """The parts of a docstring by their heading."""
    opening, *rest = _HEADING.split(inspect.cleandoc(docstring or "") + "\n")
    return {
        "": opening.strip(),
        **{h: textwrap.dedent(text).strip() for h, text in zip(rest[::2], rest[1::2], strict=True)},
    }


def entries(section: str) -> dict[str, str]:
    """The entries of an ``Args`` section: name and description, on one line each."""
    found = re.findall(r"^(\w+): (.*(?:\n .*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def merged(linen: Sections, nnx: Sections) -> dict[str, str]:
    """What the class in nnx does not say itself is what its twin in linen says, but for what linen alone does."""
    kept = {h: linen[h] for h in linen if h not in ("Raises", "Example")}
    return {**kept, **{h: t for h, t in nnx.items() if t}, "Args": f"{linen.get('Args', '')}\n{nnx.get('Args', '')}"}


def compose(own: Sections, function: Callable[..., Any], arguments: Mapping[str, str], raises: str) -> str:
    """The whole docstring; ``arguments`` has the description of each argument that the class itself does not have."""
    theirs = sections(inspect.getdoc(function))
    summary, *paragraphs = own[""].split("\n\n")
    if ".. math::" not in own[""]:
        paragraphs = [*_formula(theirs[""]), *paragraphs]
    parts = {"References": theirs.get("References", ""), "Raises": raises, **own, "Args": _listed(arguments)}
    filled = [f"{h}:\n{textwrap.indent(parts[h], '    ')}" for h in _ORDER if parts.get(h)]
    return "\n\n".join([summary, *paragraphs, *filled]) + "\n"


def _formula(opening: str) -> list[str]:
    found = re.search(r"\.\. math::\n\n(?: +.*\n?|\n)+", opening)
    return [found[0].strip()] if found else []


def _listed(arguments: Mapping[str, str]) -> str:
    return "\n".join(_wrapped(f"{name}: {text}") for name, text in arguments.items())


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def arguments(definition: Any, own: Sections, fields: Iterable[str], common: Mapping[str, str]) -> dict[str, str]:
    """The description of each field: the class's own, or that of the function, or the one that all classes share."""
    written, theirs = (
        entries(own.get("Args", "")),
        entries(sections(inspect.getdoc(definition.function)).get("Args", "")),
    )

    def described(field: str) -> str:
        name = field.removesuffix("_init")
        if field == name or name not in definition.parameters:
            return written.get(field) or common.get(field) or theirs.get(field, "")
        text = f"where the parameter ``{name}`` starts, a number or an initializer"
        text += f"; {written[field]}" if field in written else "."
        if name in definition.stored:
            text += f" Stored is {definition.stored[name].description}."
        return text

    return {field: described(field) for field in fields}


def linen_example(module: Any, given: str, channels: Shape, x: Shape = (2, 3)) -> str:
    """The shapes of the parameters and of the output."""
    name, definition = module.__name__, module.definition
    shapes = {n: definition.shape(module, n, channels) for n in sorted(definition.parameters)}
    return "\n".join(
        [
            ">>> import jax, jax.numpy as jnp",
            f">>> from jaxacts.linen import {name}",
            f">>> model, x = {name}({given}), jnp.ones({x})",
            ">>> variables = model.init(jax.random.key(0), x)",
            '>>> jax.tree.map(jnp.shape, variables["params"])',
            str(shapes),
            ">>> model.apply(variables, x).shape",
            str(x),
        ]
    )


def nnx_example(module: Any, given: str, channels: Shape, x: Shape = (2, 3)) -> str:
    """The shapes of the parameters and of the output."""
    name, definition = module.__name__, module.definition
    shapes = {n: definition.shape(module, n, channels) for n in sorted(definition.parameters)}
    return "\n".join(
        [
            ">>> import jax, jax.numpy as jnp",
            ">>> from flax import nnx",
            f">>> from jaxacts.nnx import {name}",
            f">>> model = {name}({given})",
            ">>> jax.tree.map(jnp.shape, nnx.to_pure_dict(nnx.state(model, nnx.Param)))",
            str(shapes),
            f">>> model(jnp.ones({x})).shape",
            str(x),
        ]
    )
