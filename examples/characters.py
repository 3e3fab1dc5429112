"""A character transformer in bfloat16 with three feed-forward layers of today: SwiGLU, xIELU and squared ReLU.

All have the same number of parameters (the hidden layer of SwiGLU is two thirds as wide), the same data and the same
seed. The text is the source code of Python's standard library: nothing is downloaded. From the repository root, with
``pip install -e ".[examples]"``:

    python examples/characters.py
    python examples/characters.py --feed-forward swiglu gelu --steps 1000
"""

from __future__ import annotations

import argparse
import math
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
from jax import Array
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from source_text import Text, bigram_bits, load_text

import jaxacts
from jaxacts.initializers import for_activation, lecun_normal, normal

CHUNK = 20
"""Steps between two points of the curves, compiled as one loop."""


class Result(NamedTuple):
    """How one feed-forward layer did, in bits a character."""

    name: str
    parameters: int
    train: np.ndarray
    test: float
    seconds: float
    sample: str


class FeedForward(nn.Module):
    """Two layers with an activation between, or three where one gates another."""

    name_of: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features = x.shape[-1]

        def dense(n: int, init: Any) -> nn.Dense:
            return nn.Dense(n, use_bias=False, dtype=x.dtype, kernel_init=init)

        match self.name_of:
            case "swiglu":
                hidden = 8 * features // 3
                gate, value = (dense(hidden, lecun_normal())(x) for _ in range(2))
                x = jaxacts.swiglu(gate, value)
            case "xielu":
                # Both slopes start at 0.8 and stay positive, as in the paper.
                stored = self.param("alpha", lambda _: jaxacts.softplus_inverse(jnp.array([0.8, 0.3])))
                positive, negative = jaxacts.softplus(stored)
                x = jaxacts.xielu(dense(4 * features, lecun_normal())(x), positive, 0.5 + negative, 0.5)
            case name:
                fn = jaxacts.get(name)
                x = fn(dense(4 * features, for_activation(fn))(x))
        return dense(features, lecun_normal())(x)


class Block(nn.Module):
    """Attention to the characters before, then the feed-forward layer, each normalised and added."""

    heads: int
    name_of: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        def normed(x: Array) -> Array:
            return nn.RMSNorm(dtype=x.dtype)(x)

        _, length, features = x.shape
        qkv = nn.Dense(3 * features, use_bias=False, dtype=x.dtype, kernel_init=lecun_normal())(normed(x))
        query, key, value = (a.reshape(*a.shape[:2], self.heads, -1) for a in jnp.split(qkv, 3, -1))
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(features / self.heads)
        past = jnp.tril(jnp.ones((length, length), bool))
        weights = jaxacts.softmax(scores, where=jnp.broadcast_to(past, scores.shape))
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)
        x = x + nn.Dense(features, use_bias=False, dtype=x.dtype, kernel_init=lecun_normal())(mixed)
        return x + FeedForward(self.name_of)(normed(x))


class Transformer(nn.Module):
    """Logits of the next character, in float32; the parameters are float32, and what passes through is bfloat16."""

    characters: int
    name_of: str
    features: int
    depth: int
    heads: int
    length: int

    @nn.compact
    def __call__(self, text: Array) -> Array:
        x = nn.Embed(self.characters, self.features, embedding_init=normal(1.0))(text)
        x = x + self.param("places", normal(0.3), (self.length, self.features))[: text.shape[-1]]
        x = x.astype(jnp.bfloat16)
        for _ in range(self.depth):
            x = Block(self.heads, self.name_of)(x)
        return nn.Dense(self.characters, kernel_init=lecun_normal())(nn.RMSNorm()(x.astype(jnp.float32)))


def bits_of(network: Transformer, params: Any, text: Array) -> Array:
    """Bits a character, of rows that are one longer than what the network sees."""
    logits = network.apply(params, text[:, :-1])
    return optax.softmax_cross_entropy_with_integer_labels(logits, text[:, 1:]).mean() / math.log(2)


def windows(text: np.ndarray, length: int, starts: np.ndarray) -> Array:
    return jnp.asarray(text[starts[..., None] + np.arange(length + 1)])


def sample(network: Transformer, params: Any, text: Text, seed: str, count: int) -> str:
    """What the network writes after a seed, one character at a time."""
    numbers = [text.characters.index(c) for c in seed]
    length = network.length
    row = jnp.zeros(length, jnp.int32).at[: len(numbers)].set(jnp.array(numbers))

    @jax.jit
    def write(row: Array) -> Array:
        def one(at: int, carried: tuple[Array, Array]) -> tuple[Array, Array]:
            row, key = carried
            key, now = jax.random.split(key)
            logits = network.apply(params, row[None])[0, at - 1]
            return row.at[at].set(jax.random.categorical(now, logits / 0.7)), key

        return jax.lax.fori_loop(len(numbers), len(numbers) + count, one, (row, jax.random.key(0)))[0]

    return "".join(text.characters[i] for i in np.asarray(write(row))[: len(numbers) + count])


