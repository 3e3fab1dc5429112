"""From sums to shares: a row a layer with a verdict in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.core import Tracer
from numpy.typing import NDArray

from jaxacts.diagnostics._state import Layer, State, UnitSums
from jaxacts.diagnostics._tables import Tabular
from jaxacts.initializers import _checks

__all__ = ["HealthReport", "LayerHealth", "dormant_units", "report"]

Floats: TypeAlias = NDArray[np.float64]

HEALTHY = "healthy"


class LayerHealth(NamedTuple):
    """A row of the report; shares are from 0 to 1.

    ``dead`` is the share of units that were 0 on every example, ``dormant`` of those with a mean magnitude of at most τ
    times that of the layer, ``stuck`` of those saturated on every example. ``left`` and ``right`` are the shares of
    values with a slope below ε, for negative and positive inputs; ``sparsity`` is the share of zeros. ``mean_shift`` is
    the mean over the standard deviation of all values. The ranks are those of the matrix of values (examples, units):
    exp of the entropy of the singular values; how many of these make up all but a share δ of their sum; and the sum of
    their squares over the largest square.
    """

    layer: str
    activation: str
    units: int
    examples: int
    dead: float
    dormant: float
    stuck: float
    left: float
    right: float
    sparsity: float
    mean: float
    std: float
    mean_shift: float
    effective_rank: float | None
    srank: int | None
    stable_rank: float | None
    verdict: str


@dataclass(frozen=True)
class HealthReport(Tabular):
    """The health of each layer, in the order of the computation: print it, or export it."""

    title: ClassVar[str] = "Units by layer"
    shares: ClassVar[frozenset[str]] = frozenset(["dead", "dormant", "stuck", "left", "right", "sparsity"])

    def __getitem__(self, layer: str) -> LayerHealth:
        found = next((row for row in self.rows if row.layer == layer), None)
        if found is None:
            raise KeyError(f"HealthReport: no layer {layer!r}; there are {', '.join(row.layer for row in self.rows)}.")
        return found

    def assert_healthy(
        self,
        *,
        max_dead: float = 0.1,
        max_dormant: float = 0.5,
        max_stuck: float = 0.1,
        max_saturated: float = 0.95,
        max_mean_shift: float = math.inf,
        allow_unfollowed: bool = True,
    ) -> None:
        """Raise an AssertionError that lists every layer beyond a threshold; for tests and CI.

        Args:
            max_dead, max_dormant, max_stuck: the largest shares of units, from 0 to 1: 0.05 is 5%.
            max_saturated: the largest share of saturated values, left and right together. Half of those of a relu at
                initialization are.
            max_mean_shift: the largest magnitude of the mean over the standard deviation.
            allow_unfollowed: whether the model may have parts that could not be followed.

        Raises:
            AssertionError: the layers, what was measured, and the threshold. Values that are not finite are beyond all.
            TypeError, ValueError: a threshold that is not a number, or out of range.
        """
        for name, limit in (("dead", max_dead), ("dormant", max_dormant), ("stuck", max_stuck)):
            _check_share(f"max_{name}", limit)
        _check_share("max_saturated", max_saturated)
        if _checks.number("assert_healthy", "max_mean_shift", max_mean_shift, finite=False) < 0:
            raise ValueError(
                f"assert_healthy: max_mean_shift must not be negative, got {max_mean_shift}; pass 0 or a number above."
            )
        limits = {"dead": max_dead, "dormant": max_dormant, "stuck": max_stuck, "mean_shift": max_mean_shift}
        found = [
            f"  {row.layer}: {name} {abs(getattr(row, name)):.3g}, at most {limit:g} expected"
            for row in self.rows
            for name, limit in limits.items()
            if not abs(getattr(row, name)) <= limit
        ]
        found += [
            f"  {row.layer}: saturated {row.left + row.right:.3g}, at most {max_saturated:g} expected"
            for row in self.rows
            if not row.left + row.right <= max_saturated
        ]
        found += [] if allow_unfollowed else [f"  {note}" for note in self.notes if note.startswith("not followed")]
        if found:
            raise AssertionError("assert_healthy: the layers must be healthy, got\n" + "\n".join(found))


def _check_share(argument: str, value: Any) -> None:
    share = _checks.number("assert_healthy", argument, value)
    if not 0 <= share <= 1:
        remedy = f"{share / 100:g} for {share:g}%" if 1 < share <= 100 else "0.05 for 5%"
        raise ValueError(f"assert_healthy: {argument} must be a share from 0 to 1, got {value}; pass {remedy}.")


def report(state: State, *, tau: float = 0.025, delta: float = 0.01) -> HealthReport:
    r"""The health of the units, layer by layer, with a verdict in words.

    .. math::
        \text{dormant}_i = \Bigl[\frac{\mathbb E|h_i|}{\operatorname{mean}_k \mathbb E|h_k|} \le \tau\Bigr], \qquad
        \text{effective rank} = \exp H\Bigl(\frac{\sigma}{\sum \sigma}\Bigr), \qquad
        \text{stable rank} = \frac{\lVert F \rVert^2}{\sigma_1^2}

    Args:
        state: what a watch returned. The sums are those of everything it has seen, so start from ``watch.init()`` for
            every interval that you want to know about.
        tau: the threshold of dormant units, relative to the mean of the layer; 0.025 is that of the paper's analysis,
            0.1 of its benchmarks. At least 0.
        delta: the share of the singular values that ``srank`` leaves out; between 0 and 1.

    Returns:
        A :class:`HealthReport`, whose text is a table. ``rich.print(report)`` shows it in colour.

    Raises:
        TypeError: something that is not a state, or one that is traced: reports are made on the host.
        ValueError: a state that has seen nothing, or that vmap has stacked; a tau or a delta out of range.

    Note:
        A relu is inactive for half of its inputs at initialization, which is not called saturation in the verdict. Nor
        is it of other functions that are 0 for all negative inputs: of relu6 the verdict says "saturated" where more
        than half of the active values are so on the right. Biological networks have some 5% of their units active at a
        time, sigmoid layers about half, and 15 to 30% is called a good range (Glorot et al. 2011). Singular values
        below 1e-3 of the largest are not to be trusted in ``srank``, for the matrix of products is in float32.

    Example:
        >>> import jax, jax.numpy as jnp, jaxacts
        >>> from jaxacts import diagnostics
        >>> def model(params, x):
        ...     return jaxacts.relu(x @ params["kernel"] + params["bias"])
        >>> params = {"kernel": jnp.eye(4), "bias": jnp.array([0.0, 0.0, 0.0, -9.0])}
        >>> x = jax.random.normal(jax.random.key(0), (1000, 4))
        >>> watch = diagnostics.watch(model, x, variables=params)
        >>> _, state = watch(params, x)
        >>> diagnostics.report(state).rows[0].verdict
        '25% of the units are dead: lower the learning rate, or recycle them'

    References:
        Sokar et al., "The dormant neuron phenomenon in deep reinforcement learning", 2023,
        https://arxiv.org/abs/2302.12902; Roy & Vetterli, "The effective rank", 2007 (effective rank); Kumar et al.,
        "Implicit under-parameterization", 2021, https://arxiv.org/abs/2010.14498 (srank); Glorot, Bordes & Bengio,
        "Deep sparse rectifier neural networks", 2011
    """
    if not isinstance(state, State):  # pyright: ignore[reportUnnecessaryIsInstance] (untyped callers)
        raise TypeError(
            f"report: state must be what a watch returned, got {type(state).__name__}; pass its second result."
        )
    if any(isinstance(x, Tracer) for x in jax.tree.leaves(state)):
        raise TypeError("report: runs on the host, but got a traced state; return it from the jitted function first.")
    threshold = _checks.magnitude("report", "tau", tau)
    left_out = _checks.positive("report", "delta", delta)
    if left_out >= 1:
        raise ValueError(f"report: delta must be between 0 and 1, got {delta}; pass a share such as 0.01.")
    rows = [_row(sums, name, threshold, left_out) for layer in state.layers for name, sums in _steps(layer)]
    if not any(row.examples for row in rows):
        raise ValueError("report: the state must have seen examples, got one of zeros; call the watch first.")
    return HealthReport(tuple(rows), tuple(f"not followed: {what}" for what in state.unfollowed))


def _steps(sums: UnitSums) -> Iterator[tuple[str, UnitSums]]:
    """Each layer of a scan by itself."""
    shape = np.shape(sums.count)
    name = sums.layer.name
    if len(shape) != sums.layer.loops:
        raise ValueError(
            f"report: the sums of {name} must have {sums.layer.loops} axes of layers, got {len(shape)}; add up what "
            f"vmap has stacked by diagnostics.merge(state, axis=0), or take one row of it."
        )
    for index in itertools.product(*map(range, shape)):
        yield name + "".join(f"[{i}]" for i in index), jax.tree.map(lambda x, at=index: np.asarray(x, float)[at], sums)


def dormant_units(sums: Any, tau: Any, xp: Any = np) -> Any:
    """Which units have a mean magnitude of at most τ times that of their layer."""
    return sums.absolute <= tau * xp.mean(sums.absolute, -1, keepdims=True)


def _row(sums: UnitSums, name: str, tau: float, delta: float) -> LayerHealth:
    numbers: dict[str, Any] = {
        key: getattr(sums, key) for key in ("absolute", "total", "square", "active", "left", "right")
    }
    count, units = float(np.asarray(sums.count)), len(numbers["total"])
    seen = max(count, 1.0)
    share = {key: float(np.mean(value) / seen) for key, value in numbers.items()}
    std = math.sqrt(max(share["square"] - share["total"] ** 2, 0.0)) if np.isfinite(share["square"]) else math.nan
    dead = numbers["active"] == 0
    rounded = 1e-3 * count if count > 2**24 else 0.0
    stuck = (numbers["left"] + numbers["right"] >= count - rounded) & ~dead
    ranks = (None, None, None) if sums.gram is None else _ranks(np.asarray(sums.gram), delta)
    row = LayerHealth(
        layer=name,
        activation=sums.layer.activation,
        units=units,
        examples=int(count),
        dead=float(dead.mean()),
        dormant=float(dormant_units(sums, tau).mean()),
        stuck=float(stuck.mean()),
        left=share["left"],
        right=share["right"],
        sparsity=1 - share["active"],
        mean=share["total"],
        std=std,
        mean_shift=_shift(share["total"], std),
        effective_rank=ranks[0],
        srank=ranks[1],
        stable_rank=ranks[2],
        verdict="",
    )
    return row._replace(verdict=_verdict(row, sums.layer))


def _shift(mean: float, std: float) -> float:
    if std == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / std


def _ranks(gram: Floats, delta: float) -> tuple[float, int, float]:
    squares = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
    if squares[0] == 0:
        return 0.0, 0, 0.0
    singular = np.sqrt(squares)
    shares = singular / singular.sum()
    positive = shares[shares > 0]
    entropy = -float((positive * np.log(positive)).sum())
    srank = int(np.searchsorted(np.cumsum(shares), 1 - delta) + 1)
    return math.exp(entropy), min(srank, len(shares)), float(squares.sum() / squares[0])


def _verdict(row: LayerHealth, layer: Layer) -> str:
    if not row.examples:
        return "nothing seen"
    if not (math.isfinite(row.mean) and math.isfinite(row.std)):
        return "values that are not finite: lower the learning rate, or look at the layers before it"
    if row.dead == 1:
        return "all units are dead, and no gradient passes: start again with a lower learning rate"
    if row.dead > 0.1:
        return f"{row.dead:.0%} of the units are dead: lower the learning rate, or recycle them"
    if row.stuck > 0.1:
        return f"{row.stuck:.0%} of the units are saturated on every example: make the weights before them smaller"
    if layer.inactive and layer.right and row.right > 0.5 * (1 - row.left) > 0:
        share = row.right / (1 - row.left)
        return f"saturated right ({layer.right}), {share:.0%} of the active values: make the weights before it smaller"
    if layer.left and layer.right and not layer.inactive and row.left + row.right > 0.5:
        side = "left" if row.left > 2 * row.right else "right" if row.right > 2 * row.left else "on both sides"
        kind = "hard" if layer.left == layer.right == "hard" else "soft"
        return (
            f"saturated {side} ({kind}), {row.left + row.right:.0%} of the values: make the weights before it smaller"
        )
    if row.left + row.right > 0.95:
        return f"only {1 - row.left - row.right:.0%} of the values have a slope: few examples reach it"
    if row.dormant > 0.5:
        return f"{row.dormant:.0%} of the units are dormant: recycle them, or make the layer narrower"
    return HEALTHY
