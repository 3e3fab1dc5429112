"""What :mod:`accelerator` measures: bandwidth and time of one function, its 16-bit roundings, its float32 errors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from peers import Pair
from timing import beside, seconds

sys.path.insert(0, str(Path(__file__).parents[1] / "accuracy"))
from rounding import every_input
from subjects import SUBJECTS, backward
from test_rounding import misrounded

from jaxacts._contract.accuracy import near_roots
from jaxacts._contract.ulps import errors_in_ulps

LABELS = {"gelu approximate=True": "gelu tanh", "gelu approximate=False": "gelu exact"}
REFERENCES = {LABELS.get(label, label): subject for label, subject in SUBJECTS.items()}
WAYS = {"forward": 2, "backward": 3}
"""How many arrays each reads and writes."""
PAIRS = 7


def data(dtype: str, size: int) -> tuple[Array, Array]:
    """Inputs and cotangents, made on the device."""
    draw = functools.partial(jax.random.normal, shape=(2**size,), dtype=dtype)
    return jax.block_until_ready((3 * draw(jax.random.key(0)), draw(jax.random.key(1))))


def queued(run: Callable[[], Any], calls: int) -> float:
    """Seconds of one of several calls that wait in the device's queue, so that dispatching them takes no time."""

    def burst() -> Any:
        for _ in range(calls - 1):
            run()
        return run()

    return seconds(burst) / calls


def rate(duration: float, arrays: int, x: Array) -> float:
    """GB/s."""
    return arrays * x.nbytes / duration / 1e9


def bandwidth(dtype: str, size: int, calls: int) -> dict[str, Any]:
    """What a copy reaches, and the negation, which is the least that a computation can be: GB/s read and written."""
    x = data(dtype, size)[0]
    row: dict[str, Any] = {"dtype": dtype, "size": size}
    for what, f in {"copy": jnp.copy, "negation": jnp.negative}.items():
        program = jax.jit(f).lower(x).compile()
        queued(functools.partial(program, x), 2)
        row[what] = rate(min(queued(functools.partial(program, x), calls) for _ in range(PAIRS)), 2, x)
    return row


def compiled(pair: Pair, x: Array) -> dict[tuple[str, str], Any]:
    """(way, library) → program; all are compiled at the same time."""
    jobs: dict[tuple[str, str], Callable[[], Any]] = {}
    for library, f in zip(("ours", "jax.nn"), pair, strict=True):
        if f is not None:
            slope = jax.jit(lambda x, g, f=f: jax.vjp(f, x)[1](g)[0])
            jobs["forward", library] = lambda f=f: jax.jit(f).lower(x).compile()
            jobs["backward", library] = lambda slope=slope: slope.lower(x, x).compile()
    with ThreadPoolExecutor(len(jobs)) as pool:
        return dict(zip(jobs, pool.map(lambda job: job(), jobs.values()), strict=True))


def speed(label: str, pair: Pair, dtype: str, size: int, calls: int) -> dict[str, Any]:
    """Picoseconds an element forward and backward, GB/s, and the ratio to jax.nn."""
    x, g = data(dtype, size)
    found = compiled(pair, x)
    row: dict[str, Any] = {"function": label, "dtype": dtype, "size": size}
    for way, arrays in WAYS.items():
        arguments = (x, g)[: arrays - 1]
        libraries = [library for library in ("ours", "jax.nn") if (way, library) in found]
        runs = [functools.partial(found[way, library], *arguments) for library in libraries]
        for run in runs:
            queued(run, 2)
        pairs = [tuple(queued(run, calls) for run in runs) for _ in range(PAIRS)]
        ours = sorted(p[0] for p in pairs)[PAIRS // 2]
        row[way] = beside(pairs, 2**size * 1e-12) if len(runs) == 2 else {"ours": ours / 2**size * 1e12}
        row[way]["GB/s"] = rate(ours, arrays, x)
    return row


@functools.cache
def value_and_slope(f: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array]]:
    return jax.jit(lambda x: (f(x), backward(f, x)))


def misroundings(label: str, dtype: str) -> dict[str, Any]:
    """How many of all finite inputs of a 16-bit dtype have a wrongly rounded value or slope."""
    subject = REFERENCES[label]
    got = value_and_slope(subject.ours)(jnp.asarray(every_input(dtype)))
    value, slope = (
        misrounded(subject, what, dtype, g)[0].size for what, g in zip(("value", "slope"), got, strict=True)
    )
    return {"function": label, "dtype": dtype, "value": value, "slope": slope}


def sample(count: int) -> np.ndarray[Any, Any]:
    """Finite float32 numbers: of random bits, and even over intervals about 0."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, count, dtype=np.uint64).astype(np.uint32).view(np.float32)
    even = [rng.uniform(-reach, reach, count).astype(np.float32) for reach in (0.5, 2, 8, 30, 110)]
    x = np.concatenate([bits, *even])
    return x[np.isfinite(x)]


def ulps(label: str, count: int) -> dict[str, Any]:
    """The largest errors of value and slope in float32, in units in the last place, and where they are."""
    subject = REFERENCES[label]
    x = sample(count)
    wide = np.sort(x[np.abs(x) >= np.finfo(np.float32).tiny].astype(np.float64))
    wide = wide[~np.isin(wide, subject.entry.knots(**subject.arguments))]
    row: dict[str, Any] = {"function": label}
    got = value_and_slope(subject.ours)(jnp.asarray(wide, jnp.float32))
    for what, g in zip(("value", "slope"), got, strict=True):
        exact = subject.exact(wide, what)
        floor = near_roots(wide, exact) if what == "slope" else 0.0
        error = errors_in_ulps(np.asarray(g, np.float64), exact, jnp.float32, floor)
        at = int(error.argmax())
        row[what] = {"ulp": float(error[at]), "at": float(wide[at])}
    return row
