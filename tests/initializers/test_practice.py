"""Samplers with bounds, composed initializers and named recipes: moments and bounds in three dtypes, and errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts
from jaxacts import initializers as ji

KEY = jax.random.key(11)
SHAPE = (500, 400)
log = math.log

# Initializer, mean, second moment, bounds; each is drawn in float32, bfloat16 and float64.
ROWS: dict[str, tuple[ji.Initializer, float, float, tuple[float, float]]] = {
    "normal with a mean": (ji.normal(0.5, mean=2.0), 2.0, 4.25, (-1.0, 5.0)),
    "uniform between": (ji.uniform(low=-1.0, high=3.0), 1.0, 1 + 16 / 12, (-1.0, 3.0)),
    "uniform above": (ji.uniform(low=2.0, high=4.0), 3.0, 9 + 4 / 12, (2.0, 4.0)),
    "log_uniform": (
        ji.log_uniform(0.25, 4.0),
        3.75 / log(16),
        (16 - 1 / 16) / (2 * log(16)),
        (0.25, 4.0),
    ),
    "ring": (ji.ring(0.25, 0.75), 2 / 3 * (0.75**3 - 0.25**3) / 0.5, (0.75**2 + 0.25**2) / 2, (0.25, 0.75)),
    "OLMo": (ji.truncated_normal(0.5, lower=-3, upper=3, parent=True), 0.0, (0.5 * 0.98658) ** 2, (-1.5, 1.5)),
    "small_init": (ji.small_init(640), 0.0, 2 / (5 * 640), (-0.2, 0.2)),
    "wang_init": (ji.wang_init(400, 6), 0.0, (2 / 6 / 20) ** 2, (-0.1, 0.1)),
    "spectral wide": (ji.spectral(in_axis=1, out_axis=0), 0.0, 1 / 400, (-0.3, 0.3)),
    "spectral narrow": (ji.spectral(gain=2.0), 0.0, 4 / 500 * 0.8, (-0.5, 0.5)),
    "siren first": (ji.siren().first, 0.0, 1 / (3 * 500**2), (-1 / 500, 1 / 500)),
    "siren hidden": (ji.siren(10.0).hidden, 0.0, 2 / 500 / 100, (-((6 / 500) ** 0.5) / 10, (6 / 500) ** 0.5 / 10)),
    "finer bias": (ji.finer(5.0).bias, 0.0, 25 / 3, (-5.0, 5.0)),
    "unit_norm": (ji.unit_norm(ji.normal(3.0), 0), 0.0, 1 / 500, (-1.0, 1.0)),
    "mamba's dt": (
        ji.transformed(ji.transformed(ji.log_uniform(0.25, 4.0), jaxacts.softplus_inverse), jax.nn.softplus),
        3.75 / log(16),
        (16 - 1 / 16) / (2 * log(16)),
        (0.25 - 1e-6, 4.0 + 1e-5),
    ),
    "t_fixup": (ji.xavier_uniform(gain=ji.t_fixup(16).encoder), 0.0, 0.67**2 / 4 * 2 / 900, (-0.08, 0.08)),
    "ppo's orthogonal": (ji.orthogonal(2**0.5), 0.0, 2 / 500, (-0.5, 0.5)),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("row", ROWS)
def test_moments_and_bounds(row: str, dtype: str) -> None:
    init, mean, second, (low, high) = ROWS[row]
    with jax.enable_x64(dtype == "float64"):
        w = np.asarray(init(KEY, SHAPE, dtype).astype(jnp.float64 if dtype == "float64" else jnp.float32), np.float64)
    assert w.shape == SHAPE
    # Rounding to bfloat16 moves a value by 2⁻⁹ of it at most; half of them up, half down.
    room = 2**-8 if dtype == "bfloat16" else 2**-23
    spread = math.sqrt(second - mean**2)
    assert w.mean() == pytest.approx(mean, abs=5 * spread / math.sqrt(w.size) + room * abs(mean) / 10)
    fourth = (w**4).mean() / second**2
    assert (w**2).mean() == pytest.approx(second, rel=5 * math.sqrt(abs(fourth - 1) / w.size) + room / 5)
    assert low - room * abs(low) <= w.min()
    assert w.max() <= high + room * abs(high)


@pytest.mark.optimized
def test_the_bits_of_jax_with_the_deviation_of_the_parent() -> None:
    for lower, upper in ((-2.0, 2.0), (-3.0, 3.0)):
        ours = ji.truncated_normal(0.02, lower=lower, upper=upper, parent=True)(KEY, (50, 40))
        theirs = jax.nn.initializers.truncated_normal(0.02, lower=lower, upper=upper)(KEY, (50, 40))
        np.testing.assert_array_equal(ours, theirs)


def test_bounds_may_be_arrays() -> None:
    w = np.asarray(ji.uniform(low=np.array([0.0, 10.0]), high=np.array([1.0, 30.0]))(KEY, (20000, 2)))
    np.testing.assert_allclose(w.mean(0), [0.5, 20.0], rtol=0.02)
    assert (w.min(0) >= [0, 10]).all()
    assert (w.max(0) <= [1, 30]).all()
    shifted = jax.jit(lambda m: ji.normal(1.0, mean=m)(KEY, (4,)))(3.0)
    np.testing.assert_allclose(shifted, ji.normal(1.0)(KEY, (4,)) + 3, rtol=1e-6)


def test_complex_intervals_and_rings() -> None:
    w = np.asarray(ji.uniform(low=-1.0, high=3.0)(KEY, SHAPE, jnp.complex64), np.complex128)
    assert w.var() == pytest.approx(16 / 12, rel=0.02)
    assert w.mean() == pytest.approx((1 + 1j) / math.sqrt(2), abs=0.02)
    assert w.real.min() == pytest.approx(-1 / math.sqrt(2), abs=1e-3)
    z = np.asarray(ji.ring(0.5, 0.9, max_phase=math.pi / 2)(KEY, SHAPE, jnp.complex64))
    assert abs(z).min() == pytest.approx(0.5, abs=1e-3)
    assert abs(z).max() == pytest.approx(0.9, abs=1e-3)
    angle = np.angle(z)
    assert (angle.min(), angle.max()) == pytest.approx((0, math.pi / 2), abs=1e-3)
    # As many points in each part of the same area.
    halves = (abs(z) ** 2 > (0.25 + 0.81) / 2).mean()
    assert halves == pytest.approx(0.5, abs=0.01)


def test_blocks_are_layers_of_their_own() -> None:
    gates = ji.blocks(-1, ji.he_normal(), ji.lecun_normal(), ji.zeros)
    w = np.asarray(gates(KEY, (400, 3 * 300)), np.float64)
    stds = [part.std() for part in np.split(w, 3, axis=1)]
    assert stds == pytest.approx([(2 / 400) ** 0.5, (1 / 400) ** 0.5, 0.0], rel=0.02)
    again = ji.blocks(0, ji.normal(1.0), ji.normal(1.0))(KEY, (200, 50))
    assert abs(np.corrcoef(np.ravel(again[:100]), np.ravel(again[100:]))[0, 1]) < 0.1


def test_chrono_couples_its_gates() -> None:
    forget = ji.transformed(ji.uniform(low=1.0, high=99.0), jnp.log)
    opposite = ji.transformed(forget, jnp.negative)
    bias = ji.blocks(-1, opposite, forget, ji.zeros, ji.zeros, same_key=True)(KEY, (4 * 64,))
    np.testing.assert_array_equal(bias[:64], -bias[64:128])
    assert 0 <= float(bias[64:128].min()) <= float(bias[64:128].max()) <= math.log(99) + 1e-6
    assert not bias[128:].any()


def test_vectors_of_zeros_keep_their_norm() -> None:
    w = ji.unit_norm(ji.blocks(0, ji.zeros, ji.ones), -1)(KEY, (2, 4))
    np.testing.assert_array_equal(w, [[0] * 4, [0.5] * 4])
    z = ji.unit_norm(ji.normal(1.0), (0, 1))(KEY, (3, 4), jnp.complex64)
    assert float(jnp.linalg.norm(z)) == pytest.approx(1, rel=1e-6)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "bfloat16", "float64"])
def test_vectors_of_any_size_get_the_norm_1(dtype: str) -> None:
    """Also where their squares, their norm or its reciprocal leave the range of the dtype."""
    double = dtype == "float64"
    sizes = np.array([1e-300, 1e-150, 1, 1e150, 4e307] if double else [1e-34, 1e-25, 1e-12, 1e13, 1e25, 8e37])
    with jax.enable_x64(double):
        directions = jax.random.normal(KEY, (32, sizes.size), jnp.promote_types(dtype, jnp.float32))
        w = directions * jnp.asarray(sizes, directions.dtype)
        got = ji.unit_norm(lambda *_: w, 0)(KEY, w.shape, dtype)
        exact = np.asarray(directions, np.complex128)
        exact /= np.linalg.norm(exact, axis=0)
        np.testing.assert_allclose(np.asarray(got, np.complex128), exact, rtol=0, atol=float(jnp.finfo(dtype).eps))


STACKS: dict[str, tuple[ji.Initializer, tuple[int, ...], str]] = {
    "stack": (ji.orthogonal(2.0, batch_axis=0), (3, 20, 12), "bio->bio"),
    "stack last": (ji.orthogonal(2.0, 1, batch_axis=2), (20, 12, 3), "iob->bio"),
    "gates": (ji.orthogonal(2.0, layer=ji.Dense(packed=3)), (20, 3 * 12), "i(bo)->bio"),
    "groups": (ji.orthogonal(2.0, layer=ji.Conv(groups=3)), (2, 2, 5, 3 * 12), "hwi(bo)->b(hwi)o"),
    "heads": (ji.orthogonal(2.0, layer=ji.Einsum("td,dhk->thk")), (20, 3, 4), "iho->bi(ho)"),
    "experts": (ji.orthogonal(2.0, layer=ji.Einsum("ebd,edf->ebf")), (3, 20, 12), "bio->bio"),
    "axes": (ji.orthogonal(2.0, (1, 2)), (20, 3, 4), "iho->bi(ho)"),
    "stacked gates": (ji.orthogonal(2.0, batch_axis=0, layer=ji.Dense(packed=2)), (2, 20, 2 * 12), "n i(bo)->(nb)io"),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("row", STACKS)
def test_each_matrix_of_a_stack_is_orthogonal(row: str) -> None:
    init, shape, _ = STACKS[row]
    w = init(KEY, shape)
    assert w.shape == shape
    matrices = {
        "stack": lambda: w,
        "stack last": lambda: jnp.moveaxis(w, 2, 0),
        "gates": lambda: w.reshape(20, 3, 12).swapaxes(0, 1),
        "groups": lambda: w.reshape(20, 3, 12).swapaxes(0, 1),
        "heads": lambda: w.reshape(1, 20, 12),
        "experts": lambda: w,
        "axes": lambda: w.reshape(1, 20, 12),
        "stacked gates": lambda: w.reshape(2, 20, 2, 12).swapaxes(1, 2).reshape(4, 20, 12),
    }[row]()
    products = jnp.einsum("bij,bik->bjk", matrices, matrices)
    np.testing.assert_allclose(products, jnp.broadcast_to(4 * jnp.eye(12), products.shape), atol=2e-5)
    first, last = np.ravel(matrices[0]), np.ravel(matrices[-1])
    assert len(matrices) == 1 or abs(np.corrcoef(first, last)[0, 1]) < 0.5


ERRORS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "low alone": (lambda: ji.uniform(low=0.0), ValueError, "uniform: low and high must both be given"),
    "scale too": (
        lambda: ji.uniform(2.0, low=0, high=1),
        ValueError,
        r"and no scale with them.* scale 2\.0; pass low=0",
    ),
    "low above": (lambda: ji.uniform(low=2, high=1), ValueError, "uniform: low must be less than high, got 2 and 1"),
    "low nan": (lambda: ji.uniform(low=math.nan, high=1), ValueError, "uniform: low must be finite, got nan"),
    "log of zero": (lambda: ji.log_uniform(0, 1), ValueError, "log_uniform: low must be positive, got 0"),
    "log above": (lambda: ji.log_uniform(2, 1), ValueError, "log_uniform: low must be less than high, got 2 and 1"),
    "log complex": (
        lambda: ji.log_uniform(1, 2)(KEY, (2,), jnp.complex64),
        TypeError,
        "log_uniform: dtype must be a real one, got complex64",
    ),
    "ring": (lambda: ji.ring(0.9, 0.9), ValueError, r"ring: r_min must be less than r_max, got 0\.9 and 0\.9"),
    "ring below": (lambda: ji.ring(-0.1, 0.9), ValueError, r"ring: r_min must not be negative, got -0\.1"),
    "phase": (lambda: ji.ring(0.1, 0.9, 0.0), ValueError, "ring: max_phase must be positive"),
    "mean": (lambda: ji.normal(mean=math.inf), ValueError, "normal: mean must be finite, got inf"),
    "mean too large": (lambda: ji.normal(mean=1e6)(KEY, (2,), jnp.float16), ValueError, "must be finite in float16"),
    "small": (lambda: ji.small_init(0), ValueError, "small_init: width must be at least 1, got 0"),
    "wang": (lambda: ji.wang_init(64, 1.5), TypeError, r"wang_init: layers must be an int, got 1\.5"),
    "t_fixup": (lambda: ji.t_fixup(0), ValueError, "t_fixup: layers must be at least 1, got 0"),
    "siren": (lambda: ji.siren(0.0), ValueError, "siren: omega must be positive"),
    "siren bias": (lambda: ji.siren().first(KEY, (3,)), ValueError, "siren: Can't compute input and output sizes"),
    "finer": (lambda: ji.finer(-1.0), ValueError, "finer: bias_scale must be positive"),
    "spectral": (lambda: ji.spectral(gain=-1), ValueError, "spectral: gain must not be negative"),
    "key": (lambda: ji.spectral(KEY), TypeError, "spectral: makes an initializer"),
    "transformed": (
        lambda: ji.transformed(ji.ones, 2),
        TypeError,
        "transformed: inverse must be a function of an array",
    ),
    "transformed factory": (lambda: ji.transformed(ji.normal, jnp.log), TypeError, "got normal, which makes one"),
    "no blocks": (lambda: ji.blocks(-1), ValueError, "blocks: inits must be at least one initializer, got none"),
    "block": (lambda: ji.blocks(-1, ji.ones, 1.0), TypeError, r"blocks: inits\[1\] must be an initializer, got float"),
    "parts": (
        lambda: ji.blocks(-1, ji.ones, ji.ones)(KEY, (3,)),
        ValueError,
        "blocks: the number of initializers must divide the number of entries of axis 0, got 2 and 3",
    ),
    "axis": (lambda: ji.unit_norm(ji.ones, 2)(KEY, (3,)), ValueError, "unit_norm: axis 2 is out of range for shape"),
    "axis type": (lambda: ji.unit_norm(ji.ones, "a"), TypeError, "unit_norm: axis must be an int or a tuple of ints"),
    "orthogonal layer and axis": (
        lambda: ji.orthogonal(1.0, 0, layer=ji.Dense()),
        ValueError,
        "orthogonal: column_axis must be -1 beside a layer",
    ),
    "orthogonal axis twice": (
        lambda: ji.orthogonal(batch_axis=-1)(KEY, (3, 4)),
        ValueError,
        "orthogonal: column_axis and batch_axis must be different axes",
    ),
    "orthogonal layer": (lambda: ji.orthogonal(layer=3), TypeError, r"orthogonal: layer must be Conv\(\)"),
    "orthogonal parts": (
        lambda: ji.orthogonal(layer=ji.Dense(packed=3))(KEY, (3, 4)),
        ValueError,
        r"orthogonal: Dense\(packed\) must divide the number of outputs, got 3 and 4",
    ),
}


@pytest.mark.parametrize("row", ERRORS)
def test_errors(row: str) -> None:
    call, error, message = ERRORS[row]
    with pytest.raises(error, match=message):
        call()
