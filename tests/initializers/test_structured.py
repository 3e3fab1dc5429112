"""Layers that start as the identity, and sparse ones."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from jaxacts import initializers as ji

KEY = jax.random.key(4)
RNG = np.random.default_rng(4)


@pytest.mark.parametrize("shape", [(5, 5), (3, 5), (5, 3)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.complex64, jnp.int32])
def test_identity(shape: tuple[int, int], dtype: jnp.dtype) -> None:
    w = ji.identity(3.0)(None, shape, dtype)
    assert w.dtype == dtype
    np.testing.assert_array_equal(np.asarray(w, np.complex64), 3 * np.eye(*shape))


def test_identity_layer_passes_on_its_input() -> None:
    x = RNG.standard_normal((4, 6), np.float32)
    layer = linen.Dense(6, kernel_init=ji.identity())
    np.testing.assert_array_equal(layer.apply(layer.init(KEY, x), x), x)
    np.testing.assert_array_equal(nnx.Linear(6, 6, kernel_init=ji.identity(), rngs=nnx.Rngs(0))(x), x)


@pytest.mark.sampled(16)
@pytest.mark.parametrize("window", [(3,), (5, 3), (4, 2), (1, 3, 2)])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("layer", ["linen", "nnx"])
def test_dirac_layer_passes_on_its_input(window: tuple[int, ...], groups: int, layer: str) -> None:
    x = RNG.standard_normal((2, *(5,) * len(window), 6), np.float32)
    arguments = {"kernel_init": ji.dirac(groups, 2.0), "feature_group_count": groups, "padding": "SAME"}
    if layer == "linen":
        conv = linen.Conv(6, window, **arguments)
        y = conv.apply(conv.init(KEY, x), x)
    else:
        y = nnx.Conv(6, 6, window, rngs=nnx.Rngs(0), **arguments)(x)
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(2, 8, 2), (4, 6, 3), (4, 4, 1)])
def test_dirac_has_the_entries_of_torch(inputs: int, outputs: int, groups: int) -> None:
    expected = np.zeros((3, 3, inputs, outputs))
    size = outputs // groups
    for group in range(groups):
        for channel in range(min(size, inputs)):
            expected[1, 1, channel, group * size + channel] = 1
    np.testing.assert_array_equal(ji.dirac(groups)(None, (3, 3, inputs, outputs)), expected)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("sparsity", "inputs", "zeros"),
    [(0.07, 100, 7), (0.14, 50, 7), (0.55, 100, 55), (1 / 3, 300, 100), (0.1 + 0.2, 10, 3), (0.071, 100, 8)],
)
def test_sparse_counts_exactly(sparsity: float, inputs: int, zeros: int) -> None:
    w = np.asarray(ji.sparse(sparsity)(KEY, (inputs, 3)))
    assert (w == 0).sum(0).tolist() == [zeros] * 3


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("sparsity", "zeros"), [(0.0, 0), (0.1, 15), (0.75, 113), (0.999, 150), (1.0, 150)])
def test_sparse_has_its_zeros_in_every_column(sparsity: float, zeros: int) -> None:
    w = np.asarray(ji.sparse(sparsity, 0.5)(KEY, (150, 400)))
    assert set((w == 0).sum(0)) == {zeros}
    left = w[w != 0].astype(np.float64)
    if left.size:
        assert left.std() == pytest.approx(0.5, rel=5 / math.sqrt(2 * left.size))
        assert abs(left.mean()) < 2.5 / math.sqrt(left.size)


def test_sparse_chooses_all_zeros_alike_and_each_column_for_itself() -> None:
    zero = np.asarray(ji.sparse(0.25)(KEY, (8, 40_000))) == 0
    assert abs(zero.mean(1) - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / 40_000)
    # Two of eight: each of the 28 pairs equally often.
    pairs = np.einsum("ic,jc->ij", zero, zero, dtype=int)[np.triu_indices(8, 1)] / 40_000
    assert abs(pairs - 1 / 28).max() < 5 * math.sqrt(1 / 28 / 40_000)
    neighbours = (zero[:, 1:] & zero[:, :-1]).mean()
    assert neighbours == pytest.approx(1 / 16, abs=5 * math.sqrt(1 / 16 / zero.size))


def test_sparse_keeps_the_second_moment_as_documented() -> None:
    x = RNG.standard_normal((200, 512), np.float32)
    layer = linen.Dense(512, kernel_init=ji.sparse(1 - 15 / 512, 15**-0.5))
    y = layer.apply(layer.init(KEY, x), x)
    assert float((y**2).mean()) == pytest.approx((x**2).mean(), rel=0.05)


REFUSED = {
    "identity rank": (lambda: ji.identity()(None, (3, 4, 5)), r"identity: shape must be that of a matrix.* use dirac"),
    "identity scale": (lambda: ji.identity(float("nan")), "identity: scale must be finite"),
    "dirac rank": (lambda: ji.dirac()(None, (3, 4)), r"dirac: shape must be that of a convolution.* use identity"),
    "dirac groups": (lambda: ji.dirac(0), "dirac: groups must be at least 1, got 0"),
    "dirac groups do not divide": (
        lambda: ji.dirac(2)(None, (3, 4, 5)),
        "dirac: groups must divide the number of outputs, got 2 and 5",
    ),
    "sparsity": (lambda: ji.sparse(1.5), "sparse: sparsity must be from 0 to 1, got 1.5; pass the fraction of zeros"),
    "negative sparsity": (lambda: ji.sparse(-0.5), "sparse: sparsity must be from 0 to 1, got -0.5; pass the fraction"),
    "identity held": (
        lambda: ji.identity(1.5)(None, (2, 2), jnp.int8),
        "identity: scale must be what int8 holds, got 1.5; pass another dtype or round it",
    ),
    "sparse stddev": (lambda: ji.sparse(0.5, -1.0), "sparse: stddev must not be negative"),
    "sparse rank": (lambda: ji.sparse(0.5)(KEY, (3, 4, 5)), "sparse: shape must be that of a matrix.* jax.vmap"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    call, message = REFUSED[row]
    with pytest.raises(ValueError, match=message):
        call()
