"""Accuracy, limits and backward memory of this library beside jax.nn: ``python tests/benchmarks/against_jax_nn.py``.

Errors are the largest over the inputs of the contract (about a thousand in float32, both tails, all magnitudes), in
units in the last place of the exact result, which mpmath gives. Kept is what ``jax.vjp`` holds for the backward pass,
in bytes an element, the input's share included where it is held.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import jaxacts
from jaxacts._contract.accuracy import near_roots
from jaxacts._contract.exact import directional, evaluate
from jaxacts._contract.ulps import errors_in_ulps

sys.path.insert(0, str(Path(__file__).parents[1]))
from references import REFERENCES

from jaxacts.testing import Case


def worst(function: Callable[..., jax.Array], case: Case, index: int) -> str:
    """The largest error of the value (index 0) or the slope (1)."""
    xs = case.points(jnp.float32)
    x = jnp.asarray(xs, jnp.float32)
    arguments = case.exact_arguments(jnp.float32)
    got = jax.jit(lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),)))(x)[index]
    formula = case.reference
    exact = [evaluate, directional][index](formula, True, xs, arguments, *[np.ones(len(xs))][:index])
    floor = near_roots(xs, exact) if index else 0.0
    error = errors_in_ulps(np.asarray(got, float), exact, jnp.float32, floor)
    return "NaN" if np.isnan(error).any() else f"{error.max():.1f}" if error.max() < 1000 else f"{error.max():.0e}"


def kept(function: Callable[..., jax.Array]) -> str:
    """Bytes an element held for the backward pass, float32 / bfloat16."""
    sizes = [
        sum(leaf.nbytes for leaf in jax.tree.leaves(jax.vjp(function, x)[1])) / x.size
        for x in (jnp.linspace(-4, 4, 65536), jnp.linspace(-4, 4, 65536, dtype=jnp.bfloat16))
    ]
    return "/".join(f"{s:.0f}" for s in sizes)


def limits(function: Callable[..., jax.Array]) -> str:
    """Value and slope at -inf and inf."""
    at = jnp.array([-jnp.inf, jnp.inf])
    y, t = jax.jvp(function, (at,), (jnp.ones(2),))
    return " ".join(f"{float(v) + 0.0:.3g}" for v in (*y, *t))


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    table = Table(
        "function", "value, ulp", "slope, ulp", "kept, B", "f, f' at -inf, inf",
        title=f"jax.nn → jaxacts {jaxacts.__version__}, jax {version('jax')}, float32 on {jax.default_backend()}",
    )  # fmt: skip
    names = [n for n, e in jaxacts.catalogue().items() if e.elementwise and hasattr(jax.nn, n)]
    for name in track(names, console=Console(stderr=True)):
        case = Case.of(jaxacts.get(name), REFERENCES[name].formula)
        statics = {n: case.arguments[n] for n in case.arguments if n not in case.parameters}
        both = [functools.partial(f, **statics) for f in (getattr(jax.nn, name), jaxacts.get(name))]
        rows = [(worst(f, case, 0), worst(f, case, 1), kept(f), limits(f)) for f in both]
        table.add_row(name, *(a if a == b else f"{a} → {b}" for a, b in zip(*rows, strict=True)))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
