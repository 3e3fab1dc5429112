"""Expectations of an activation under a normal law, by quadrature on the host in float64.

Gauss-Legendre panels are exact to the last digits where the activation is a polynomial of moderate degree on each, and
no global rule is where it has a kink. So the panels are adapted to the activation first, once: split at the knots that
the catalogue knows and halved until the Legendre coefficients of value and slope have died out. Where they never do,
the halving has found a kink, which becomes an edge. For a normal law these panels are cut at its standard deviations.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from numpy.typing import NDArray

from jaxacts._core import entry_of
from jaxacts.initializers._theory.quadrature import NODES, REACH, TAIL, Floats, nodes, normal_density, power_of_two
from jaxacts.lookup import catalogue

__all__ = ["Curve", "curve_of"]

_CHUNK = 64
_NARROWEST = 1e-11
_MOST_PANELS = 20_000


class Curve:
    """An activation with its parameters fixed, as NumPy functions and as panels on which it is smooth."""

    def __init__(self, caller: str, function: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
        if not callable(function):
            raise TypeError(
                f"{caller}: fn must be a function of an array, got {type(function).__name__}; "
                f"pass jaxacts.tanh or a lambda (jaxacts.get gives the function of a name)."
            )
        self.caller, self.function = caller, function
        inner = function.func if isinstance(function, functools.partial) else function
        self.name = str(getattr(inner, "__name__", type(inner).__name__))
        scalars, arrays = _split(caller, parameters)
        self.channels = len(next(iter(arrays.values()))) if arrays else 1
        self._compiled = jax.jit(lambda z: _value_and_slope(lambda x: self._applied(x, {**scalars, **arrays}), z))
        self._shape = (self.channels,) if arrays else ()
        self._meshes: dict[float, Floats] = {}
        self._kinks: dict[float, Floats] = {}
        self._known: Iterable[float] = ()
        self._check_elementwise()
        self._known = () if arrays else _knots(function, scalars)

    def __call__(self, z: Floats) -> tuple[Floats, Floats]:
        """Value and slope at the points ``z`` (n,), each (n, channels)."""
        size = _CHUNK * len(NODES)
        padded = np.concatenate([z, np.repeat(z[-1:], -len(z) % size)]).reshape(-1, size)
        parts = [self._evaluate(row) for row in padded]
        value, slope = (np.concatenate([p[i] for p in parts])[: len(z)] for i in range(2))
        if not (np.isfinite(value).all() and np.isfinite(slope).all()):
            at = z[~(np.isfinite(value) & np.isfinite(slope)).all(1)][0]
            raise ValueError(
                f"{self.caller}: {self.name} must have finite values and slopes, got value or slope that is not "
                f"finite at {at:.6g}; give it a value there, or ask for a smaller q."
            )
        return value, slope

    def _applied(self, x: Array, parameters: Mapping[str, Any]) -> Any:
        try:
            return self.function(x, **parameters)
        except jax.errors.JAXTypeError:
            raise
        except Exception as error:
            flax = type(error).__module__.startswith("flax.")
            remedy = "the module with its variables, module.bind(variables)" if flax else _partial(self.function)
            raise TypeError(
                f"{self.caller}: {self.name} must need no more than an array and what it was given, but raised "
                f"{type(error).__name__}: {str(error).removesuffix('.')}; pass {remedy}."
            ) from error

    def _evaluate(self, row: Floats) -> tuple[Floats, Floats]:
        with jax.ensure_compile_time_eval(), jax.enable_x64(True), _host():
            z = jnp.asarray(np.broadcast_to(row.reshape(-1, *(1 for _ in self._shape)), (*row.shape, *self._shape)))
            try:
                value, slope = (np.asarray(y) for y in self._compiled(z))
            except jax.errors.JAXTypeError as error:
                reason = str(error).splitlines()[0]
                raise TypeError(
                    f"{self.caller}: {self.name} must be known when {self.caller} is called, but it depends on a "
                    f"traced value; close over numbers, write it with jax.numpy instead of numpy, or call "
                    f"{self.caller} outside of jit ({reason})."
                ) from None
        if value.shape != z.shape or value.dtype.kind not in "f":
            raise TypeError(
                f"{self.caller}: {self.name} must map an array to a real array of its shape, got "
                f"{value.dtype}{list(value.shape)} from {z.dtype}{list(z.shape)}; pass an elementwise function."
            )
        return value.astype(float).reshape(len(row), -1), slope.astype(float).reshape(len(row), -1)

    def _check_elementwise(self) -> None:
        z = np.linspace(-2.0, 2.0, _CHUNK * len(NODES))
        half = len(z) // 2
        together, apart = (self(np.concatenate([z[:half], rest]))[0] for rest in (z[half:], 1 + z[:half]))
        if not np.allclose(together[:half], apart[:half], rtol=1e-6, atol=1e-9):
            raise ValueError(
                f"{self.caller}: {self.name} must be elementwise, but its value at one element depends on others; "
                f"a function over an axis has no gain, use 1 for the layer before it."
            )

    def expect(self, mean: float, q: float, integrand: Callable[[Floats, Floats, Floats], list[Floats]]) -> list[float]:
        """E of each of ``integrand(t, f(z), f'(z))`` for z = mean + √q t, t ~ N(0, 1), averaged over channels."""
        std = q**0.5
        edges = self.edges(mean, std)
        z, weights = nodes(edges)
        t = (z - mean) / std
        mass = weights / std * normal_density(t)
        terms = integrand(t[:, None], *self(z))
        sums = [float(mass @ term.mean(1)) for term in terms]
        # Halving that has ended in a kink leaves nothing that counts between its last edges, but in a pole it does.
        narrow = np.minimum(4 * _NARROWEST * np.maximum(1.0, np.abs(edges[1:])), 1e-8 * std)
        thin = np.repeat(np.diff(edges) < narrow, len(NODES))
        sizes = [mass * np.abs(term).mean(1) for term in terms]
        if any(size[thin].sum() > 1e-6 * size.sum() for size in sizes):
            raise ValueError(
                f"{self.caller}: {self.name} must have slopes with a second moment, but has a pole near "
                f"{z[thin][0]:.6g}; pass a function whose slope is bounded there."
            )
        outside = max(np.abs(term[[0, -1]]).max() * normal_density(REACH) for term in terms)
        if outside > 1e-9 * max(map(abs, sums)):
            raise ValueError(
                f"{self.caller}: {self.name} grows too fast for its moments under N({mean:g}, {q:g}); "
                f"ask for a smaller q, or bound it."
            )
        return sums

    def edges(self, mean: float, std: float) -> Floats:
        """The edges of panels on which value, slope and the density of N(mean, std²) are smooth."""
        gaussian = mean + std * np.arange(-REACH, REACH + 1)
        mesh, low, high = self.mesh(float(np.abs(gaussian).max())), gaussian[0], gaussian[-1]
        return np.unique(np.concatenate([gaussian, mesh[(mesh > low) & (mesh < high)]]))

    def mesh(self, reach: float) -> Floats:
        """The edges of panels from -reach or before to reach or beyond on which value and slope are smooth."""
        reach = power_of_two(reach)
        if reach not in self._meshes:
            far = 2.0 ** np.arange(4, np.log2(reach) + 1)
            outside = [*far, *-far, *(k for k in self._known if abs(k) < reach)]
            # Kinks are looked for more closely than curvature.
            found = self._jumps(self._refined(np.unique([*np.arange(-16, 16, 0.5), *outside])))
            self._kinks[reach] = found
            self._meshes[reach] = self._refined(np.unique([*np.arange(-16, 16, 2.0), *outside, *found]))
        return self._meshes[reach]

    def kinks(self, reach: float) -> Floats:
        """Where value or slope jump between -reach and reach, and the knots that the catalogue knows."""
        self.mesh(reach)
        return np.union1d(self._kinks[power_of_two(reach)], [k for k in self._known if abs(k) < reach])

    def _refined(self, edges: Floats) -> Floats:
        # Relative to the values of the panel, or to a share of those near 0; the second is for float32 inside, whose
        # rounding errors are larger without fused multiply-add.
        for tolerance, share in ((1e-10, 1e-3), (1e-5, 1.0)):
            kept, open_ = [edges], np.stack([edges[:-1], edges[1:]], axis=1)
            count = len(open_)
            while len(open_) and count < _MOST_PANELS:
                open_ = open_[~self._smooth(open_, tolerance, share)]
                middle = open_.mean(1)
                kept.append(middle)
                count += len(middle)
                halves = np.concatenate(
                    [np.stack([open_[:, 0], middle], axis=1), np.stack([middle, open_[:, 1]], axis=1)]
                )
                width, size = np.ptp(halves, axis=1), np.abs(halves).max(1, initial=1.0)
                open_ = halves[width > _NARROWEST * size]
            if not len(open_):
                return np.unique(np.concatenate(kept))
        raise ValueError(
            f"{self.caller}: {self.name} must be smooth but for some kinks, and is not on [{edges[0]:g}, {edges[-1]:g}]"
            f"; pass a deterministic function of the real line that computes in at least float32."
        )

    def _smooth(self, panels: Floats, tolerance: float, share: float) -> NDArray[np.bool_]:
        z = panels.mean(1)[:, None] + np.ptp(panels, axis=1)[:, None] / 2 * NODES
        smooth = np.ones(len(panels), bool)
        for y, unit in zip(self(z.ravel()), self._units, strict=True):
            y = y.reshape(len(panels), len(NODES), -1)
            size = np.abs(y).max(1)
            tail = np.abs(np.einsum("pnc,nk->pkc", y, TAIL)).max(1)
            smooth &= (tail <= tolerance * np.maximum(size, share * unit)).all(1)
        return smooth

    @functools.cached_property
    def _units(self) -> list[float]:
        """The largest value and the largest slope on [-1, 1]."""
        return [float(np.abs(y).max()) or 1.0 for y in self(np.linspace(-1.0, 1.0, _CHUNK * len(NODES)))]

    def _jumps(self, edges: Floats) -> Floats:
        """The edges at which value or slope jump; those closer than the step are one."""
        step = 1e-7 * np.maximum(1.0, np.abs(edges))
        jump = np.zeros(len(edges), bool)
        for left, right, unit in zip(self(edges - step), self(edges + step), self._units, strict=True):
            jump |= (np.abs(left - right) > 1e-4 * np.maximum(unit, np.abs(left) + np.abs(right))).any(1)
        found = edges[jump]
        groups = np.split(found, np.flatnonzero(np.diff(found) > 3e-7 * np.maximum(1.0, np.abs(found[:-1]))) + 1)
        # The halving closes in on a kink from both sides: it is where the edges are densest.
        return np.array([g[np.argmin(np.diff(g))] if len(g) > 1 else g[0] for g in groups if len(g)])


def curve_of(caller: str, function: Callable[..., Any], parameters: Mapping[str, Any]) -> Curve:
    """A :class:`Curve`, the same one for the same activation of the catalogue and the same numbers.

    Any other function may look at what changes, as a module does, so its curve is made anew each time.
    """
    base, given = function, dict(parameters)
    while isinstance(base, functools.partial) and not base.args:
        base, given = base.func, {**base.keywords, **given}
    if _is_activation(base) and all(isinstance(v, (bool, int, float, str)) for v in given.values()):
        return _kept(caller, base, tuple(sorted(given.items())))
    return Curve(caller, function, parameters)


@functools.lru_cache(maxsize=32)
def _kept(caller: str, function: Callable[..., Any], parameters: tuple[tuple[str, Any], ...]) -> Curve:
    return Curve(caller, function, dict(parameters))


def _is_activation(function: Callable[..., Any]) -> bool:
    try:
        return entry_of(function).name in catalogue()
    except TypeError:
        return False


def _partial(function: Callable[..., Any]) -> str:
    """How to fix the parameters of an activation, with its typical values where it has some."""
    name, typical = "f", dict[str, Any]()
    with contextlib.suppress(TypeError):
        name, typical = (entry := entry_of(function)).name, dict(entry.typical)
    given = ", ".join(f"{parameter}={value}" for parameter, value in typical.items())
    return f"functools.partial({name}, {given or 'parameter=value'})"


def _value_and_slope(function: Callable[[Array], Any], z: Array) -> tuple[Array, Array]:
    return jax.jvp(function, (z,), (jnp.ones_like(z),))


def _host() -> contextlib.AbstractContextManager[Any]:
    """The processor, which computes in float64 whatever the accelerator can do."""
    try:
        return jax.default_device(jax.local_devices(backend="cpu")[0])
    except RuntimeError:
        return contextlib.nullcontext()


def _split(caller: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Floats]]:
    """The parameters that are one value, and those that are arrays, all broadcast and flattened alike."""
    for name, value in parameters.items():
        if isinstance(value, Tracer):
            raise TypeError(
                f"{caller}: {name} must be known when {caller} is called, got a traced value; "
                f"pass a number, or an array outside of jit."
            )
    arrays = {n: np.asarray(v) for n, v in parameters.items() if np.ndim(v) > 0}
    for name, value in arrays.items():
        if value.dtype.kind not in "fiu" or not value.size:
            raise TypeError(
                f"{caller}: {name} must be a real number or an array of them, got {value.dtype}{list(value.shape)}; "
                f"pass one number a channel."
            )
    scalars = {n: v.item() if isinstance(v, Array) else v for n, v in parameters.items() if n not in arrays}
    spread = np.broadcast_arrays(*(v.astype(float) for v in arrays.values()))
    flat = {n: v.ravel() for n, v in zip(arrays, spread, strict=True)}
    return scalars, flat


def _knots(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Iterable[float]:
    try:
        entry = entry_of(function)
    except TypeError:
        return ()
    return entry.knots(**parameters)
