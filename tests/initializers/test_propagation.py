"""What the variances are for: signals keep their size through Flax layers and through depth."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxacts
from jaxacts import initializers as ji

KEY = jax.random.key(11)
WIDTH, UNITS = 512, 4096


def through_linen(init: ji.Initializer, x: jax.Array) -> jax.Array:
    layer = linen.Dense(UNITS, kernel_init=init)
    return layer.apply(layer.init(KEY, x), x)


def through_nnx(init: ji.Initializer, x: jax.Array) -> jax.Array:
    return nnx.Linear(WIDTH, UNITS, kernel_init=init, rngs=nnx.Rngs(4))(x)


LAYERS = pytest.mark.parametrize("layer", [through_linen, through_nnx])


def leaky(slope: float) -> Callable[[jax.Array], jax.Array]:
    return lambda x: jnp.where(x > 0, x, slope * x)


def assert_ratio(out: jax.Array, x: jax.Array, expected: float) -> None:
    """The units are independent draws, so their spread gives the standard error of the second moment."""
    units = np.asarray((out**2).mean(0) / (x**2).mean(), np.float64)
    error = units.std() / np.sqrt(units.size)
    assert error < 0.03 * expected
    assert units.mean() == pytest.approx(expected, abs=5 * error)


@pytest.mark.sampled(8)
@LAYERS
@pytest.mark.parametrize(("family", "expected"), [("lecun", 1.0), ("xavier", 2 * WIDTH / (WIDTH + UNITS)), ("he", 2.0)])
@pytest.mark.parametrize("law", ["normal", "truncated_normal", "uniform"])
def test_linear_layer(layer: Callable[..., jax.Array], family: str, expected: float, law: str) -> None:
    x = np.random.default_rng(1).standard_normal((256, WIDTH), np.float32)
    assert_ratio(layer(getattr(ji, f"{family}_{law}")(), x), x, expected)


@LAYERS
@pytest.mark.parametrize(
    ("law", "slope"), [("normal", 0.0), ("normal", 0.25), ("truncated_normal", 0.0), ("uniform", 0.0)]
)
def test_he_keeps_the_second_moment_through_relu(layer: Callable[..., jax.Array], law: str, slope: float) -> None:
    act = leaky(slope)
    h = act(np.random.default_rng(1).standard_normal((256, WIDTH), np.float32))
    assert_ratio(act(layer(getattr(ji, f"he_{law}")(negative_slope=slope), h)), h, 1.0)


def log2_second_moments(init: ji.Initializer, act: Callable[[jax.Array], jax.Array], seed: int) -> jax.Array:
    """Forward and backward after each of 30 layers, from inputs and gradients of unit variance."""
    start, end, *keys = jax.random.split(jax.random.key(seed), 32)
    kernels = jax.vmap(lambda key: init(key, (WIDTH, WIDTH)))(jnp.stack(keys))

    def forward(h: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        out = act(h @ kernel)
        return out, (h, (out**2).mean())

    def backward(g: jax.Array, saved: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        kernel, h = saved
        (pulled,) = jax.vjp(lambda h: act(h @ kernel), h)[1](g)
        return pulled, (pulled**2).mean()

    h, (inputs, there) = jax.lax.scan(forward, jax.random.normal(start, (64, WIDTH)), kernels)
    _, back = jax.lax.scan(backward, jax.random.normal(end, h.shape), (kernels, inputs), reverse=True)
    return jnp.log2(jnp.stack([there, back[::-1]], axis=1))


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("init", "slope", "expected"),
    [
        (ji.he_normal(), 0.0, 0.0),
        (ji.lecun_normal(), 0.0, -1.0),
        (ji.he_normal(negative_slope=0.25), 0.25, 0.0),
        (ji.he_normal(), 0.25, np.log2(1.0625)),
    ],
    ids=["he", "lecun", "prelu", "prelu with the gain of relu"],
)
def test_thirty_layers(init: ji.Initializer, slope: float, expected: float) -> None:
    measure = jax.jit(lambda seed: log2_second_moments(init, leaky(slope), seed))
    slopes = [np.polyfit(np.arange(30), np.asarray(measure(seed)), 1)[0] for seed in range(5)]
    np.testing.assert_allclose(np.mean(slopes, axis=0), expected, atol=0.05)


@pytest.mark.slow
def test_gelu_on_the_edge_of_chaos_is_stable_over_a_hundred_layers() -> None:
    gelu = functools.partial(jaxacts.gelu, approximate=False)
    found = ji.critical(gelu, bias_variance=0.25)
    weights, biases = (
        ji.variance_scaling(found.weight_variance, "fan_in", "normal"),
        ji.normal(found.bias_variance**0.5),
    )

    @jax.jit
    def network(key: jax.Array) -> jax.Array:
        def layer(h: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            one, two = jax.random.split(key)
            z = h @ weights(one, (WIDTH, WIDTH)) + biases(two, (WIDTH,))
            return gelu(z), (z**2).mean()

        start, key = jax.random.split(key)
        x = jax.random.normal(start, (32, WIDTH)) * found.fixed_point**0.5
        return jax.lax.scan(layer, x, jax.random.split(key, 100))[1]

    logs = np.log(np.stack([network(jax.random.key(seed)) / found.fixed_point for seed in range(5)]))
    # Each layer adds chance of the order 1/width; an unstable point would be off by e^10 and more.
    assert np.abs(logs).max() < 1.5
    assert abs(logs[:, -50:].mean()) < 0.5


def squared_singular_values_spread(
    init: ji.Initializer, act: Callable[[jax.Array], jax.Array], key: jax.Array
) -> jax.Array:
    """Variance over squared mean of the squared singular values of the Jacobian of ten layers of 500 units."""
    n = 500
    start, *keys = jax.random.split(key, 11)

    def layer(carry: tuple[jax.Array, jax.Array], key: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        h, jacobian = carry
        kernel = init(key, (n, n))
        out, slopes = jax.jvp(act, (h @ kernel,), (jnp.ones(n),))
        return (out, slopes[:, None] * (kernel.T @ jacobian)), None

    (_, jacobian), _ = jax.lax.scan(layer, (jax.random.normal(start, (n,)), jnp.eye(n)), jnp.stack(keys))
    gram = jacobian @ jacobian.T
    return (gram**2).sum() / n / (jnp.trace(gram) / n) ** 2 - 1


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("init", "slope", "expected", "seeds"),
    [
        (ji.lecun_normal(), 1.0, 10.0, 5),
        (ji.orthogonal(), 1.0, 0.0, 1),
        (ji.he_normal(), 0.0, 20.0, 5),
        (ji.orthogonal(2**0.5), 0.0, 10.0, 2),
    ],
    ids=["linear Gaussian", "linear orthogonal", "relu Gaussian", "relu orthogonal"],
)
def test_singular_values_of_ten_layers(init: ji.Initializer, slope: float, expected: float, seeds: int) -> None:
    measure = jax.jit(lambda key: squared_singular_values_spread(init, leaky(slope), key))
    spread = np.mean([measure(jax.random.key(seed)) for seed in range(seeds)])
    assert spread == pytest.approx(expected, rel=0.12, abs=1e-3)


def test_orthogonal_layers_are_isometries_at_any_depth() -> None:
    x = np.random.default_rng(2).standard_normal((16, 64), np.float32)
    y, _ = jax.lax.scan(lambda h, k: (h @ ji.orthogonal()(k, (64, 64)), None), x, jax.random.split(KEY, 100))
    np.testing.assert_allclose(jnp.linalg.norm(y, axis=1), jnp.linalg.norm(x, axis=1), rtol=1e-4)
