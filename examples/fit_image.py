"""Fit a network from coordinates to brightness to a photograph: sines with SIREN's weights, and what fails without.

A network sees the place of a pixel and says how bright it is there. It learns every second pixel of a photograph, as on
a chessboard, and is asked for the others, and for the slope of the picture. The photograph is one of the two that come
with scikit-learn: nothing is downloaded. From the repository root, with ``pip install -e ".[examples]"``:

    python examples/fit_image.py
    python examples/fit_image.py --photo flower.jpg --size 96 --steps 1000
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from command_line import check_directory, parser_of, positive_int, progress
from flax import linen as nn
from jax import Array
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_image

import jaxacts
from jaxacts import initializers as ji

OMEGA = 30.0
CHUNK = 20
"""Steps between two points of the curves, compiled as one loop."""


class Rule(NamedTuple):
    """An activation, the initializers of its layers, and a learning rate."""

    name: str
    weights: str
    activation: Callable[[Array], Array]
    first: ji.Initializer
    hidden: ji.Initializer
    learning_rate: float


class Result(NamedTuple):
    """What a network made of the picture; ``seen`` and ``unseen`` have the PSNR after each chunk of steps."""

    rule: Rule
    seen: np.ndarray
    unseen: np.ndarray
    picture: np.ndarray
    slope_error: float
    seconds: float


def rules() -> list[Rule]:
    """Sines with the weights they need and with others, and two activations of classifiers."""
    sine = functools.partial(jaxacts.sine, omega=OMEGA)
    siren = ji.siren(OMEGA)
    lecun, he, xavier = ji.lecun_normal(), ji.he_normal(), ji.xavier_normal()
    return [
        Rule("sine", "siren", sine, siren.first, siren.hidden, 3e-4),
        Rule("sine", "lecun_normal", sine, lecun, lecun, 3e-4),
        Rule("relu", "he_normal", jaxacts.relu, he, he, 3e-3),
        Rule("tanh", "xavier_normal", jaxacts.tanh, xavier, xavier, 3e-3),
    ]


class Picture(nn.Module):
    """From coordinates in [-1, 1]² to a brightness."""

    rule: Rule
    width: int
    depth: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for layer in range(self.depth):
            init = self.rule.hidden if layer else self.rule.first
            x = self.rule.activation(nn.Dense(self.width, kernel_init=init)(x))
        return nn.Dense(1, kernel_init=self.rule.hidden)(x)[..., 0]


def photograph(name: str, size: int) -> np.ndarray:
    """The square in the middle, in grey from -1 to 1, averaged down to ``size`` pixels a side."""
    grey = load_sample_image(name).mean(-1) / 127.5 - 1
    block = min(grey.shape) // size
    top, left = ((n - block * size) // 2 for n in grey.shape)
    square = grey[top : top + block * size, left : left + block * size]
    return square.reshape(size, block, size, block).mean((1, 3)).astype(np.float32)


def coordinates(size: int) -> Array:
    """The place of each pixel, (size², 2)."""
    line = (jnp.arange(size) + 0.5) * 2 / size - 1
    return jnp.stack(jnp.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)


def slope_error(f: Callable[[Array], Array], photo: np.ndarray, where: Array) -> float:
    """How far the slope of the network is from differences of pixels, as a share of their size."""
    size = len(photo)
    found = np.asarray(jax.vmap(jax.grad(lambda x: f(x[None])[0]))(where)).reshape(size, size, 2)
    expected = np.stack(np.gradient(photo.astype(float), 2 / size), -1)
    return float(np.sqrt(np.square(found - expected).mean() / np.square(expected).mean()))


def fit(rule: Rule, photo: np.ndarray, options: argparse.Namespace, after_steps: Callable[[int], None]) -> Result:
    network = Picture(rule, options.width, options.depth)
    where, target = coordinates(len(photo)), jnp.asarray(photo.ravel())
    black = np.add.outer(np.arange(len(photo)), np.arange(len(photo))).ravel() % 2 == 0
    seen, unseen = ((where[part], target[part]) for part in (black, ~black))
    chunks = -(-options.steps // CHUNK)
    optimizer = optax.adam(optax.cosine_decay_schedule(rule.learning_rate, chunks * CHUNK))

    def loss_of(params: Any, places: Array, brightness: Array) -> Array:
        return jnp.square(network.apply(params, places) - brightness).mean()

    def step(training: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        params, moments = training
        updates, moments = optimizer.update(jax.grad(loss_of)(params, *seen), moments)
        return (optax.apply_updates(params, updates), moments), None

    @jax.jit
    def chunk(training: tuple[Any, Any]) -> tuple[tuple[Any, Any], Array]:
        training, _ = jax.lax.scan(step, training, length=CHUNK)
        return training, jnp.stack([loss_of(training[0], *part) for part in (seen, unseen)])

    params = network.init(jax.random.key(options.seed), where[:1])
    training, losses = (params, optimizer.init(params)), []
    begin = time.perf_counter()
    for _ in range(chunks):
        training, loss = chunk(training)
        losses.append(np.asarray(loss))
        after_steps(CHUNK)
    seconds = time.perf_counter() - begin
    learned = functools.partial(network.apply, training[0])
    picture = np.asarray(jax.jit(learned)(where)).reshape(photo.shape)
    psnr = 10 * np.log10(4 / np.maximum(np.array(losses), 1e-12))  # the range of the picture is 2
    return Result(rule, *psnr.T, picture, slope_error(learned, photo, where), seconds)


def table_of(results: Sequence[Result], options: argparse.Namespace) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"{options.photo}, {options.size} × {options.size} pixels, {options.steps} steps",
        caption="PSNR is the peak signal-to-noise ratio, higher is better. The error of the slope is that of the "
        "network's derivative against differences of pixels, relative to their size.",
    )
    table.add_column("activation")
    table.add_column("weights")
    for heading in ("PSNR seen", "unseen, dB", "error of slope", "seconds"):
        table.add_column(heading, justify="right")
    for r in results:
        numbers = (f"{r.seen[-1]:.1f}", f"{r.unseen[-1]:.1f}", f"{r.slope_error:.2f}", f"{r.seconds:.1f}")
        table.add_row(r.rule.name, r.rule.weights, *numbers)
    return table


def plot(results: Sequence[Result], photo: np.ndarray, path: Path) -> None:
    """The photograph, what each network made of it, and how they got there."""
    figure = Figure(figsize=(3 * len(results) + 3, 7), layout="constrained")
    pictures, below = figure.subfigures(2, 1, height_ratios=(3.6, 2.6))
    shown = [("photograph\n", photo)]
    shown += [(f"{r.rule.name}, {r.rule.weights}\n{r.unseen[-1]:.1f} dB between", r.picture) for r in results]
    for axes, (title, picture) in zip(pictures.subplots(1, len(shown)), shown, strict=True):
        axes.imshow(picture, cmap="gray", vmin=-1, vmax=1)
        axes.set_title(title, fontsize=10)
        axes.set_axis_off()
    axes = below.subplots()
    for number, r in enumerate(results):
        steps = CHUNK * np.arange(1, len(r.seen) + 1)
        axes.plot(steps, r.unseen, color=f"C{number}", label=f"{r.rule.name}, {r.rule.weights}")
        axes.plot(steps, r.seen, "--", color=f"C{number}", linewidth=0.9)
    axes.set(xlabel="step", ylabel="PSNR in dB", title="pixels between (solid), pixels learned from (dashed)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("fit_image.py", "Fit networks of sines, of ReLUs and of tanhs to a photograph.")
    add = parser.add_argument
    add("--photo", choices=("china.jpg", "flower.jpg"), default="china.jpg", help="which one of scikit-learn's")
    add("--size", type=positive_int, default=80, help="pixels a side, at most 427")
    add("--steps", type=positive_int, default=300, help="full-batch steps of Adam")
    add("--width", type=positive_int, default=96, help="units of a hidden layer")
    add("--depth", type=positive_int, default=3, help="hidden layers")
    add("--seed", type=int, default=0, help="of the weights")
    add("--out", type=Path, default=Path("results/fit_image"), help="where pictures.png is (over)written")
    options = parser.parse_args(arguments)
    if options.size > 427:
        parser.error(f"argument --size: the photographs have 427 lines, got {options.size}")
    check_directory(parser, options.out)
    return options


def main(arguments: Sequence[str] | None = None) -> list[Result]:
    options = parse_options(arguments)
    console = Console()
    photo = photograph(options.photo, options.size)
    results: list[Result] = []
    with progress(console, "steps") as bar:
        task = bar.add_task("", total=len(rules()) * -(-options.steps // CHUNK) * CHUNK)
        for rule in rules():
            bar.update(task, description=f"{rule.name}, {rule.weights}")
            results.append(fit(rule, photo, options, lambda steps: bar.advance(task, steps)))
            if not console.is_terminal:  # the bar is shown on terminals alone
                console.print(f"{rule.name}, {rule.weights}: {results[-1].unseen[-1]:.1f} dB")
    console.print(table_of(results, options))
    plot(results, photo, options.out / "pictures.png")
    console.print(f"Pictures: {options.out / 'pictures.png'}", soft_wrap=True)
    return results


if __name__ == "__main__":
    main()
