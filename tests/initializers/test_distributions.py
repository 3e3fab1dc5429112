"""What is drawn: moments, bounds, tails, the bits of jax.nn in float32, and one rounding below it."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxacts import initializers as ji

KEY = jax.random.key(20)
SHAPE = (800, 500)
CONV = (3, 3, 100, 400)
FLOAT8 = ["e3m4", "e4m3", "e4m3b11fnuz", "e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz"]
LOW = [jnp.bfloat16, jnp.float16, *(getattr(jnp, f"float8_{kind}") for kind in FLOAT8)]

# Initializer, shape, standard deviation, kurtosis E[x⁴]/E[x²]² (it sets how far a sample variance may stray).
NORMAL, UNIFORM, TRUNCATED = 3.0, 1.8, 2.37
CENTRED = {
    "he_normal": (ji.he_normal(), SHAPE, math.sqrt(2 / 800), NORMAL),
    "he_normal conv": (ji.he_normal(), CONV, math.sqrt(2 / 900), NORMAL),
    "he_normal slope": (ji.he_normal(negative_slope=0.25), SHAPE, math.sqrt(2 / 1.0625 / 800), NORMAL),
    "he_normal negative slope": (ji.he_normal(negative_slope=-1.0), SHAPE, math.sqrt(1 / 800), NORMAL),
    "he_normal fan_out": (ji.he_normal(mode="fan_out"), SHAPE, math.sqrt(2 / 500), NORMAL),
    "he_normal fan_avg": (ji.he_normal(mode="fan_avg"), SHAPE, math.sqrt(2 / 650), NORMAL),
    "he_normal fan_geo_avg": (ji.he_normal(mode="fan_geo_avg"), SHAPE, math.sqrt(2 / math.sqrt(400_000)), NORMAL),
    "he_normal gain": (ji.he_normal(gain=3.0), SHAPE, 3 / math.sqrt(800), NORMAL),
    "he_uniform": (ji.he_uniform(), SHAPE, math.sqrt(2 / 800), UNIFORM),
    "he_truncated_normal": (ji.he_truncated_normal(), SHAPE, math.sqrt(2 / 800), TRUNCATED),
    "xavier_normal": (ji.xavier_normal(), SHAPE, math.sqrt(2 / 1300), NORMAL),
    "xavier_normal conv": (ji.xavier_normal(), CONV, math.sqrt(2 / 4500), NORMAL),
    "xavier_normal fan_geo_avg": (ji.xavier_normal(mode="fan_geo_avg"), SHAPE, 400_000**-0.25, NORMAL),
    "xavier_uniform slope": (ji.xavier_uniform(negative_slope=0.0), SHAPE, math.sqrt(2 / 650), UNIFORM),
    "lecun_normal fan_geo_avg": (ji.lecun_normal(mode="fan_geo_avg"), SHAPE, 400_000**-0.25, NORMAL),
    "lecun_uniform slope": (ji.lecun_uniform(negative_slope=0.25), SHAPE, math.sqrt(2 / 1.0625 / 800), UNIFORM),
    "xavier_uniform gain": (ji.xavier_uniform(gain=5 / 3), SHAPE, 5 / 3 * math.sqrt(2 / 1300), UNIFORM),
    "xavier_truncated_normal": (ji.xavier_truncated_normal(), SHAPE, math.sqrt(2 / 1300), TRUNCATED),
    "lecun_normal": (ji.lecun_normal(), SHAPE, math.sqrt(1 / 800), NORMAL),
    "lecun_normal gain": (ji.lecun_normal(gain=0.5), SHAPE, 0.5 / math.sqrt(800), NORMAL),
    "lecun_uniform": (ji.lecun_uniform(), SHAPE, math.sqrt(1 / 800), UNIFORM),
    "lecun_truncated_normal": (ji.lecun_truncated_normal(), SHAPE, math.sqrt(1 / 800), TRUNCATED),
    "axes exchanged": (ji.lecun_normal(in_axis=-1, out_axis=-2), SHAPE, math.sqrt(1 / 500), NORMAL),
    "einsum kernel": (ji.lecun_normal(0, (1, 2)), (800, 20, 25), math.sqrt(1 / 800), NORMAL),
    "stacked kernels": (ji.lecun_normal(batch_axis=0), (4, 250, 400), math.sqrt(1 / 250), NORMAL),
    "one axis": (ji.lecun_normal(in_axis=0, out_axis=()), (400_000,), math.sqrt(1 / 400_000), NORMAL),
    "normal": (ji.normal(), SHAPE, 0.01, NORMAL),
    "truncated_normal": (ji.truncated_normal(0.3), SHAPE, 0.3, TRUNCATED),
    "truncated_normal ±1": (ji.truncated_normal(2.0, lower=-1.0, upper=1.0), SHAPE, 2.0, 2.0),
}


@pytest.mark.sampled(7)
@pytest.mark.parametrize("row", CENTRED)
def test_moments_are_within_five_standard_errors(row: str) -> None:
    init, shape, std, kurtosis = CENTRED[row]
    w = np.asarray(init(KEY, shape), np.float64)
    assert w.shape == shape
    assert abs(w.mean()) < 5 * std / math.sqrt(w.size)
    assert (w**2).mean() == pytest.approx(std**2, rel=5 * math.sqrt((kurtosis - 1) / w.size))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("lower", "upper"), [(-2.0, 2.0), (-1.0, 3.0), (0.0, 8.0), (1.0, 1.001), (3.0, 5.0), (-40.0, 40.0)]
)
def test_truncated_normal_has_its_std_for_any_bounds(lower: float, upper: float) -> None:
    w = np.asarray(ji.truncated_normal(0.5, lower=lower, upper=upper)(KEY, SHAPE), np.float64)
    centred = w - w.mean()
    kurtosis = (centred**4).mean() / w.var() ** 2
    # Near the end of a narrow interval float32 itself resolves 2⁻²⁴ / width of it.
    rounding = 2**-22 * max(abs(lower), abs(upper)) / (upper - lower)
    assert w.var() == pytest.approx(0.25, rel=5 * math.sqrt((kurtosis - 1) / w.size) + rounding)


def test_truncated_normal_stays_inside_the_documented_bounds_and_fills_them() -> None:
    w = np.asarray(ji.truncated_normal(1.0)(KEY, SHAPE))
    assert 2.27 < w.max() <= 2.0 / 0.8796
    assert -2.0 / 0.8796 <= w.min() < -2.27


@pytest.mark.sampled(2)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_uniform_bounds_are_hard(dtype: jnp.dtype) -> None:
    one_sided = np.asarray(ji.uniform(3.0)(KEY, SHAPE, dtype), np.float64)
    assert one_sided.min() >= 0
    assert 2.99 < one_sided.max() <= 3
    bound = float(jnp.asarray(math.sqrt(6 / 800), dtype))
    w = np.asarray(ji.he_uniform()(KEY, SHAPE, dtype), np.float64)
    assert 0.999 * bound < w.max() <= bound
    assert -bound <= w.min() < -0.999 * bound


@pytest.mark.parametrize("scale", [1.0, 3.0, 5e-3])
def test_float32_uniform_never_gives_its_upper_bound(scale: float) -> None:
    assert float(ji.uniform(scale)(KEY, SHAPE).max()) < scale


def test_uniform_moments() -> None:
    w = np.asarray(ji.uniform(2.0)(KEY, SHAPE), np.float64)
    assert w.mean() == pytest.approx(1.0, abs=5 * 2 / math.sqrt(12 * w.size))
    assert w.var() == pytest.approx(4 / 12, rel=5 * math.sqrt(0.8 / w.size))


JAX_BITS = {
    "he_truncated_normal": (ji.he_truncated_normal(), jax.nn.initializers.he_normal()),
    "he_uniform": (ji.he_uniform(), jax.nn.initializers.he_uniform()),
    "xavier_truncated_normal": (ji.xavier_truncated_normal(), jax.nn.initializers.glorot_normal()),
    "xavier_uniform": (ji.xavier_uniform(), jax.nn.initializers.glorot_uniform()),
    "lecun_truncated_normal": (ji.lecun_truncated_normal(), jax.nn.initializers.lecun_normal()),
    "lecun_uniform": (ji.lecun_uniform(), jax.nn.initializers.lecun_uniform()),
    "normal": (ji.normal(), jax.nn.initializers.normal()),
    "normal 0.3": (ji.normal(0.3), jax.nn.initializers.normal(0.3)),
    "uniform": (ji.uniform(0.7), jax.nn.initializers.uniform(0.7)),
    "zeros": (ji.zeros, jax.nn.initializers.zeros),
    "ones": (ji.ones, jax.nn.initializers.ones),
    "constant": (ji.constant(0.1), jax.nn.initializers.constant(0.1)),
} | {
    f"variance_scaling {mode} {distribution}": (
        ji.variance_scaling(0.7, mode, distribution),
        jax.nn.initializers.variance_scaling(0.7, mode, distribution),
    )
    for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
    for distribution in ("truncated_normal", "normal", "uniform")
}


@pytest.mark.sampled(7)
@pytest.mark.parametrize("row", JAX_BITS)
def test_float32_has_the_bits_of_jax(row: str) -> None:
    ours, jaxs = JAX_BITS[row]
    shape = (5, 1, 17, 20)
    np.testing.assert_array_equal(ours(KEY, shape), jaxs(KEY, shape, jnp.float32))


@pytest.mark.slow
def test_float32_has_the_bits_of_jax_on_stacked_kernels() -> None:
    ours, jaxs = (m.variance_scaling(1.3, "fan_out", "normal", 1, 2, 0) for m in (ji, jax.nn.initializers))
    np.testing.assert_array_equal(ours(KEY, (3, 17, 20)), jaxs(KEY, (3, 17, 20), jnp.float32))


# One initializer for each sampler.
RANDOM = {
    "delta_orthogonal": ji.delta_orthogonal(),
    "layer_default": ji.layer_default("torch.Linear", fan_in=9),
    "sparse": ji.sparse(0.3),
    "truncated_normal": ji.truncated_normal(),
    "he_normal": ji.he_normal(),
    "he_uniform": ji.he_uniform(),
    "he_truncated_normal": ji.he_truncated_normal(),
    "uniform": ji.uniform(),
    "orthogonal": ji.orthogonal(),
}


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("row", RANDOM)
def test_low_precision_is_float32_rounded_once_and_finite(row: str) -> None:
    shape = (2, 40, 30) if row == "delta_orthogonal" else (40, 30)
    single = RANDOM[row](KEY, shape, jnp.float32)
    assert single.dtype == jnp.float32
    for dtype in LOW if row == "he_normal" else LOW[:3]:
        low = RANDOM[row](KEY, shape, dtype)
        assert low.dtype == dtype
        np.testing.assert_array_equal(low, single.astype(dtype))
        assert jnp.isfinite(low.astype(jnp.float32)).all()


@pytest.mark.slow
def test_bfloat16_has_the_moments_and_the_tails_of_float32() -> None:
    for init in (ji.normal(1.0), ji.truncated_normal(1.0), ji.layer_default("torch.Linear", fan_in=3)):
        single, low = (np.asarray(init(KEY, (1000, 1000), t), np.float64) for t in (jnp.float32, jnp.bfloat16))
        # Rounding to 8 bits moves a value by at most 2⁻⁹ of it, and half of them up, half of them down.
        for power in (1, 2, 3, 4):
            assert (low**power).mean() == pytest.approx((single**power).mean(), rel=2e-4, abs=2e-4)
        for tail in (1e-5, 1e-3, 0.1, 0.5):
            for q in (tail, 1 - tail):
                assert np.quantile(low, q) == pytest.approx(np.quantile(single, q), rel=2**-8, abs=1e-3)


def test_bfloat16_has_many_values_and_tails() -> None:
    w = np.asarray(ji.normal(1.0)(KEY, (1000, 1000), jnp.bfloat16), np.float32)
    assert len(np.unique(w)) > 2000
    assert abs(w).max() > 4.5
    tail, expected = (abs(w) > 3).mean(), math.erfc(3.0078125 / math.sqrt(2))
    assert tail == pytest.approx(expected, rel=5 / math.sqrt(expected * w.size))


@pytest.mark.slow
def test_float64_is_drawn_in_float64() -> None:
    with jax.enable_x64(True):
        for name, init in RANDOM.items():
            w = init(KEY, (1, 40, 30) if name == "delta_orthogonal" else (40, 30), jnp.float64)
            assert w.dtype == jnp.float64
            assert float((w != w.astype(jnp.float32)).mean()) > (0.65 if name == "sparse" else 0.99)
        assert ji.he_normal()(KEY, (3, 3)).dtype == ji.zeros(None, (3,)).dtype == jnp.float64
        assert ji.he_normal()(KEY, (3, 3), jnp.float32).dtype == jnp.float32


COMPLEX = {
    "he_normal": (ji.he_normal(), 2 / 800, 2.0),
    "he_uniform": (ji.he_uniform(), 2 / 800, 4 / 3),
    "he_truncated_normal": (ji.he_truncated_normal(), 2 / 800, 2.0),
    "normal": (ji.normal(0.3), 0.09, 2.0),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("row", COMPLEX)
def test_complex_has_the_total_variance_in_equal_parts(row: str) -> None:
    init, variance, kurtosis = COMPLEX[row]
    w = np.asarray(init(KEY, SHAPE, jnp.complex64), np.complex128)
    assert (abs(w) ** 2).mean() == pytest.approx(variance, rel=5 * math.sqrt((kurtosis - 1) / w.size))
    assert w.real.var() == pytest.approx(variance / 2, rel=5 * math.sqrt(2 / w.size))
    assert abs((w**2).mean()) < 5 * variance * math.sqrt(2 / w.size)


def test_complex_truncation_and_disk_have_hard_radii() -> None:
    disk = abs(np.asarray(ji.variance_scaling(1.0, "fan_in", "uniform")(KEY, SHAPE, jnp.complex64)))
    assert 0.999 < disk.max() / math.sqrt(2 / 800) < 1 + 1e-6
    cut = abs(np.asarray(ji.variance_scaling(1.0, "fan_in", "truncated_normal")(KEY, SHAPE, jnp.complex64)))
    assert 0.999 < cut.max() * 0.9619618 / math.sqrt(4 / 800) < 1 + 1e-6


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("init", "variance", "mean"),
    [
        (ji.uniform(0.6), 0.03, 0.3 * (1 + 1j) / math.sqrt(2)),
        (ji.truncated_normal(0.3), 0.09, 0.0),
        (ji.layer_default("torch.Linear", fan_in=4), 1 / 12, 0.0),
    ],
)
def test_complex_intervals_have_the_variance_of_the_real_ones(
    init: ji.Initializer, variance: float, mean: complex
) -> None:
    w, real = (np.asarray(init(KEY, SHAPE, t), np.complex128) for t in (jnp.complex64, jnp.float32))
    assert w.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / w.size))
    for draws in (w, real):
        assert draws.var() == pytest.approx(variance, rel=5 * math.sqrt(1.4 / w.size))
    assert w.real.var() == pytest.approx(variance / 2, rel=5 * math.sqrt(1.4 / w.size))
    # Both come within a thousandth of their bounds, and not beyond.
    assert (w.imag.min(), w.imag.max()) == pytest.approx(
        (real.real.min() / math.sqrt(2), real.real.max() / math.sqrt(2)), rel=1e-3, abs=1e-5
    )
    assert abs(np.corrcoef(w.real.ravel(), w.imag.ravel())[0, 1]) < 5 / math.sqrt(w.size)


def test_constants_fill_any_dtype() -> None:
    assert ji.zeros(None, (2, 3), jnp.int32).dtype == jnp.int32
    np.testing.assert_array_equal(ji.ones(KEY, (2,), jnp.bool_), [True, True])
    np.testing.assert_array_equal(ji.constant(7, jnp.int8)(None, ()), np.int8(7))
    np.testing.assert_array_equal(ji.constant([1.0, 2.0])(KEY, (3, 2), jnp.bfloat16), [[1, 2]] * 3)
    assert ji.constant(3)(KEY, (2,)).dtype == jnp.float32
