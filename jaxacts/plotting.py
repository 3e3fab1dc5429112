"""Pictures of activations. Needs matplotlib: ``pip install "jaxacts[plot]"``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from ._core import Activation, Facts, entry_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_activation"]

Curve: TypeAlias = Callable[[Array], Array]

# Okabe and Ito's colours, told apart with every kind of colour vision; the line styles need no colour at all.
_STYLES: tuple[dict[str, Any], ...] = (
    {"label": "value", "color": "#0072B2", "linestyle": "-", "linewidth": 2.2, "zorder": 4},
    {"label": "slope", "color": "#D55E00", "linestyle": (0, (5, 1.5)), "linewidth": 1.6, "zorder": 3},
    {"label": "curvature", "color": "#009E73", "linestyle": (0, (1, 1.2)), "linewidth": 1.6, "zorder": 2},
)


def plot_activation(
    function: Callable[..., Array],
    *,
    ax: Axes | None = None,
    xlim: tuple[float, float] | None = None,
    curvature: bool = False,
    kinks: Sequence[float] | None = None,
    **parameters: Any,
) -> Axes:
    """Plot the value and the slope of an activation, and what the slope is at its kinks.

    A jump of a curve is not joined. A filled dot is what is taken there, open dots are the limits from both sides.

    Args:
        function: an activation, or any other function that takes a number to a number and that JAX can differentiate.
        ax: the axes to draw on; new ones if None.
        xlim: the range of ``x``; if None, one that shows all kinks and how the curve nears its asymptotes.
        curvature: also plot the second derivative (without the impulses that it has at kinks).
        kinks: where the slope jumps; if None, what the catalogue says of ``function``.
        **parameters: the arguments of ``function`` after ``x``; if not given, its typical ones.

    Returns:
        The matplotlib axes, to go on with: titles, limits, ``ax.figure.savefig``.

    Raises:
        ImportError: matplotlib is not installed.
        TypeError: ``function`` is not callable, ``ax`` is not an Axes, or ``kinks`` are not numbers.
        ValueError: ``function`` takes whole arrays, as softmax does, or ``xlim`` is not two rising numbers.

    Example:
        >>> import jaxacts
        >>> from jaxacts.plotting import plot_activation
        >>> ax = plot_activation(jaxacts.leaky_relu, negative_slope=0.1)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['value', 'slope']
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('plot_activation: needs matplotlib; pip install "jaxacts[plot]".') from error

    if not callable(function):
        raise TypeError(
            f"plot_activation: expected a function, got {function!r}; pass one, such as jaxacts.get('relu')."
        )
    try:
        entry = entry_of(function)
    except TypeError:
        entry = None
    else:
        parameters = entry.arguments(**parameters)
    _check(function, entry, parameters, ax)
    if xlim is not None:
        try:
            low, high = map(float, xlim)
            rising = -math.inf < low < high < math.inf
        except (TypeError, ValueError):
            rising = False
        if not rising:
            raise ValueError(f"plot_activation: xlim must be two rising numbers, got {xlim!r}; write (-4, 4).")
    if kinks is None:
        kinks = entry.knots(**parameters) if entry else ()
    try:
        knots = [math.nan] if isinstance(kinks, str) else [float(k) for k in kinks]
    except (TypeError, ValueError):
        knots = [math.nan]
    if not all(map(math.isfinite, knots)):
        raise TypeError(f"plot_activation: kinks must be finite numbers, got {kinks!r}; write (0.0,).")

    def value(x: Array) -> Array:
        return function(x, **parameters)

    slope: Curve = jax.grad(value)
    orders: list[Curve] = [value, slope, jax.grad(slope)][: 3 if curvature else 2]
    facts = entry.facts(**parameters) if entry and entry.declared else None
    low, high = _range(jax.vmap(value), facts, knots) if xlim is None else map(float, xlim)
    # Beside each knot a point just before and one just after it, so that a jump there is a gap in the curve.
    margin = 1e-5 * (high - low)
    inside = [k for k in knots if low < k < high]
    even = [x for x in np.linspace(low, high, 601) if all(abs(x - k) > 2 * margin for k in inside)]
    x = np.sort([*even, *(k + d for k in inside for d in (-margin, 0.0, margin))])
    curves: list[Array] = jax.jit(lambda x: [jax.vmap(f)(x) for f in orders])(jnp.asarray(x, float))

    axes: Any = plt.subplots(figsize=(4.8, 3.2), layout="constrained")[1] if ax is None else ax
    axes.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    axes.axvline(0, color="#999999", linewidth=0.8, zorder=1)
    for curve, style in zip(curves, _STYLES, strict=False):
        y: NDArray[np.floating[Any]] = np.array(curve)
        for knot in inside:
            at = int(np.argmin(np.abs(x - knot)))
            taken, sides = y[at], y[[at - 1, at + 1]]
            if np.ptp(sides) > 1e-3:
                dots = {"color": style["color"], "linestyle": "", "marker": "o", "markersize": 5}
                limits = sides[np.abs(sides - taken) > 1e-3]
                axes.plot([knot] * len(limits), limits, markerfacecolor="white", zorder=5, **dots)
                axes.plot(knot, taken, zorder=6, **dots)
                y[at] = np.nan
        axes.plot(x, y, **style)
    axes.set(xlim=(low, high), xlabel="x")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return axes


def _check(function: Callable[..., Array], entry: Activation | None, parameters: dict[str, Any], ax: object) -> None:
    """Raise an error for what cannot be drawn."""
    if ax is not None and not hasattr(ax, "axhline"):
        raise TypeError(f"plot_activation: ax must be matplotlib axes, got {ax!r}; pass plt.gca(), or leave it out.")
    name, cause = getattr(function, "__name__", repr(function)), None
    try:
        got = jax.eval_shape(functools.partial(function, **parameters), jnp.zeros(()))
    except ValueError as error:
        if entry is None or entry.elementwise:
            raise
        got, cause = "none for a number", error
    if getattr(got, "shape", None) != ():
        raise ValueError(
            f"plot_activation: {name} must take a number to a number, got {got}; "
            f"wrap it, as in lambda x: jaxacts.softmax(jnp.stack([x, 0]))[0]."
        ) from cause


def _range(value: Curve, facts: Facts | None, knots: list[float]) -> tuple[float, float]:
    """All knots, and on each side as much as the curve needs to come within 1 % of its asymptote: from 2 to 8."""
    away = np.arange(2.0, 9.0)
    left, right = min(knots, default=0.0) - away, max(knots, default=0.0) + away
    if facts is None:
        return float(left[2]), float(right[2])
    y = np.split(np.array(value(jnp.asarray([*left, *right], float))), 2)
    lines = zip((left, right), y, (facts.left, facts.right), strict=True)
    near = [x[np.abs(v - (line.slope * x + line.intercept)) < 0.01] if line else x[:0] for x, v, line in lines]
    return float(near[0][0] if near[0].size else left[4]), float(near[1][0] if near[1].size else right[4])
