"""The layers of Flax take every member, and the fans are theirs: unit variance, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from test_protocol import ALIASES, INITIALIZERS

import jaxacts
from jaxacts import initializers as ji

WIDTH, HEADS = 512, 8
SIZE = WIDTH // HEADS
KEY = jax.random.key(2)
QKV, PACKED = "btd,dhk->bthk", "btd,dshk->sbthk"

Apply = Callable[[jax.Array], jax.Array]
Build = Callable[[ji.Initializer, jax.Array], Apply]


def in_linen(make: Callable[..., linen.Module]) -> Build:
    def build(init: ji.Initializer, x: jax.Array) -> Apply:
        layer = make(kernel_init=init)
        variables = layer.init(KEY, x)
        return lambda x: layer.apply(variables, x)

    return build


def in_nnx(make: Callable[..., Apply]) -> Build:
    return lambda init, x: make(kernel_init=init, rngs=nnx.Rngs(0))


def part_of_linen_attention(name: str, **arguments: Any) -> Build:
    """One projection of the attention layer, with the kernel that the whole layer made."""

    def build(init: ji.Initializer, x: jax.Array) -> Apply:
        whole = linen.MultiHeadDotProductAttention(num_heads=HEADS, kernel_init=init)
        params = whole.init(KEY, jnp.ones((1, 1, WIDTH)))["params"][name]
        return lambda x: linen.DenseGeneral(**arguments).apply({"params": params}, x)

    return build


def part_of_nnx_attention(name: str) -> Build:
    def build(init: ji.Initializer, x: jax.Array) -> Apply:
        return getattr(nnx.MultiHeadAttention(HEADS, WIDTH, kernel_init=init, decode=False, rngs=nnx.Rngs(0)), name)

    return build


def linen_attend(init: ji.Initializer, x: jax.Array) -> Apply:
    layer = linen.Embed(1024, WIDTH, embedding_init=init)
    variables = layer.init(KEY, jnp.zeros((1,), int))
    return lambda x: layer.apply(variables, x, method="attend")


def nnx_attend(init: ji.Initializer, x: jax.Array) -> Apply:
    return nnx.Embed(1024, WIDTH, embedding_init=init, rngs=nnx.Rngs(0)).attend


def stacked(init: ji.Initializer, x: jax.Array) -> Apply:
    kernels = init(KEY, (4, WIDTH, WIDTH))
    return lambda x: jnp.einsum("lbi,lio->lbo", x, kernels)


class Row(NamedTuple):
    layers: dict[str, Build]
    x: tuple[int, ...]
    says: dict[str, Any] = {}  # noqa: RUF012 # never changed


def both(linens: Callable[..., linen.Module], nnxs: Callable[..., Apply]) -> dict[str, Build]:
    return {"linen": in_linen(linens), "nnx": in_nnx(nnxs)}


def conv(window: tuple[int, ...], features: int = WIDTH, *, transposed: bool = False, **kw: Any) -> dict[str, Build]:
    """Circular, so that every position has all its neighbours."""
    kw["padding"] = "CIRCULAR"
    linens, nnxs = (linen.ConvTranspose, nnx.ConvTranspose) if transposed else (linen.Conv, nnx.Conv)
    return both(
        lambda kernel_init: linens(features, window, kernel_init=kernel_init, **kw),
        lambda kernel_init, rngs: nnxs(WIDTH, features, window, kernel_init=kernel_init, rngs=rngs, **kw),
    )


def einsum(spec: str, shape: tuple[int, ...]) -> dict[str, Build]:
    return both(
        lambda kernel_init: linen.Einsum(shape, spec, use_bias=False, kernel_init=kernel_init),
        lambda kernel_init, rngs: nnx.Einsum(spec, shape, kernel_init=kernel_init, rngs=rngs),
    )


ROWS = {
    "dense": Row(
        both(
            lambda kernel_init: linen.Dense(WIDTH, kernel_init=kernel_init),
            lambda kernel_init, rngs: nnx.Linear(WIDTH, WIDTH, kernel_init=kernel_init, rngs=rngs),
        ),
        (64, WIDTH),
    ),
    "conv": Row(conv((3, 3)), (2, 4, 4, WIDTH)),
    "conv 1d": Row(conv((3,)), (8, 8, WIDTH)),
    "conv 3d": Row(conv((1, 2, 2)), (2, 4, 4, 4, WIDTH)),
    "conv stride 2": Row(conv((4, 4), strides=(2, 2)), (2, 8, 8, WIDTH), {"layer": ji.Conv(strides=2)}),
    "conv stride (1, 2)": Row(conv((2, 3), strides=(1, 2)), (4, 4, 4, WIDTH), {"layer": ji.Conv(strides=(1, 2))}),
    "grouped": Row(conv((3, 3), feature_group_count=8), (4, 4, 4, WIDTH), {"layer": ji.Conv(groups=8)}),
    "depthwise": Row(
        conv((3, 3), 4 * WIDTH, feature_group_count=WIDTH), (4, 8, 8, WIDTH), {"layer": ji.Conv(groups=WIDTH)}
    ),
    "transposed": Row(
        conv((4, 4), strides=(2, 2), transposed=True),
        (2, 4, 4, WIDTH),
        {"layer": ji.Conv(strides=2, transposed=True)},
    ),
    "transposed 3x3": Row(
        conv((3, 3), strides=(2, 2), transposed=True),
        (2, 4, 4, WIDTH),
        {"layer": ji.Conv(strides=2, transposed=True)},
    ),
    "transposed kernel": Row(
        conv((4, 4), WIDTH // 2, strides=(2, 2), transposed=True, transpose_kernel=True),
        (2, 4, 4, WIDTH),
        {"layer": ji.Conv(strides=2, transposed=True), "in_axis": -1, "out_axis": -2},
    ),
    "general": Row(
        both(
            lambda kernel_init: linen.DenseGeneral((HEADS, SIZE), kernel_init=kernel_init),
            lambda kernel_init, rngs: nnx.LinearGeneral(WIDTH, (HEADS, SIZE), kernel_init=kernel_init, rngs=rngs),
        ),
        (64, WIDTH),
    ),
    "general with batch": Row(
        both(
            lambda kernel_init: linen.DenseGeneral(WIDTH, batch_dims=(0,), kernel_init=kernel_init),
            lambda kernel_init, rngs: nnx.LinearGeneral(
                WIDTH, WIDTH, batch_axis={0: 4}, kernel_init=kernel_init, rngs=rngs
            ),
        ),
        (4, 32, WIDTH),
        {"layer": ji.Dense(batch=4)},
    ),
    "attention query": Row(
        {"linen": part_of_linen_attention("query", features=(HEADS, SIZE)), "nnx": part_of_nnx_attention("query")},
        (4, 16, WIDTH),
    ),
    "attention output": Row(
        {
            "linen": part_of_linen_attention("out", features=WIDTH, axis=(-2, -1)),
            "nnx": part_of_nnx_attention("out"),
        },
        (4, 16, HEADS, SIZE),
    ),
    "einsum": Row(einsum(QKV, (WIDTH, HEADS, SIZE)), (4, 16, WIDTH), {"layer": ji.Einsum(QKV)}),
    "einsum by axes": Row(
        einsum("bthk,hkd->btd", (HEADS, SIZE, WIDTH)), (4, 16, HEADS, SIZE), {"in_axis": (0, 1), "out_axis": 2}
    ),
    "einsum with batch": Row(
        einsum("ebd,edf->ebf", (4, WIDTH, WIDTH)), (4, 32, WIDTH), {"layer": ji.Einsum("ebd,edf->ebf")}
    ),
    "einsum packed": Row(einsum(PACKED, (WIDTH, 3, HEADS, SIZE)), (4, 16, WIDTH), {"layer": ji.Einsum(PACKED)}),
    "table as last layer": Row({"linen": linen_attend, "nnx": nnx_attend}, (64, WIDTH), {"in_axis": 1, "out_axis": 0}),
    "LoRA": Row(
        {
            "nnx": lambda init, x: nnx.LoRA(
                WIDTH, WIDTH // 2, WIDTH, a_initializer=init, b_initializer=init, rngs=nnx.Rngs(0)
            )
        },
        (64, WIDTH),
    ),
    "stack": Row({"jax": stacked}, (4, 32, WIDTH), {"batch_axis": 0}),
}
CASES = pytest.mark.parametrize(("row", "framework"), [(r, f) for r in ROWS for f in ROWS[r].layers])


def mean_square(x: jax.Array) -> float:
    return float(jnp.mean(x.astype(jnp.float32) ** 2))


@pytest.mark.slow
@CASES
def test_outputs_and_gradients_have_unit_variance(row: str, framework: str) -> None:
    layers, shape, says = ROWS[row]
    rng = np.random.default_rng(7)
    x = jnp.asarray(rng.standard_normal(shape, np.float32))
    y = layers[framework](ji.lecun_normal(**says), x)(x)
    assert mean_square(y) == pytest.approx(mean_square(x), rel=0.05)

    back = layers[framework](ji.lecun_normal(mode="fan_out", **says), x)
    cotangent = jnp.asarray(rng.standard_normal(y.shape, np.float32))
    (gradient,) = jax.vjp(back, x)[1](cotangent)
    assert mean_square(gradient) == pytest.approx(mean_square(cotangent), rel=0.05)


@pytest.mark.slow
def test_dilated_input_is_a_transposed_stride() -> None:
    init = ji.lecun_normal(layer=ji.Conv(strides=2, transposed=True))
    layer = nnx.Conv(WIDTH, WIDTH, (4, 4), input_dilation=2, padding=0, kernel_init=init, rngs=nnx.Rngs(0))
    x = jax.random.normal(KEY, (2, 5, 5, WIDTH))
    assert mean_square(layer(x)) == pytest.approx(mean_square(x), rel=0.05)


def linen_cell(kind: Any, start: Callable[[jax.Array], Any], h: jax.Array, x: jax.Array) -> Any:
    cell = kind(WIDTH, kernel_init=ji.lecun_normal(), recurrent_kernel_init=ji.lecun_normal())
    return cell.init_with_output(KEY, start(h), x)[0][0]


def nnx_cell(kind: Any, start: Callable[[jax.Array], Any], h: jax.Array, x: jax.Array) -> Any:
    init = ji.lecun_normal()
    cell = kind(WIDTH, WIDTH, kernel_init=init, recurrent_kernel_init=init, rngs=nnx.Rngs(0))
    return cell(start(h), x)[0]


FRAMEWORKS = pytest.mark.parametrize(("framework", "build"), [(linen, linen_cell), (nnx, nnx_cell)])


@pytest.mark.sampled(2)
@FRAMEWORKS
@pytest.mark.parametrize("kind", ["LSTMCell", "OptimizedLSTMCell"])
def test_cells_of_lstm_have_the_second_moment_of_two_layers(framework: Any, build: Any, kind: str) -> None:
    # From the cell 0 the next is σ(i)·tanh(g), where i and g are the sums of a layer of x and one of h.
    h, x = jax.random.normal(KEY, (2, 64, WIDTH))
    cell, _ = build(getattr(framework, kind), lambda h: (jnp.zeros_like(h), h), h, x)
    expected = [ji.moments(f, 2.0).second_moment for f in (jaxacts.sigmoid, jaxacts.tanh)]
    assert mean_square(cell) == pytest.approx(expected[0] * expected[1], rel=0.05)


@FRAMEWORKS
def test_states_of_gru_have_the_second_moment_of_one_layer(framework: Any, build: Any) -> None:
    # From the state 0 the next is (1 - σ(z))·tanh(n), and 1 - σ(z) = σ(-z).
    state = build(framework.GRUCell, jnp.zeros_like, *jax.random.normal(KEY, (2, 64, WIDTH)))
    expected = [ji.moments(f).second_moment for f in (jaxacts.sigmoid, jaxacts.tanh)]
    assert mean_square(state) == pytest.approx(expected[0] * expected[1], rel=0.05)


def test_looked_up_rows_have_unit_variance() -> None:
    ids, init = np.arange(1000) % 300, ji.lecun_normal(layer=ji.Embed())
    layer = linen.Embed(300, WIDTH, embedding_init=init)
    assert mean_square(layer.apply(layer.init(KEY, ids), ids)) == pytest.approx(1, rel=0.05)
    assert mean_square(nnx.Embed(300, WIDTH, embedding_init=init, rngs=nnx.Rngs(0))(ids)) == pytest.approx(1, rel=0.05)


def test_packed_projections_have_the_variance_of_separate_ones() -> None:
    for family in (ji.xavier_normal, ji.lecun_normal, ji.he_normal):
        separate = float(family()(KEY, (WIDTH, WIDTH)).std())
        flat = family(layer=ji.Dense(packed=3))(KEY, (WIDTH, 3 * WIDTH))
        axes = family(in_axis=0, out_axis=(2, 3), batch_axis=1)(KEY, (WIDTH, 3, HEADS, SIZE))
        assert float(flat.std()) == pytest.approx(separate, rel=0.01)
        assert float(axes.std()) == pytest.approx(separate, rel=0.01)


X, SEQUENCE, IMAGE = jnp.ones((2, 8)), jnp.ones((2, 6, 8)), jnp.ones((2, 6, 6, 8))
# Layers with their defaults, by the argument for the initializer.
LINEN: dict[str, tuple[Callable[..., linen.Module], jax.Array]] = {
    "Dense": (lambda i: linen.Dense(4, kernel_init=i), X),
    "Conv 1-d": (lambda i: linen.Conv(4, (3,), kernel_init=i), SEQUENCE),
    "Conv": (lambda i: linen.Conv(4, (3, 3), kernel_init=i), IMAGE),
    "Conv 3-d": (lambda i: linen.Conv(4, (3, 3, 3), kernel_init=i), jnp.ones((2, 3, 3, 3, 8))),
    "Conv grouped": (lambda i: linen.Conv(8, (3,), feature_group_count=4, kernel_init=i), SEQUENCE),
    "ConvLocal": (lambda i: linen.ConvLocal(4, (3,), kernel_init=i), SEQUENCE),
    "ConvTranspose": (lambda i: linen.ConvTranspose(4, (3,), strides=(2,), kernel_init=i), SEQUENCE),
    "DenseGeneral": (lambda i: linen.DenseGeneral((2, 4), axis=(-2, -1), kernel_init=i), SEQUENCE),
    "DenseGeneral with batch": (lambda i: linen.DenseGeneral(4, batch_dims=(0,), kernel_init=i), SEQUENCE),
    "Einsum": (lambda i: linen.Einsum((8, 2, 4), "btd,dhk->bthk", use_bias=False, kernel_init=i), SEQUENCE),
    "MultiHeadDotProductAttention": (lambda i: linen.MultiHeadDotProductAttention(2, kernel_init=i), SEQUENCE),
    "Embed": (lambda i: linen.Embed(7, 8, embedding_init=i), jnp.zeros((2,), jnp.int32)),
    "LSTM": (lambda i: linen.RNN(linen.LSTMCell(4, kernel_init=i, recurrent_kernel_init=i)), SEQUENCE),
    "OptimizedLSTM": (lambda i: linen.RNN(linen.OptimizedLSTMCell(4, kernel_init=i)), SEQUENCE),
    "GRU": (lambda i: linen.RNN(linen.GRUCell(4, kernel_init=i, recurrent_kernel_init=i)), SEQUENCE),
}
NNX: dict[str, Callable[..., Any]] = {
    "Linear": lambda i, r: nnx.Linear(8, 4, kernel_init=i, rngs=r),
    "Conv 1-d": lambda i, r: nnx.Conv(8, 4, (3,), kernel_init=i, rngs=r),
    "Conv": lambda i, r: nnx.Conv(8, 4, (3, 3), kernel_init=i, rngs=r),
    "Conv 3-d": lambda i, r: nnx.Conv(8, 4, (3, 3, 3), kernel_init=i, rngs=r),
    "Conv grouped": lambda i, r: nnx.Conv(8, 8, (3,), feature_group_count=4, kernel_init=i, rngs=r),
    "ConvTranspose": lambda i, r: nnx.ConvTranspose(8, 4, (3,), strides=(2,), kernel_init=i, rngs=r),
    "LinearGeneral": lambda i, r: nnx.LinearGeneral((6, 8), (2, 4), axis=(-2, -1), kernel_init=i, rngs=r),
    "Einsum": lambda i, r: nnx.Einsum("btd,dhk->bthk", (8, 2, 4), kernel_init=i, rngs=r),
    "MultiHeadAttention": lambda i, r: nnx.MultiHeadAttention(2, 8, kernel_init=i, decode=False, rngs=r),
    "Embed": lambda i, r: nnx.Embed(7, 8, embedding_init=i, rngs=r),
    "LSTM": lambda i, r: nnx.LSTMCell(8, 4, kernel_init=i, recurrent_kernel_init=i, rngs=r),
    "OptimizedLSTM": lambda i, r: nnx.OptimizedLSTMCell(8, 4, kernel_init=i, recurrent_kernel_init=i, rngs=r),
    "GRU": lambda i, r: nnx.GRUCell(8, 4, kernel_init=i, recurrent_kernel_init=i, rngs=r),
    "LoRA": lambda i, r: nnx.LoRA(8, 2, 4, a_initializer=i, b_initializer=i, rngs=r),
}
# Those that are for matrices, or for windows, alone.
MEMBERS = {name: init for name, init in INITIALIZERS.items() if name not in ("identity", "sparse", "dirac")}
MEMBERS |= {alias: getattr(ji, alias)() for alias in ALIASES}


def members(layer: str) -> dict[str, ji.Initializer]:
    windows = layer.startswith("Conv") and layer != "ConvLocal"
    return {name: init for name, init in MEMBERS.items() if windows or name != "delta_orthogonal"}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("layer", LINEN)
def test_layers_of_linen_take_every_member(layer: str) -> None:
    make, x = LINEN[layer]
    expected = jax.eval_shape(make(jax.nn.initializers.normal()).init, KEY, x)
    for name, init in members(layer).items():
        assert jax.eval_shape(make(init).init, KEY, x) == expected, name


@pytest.mark.sampled(2)
@pytest.mark.parametrize("layer", NNX)
def test_layers_of_nnx_take_every_member(layer: str) -> None:
    for init in members(layer).values():
        nnx.eval_shape(lambda init=init: NNX[layer](init, nnx.Rngs(0)))


def test_tables_have_the_weights_of_flax() -> None:
    # The axis of the outputs is that of the inputs too.
    init = ji.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
    ids = jnp.zeros((1,), jnp.int32)
    ours, flaxs = (layer.init(KEY, ids) for layer in (linen.Embed(300, 32, embedding_init=init), linen.Embed(300, 32)))
    np.testing.assert_array_equal(ours["params"]["embedding"], flaxs["params"]["embedding"])
    ours, flaxs = (nnx.Embed(300, 32, rngs=nnx.Rngs(0), **more) for more in ({"embedding_init": init}, {}))
    np.testing.assert_array_equal(ours.embedding[...], flaxs.embedding[...])
