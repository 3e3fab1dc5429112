"""How signals and gradients fare in deep plain networks, by activation and initializer: theory beside real networks.

Run it from the repository root; the first makes the picture of the docs, in a minute or two:

    python examples/signal_depth.py --plot docs/_static/signal_depth.png
    python examples/signal_depth.py --depth 30 --width 256
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxacts
from jaxacts import initializers as ji

gelu = functools.partial(jaxacts.gelu, approximate=False)
prelu = functools.partial(jaxacts.prelu, negative_slope=0.25)


class Rule(NamedTuple):
    """Weights of variance weight_variance / fan_in and biases of bias_variance, before one activation."""

    activation: str
    fn: Callable[[jax.Array], jax.Array]
    label: str
    weight_variance: float
    bias_variance: float = 0.0


def critical_rule(activation: str, fn: Callable[[jax.Array], jax.Array], bias_variance: float) -> Rule:
    found = ji.critical(fn, bias_variance=bias_variance)
    label = f"critical, {found.weight_variance:.4f}/n and biases {bias_variance}"
    return Rule(activation, fn, label, found.weight_variance, bias_variance)


def gain_rule(activation: str, fn: Callable[[jax.Array], jax.Array]) -> Rule:
    squared = ji.gain(fn) ** 2
    return Rule(activation, fn, f"forward gain, {squared:.4f}/n", squared)


def rules() -> list[Rule]:
    """Folklore and theory, for six activations."""
    return [
        Rule("relu", jaxacts.relu, "He, 2/n", 2.0),
        Rule("relu", jaxacts.relu, "LeCun, 1/n", 1.0),
        gain_rule("prelu 0.25", prelu),
        Rule("prelu 0.25", prelu, "He of relu, 2/n", 2.0),
        critical_rule("tanh", jaxacts.tanh, 0.05),
        gain_rule("tanh", jaxacts.tanh),
        Rule("tanh", jaxacts.tanh, "torch's gain 5/3", (5 / 3) ** 2),
        gain_rule("selu", jaxacts.selu),
        Rule("selu", jaxacts.selu, "torch's gain 3/4", 0.75**2),
        gain_rule("sigmoid", jaxacts.sigmoid),
        Rule("sigmoid", jaxacts.sigmoid, "torch's gain 1", 1.0),
        critical_rule("gelu", gelu, 0.25),
        gain_rule("gelu", gelu),
        Rule("gelu", gelu, "He of relu, 2/n", 2.0),
    ]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def one_network(rule: Rule, width: int, depth: int, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean squares of the preactivations of each layer, and of the gradient there when it is 1 at the last."""
    weights = ji.variance_scaling(rule.weight_variance, "fan_in", "normal")
    biases = ji.normal(math.sqrt(rule.bias_variance))
    start, end, *keys = jax.random.split(key, depth + 2)

    def network(nudges: jax.Array) -> tuple[jax.Array, jax.Array]:
        def layer(h: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            nudge, key = given
            weight_key, bias_key = jax.random.split(key)
            z = h @ weights(weight_key, (width, width)) + biases(bias_key, (width,)) + nudge
            return rule.fn(z), (z, (z**2).mean())

        _, (z, squares) = jax.lax.scan(layer, jax.random.normal(start, nudges.shape[1:]), (nudges, jnp.stack(keys)))
        return z[-1], squares

    last, back, squares = jax.vjp(network, jnp.zeros((depth, 32, width)), has_aux=True)
    (gradients,) = back(jax.random.normal(end, last.shape))
    return squares, (gradients**2).mean((1, 2))


def measure(rule: Rule, width: int, depth: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Forward and backward mean squares, (seeds, depth) each."""
    found = [one_network(rule, width, depth, jax.random.key(seed)) for seed in range(seeds)]
    return np.stack([f for f, _ in found]), np.stack([b for _, b in found])


def predict(rule: Rule, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for infinite width: the variance map forward, the product of χ backward."""
    step = ji.variance_map(rule.fn, rule.weight_variance, rule.bias_variance)
    q = [rule.weight_variance + rule.bias_variance]
    while len(q) < depth:
        q.append(step(q[-1]))
    chi = [rule.weight_variance * ji.moments(rule.fn, v).slope for v in q[:-1]]
    return np.array(q), np.append(np.cumprod(chi[::-1])[::-1], 1.0)


def centre(measured: np.ndarray) -> np.ndarray:
    """The geometric mean over seeds, which scatter by factors; 0 where float32 has underflowed."""
    return np.exp(np.log(np.maximum(measured, 1e-45)).mean(0)) * (measured > 1e-37).all(0)


def factor_a_layer(gradient: np.ndarray) -> float:
    """By how much the mean square grows from each layer to the one before it."""
    (at,) = np.nonzero(gradient)
    return float(np.exp(-np.polyfit(at, np.log(gradient[at]), 1)[0]))


def plot(results: dict[Rule, tuple[np.ndarray, np.ndarray]], path: str) -> None:
    """A row for each activation: the signal on the left, the gradient on the right; dashed is the theory."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    colours = ("#0072B2", "#D55E00", "#009E73")
    names = list(dict.fromkeys(rule.activation for rule in results))
    with plt.rc_context({"font.size": 9, "font.family": "DejaVu Sans"}):
        figure, axes = plt.subplots(len(names), 2, figsize=(8, 2.15 * len(names)), layout="constrained", sharex=True)
        for row, name in zip(axes, names, strict=True):
            of_name = [rule for rule in results if rule.activation == name]
            for colour, rule in zip(colours, of_name, strict=False):
                depth = results[rule][0].shape[1]
                x = np.arange(1, depth + 1)
                for ax, measured, theory in zip(row, results[rule], predict(rule, depth), strict=True):
                    shown = np.where(measured > 1e-30, measured, np.nan)
                    ax.semilogy(x, shown.T, color=colour, linewidth=0.7, alpha=0.6)
                    ax.semilogy(x, np.where(theory > 1e-30, theory, np.nan), "--", color=colour, linewidth=1.6)
                row[0].plot([], [], color=colour, label=rule.label)
            for ax, what in zip(row, ("signal", "gradient"), strict=True):
                low, high = ax.get_ylim()
                ax.set_ylim(min(low, 1e-2), max(high, 1e2))
                ax.set_title(f"{name}: {what}", fontsize=9)
                ax.spines[["top", "right"]].set_visible(False)
            row[0].legend(frameon=False, fontsize=7.5)
        for ax in axes[-1]:
            ax.set_xlabel("layer")
        figure.savefig(path, dpi=110)
        plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[Rule, tuple[np.ndarray, np.ndarray]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plot", help="file for the picture; needs matplotlib")
    given = parser.parse_args(arguments)

    results = {}
    layers = sorted({1, min(30, given.depth), given.depth})
    heads = [f"signal at {layer}" for layer in layers] + ["gradient at 1", "factor a layer"]
    print(f"{'activation':12}{'weights':40}" + "".join(f"{head:>16}" for head in heads))
    for rule in rules():
        results[rule] = measure(rule, given.width, given.depth, given.seeds)
        forward, backward = map(centre, results[rule])
        numbers = [*(forward[layer - 1] for layer in layers), backward[0], factor_a_layer(backward)]
        print(f"{rule.activation:12}{rule.label:40}" + "".join(f"{number:16.4g}" for number in numbers))
    if given.plot:
        plot(results, given.plot)
    return results


if __name__ == "__main__":
    main()
