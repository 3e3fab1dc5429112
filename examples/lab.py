"""What the scripts on claims share: data, networks, training under a watch, tables and figures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from digits import Digits, load_digits
from jax import Array
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import jaxacts
import jaxacts.linen
from jaxacts import diagnostics
from jaxacts.initializers import he_normal, lecun_normal, zeros

__all__ = [
    "Data",
    "Fit",
    "Net",
    "Trial",
    "accuracy",
    "as_digits",
    "cross_entropy",
    "curves",
    "digits",
    "fit",
    "mean",
    "options_of",
    "run",
    "save",
    "shares",
    "standardized",
    "standardized_digits",
]

CONSOLE = Console()


class Data(NamedTuple):
    """Inputs and targets, for training and to test."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array


def digits() -> Data:
    """4,000 and 1,000 of the MNIST digits, with pixels from 0 to 1."""
    train, test = load_digits()
    low, high = train.images.min(), train.images.max()

    def scaled(part: Digits) -> Array:
        return (part.images - low) / (high - low)

    return Data(scaled(train), train.labels, scaled(test), test.labels)


def standardized_digits() -> Data:
    """The digits of :func:`digits`, each pixel with mean 0 and variance 1 over those to train; constant ones are 0."""
    data = digits()
    mean, std = data.x.mean(0), data.x.std(0)
    std = jnp.where(std == 0, 1, std)
    return data._replace(x=(data.x - mean) / std, test_x=(data.test_x - mean) / std)


class Net(nn.Module):
    """Dense layers, each with one activation, and a linear layer at the end."""

    widths: tuple[int, ...]
    activation: str = "relu"
    kernel_init: Callable[..., Array] = he_normal()
    bias_init: Callable[..., Array] = zeros
    norm: bool = False
    outputs: int = 10

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        for width in self.widths:
            x = nn.Dense(width, kernel_init=self.kernel_init, bias_init=self.bias_init)(x)
            if self.norm:
                x = nn.BatchNorm(use_running_average=not train)(x)
            x = jaxacts.linen.PReLU()(x) if self.activation == "prelu" else jaxacts.get(self.activation)(x)
        return nn.Dense(self.outputs, kernel_init=lecun_normal())(x)


class Trial(NamedTuple):
    """A network and how it is trained."""

    net: Net
    optimizer: optax.GradientTransformation


@dataclass(frozen=True)
class Fit:
    """How a training went: curves with a point for each interval, the states of the watch on the training data there,
    and what there was at the end."""

    steps: np.ndarray
    loss: np.ndarray
    score: np.ndarray
    states: list[diagnostics.State]
    variables: Any
    optimizer: Any
    watch: diagnostics.Watch

    @property
    def report(self) -> diagnostics.HealthReport:
        return diagnostics.report(self.states[-1])


def cross_entropy(logits: Array, labels: Array) -> Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def accuracy(logits: Array, labels: Array) -> Array:
    return (logits.argmax(-1) == labels).mean()


