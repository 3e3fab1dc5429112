"""Orthogonal kin: QᵀQ = I in every dtype and orientation, uniform, and norm-preserving as a layer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxacts import initializers as ji

KEY, RNG = jax.random.key(3), np.random.default_rng(3)
DTYPES = [jnp.float32, jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn, jnp.float8_e5m2, jnp.float8_e3m4, jnp.complex64]


def gram(w: jax.Array) -> np.ndarray:
    """The Gram matrix of the shorter side."""
    wide = np.asarray(w, np.complex128 if jnp.iscomplexobj(w) else np.float64)
    tall = wide if wide.shape[0] >= wide.shape[1] else wide.T
    return tall.conj().T @ tall


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("shape", "dtype"), [((64, 64), jnp.float32), ((32, 96), jnp.float32), *(((96, 32), dtype) for dtype in DTYPES)]
)
def test_shorter_side_is_orthonormal(shape: tuple[int, int], dtype: jnp.dtype) -> None:
    q = ji.orthogonal(2.0)(KEY, shape, dtype)
    assert q.dtype == dtype
    # Rounding each entry by eps changes an inner product of two unit vectors by about eps/sqrt(n), a norm by eps.
    np.testing.assert_allclose(gram(q) / 4, np.eye(min(shape)), atol=2 * max(float(jnp.finfo(dtype).eps), 1e-6))


def test_float64() -> None:
    with jax.enable_x64(True):
        np.testing.assert_allclose(gram(ji.orthogonal()(KEY, (40, 20), jnp.float64)), np.eye(20), atol=1e-14)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("column_axis", [-1, 0, 1])
def test_column_axis_has_the_rows_of_jax(column_axis: int) -> None:
    ours = ji.orthogonal(0.7, column_axis)(KEY, (6, 4, 5))
    jaxs = jax.nn.initializers.orthogonal(0.7, column_axis)(KEY, (6, 4, 5), jnp.float32)
    np.testing.assert_allclose(ours, jaxs, rtol=0, atol=1e-6)
    columns = np.moveaxis(np.asarray(ours), column_axis, -1).reshape(-1, ours.shape[column_axis])
    np.testing.assert_allclose(columns.T @ columns, 0.49 * np.eye(columns.shape[1]), atol=1e-6)


def test_is_uniform_over_the_group() -> None:
    q = np.asarray(jax.vmap(lambda k: ji.orthogonal()(k, (3, 3)))(jax.random.split(KEY, 20_000)), np.float64)
    # Haar measure: zero mean, E[q²] = 1/3, E[tr²] = 1, both components of O(3) equally likely.
    assert abs(q.mean(0)).max() < 5 * np.sqrt(1 / 3 / 20_000)
    np.testing.assert_allclose((q**2).mean(0), 1 / 3, atol=5 * np.sqrt(4 / 45 / 20_000))
    assert (np.trace(q, axis1=1, axis2=2) ** 2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 / 20_000))
    assert (np.linalg.det(q) > 0).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(20_000))


def test_wide_matrix_keeps_the_meaning_of_jax() -> None:
    w = np.asarray(ji.orthogonal()(KEY, (64, 512)))
    x = RNG.standard_normal((500, 64))
    # The norm is kept, hence the variance of an output is 64/512 of that of an input.
    assert np.linalg.norm(x @ w) == pytest.approx(np.linalg.norm(x), rel=1e-5)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("shape", [(64, 512), (512, 64), (512, 512), (3, 3, 16, 512)])
def test_mode_keeps_the_second_moment(shape: tuple[int, ...]) -> None:
    outputs = shape[-1]
    forward, backward = (
        np.asarray(ji.orthogonal(mode=m)(KEY, shape)).reshape(-1, outputs) for m in ("fan_in", "fan_out")
    )
    x, g = (RNG.standard_normal((500, n)) for n in forward.shape)
    # A projection keeps the mean over directions; 500 random inputs average out which one was hit.
    assert ((x @ forward) ** 2).mean() == pytest.approx((x**2).mean(), rel=0.02)
    assert ((g @ backward.T) ** 2).mean() == pytest.approx((g**2).mean(), rel=0.02)


def test_mode_of_the_columns() -> None:
    w = np.asarray(ji.orthogonal(0.5, column_axis=0, mode="fan_in")(KEY, (512, 64)))
    np.testing.assert_allclose(w.T @ w, 0.25 * 8 * np.eye(64), atol=1e-5)
    inputs_as_columns = np.asarray(ji.delta_orthogonal(column_axis=-2, mode="fan_in")(KEY, (1, 1, 16, 64)))[0, 0]
    np.testing.assert_allclose(inputs_as_columns @ inputs_as_columns.T, 4 * np.eye(16), atol=1e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 64), (64, 16)])
def test_mode_of_a_convolution(inputs: int, outputs: int) -> None:
    x = RNG.standard_normal((16, 8, 8, inputs), np.float32)
    y, pull = jax.vjp(lambda x: convolve(x, ji.delta_orthogonal(mode="fan_in")(KEY, (3, 3, inputs, outputs))), x)
    assert float((y**2).mean()) == pytest.approx((x**2).mean(), rel=0.03)
    _, pull = jax.vjp(lambda x: convolve(x, ji.delta_orthogonal(mode="fan_out")(KEY, (3, 3, inputs, outputs))), x)
    g = RNG.standard_normal(y.shape, np.float32)
    assert float((pull(g)[0] ** 2).mean()) == pytest.approx((g**2).mean(), rel=0.03)


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="orthogonal: unknown mode 'fan_avg'; did you mean"):
        ji.orthogonal(mode="fan_avg")


def convolve(x: jax.Array, w: jax.Array) -> jax.Array:
    spatial = "DHW"[3 - (w.ndim - 2) :]
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    return jax.lax.conv_general_dilated(x, w, (1,) * len(spatial), "SAME", dimension_numbers=layout)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kernel", [(3, 6, 6), (3, 3, 5, 9), (4, 2, 6, 6), (3, 1, 2, 4, 7)])
def test_convolution_keeps_the_norm(kernel: tuple[int, ...]) -> None:
    x = RNG.standard_normal((4, *(7,) * len(kernel[:-2]), kernel[-2]), np.float32)
    y = np.asarray(convolve(x, ji.delta_orthogonal(1.5)(KEY, kernel)))
    norms = [np.linalg.norm(a.reshape(4, -1), axis=1) for a in (x, y)]
    np.testing.assert_allclose(norms[1], 1.5 * norms[0], rtol=1e-5)


@pytest.mark.parametrize("kernel", [(3, 9, 5), (4, 3, 9, 5)])
def test_transposed_convolution_keeps_the_norm_with_fewer_outputs(kernel: tuple[int, ...]) -> None:
    w = ji.delta_orthogonal()(KEY, kernel)
    x = RNG.standard_normal((4, *(7,) * len(kernel[:-2]), 9), np.float32)
    y, pull = jax.vjp(lambda x: convolve(x, w), x)
    np.testing.assert_allclose(np.linalg.norm(pull(y)[0]), np.linalg.norm(y), rtol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("column_axis", "dtype"), [(-1, jnp.float32), (-2, jnp.float32), (-1, jnp.bfloat16)])
def test_delta_is_orthogonal_at_the_centre_and_zero_elsewhere(column_axis: int, dtype: jnp.dtype) -> None:
    w = np.array(ji.delta_orthogonal(column_axis=column_axis)(KEY, (3, 4, 6, 8), dtype))
    np.testing.assert_array_equal(w[1, 1], ji.orthogonal(column_axis=column_axis)(KEY, (6, 8), dtype))
    w[1, 1] = 0
    assert not w.any()


def test_delta_has_the_values_of_jax() -> None:
    ours = ji.delta_orthogonal(0.7)(KEY, (3, 4, 6, 8))
    jaxs = jax.nn.initializers.delta_orthogonal(0.7)(KEY, (3, 4, 6, 8), jnp.float32)
    np.testing.assert_allclose(ours, jaxs, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_delta_orthogonal_with_other_axes() -> None:
    """Equinox has (outputs, inputs, *window): the same kernel, transposed, also where columns are inputs."""
    several: list[dict[str, Any]] = [{"mode": "fan_in"}, {"column_axis": -2, "mode": "fan_out"}]
    for more in several:
        usual = ji.delta_orthogonal(**more)(KEY, (3, 4, 6, 8))
        turned = ji.delta_orthogonal(in_axis=1, out_axis=0, **more)(KEY, (8, 6, 3, 4))
        np.testing.assert_array_equal(turned, usual.transpose(3, 2, 0, 1))
    window_last = ji.delta_orthogonal(in_axis=0, out_axis=-2)(KEY, (6, 8, 3))
    np.testing.assert_array_equal(window_last[:, :, 1], ji.delta_orthogonal()(KEY, (1, 6, 8))[0])
    with pytest.raises(ValueError, match="in_axis and out_axis must be different axes, got axis 1 of shape"):
        ji.delta_orthogonal(in_axis=1, out_axis=-2)(KEY, (3, 4, 6))
