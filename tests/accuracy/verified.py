"""What was compared with mpmath before: results at all inputs of 8 and 16 bits, by a digest of their bits.

mpmath takes from seconds to minutes a function there. ``verified.json`` has a digest of each set of results that was
found right, which depends on the formula, on the code that judges, and on every bit. Results that are not in it are
compared anew. ``tests/tools/make_verified.py`` writes it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import references

__all__ = ["RECORD", "code_of", "digest", "recorded", "source_of"]

RECORD = Path(__file__).with_name("verified.json")


@functools.cache
def _module() -> tuple[dict[str, ast.AST], dict[str, ast.AST]]:
    """What defines each name of ``references.py``, and the entries of its table."""
    definitions: dict[str, ast.AST] = {}
    entries: dict[str, ast.AST] = {}
    for node in ast.parse(Path(references.__file__).read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                definitions[name] = node
            case ast.AnnAssign(target=ast.Name(id="REFERENCES"), value=ast.Dict(keys=keys, values=values)):
                entries = {k.value: v for k, v in zip(keys, values, strict=True) if isinstance(k, ast.Constant)}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                definitions[name] = node
            case ast.Import() | ast.ImportFrom() | ast.Expr():
                pass
            case _:
                raise NotImplementedError(f"line {node.lineno} of references.py: how does this define its names?")
    return definitions, entries


def source_of(name: str) -> str:
    """The entry of an activation in ``references.py``, and all that it names there, without comments and layout."""
    definitions, entries = _module()
    seen: dict[str, str] = {}

    def visit(node: ast.AST) -> Iterator[str]:
        yield ast.unparse(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in definitions and part.id not in seen:
                seen[part.id] = ""
                yield from visit(definitions[part.id])

    return "\n".join(visit(entries[name]))


@functools.cache
def code_of(*objects: Any) -> str:
    """The source of modules, classes and functions, without docstrings, comments and layout."""
    found: list[str] = []
    for one in objects:
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        found.append(ast.unparse(tree))
    return "\n".join(found)


def digest(about: str, results: Mapping[Any, Any]) -> str:
    """A digest of results, each an array under a key, and of what they depend on."""
    found = hashlib.sha256(about.encode())
    for key in sorted(results):
        found.update(repr(key).encode())
        found.update(np.asarray(results[key]).tobytes())
    return found.hexdigest()[:24]


@functools.cache
def recorded() -> Mapping[str, list[str]]:
    """The digests of right results, by function."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
