"""Residual helpers: the factors of the papers, the rounding, and what they are for."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxacts import initializers as ji

KEY = jax.random.key(3)


def test_scaled_by_rounds_once() -> None:
    init = ji.scaled_by(ji.normal(1.0), 0.3)
    wide = init(KEY, (64, 64))
    np.testing.assert_array_equal(wide, ji.normal(1.0)(KEY, (64, 64)) * np.float32(0.3))
    np.testing.assert_array_equal(init(KEY, (64, 64), jnp.bfloat16), wide.astype(jnp.bfloat16))
    assert ji.scaled_by(ji.normal(1.0, dtype=jnp.float16), 0.3)(KEY, (4,)).dtype == jnp.float16
    assert init == ji.scaled_by(ji.normal(1.0), 0.3)


def test_initializers_of_jax_can_be_scaled() -> None:
    w = ji.scaled_by(jax.nn.initializers.he_normal(), 2.0)(KEY, (300, 200))
    assert float(w.std()) == pytest.approx(2 * (2 / 300) ** 0.5, rel=0.02)


def test_depth_scaled_keeps_a_residual_stream() -> None:
    branches, width = 48, 256
    init = ji.depth_scaled(ji.lecun_normal(), branches)
    x = jax.random.normal(KEY, (64, width))

    def block(x: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        normalized = x / jnp.sqrt((x**2).mean(-1, keepdims=True))
        return x + normalized @ init(key, (width, width)), None

    out, _ = jax.lax.scan(block, x, jax.random.split(KEY, branches))
    # The sum of all branches together has the size of the input.
    assert float((out**2).mean()) == pytest.approx(2.0, rel=0.1)


def test_deepnorm_is_the_table_of_the_paper() -> None:
    encoder, none = ji.deepnorm(encoder_layers=18)
    assert none is None
    assert encoder == pytest.approx((36**0.25, 144**-0.25))
    none, decoder = ji.deepnorm(decoder_layers=1000)
    assert none is None
    assert decoder == pytest.approx((2000**0.25, 8000**-0.25))
    encoder, decoder = ji.deepnorm(6, 12)
    assert encoder == pytest.approx((0.81 * (6**4 * 12) ** 0.0625, 0.87 * (6**4 * 12) ** -0.0625))
    assert decoder == pytest.approx((36**0.25, 144**-0.25))


def test_fixup_starts_at_the_identity() -> None:
    inner, last = ji.fixup(ji.he_normal(), branches=64, layers=3)
    np.testing.assert_allclose(inner(KEY, (32, 32)), ji.he_normal()(KEY, (32, 32)) * 64**-0.25, rtol=1e-6)
    assert not last(KEY, (32, 32)).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ji.scaled_by(ji.ones, -1), ValueError, "scaled_by: factor must not be negative"),
        (lambda: ji.scaled_by(1.0, 1), TypeError, "scaled_by: init must be an initializer, got float"),
        (lambda: ji.depth_scaled(ji.ones, 0), ValueError, "depth_scaled: branches must be at least 1, got 0"),
        (lambda: ji.depth_scaled(ji.ones, 1.5), TypeError, "depth_scaled: branches must be an int, got 1.5"),
        (
            lambda: ji.scaled_by(ji.he_normal, 0.5),
            TypeError,
            r"scaled_by: init must be .* got he_normal, which makes one; pass he_normal\(\)",
        ),
        (lambda: ji.scaled_by(ji.ones, "2"), TypeError, "scaled_by: factor must be a real number, got str"),
        (lambda: ji.fixup(ji.ones, 4, 1), ValueError, "fixup: layers must be at least 2, got 1"),
        (lambda: ji.deepnorm(), ValueError, "deepnorm: encoder_layers or decoder_layers must be at least 1"),
        (lambda: ji.deepnorm(-1), ValueError, "deepnorm: encoder_layers must be at least 0, got -1; pass 0 or more"),
    ],
)
def test_errors(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
