"""Which modules the files of installed packages import: real choices of real people, in wheels that are here anyway.

For a recommender a file is a user, the modules that it imports are the items it has chosen, and the question is
whether it would choose one more.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["HISTORY", "Imports", "Visits", "load_imports"]

PACKAGES = ("jax", "flax", "optax", "numpy", "scipy", "sklearn", "pandas", "matplotlib", "mlxtend")
"""Whose files are read: the packages that these examples install."""

HISTORY = 12
"""How many other imports of the file are shown with a candidate."""

_IMPORT = re.compile(r"^(?:from[ \t]+([.\w]+)[ \t]+import|import[ \t]+([\w., \t]+))", re.MULTILINE)


class Visits(NamedTuple):
    """Questions: other imports of a file (padded with 0), a candidate, and whether the file imports it."""

    history: np.ndarray
    candidate: np.ndarray
    chosen: np.ndarray


class Imports(NamedTuple):
    """Questions about files to train with and about other files to test with; module 0 stands for none."""

    train: Visits
    test: Visits
    modules: tuple[str, ...]


def imports_of(path: Path, root: Path) -> set[str]:
    """The modules that a file imports at its top level, by at most three names, relative ones resolved."""
    package, found = path.parent.relative_to(root.parent).parts, set[str]()
    for source, listed in _IMPORT.findall(path.read_text(encoding="utf-8", errors="ignore")):
        for name in [source] if source else listed.split(","):
            module = name.split()[0] if name.split() else ""
            if module.startswith("."):
                inner = module.lstrip(".")
                above = len(module) - len(inner) - 1
                module = ".".join([*package[: len(package) - above], *filter(None, [inner])])
            if module:
                found.add(".".join(module.split(".")[:3]))
    return found


def read_files(packages: tuple[str, ...] = PACKAGES, at_least: int = 8) -> tuple[list[list[int]], tuple[str, ...]]:
    """For each file with four imports or more, its modules by number; rare modules are left out."""
    files: list[set[str]] = []
    for package in packages:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        files += [imports_of(path, root) for path in sorted(root.rglob("*.py"))]
    count = Counter(module for found in files for module in found)
    modules = ("", *sorted(module for module, times in count.items() if times >= at_least))
    number = {module: i for i, module in enumerate(modules) if i}
    kept = [sorted(number[m] for m in found if m in number) for found in files]
    return [file for file in kept if len(file) >= 4], modules


def ask(files: list[list[int]], popular: np.ndarray, rng: np.random.Generator) -> Visits:
    """Two questions an import: about it, and about a module that the file does not import.

    The wrong ones are drawn by popularity, so that popularity alone answers nothing.
    """
    rows: list[tuple[list[int], int, bool]] = []
    for file in files:
        others = popular[~np.isin(popular, file)]
        for right in file:
            rest = [m for m in file if m != right]
            history = rng.permutation(rest)[:HISTORY].tolist()
            padded = history + [0] * (HISTORY - len(history))
            rows += [(padded, right, True), (padded, int(rng.choice(others)), False)]
    history, candidate, chosen = zip(*rows, strict=True)
    return Visits(np.array(history, np.int32), np.array(candidate, np.int32), np.array(chosen, np.float32))


def load_imports(packages: tuple[str, ...] = PACKAGES) -> Imports:
    """Four fifths of the files to train with, one fifth to test with, always the same for the same packages."""
    files, modules = read_files(packages)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(files))
    test, train = ([files[i] for i in part] for part in np.split(order, [len(files) // 5]))
    popular = np.concatenate([np.array(file) for file in train])
    return Imports(ask(train, popular, rng), ask(test, popular, rng), modules)