def train(name: str, text: Text, options: argparse.Namespace, after_steps: Callable[[int], None]) -> Result:
    network = Transformer(
        len(text.characters), name, options.features, options.depth, options.features // 32, options.length
    )
    chunks = -(-options.steps // CHUNK)
    schedule = optax.warmup_cosine_decay_schedule(0.0, options.learning_rate, chunks * CHUNK // 10, chunks * CHUNK)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, b2=0.95))
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, options.length), jnp.int32))
    rng = np.random.default_rng(0)

    def step(training: tuple[Any, Any], batch: Array) -> tuple[tuple[Any, Any], Array]:
        params, moments = training
        bits, gradient = jax.value_and_grad(lambda p: bits_of(network, p, batch))(params)
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), bits

    chunk = jax.jit(lambda training, batches: jax.lax.scan(step, training, batches), donate_argnums=0)
    training, curve, begin = (params, optimizer.init(params)), [], time.perf_counter()
    count = sum(p.size for p in jax.tree.leaves(params))
    for _ in range(chunks):
        starts = rng.integers(0, len(text.train) - options.length, (CHUNK, options.batch_size))
        training, bits = chunk(training, windows(text.train, options.length, starts))
        curve.append(float(bits.mean()))
        after_steps(CHUNK)
    seconds = time.perf_counter() - begin
    starts = np.arange(0, len(text.test) - options.length, options.length)[:256]
    test = jax.jit(lambda p, rows: bits_of(network, p, rows))
    batches = np.array_split(starts, max(1, len(starts) // 32))
    found = [float(test(training[0], windows(text.test, options.length, b))) for b in batches]
    written = sample(network, training[0], text, "def ", min(120, options.length - 4))
    return Result(name, count, np.array(curve), float(np.mean(found)), seconds, written)


def table_of(results: Sequence[Result], text: Text, options: argparse.Namespace) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"{len(text.train):,} characters of source code, {options.steps} steps of {options.batch_size} × "
        f"{options.length} in bfloat16",
        caption=f"Bits a character on other files. Knowing only the character before costs {bigram_bits(text):.2f}.",
    )
    table.add_column("feed-forward", no_wrap=True)
    for heading in ("parameters", "test bits", "training bits", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for r in results:
        table.add_row(r.name, f"{r.parameters:,}", f"{r.test:.3f}", f"{r.train[-1]:.3f}", f"{r.seconds:.0f}")
    return table


def plot(results: Sequence[Result], path: Path) -> None:
    """Training bits over the steps, a line a feed-forward layer."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for r in results:
        axes.plot(CHUNK * np.arange(1, len(r.train) + 1), r.train, label=f"{r.name}, {r.test:.3f} on other files")
    axes.set(xlabel="step", ylabel="bits a character", title="Source code, character by character, in bfloat16")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("characters.py", "Train character transformers with several feed-forward layers.")
    add = parser.add_argument
    names = sorted(
        {"swiglu", *(n for n, e in jaxacts.catalogue().items() if e.elementwise and not e.parameters), "xielu"}
    )
    default = ("swiglu", "xielu", "relu_squared")
    add("--feed-forward", nargs="+", choices=names, default=default, metavar="NAME", help="swiglu or an activation")
    add("--steps", type=positive_int, default=600, help="of Adam")
    add("--features", type=positive_int, default=96, help="of a character; a multiple of 32, which is a head")
    add("--depth", type=positive_int, default=2, help="blocks")
    add("--length", type=positive_int, default=64, help="characters that are seen at once")
    add("--batch-size", type=positive_int, default=16, help="pieces of text per step")
    add(
        "--learning-rate", type=positive_float, default=5e-3, help="of Adam, rises for a tenth of the steps, then falls"
    )
    add("--characters", type=positive_int, default=2_000_000, help="how much text to read")
    add("--out", type=Path, default=Path("results/characters"), help="where curves.png is (over)written")
    options = parser.parse_args(arguments)
    if options.features % 32:
        parser.error(f"argument --features: must be a multiple of 32, got {options.features}")
    check_directory(parser, options.out)
    return options


def main(arguments: Sequence[str] | None = None) -> list[Result]:
    options = parse_options(arguments)
    console = Console()
    text = load_text(options.characters)
    results: list[Result] = []
    with progress(console, "steps") as bar:
        task = bar.add_task("", total=len(options.feed_forward) * -(-options.steps // CHUNK) * CHUNK)
        for name in options.feed_forward:
            bar.update(task, description=name)
            results.append(train(name, text, options, lambda steps: bar.advance(task, steps)))
            if not console.is_terminal:  # the bar is shown on terminals alone
                console.print(f"{name}: {results[-1].test:.3f} bits a character")
    console.print(table_of(results, text, options))
    best = min(results, key=lambda r: r.test)
    console.print(f"What {best.name} writes:", style="bold")
    console.print(best.sample, markup=False, highlight=False)
    plot(results, options.out / "curves.png")
    console.print(f"Curves: {options.out / 'curves.png'}", soft_wrap=True)
    return results


if __name__ == "__main__":
    main()
