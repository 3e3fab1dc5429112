"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``."""

import inspect
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import _generate  # noqa: E402 (found by the path above)
import _measured  # noqa: E402 (as well)

import jaxacts  # noqa: E402 (of this checkout)

project = "jaxacts"
author = "The jaxacts developers"
copyright = "The jaxacts developers"
release = version = jaxacts.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "reference/generated/_*"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Axes", "Choice", "DTypeLike", "Init", "Initial")}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"jaxacts {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]


def _signature(app, what, name, obj, options, signature, returns):
    """Activations as ``help`` shows them; Flax modules with their own arguments, which their metaclasses hide."""
    if hasattr(obj, "__activation__"):
        return str(inspect.signature(obj)).replace("'", "").rsplit(" -> ", 1)
    if what == "class" and _generate.is_flax(obj):
        parameters = inspect.signature(obj.__init__).parameters.values()
        own = [p.replace(annotation=p.empty) for p in parameters if p.name not in ("self", "parent", "name")]
        return re.sub(r"<(?:class|function) '?([\w.]+).*?>", r"\1", str(inspect.Signature(own))), returns
    return signature and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", signature), returns


def setup(app):
    app.connect("autodoc-process-signature", _signature)
    _generate.pages(HERE)
    _generate.gains(HERE)
    _generate.gallery(HERE / "gallery")
    _measured.write(HERE)
