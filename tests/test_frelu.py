"""frelu against a convolution of jax and mpmath; what it keeps in 16 bits; its ties, kernels and errors."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

import jaxacts


def _convolved(x: Array, kernel: Array) -> Array:
    names = {1: ("NWC", "WIO"), 2: ("NHWC", "HWIO"), 3: ("NDHWC", "DHWIO")}[kernel.ndim - 2]
    channels = x.shape[-1]
    kernel = jnp.broadcast_to(kernel, (*kernel.shape[:-1], channels))
    stride = (1,) * (kernel.ndim - 2)
    return lax.conv_general_dilated(
        x, kernel, stride, "SAME", dimension_numbers=(*names, names[0]), feature_group_count=channels
    )


KERNELS = [(3, 3, 1, 4), (3, 3, 1, 1), (1, 1, 1, 4), (4, 2, 1, 4), (5, 7, 1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("shape", KERNELS)
def test_the_condition_is_the_depthwise_convolution(shape: tuple[int, ...]) -> None:
    x, kernel, bias = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate([(2, 6, 5, 4), shape, (4,)]))
    expected = jnp.maximum(x, _convolved(x, kernel) + bias)
    np.testing.assert_allclose(jaxacts.frelu(x, kernel, bias), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(jaxacts.frelu(x[0], kernel, bias), jaxacts.frelu(x, kernel, bias)[0])


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("x", "kernel"), [((2, 9, 3), (3, 1, 3)), ((1, 4, 3, 5, 2), (3, 3, 3, 1, 2))])
def test_one_and_three_spatial_axes(x: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    a, k = jax.random.normal(jax.random.key(0), x), jax.random.normal(jax.random.key(1), kernel)
    np.testing.assert_allclose(jaxacts.frelu(a, k), jnp.maximum(a, _convolved(a, k)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_gradients_are_those_of_the_convolution() -> None:
    x, kernel = jax.random.normal(jax.random.key(0), (2, 6, 5, 4)), jax.random.normal(jax.random.key(1), (3, 3, 1, 4))
    bias, weights = jnp.arange(4.0), jax.random.normal(jax.random.key(2), (2, 6, 5, 4))

    def ours(*arguments: Array) -> Array:
        return (jaxacts.frelu(*arguments) * weights).sum()

    def theirs(x: Array, kernel: Array, bias: Array) -> Array:
        return (jnp.maximum(x, _convolved(x, kernel) + bias) * weights).sum()

    got, expected = (jax.grad(f, (0, 1, 2))(x, kernel, bias) for f in (ours, theirs))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_are_rounded_once(dtype: str) -> None:
    x, kernel = (jax.random.normal(jax.random.key(i), s).astype(dtype) for i, s in enumerate([(9, 9, 3), (3, 3, 1, 3)]))
    wide = jaxacts.frelu(*(a.astype(jnp.float32) for a in (x, kernel)))
    np.testing.assert_array_equal(jaxacts.frelu(x, kernel), wide.astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_backward_pass_keeps_a_mask_and_x_where_the_kernel_is_trained(dtype: str) -> None:
    x, kernel = jnp.ones((2, 16, 16, 8), dtype), jnp.ones((3, 3, 1, 8))

    def kept(f: Any, *arguments: Array) -> list[str]:
        leaves = jax.tree.leaves(jax.jit(lambda *a: jax.vjp(f, *a))(*arguments)[1])
        return sorted(a.dtype.name for a in leaves if a.size >= x.size)

    assert kept(lambda x: jaxacts.frelu(x, kernel), x) == ["bool"]
    assert kept(jaxacts.frelu, x, kernel) == sorted(["bool", dtype])


def test_a_kernel_of_zeros_gives_relu() -> None:
    x = jnp.array([-2.0, -0.0, 0.0, 3.0, jnp.nan]).reshape(5, 1, 1)
    kernel = jnp.zeros((1, 1, 1, 1))
    for f in (lambda g: g, lambda g: jax.grad(lambda x: g(x).sum())):
        got, expected = f(lambda x: jaxacts.frelu(x, kernel))(x), f(jaxacts.relu)(x)
        np.testing.assert_array_equal(got[:4], expected[:4])
    assert jnp.isnan(jaxacts.frelu(x, kernel)[4]).all()


X = jnp.ones((2, 4, 4, 3))


@pytest.mark.parametrize(
    ("x", "kernel", "bias", "message"),
    [
        (X, jnp.ones((3, 3, 3)), 0.0, "frelu: kernel must have the shape (rows, columns, 1, channels), got (3, 3, 3);"),
        (X, 0.5, 0.0, "frelu: kernel must have the shape (rows, columns, 1, channels), got ();"),
        (jnp.ones((4, 3)), jnp.ones((3, 3, 1, 3)), 0.0, "frelu: x needs 2 spatial axes and one of channels"),
        (
            X,
            jnp.ones((3, 3, 1, 2)),
            0.0,
            "frelu: kernel must end in an axis of length 1 or 3, got shape (3, 3, 1, 2)",
        ),
        (
            X,
            jnp.ones((3, 3, 1, 3)),
            jnp.ones(2),
            "frelu: bias must broadcast to the shape (2, 4, 4, 3) of x, got (2,);",
        ),
        (
            X,
            jnp.ones((3, 3, 1, 3)),
            jnp.ones((3, 1)),
            "frelu: bias must broadcast to the shape (2, 4, 4, 3) of x, got (3, 1);",
        ),
    ],
)
def test_wrong_shapes(x: Array, kernel: Any, bias: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        jaxacts.frelu(x, kernel, bias)
