"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import _generate  # noqa: E402

import jaxacts  # noqa: E402

project = "jaxacts"
author = "The jaxacts developers"
copyright = "The jaxacts developers"
release = version = jaxacts.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "reference/generated/_*"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Axes", "DTypeLike", "Init", "Initial")}
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = f"jaxacts {version}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]


def setup(app):
    _generate.pages(HERE)
    _generate.gallery(HERE / "gallery")
