"""Pictures of what diagnostics found. Needs matplotlib: ``pip install "jaxacts[plot]"``.

Each function returns a figure, to save by ``figure.savefig(path)``. Value, slope and curvature of an activation with
its kinks are drawn by :func:`jaxacts.plotting.plot_activation`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxacts.diagnostics._report import HealthReport
from jaxacts.diagnostics._signals.initial import InitialReport
from jaxacts.diagnostics._signals.propagation import PropagationReport
from jaxacts.diagnostics._state import State, UnitSums

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["alive", "depth", "histograms", "layers"]

# Okabe and Ito's colours, told apart with every kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_FIELDS = ("signal", "signal_predicted", "gradient", "gradient_predicted")


def _figure(caller: str, width: float, height: float) -> Figure:
    try:
        module = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ImportError(f'{caller}: needs matplotlib; pip install "jaxacts[plot]".') from error
    return module.Figure(figsize=(width, height), layout="constrained")


def _history(caller: str, states: Sequence[State]) -> list[tuple[str, list[UnitSums]]]:
    """The sums of each layer over time."""
    if isinstance(states, State) or not states or not all(hasattr(s, "layers") for s in states):
        raise TypeError(f"{caller}: states must be a list of states, one for each interval; collect them in training.")
    first = states[0]
    return [(one.layer.name, [s.layers[i] for s in states]) for i, one in enumerate(first.layers)]


def histograms(states: Sequence[State], steps: Sequence[float] | None = None) -> Figure:
    r"""The distribution of the values of each layer over the steps: the logarithm of the counts as brightness.

    .. math:: \text{brightness} = \log(1 + n_{\text{bin}, t})

    Args:
        states: one state for each interval of training, each started from ``watch.init()``, of a watch with ``bins``.
        steps: the step of each state; None counts them.

    Returns:
        A matplotlib figure, a panel a layer.

    Raises:
        TypeError: something that is not a list of states.
        ValueError: states without histograms; another number of steps than of states.
        ImportError: matplotlib is not installed.

    Note:
        A healthy layer is a smooth cloud. A bright line at 0 that grows is units that die; bright edges are saturation.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> from jaxacts.diagnostics import plots
        >>> x, w = jax.random.normal(jax.random.key(0), (99, 4)), jnp.eye(4)
        >>> watch = diagnostics.watch(lambda w, x: jnp.tanh(x @ w), x, variables=w, bins=40)
        >>> figure = plots.histograms([watch(w * scale, x)[1] for scale in (0.1, 1.0, 10.0)])
        >>> len(figure.axes)
        1

    References:
        Howard & Gugger, "Deep learning for coders with fastai and PyTorch", 2020, chapter 13 (the colorful dimension)
    """
    history = _history("histograms", states)
    if any(sums.histogram is None for _, column in history for sums in column):
        raise ValueError("histograms: the states must have histograms, got none; pass bins=40 to watch.")
    at = _bounds("histograms", steps, len(states))
    figure = _figure("histograms", 6.4, 0.6 + 1.6 * len(history))
    panels = np.atleast_1d(figure.subplots(len(history), 1, sharex=True))
    for ax, (name, column) in zip(panels, history, strict=True):
        counts = np.stack([np.asarray(s.histogram).reshape(-1, len(s.layer.edges) - 1).sum(0) for s in column], 1)
        ax.pcolormesh(at, column[0].layer.edges, np.log1p(counts), cmap="viridis")
        ax.set_title(f"{name}: {column[0].layer.activation}", fontsize=9, loc="left")
        ax.set_ylabel("value")
    panels[-1].set_xlabel("step")
    return figure


def alive(states: Sequence[State], steps: Sequence[float] | None = None) -> Figure:
    r"""Which units were alive in each interval: a row a unit, dark where it was zero on every example.

    .. math:: \text{alive}_{i, t} = [\max_{x} |h_i(x)| > 0]

    Args:
        states: one state for each interval of training, each started from ``watch.init()``.
        steps: the step of each state; None counts them.

    Returns:
        A matplotlib figure, a panel a layer, with units in the order of their deaths.

    Raises:
        TypeError: something that is not a list of states.
        ValueError: another number of steps than of states.
        ImportError: matplotlib is not installed.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> from jaxacts.diagnostics import plots
        >>> x, w = jnp.ones((9, 4)), jnp.eye(4)
        >>> watch = diagnostics.watch(lambda w, x: jaxacts.relu(x @ w), x, variables=w)
        >>> figure = plots.alive([watch(w * scale, x)[1] for scale in (1.0, -1.0)])
        >>> len(figure.axes)
        1
    """
    history = _history("alive", states)
    at = _bounds("alive", steps, len(states))
    figure = _figure("alive", 6.4, 0.6 + 1.6 * len(history))
    panels = np.atleast_1d(figure.subplots(len(history), 1, sharex=True))
    for ax, (name, column) in zip(panels, history, strict=True):
        raster = np.stack([np.asarray(s.active).ravel() > 0 for s in column], 1)
        # The longer a unit lived, the lower its row.
        order = np.argsort(-raster.sum(1), kind="stable")
        ax.pcolormesh(at, np.arange(len(raster) + 1), raster[order], cmap="cividis", vmin=0, vmax=1)
        share = 1 - raster[:, -1].mean()
        ax.set_title(f"{name}: {column[0].layer.activation}, {share:.0%} dead at the end", fontsize=9, loc="left")
        ax.set_ylabel("unit")
    panels[-1].set_xlabel("step")
    return figure


def _bounds(caller: str, steps: Sequence[float] | None, count: int) -> Any:
    """The bounds of the columns whose middles or ends are the steps."""
    if steps is not None and np.shape(steps) != (count,):
        raise ValueError(
            f"{caller}: steps must have a number for each of the {count} states, got shape {np.shape(steps)}; "
            f"leave it out to count the states."
        )
    at = np.arange(1.0, count + 1) if steps is None else np.asarray(steps, float)
    width = at[1] - at[0] if count > 1 else 1.0
    return np.concatenate([[at[0] - width], at])


def layers(report: HealthReport, field: str = "dead") -> Figure:
    r"""The layers of a model as boxes, coloured by the share of units that are dead.

    .. math:: \text{colour}_l = \frac{1}{n_l} \sum_i \text{dead}_i

    Args:
        report: what :func:`jaxacts.diagnostics.report` returned.
        field: another share of the rows to colour by, such as ``"dormant"`` or ``"sparsity"``.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: a field that is not a share.
        ImportError: matplotlib is not installed.

    Example:
        >>> import jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> from jaxacts.diagnostics import plots
        >>> x, w = jnp.ones((9, 4)), jnp.eye(4)
        >>> watch = diagnostics.watch(lambda w, x: jaxacts.relu(x @ w), x, variables=w)
        >>> figure = plots.layers(diagnostics.report(watch(w, x)[1]))
    """
    if field not in HealthReport.shares:
        raise ValueError(f"layers: unknown field {field!r}; choose {', '.join(sorted(HealthReport.shares))}.")
    figure = _figure("layers", 6.4, 0.8 + 0.36 * len(report.rows))
    ax = figure.subplots()
    shares = [getattr(row, field) for row in report.rows]
    widest = max(row.units for row in report.rows)
    colours: Any = importlib.import_module("matplotlib").colormaps["YlOrRd"]
    for at, (row, share) in enumerate(zip(report.rows, shares, strict=True)):
        ax.barh(
            at, row.units / widest, left=0.5 - row.units / widest / 2, height=0.8, color=colours(share), ec="#555555"
        )
        dark = "white" if share > 0.6 else "black"
        text = f"{row.layer}, {row.activation}: {row.units} units, {share:.1%} {field}"
        ax.text(0.5, at, text, ha="center", va="center", fontsize=8, color=dark)
    ax.set(xlim=(-0.02, 1.02), xticks=[], yticks=[])
    ax.invert_yaxis()
    ax.spines[:].set_visible(False)
    scale = importlib.import_module("matplotlib.cm").ScalarMappable(cmap=colours)
    figure.colorbar(scale, ax=ax, label=f"share {field}")
    return figure


def depth(reports: PropagationReport | InitialReport | Mapping[str, PropagationReport | InitialReport]) -> Figure:
    r"""Mean squares of signals and of gradients over the layers; the theory is dashed.

    .. math:: q_l = \mathbb E[z_l^2], \qquad g_l = \mathbb E\Bigl[\Bigl(\frac{\partial L}{\partial z_l}\Bigr)^2\Bigr]

    Args:
        reports: of :func:`jaxacts.diagnostics.propagation` or :func:`jaxacts.diagnostics.at_init`, one or several by
            name.

    Returns:
        A matplotlib figure: signals on the left, gradients on the right, relative to the last layer.

    Raises:
        ImportError: matplotlib is not installed.

    Example:
        >>> import jaxacts
        >>> from jaxacts import diagnostics
        >>> from jaxacts.diagnostics import plots
        >>> figure = plots.depth(diagnostics.propagation(jaxacts.tanh, 1.0, depth=10, width=64))
        >>> len(figure.axes)
        2
    """
    named = reports if isinstance(reports, Mapping) else {"": reports}
    figure = _figure("depth", 8.4, 3.4)
    left, right = figure.subplots(1, 2)
    for number, (name, report) in enumerate(named.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        x = np.arange(1, len(report.rows) + 1)
        if isinstance(report, PropagationReport):
            curves = [[getattr(row, f) for row in report.rows] for f in _FIELDS]
        else:
            signals = [[row.variance for row in report.rows], [row.variance_predicted for row in report.rows]]
            roots = [[row.gradient for row in report.rows], [row.gradient_predicted for row in report.rows]]
            curves = [*signals, *np.square(roots)]
        for ax, measured, theory in ((left, *curves[:2]), (right, *curves[2:])):
            ax.semilogy(x, _shown(measured), color=colour, linewidth=1.6, label=name)
            ax.semilogy(x, _shown(theory), "--", color=colour, linewidth=1.2)
    for ax, title in ((left, "signal: mean square by layer"), (right, "gradient: mean square by layer")):
        low, high = ax.get_ylim()
        ax.set(xlabel="layer", ylim=(min(low, 0.1), max(high, 10.0)))
        ax.set_title(title, fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    if any(named):
        left.legend(frameon=False, fontsize=8)
    return figure


def _shown(values: Any) -> Any:
    """Without what has underflowed."""
    y = np.asarray(values, float)
    return np.where((y > 1e-35) & np.isfinite(y), y, np.nan)
