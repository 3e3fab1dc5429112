"""A small recommender with ReLU, PReLU and Dice: which module would this file import, too?

Dice and the network are those of "Deep interest network for click-through rate prediction": each module that a file has
imported is weighed by a small network that sees it beside the candidate. The data are the imports in the installed
packages: nothing is downloaded. From the repository root, with ``pip install -e ".[examples]"``:

    python examples/recommender.py
    python examples/recommender.py --activations relu dice --epochs 5 --seeds 5
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from command_line import check_directory, parser_of, positive_float, positive_int, progress
from flax import linen as nn
from imports_data import Imports, Visits, load_imports
from jax import Array
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata

import jaxacts
import jaxacts.linen
from jaxacts.initializers import he_normal, lecun_normal, normal
from jaxacts.optim import decay_mask


class Training(NamedTuple):
    """All that changes from step to step, a pytree."""

    params: Any
    statistics: Any
    optimizer: optax.OptState


class Result(NamedTuple):
    """How one activation did; the curves have a row an epoch and a column a seed."""

    activation: str
    auc: np.ndarray
    loss: np.ndarray
    seconds_per_epoch: float


def layer_of(activation: str, train: bool) -> Callable[[Array], Array]:
    """The activation with parameters of its own for each unit, where it has any."""
    match activation:
        case "prelu":
            return jaxacts.linen.PReLU(axis=-1)
        case "dice":
            return jaxacts.linen.Dice(use_running_average=not train)
        case _:
            return jaxacts.get(activation)


class Interest(nn.Module):
    """The logit that a file with this history imports the candidate."""

    modules: int
    activation: str
    features: int = 16

    @nn.compact
    def __call__(self, history: Array, candidate: Array, train: bool) -> Array:
        embed = nn.Embed(self.modules, self.features, embedding_init=normal(0.1))
        past, now = embed(history), embed(candidate)
        beside = jnp.broadcast_to(now[:, None], past.shape)
        weight = self.network(jnp.concatenate([past, past * beside, beside], -1), (32,), train)
        interest = (weight * past * (history > 0)[..., None]).sum(1)
        return self.network(jnp.concatenate([interest, interest * now, now], -1), (64, 32), train)[:, 0]

    def network(self, x: Array, widths: tuple[int, ...], train: bool) -> Array:
        for width in widths:
            x = layer_of(self.activation, train)(nn.Dense(width, kernel_init=he_normal())(x))
        return nn.Dense(1, kernel_init=lecun_normal())(x)


def area_under_curve(score: np.ndarray, chosen: np.ndarray) -> float:
    """The probability that a chosen candidate has a higher score than one that was not."""
    ranks, chosen = rankdata(score), chosen.astype(bool)
    right, wrong = chosen.sum(), (~chosen).sum()
    return float((ranks[chosen].sum() - right * (right + 1) / 2) / (right * wrong))


def together(train: Visits, test: Visits, modules: int) -> np.ndarray:
    """Scores without a network: how often the candidate stands beside each module of the history."""
    times = np.ones((modules, modules))
    right = train.chosen > 0
    for column in train.history[right].T:
        np.add.at(times, (column, train.candidate[right]), 1)
    share = np.log(times / times.sum(0) / times.sum(1, keepdims=True))
    return (share[test.history, test.candidate[:, None]] * (test.history > 0)).sum(1) / (test.history > 0).sum(1)


def optimizer_of(
    network: Interest, questions: Sequence[np.ndarray], learning_rate: optax.ScalarOrSchedule, weight_decay: float
) -> optax.GradientTransformation:
    """Adam with a weight decay that leaves the slopes of activations alone, as He et al. 2015 train them."""
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), *questions, train=False))
    mask = decay_mask(network, variables, *questions, train=False)
    return optax.adamw(learning_rate, weight_decay=weight_decay, mask=mask)


def train(activation: str, data: Imports, options: argparse.Namespace, after_epoch: Callable[[], None]) -> Result:
    """Train all seeds of one activation side by side."""
    network = Interest(len(data.modules), activation)
    rows = len(data.train.candidate)
    steps = rows // options.batch_size
    questions, answers = (data.train.history, data.train.candidate), data.train.chosen
    schedule = optax.cosine_decay_schedule(options.learning_rate, options.epochs * steps)
    optimizer = optimizer_of(network, [q[:1] for q in questions], schedule, options.weight_decay)

    def loss_of(params: Any, statistics: Any, batch: Array) -> tuple[Array, Any]:
        variables = {"params": params, "batch_stats": statistics}
        inputs = (jnp.asarray(q)[batch] for q in questions)
        logits, changed = network.apply(variables, *inputs, train=True, mutable="batch_stats")
        loss = optax.sigmoid_binary_cross_entropy(logits, jnp.asarray(answers)[batch]).mean()
        return loss, changed.get("batch_stats", {})

    def step(training: Training, batch: Array) -> tuple[Training, Array]:
        of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, statistics), gradient = of(training.params, training.statistics, batch)
        updates, moments = optimizer.update(gradient, training.optimizer, training.params)
        return Training(optax.apply_updates(training.params, updates), statistics, moments), loss

    def start(key: Array) -> Training:
        variables = network.init(key, *(q[:1] for q in questions), train=False)
        return Training(variables["params"], variables.get("batch_stats", {}), optimizer.init(variables["params"]))

    def epoch(training: Training, key: Array) -> tuple[Training, Array, Array]:
        batches = jax.random.permutation(key, rows)[: steps * options.batch_size].reshape(steps, -1)
        training, losses = jax.lax.scan(step, training, batches)
        variables = {"params": training.params, "batch_stats": training.statistics}
        return training, losses.mean(), network.apply(variables, data.test.history, data.test.candidate, train=False)

    def keys(number: int) -> Array:
        return jax.random.split(jax.random.key(number), options.seeds)

    training = jax.vmap(start)(keys(0))
    compiled = jax.jit(jax.vmap(epoch)).lower(training, keys(0)).compile()
    aucs, losses, begin = [], [], time.perf_counter()
    for number in range(1, options.epochs + 1):
        training, loss, scores = jax.block_until_ready(compiled(training, keys(number)))
        losses.append(loss)
        aucs.append([area_under_curve(score, data.test.chosen) for score in np.asarray(scores)])
        after_epoch()
    seconds = (time.perf_counter() - begin) / options.epochs
    return Result(activation, np.array(aucs), np.array(losses), seconds)


def table_of(results: Sequence[Result], baseline: float, data: Imports, options: argparse.Namespace) -> Table:
    questions = len(data.train.candidate), len(data.test.candidate)
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"{len(data.modules) - 1} modules, {questions[0]:,} questions, {questions[1]:,} to test",
        caption="AUC is the chance that a module which the file imports gets a higher score than one which it does "
        f"not; ± is the standard deviation over {options.seeds} seeds.",
    )
    for heading in ("activation", "test AUC", "training loss", "seconds / epoch"):
        table.add_column(heading, justify="left" if heading == "activation" else "right", no_wrap=True)
    table.add_row("(counts, no network)", f"{baseline:.4f}", "", "")
    for r in results:
        auc = f"{r.auc[-1].mean():.4f} ± {r.auc[-1].std():.4f}"
        table.add_row(r.activation, auc, f"{r.loss[-1].mean():.4f}", f"{r.seconds_per_epoch:.2f}")
    return table


def plot(results: Sequence[Result], path: Path) -> None:
    """AUC on the test files and loss over the epochs, a line an activation."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for r in results:
        for axes, curves in ((left, r.auc), (right, r.loss)):
            epochs = np.arange(1, len(curves) + 1)
            (line,) = axes.plot(epochs, curves.mean(1), marker=".", label=r.activation)
            axes.fill_between(epochs, curves.min(1), curves.max(1), color=line.get_color(), alpha=0.15, linewidth=0)
    left.set(title="AUC on other files", xlabel="epoch")
    right.set(title="Training loss", xlabel="epoch")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(path, dpi=130)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("recommender.py", "Recommend modules to files, with several activations.")
    add = parser.add_argument
    names = sorted(n for n, entry in jaxacts.catalogue().items() if entry.elementwise)
    add("--activations", nargs="+", choices=names, default=("relu", "prelu", "dice"), metavar="NAME", help="to compare")
    add("--epochs", type=positive_int, default=8, help="passes over the questions")
    add("--seeds", type=positive_int, default=3, help="networks per activation, trained side by side")
    add("--batch-size", type=positive_int, default=256, help="questions per step")
    add("--learning-rate", type=positive_float, default=3e-3, help="of Adam, falls to 0 along a cosine")
    add("--weight-decay", type=positive_float, default=1e-3, help="of all parameters but the slopes of activations")
    add("--packages", nargs="+", default=None, metavar="PACKAGE", help="whose files to read; by default all")
    add("--out", type=Path, default=Path("results/recommender"), help="where curves.png is (over)written")
    options = parser.parse_args(arguments)
    check_directory(parser, options.out)
    return options


def main(arguments: Sequence[str] | None = None) -> list[Result]:
    options = parse_options(arguments)
    console = Console()
    with console.status("reading imports"):
        data = load_imports(tuple(options.packages)) if options.packages else load_imports()
    baseline = area_under_curve(together(data.train, data.test, len(data.modules)), data.test.chosen)
    results: list[Result] = []
    with progress(console, "epochs") as bar:
        task = bar.add_task("", total=len(options.activations) * options.epochs)
        for activation in options.activations:
            bar.update(task, description=activation)
            results.append(train(activation, data, options, lambda: bar.advance(task)))
            if not console.is_terminal:  # the bar is shown on terminals alone
                console.print(f"{activation}: AUC {results[-1].auc[-1].mean():.4f}")
    console.print(table_of(results, baseline, data, options))
    plot(results, options.out / "curves.png")
    console.print(f"Curves: {options.out / 'curves.png'}", soft_wrap=True)
    return results


if __name__ == "__main__":
    main()
