"""The pages: their examples run, the worked example of contributing.md is true, and every public name has a place."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import jaxacts

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_examples(page: Path) -> None:
    source = "\n".join(_blocks(page, "pycon"))
    test = doctest.DocTestParser().get_doctest(source, {}, page.name, str(page), 0)
    assert doctest.DocTestRunner(optionflags=doctest.FAIL_FAST).run(test).failed == 0


def _apply(diff: str, tree: Path) -> None:
    """A patch whose hunks are found by their text alone; each must fit exactly one place."""
    header, *hunks = re.split(r"^@@\n", diff, flags=re.MULTILINE)
    path = tree / header.split("+++ b/")[1].strip()
    text = path.read_text(encoding="utf-8")
    for hunk in hunks:
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        assert text.count(before) == 1, f"contributing.md changes these lines, but {path.name} has others:\n{before}"
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def _command(page: Path, start: str, tree: Path) -> str:
    """The output of the command on the page that begins like this, run in the tree."""
    command = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(start))
    program, *arguments = shlex.split(command)
    if program == "pytest":
        arguments = ["-m", "pytest", *arguments, "-q", "-n", "0", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    run = subprocess.run([sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_worked_example(tmp_path: Path) -> None:
    page = DOCS / "contributing.md"
    for part in ("jaxacts", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "results", ".exact")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    for file in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / file, tmp_path)
    exact = ROOT / "tests" / ".exact"  # what has been computed with mpmath
    exact.mkdir(exist_ok=True)
    (tmp_path / "tests" / ".exact").symlink_to(exact)
    for diff in _blocks(page, "diff"):
        _apply(diff, tmp_path)
    _command(page, "python tests/tools", tmp_path)
    assert "'arsinh'" in (tmp_path / "jaxacts" / "_core" / "rounding" / "table.py").read_text(encoding="utf-8")
    passed = _command(page, "pytest tests/", tmp_path)
    assert (found := re.search(r"(\d+) passed", passed))
    assert int(found[1]) > 20


@pytest.mark.slow
def test_every_name_has_a_place(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("_generate", DOCS / "_generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.pages(tmp_path)
    text = "".join(page.read_text(encoding="utf-8") for page in tmp_path.rglob("*.md"))
    described = set(re.findall(r"^\.\. (?:auto\w+|py:function):: jaxacts\.([^\s(]+)", text, re.MULTILINE))
    assert {name for name in jaxacts.__all__ if not inspect.ismodule(getattr(jaxacts, name))} <= described
    assert {f"initializers.{name}" for name in jaxacts.initializers.__all__} <= described
