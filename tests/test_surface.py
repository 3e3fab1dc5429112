"""The lists that must agree: exports, catalogue, references, changelog, Flax classes; and what an import costs."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from references import REFERENCES

import jaxacts
from jaxacts import activations

ROOT = Path(__file__).parents[1]
ALIASES = {"swish": "silu", "hard_swish": "hard_silu", "telu": "tanh_exp"}


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def test_every_activation_is_exported_and_in_the_catalogue() -> None:
    names = set(activations.__all__)
    assert names - set(jaxacts.__all__) == set(), "missing from jaxacts.__all__"
    assert names - set(ALIASES) == set(jaxacts.catalogue()), "catalogue and __all__ of the families differ"
    assert {a: jaxacts.get(a).__name__ for a in ALIASES} == ALIASES


def test_every_activation_has_a_reference() -> None:
    assert set(jaxacts.catalogue()) - set(REFERENCES) == set(), "without a formula in tests/references.py"
    assert set(REFERENCES) - set(jaxacts.catalogue()) == set(), "formulas without an activation"


def test_every_activation_is_in_the_changelog() -> None:
    words = set(re.findall(r"\w+", (ROOT / "CHANGELOG.md").read_text()))
    assert set(activations.__all__) - words == set(), "not mentioned in CHANGELOG.md"


@pytest.mark.parametrize("name", jaxacts.__all__)
def test_public_names_exist_and_are_documented(name: str) -> None:
    assert inspect.getdoc(getattr(jaxacts, name)), f"jaxacts.{name} has no docstring"


def test_nothing_public_is_missing_from_all() -> None:
    public = {n for n, v in vars(jaxacts).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert public - set(jaxacts.__all__) == set()


def test_flax_classes_are_the_same_in_both() -> None:
    from jaxacts import linen, nnx

    assert linen.__all__ == nnx.__all__
    for name in linen.__all__:
        of_linen, of_nnx = getattr(linen, name).definition, getattr(nnx, name).definition
        assert of_linen is of_nnx
        assert of_linen.function.__name__ in jaxacts.catalogue(), f"{name} has no function in the catalogue"


def test_what_the_summary_counts() -> None:
    """Functions and classes, as the README counts them; gallery and reference pages iterate the same lists."""
    from jaxacts import linen

    text = (ROOT / "README.md").read_text()
    assert f"| number of activations | {len(jaxacts.catalogue())} |" in text
    assert f"| those with parameters or state as modules | {len(linen.__all__)} in Flax linen and nnx |" in text
    assert set(linen.__all__) - set(re.findall(r"\w+", (ROOT / "CHANGELOG.md").read_text())) == set()


@pytest.fixture(scope="module")
def generator() -> Any:
    """The module that writes the reference pages and the gallery."""
    spec = importlib.util.spec_from_file_location("_generate", ROOT / "docs" / "_generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gallery_has_a_picture_and_an_anchor_of_every_activation(
    generator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drawn:
        def savefig(self, path: Path, **_: Any) -> None:
            path.touch()

    monkeypatch.setattr(generator, "_picture", lambda entry: (Drawn(), ""))
    monkeypatch.setattr(generator, "_facts", lambda entry: "")
    monkeypatch.setattr("matplotlib.pyplot.close", lambda figure: None)
    generator.gallery(tmp_path)
    page = (tmp_path / "index.md").read_text()
    for name in jaxacts.catalogue():
        assert (tmp_path / f"{name}.svg").exists()
        for part in (f"(gallery-{name})=", f"({name}.svg)\n", f"](#gallery-{name})", f"{{py:func}}`jaxacts.{name}`"):
            assert page.count(part) == 1, f"{name}: {part}"
    assert set(generator.SLICES) <= set(jaxacts.catalogue())


def test_the_reference_has_every_activation_and_every_module(generator: Any) -> None:
    page = "".join(
        generator._page(family, importlib.import_module(f"jaxacts.activations.{family}"), "jaxacts")
        for family in generator.FAMILIES
    )
    for name in activations.__all__:
        directive = "function" if name in ALIASES else "autofunction"
        assert len(re.findall(rf"^\.\. (?:py:)?{directive}:: jaxacts\.{name}\b", page, re.MULTILINE)) == 1, name
    for framework in ("linen", "nnx"):
        module = importlib.import_module(f"jaxacts.{framework}")
        page = generator._page(framework, module, module.__name__)
        for name in module.__all__:
            assert page.count(f".. autoclass:: jaxacts.{framework}.{name}\n") == 1, name


@pytest.mark.parametrize("framework", ["linen", "nnx"])
def test_flax_classes_are_documented(framework: str) -> None:
    module = importlib.import_module(f"jaxacts.{framework}")
    for name in module.__all__:
        cls = getattr(module, name)
        text = inspect.getdoc(cls) or ""
        for part in (".. math::", "Args:", "Raises:", "Example:", "References:"):
            assert part in text, f"{framework}.{name} has no {part}"
        for argument in inspect.signature(cls).parameters:
            if argument not in ("parent", "name"):
                assert re.search(rf"^    {argument}: \S", text, re.MULTILINE), f"{framework}.{name}: {argument}"


def test_entries_know_their_family_summary_and_formula() -> None:
    for entry in jaxacts.catalogue().values():
        assert entry.family in {
            m.__name__.rpartition(".")[2] for m in vars(activations).values() if inspect.ismodule(m)
        }
        assert entry.summary.endswith(".")
        assert "=" in entry.formula, f"{entry.name} has no formula"


@pytest.mark.parametrize(("name", "nearest"), [("rellu", "relu"), ("swisch", "swish"), ("GELU", "gelu")])
def test_unknown_name_suggests(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"get: unknown activation '{name}'; did you mean .*'{nearest}'"):
        jaxacts.get(name)


def test_get_reaches_nothing_but_activations() -> None:
    with pytest.raises(ValueError, match="unknown activation 'jax'"):
        jaxacts.get("jax")


def test_get_wants_a_name() -> None:
    with pytest.raises(
        TypeError, match="get: name must be a str or a configuration, got int; pass a name such as 'relu'"
    ):
        jaxacts.get(3)
    with pytest.raises(ValueError, match=r"get: unknown activation ''; choose 'abs', .* or '\w+'"):
        jaxacts.get("")


def test_unknown_attribute_suggests() -> None:
    with pytest.raises(AttributeError, match=r"module 'jaxacts' has no attribute 'rellu'; did you mean 'relu'\?"):
        _ = jaxacts.rellu
    with pytest.raises(
        AttributeError, match=r"'jaxacts.initializers' has no .* 'he_norml'; did you mean 'he_normal'\?"
    ):
        _ = jaxacts.initializers.he_norml


@pytest.mark.parametrize(
    ("module", "name", "hint"),
    [
        ("linen", "Prelu", "; did you mean 'PReLU'?"),
        ("linen", "StarRelu", "; did you mean 'StarReLU'?"),
        ("nnx", "Dyt", "; did you mean 'DyT'?"),
        ("nnx", "SpLine", "; did you mean 'Spline'?"),
        ("linen", "SwiGLU", ": it has nothing to learn; use the function jaxacts.swiglu"),
        ("linen", "ReLU", ": it has nothing to learn; use the function jaxacts.relu"),
        ("nnx", "LeakyReLU", ": it has nothing to learn; use the function jaxacts.leaky_relu"),
        ("nnx", "__path__of", ""),
        ("diagnostics", "wach", "; did you mean 'watch'?"),
        ("diagnostics", "plot", "; did you mean 'plots'?"),
    ],
)
def test_unknown_names_of_submodules_suggest(module: str, name: str, hint: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(getattr(jaxacts, module), name)
    assert str(raised.value) == f"module 'jaxacts.{module}' has no attribute {name!r}{hint}"


def test_import_brings_in_no_optional_dependency() -> None:
    optional = ["flax", "optax", "matplotlib", "mpmath", "scipy", "pandas", "rich"]
    loaded = python(f"import sys, jaxacts; print([m for m in {optional} if m in sys.modules])")
    assert loaded == "[]"


def test_import_compiles_nothing() -> None:
    events = python(
        "import jax.monitoring as m; seen = []\n"
        "m.register_event_duration_secs_listener(lambda event, *_, **__: seen.append(event))\n"
        "import jaxacts; print(sum('compile' in e for e in seen))"
    )
    assert events == "0"


def test_signatures_of_jax_nn_are_kept() -> None:
    import jax.nn

    for name in set(activations.__all__) & set(dir(jax.nn)):
        theirs = list(inspect.signature(getattr(jax.nn, name)).parameters.values())
        ours = list(inspect.signature(getattr(jaxacts, name)).parameters.values())
        assert [p.name for p in ours[: len(theirs)]] == [p.name for p in theirs], name
        assert [p.default for p in ours[1 : len(theirs)]] == [p.default for p in theirs[1:]], name


def test_signature_shows_array_like() -> None:
    assert (
        str(inspect.signature(jaxacts.leaky_relu)) == "(x: 'ArrayLike', negative_slope: 'ArrayLike' = 0.01) -> 'Array'"
    )


@pytest.mark.slow
def test_modules_with_extras_are_imported_when_named() -> None:
    code = (
        "import sys, jaxacts\n"
        "assert not {'flax', 'matplotlib'} & set(sys.modules)\n"
        "assert jaxacts.nnx.PReLU is not jaxacts.linen.PReLU\n"
        "assert jaxacts.testing.check_activation\n"
        "jaxacts.nothing\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "module 'jaxacts' has no attribute 'nothing'" in done.stderr