def fit(
    trial: Trial,
    data: Data,
    *,
    steps: int,
    key: Array,
    batch: int = 64,
    points: int = 20,
    loss: Callable[[Array, Array], Array] = cross_entropy,
    score: Callable[[Array, Array], Array] = accuracy,
    start: tuple[Any, Any] | None = None,
    after_point: Callable[[], None] = lambda: None,
    **watching: Any,
) -> Fit:
    """Train on random batches; ``start`` are the variables and the state of the optimizer to go on from."""
    net, optimizer = trial
    variables = net.init(key, data.x[:1]) if start is None else start[0]
    moments = optimizer.init(variables["params"]) if start is None else start[1]
    watch = diagnostics.watch(net, data.x[:4], **watching)
    points = min(points, steps)

    def step(carry: Any, key: Array) -> Any:
        variables, moments = carry
        rows = jax.random.randint(key, (batch,), 0, len(data.x))

        def loss_of(params: Any) -> Any:
            given = {**variables, "params": params}
            y, changed = net.apply(given, data.x[rows], train=True, mutable=["batch_stats"])
            return loss(y, data.y[rows]), changed

        (value, changed), gradient = jax.value_and_grad(loss_of, has_aux=True)(variables["params"])
        updates, moments = optimizer.update(gradient, moments, variables["params"])
        return ({**variables, **changed, "params": optax.apply_updates(variables["params"], updates)}, moments), value

    @jax.jit
    def interval(carry: Any, key: Array) -> Any:
        carry, losses = jax.lax.scan(step, carry, jax.random.split(key, steps // points))
        _, state = watch(carry[0], data.x, watch.init())
        return carry, (losses.mean(), score(net.apply(carry[0], data.test_x), data.test_y), state)

    carry, found = (variables, moments), []
    for number in range(points):
        carry, one = jax.block_until_ready(interval(carry, jax.random.fold_in(key, number)))
        found.append(one)
        after_point()
    losses, scores, states = zip(*found, strict=True)
    at = (np.arange(points) + 1) * (steps // points)
    return Fit(at, np.array(losses), np.array(scores), list(states), *carry, watch)


def run(trials: Mapping[str, Trial], data: Data, options: argparse.Namespace, **more: Any) -> dict[str, list[Fit]]:
    """Train each trial once for each seed, with a bar."""
    fits: dict[str, list[Fit]] = {}
    more = {"points": 20, **more}
    with Progress(console=CONSOLE, transient=True) as progress:
        task = progress.add_task("", total=len(trials) * options.seeds * min(more["points"], options.steps))
        for name, trial in trials.items():
            progress.update(task, description=name)
            fits[name] = [
                fit(
                    trial,
                    data,
                    steps=options.steps,
                    key=jax.random.key(seed),
                    after_point=lambda: progress.advance(task),
                    **more,
                )
                for seed in range(options.seeds)
            ]
    return fits


def mean(values: Sequence[Any]) -> Any:
    """The mean over seeds."""
    return np.mean([np.asarray(v, float) for v in values], 0)


def options_of(script: str, description: str | None, arguments: Sequence[str] | None, **defaults: int) -> Any:
    """``--steps``, ``--seeds``, ``--width`` and ``--out``, with these defaults."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    for name, default in {"steps": 600, "seeds": 3, "width": 256, **defaults}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--out", type=Path, default=Path("results/claims"), help="where the figure and the numbers go")
    options = parser.parse_args(arguments)
    for name in ("steps", "seeds", "width"):
        if getattr(options, name) < 1:
            parser.error(f"argument --{name}: must be at least 1, got {getattr(options, name)}")
    options.script = script
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def curves(fits: Mapping[str, list[Fit]], *, score: str = "accuracy on test digits") -> Figure:
    """Loss and score over the steps, means over the seeds."""
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (name, of_name) in enumerate(fits.items()):
        style = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3], "label": name}
        left.plot(of_name[0].steps, mean([f.loss for f in of_name]), **style)
        right.plot(of_name[0].steps, mean([f.score for f in of_name]), **style)
    left.set(title="training loss", xlabel="step", yscale="log")
    right.set(title=score, xlabel="step")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.title.set_fontsize(9)
    right.legend(frameon=False, fontsize=7.5)
    return figure


def save(title: str, rows: Sequence[Mapping[str, Any]], figure: Figure, options: argparse.Namespace) -> None:
    """Print the rows as a table, and save them and the figure under the name of the script."""
    table = Table(*rows[0], title=title, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    CONSOLE.print(table)
    figure.savefig(options.out / f"{options.script}.png", dpi=110)
    data = {"title": title, "options": {**vars(options), "out": str(options.out)}, "rows": list(rows)}
    (options.out / f"{options.script}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    CONSOLE.print(f"Figure and numbers: {options.out / options.script}.png, .json", soft_wrap=True)


def shares(fits: Sequence[Fit], field: str) -> list[float]:
    """A field of the report of each layer, as means over the seeds."""
    return mean([[getattr(row, field) for row in f.report.rows] for f in fits]).tolist()


def as_digits(values: Sequence[float]) -> str:
    """Three digits each."""
    return ", ".join(f"{v:.3g}" for v in values)


def standardized(x: np.ndarray) -> Array:
    return jnp.asarray((x - x.mean(0)) / x.std(0), jnp.float32)
