"""GumbelSoftmax: what it gives where it draws nothing, and its mask."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxacts
import jaxacts.linen
import jaxacts.nnx

KEY = jax.random.key(5)
INF = jnp.inf
ROWS = jnp.array([[0.0, 0.0, 0.0], [-INF] * 3, [1.0, INF, INF], [0.5, 2.0, -1.0]])


def in_linen(x, key=None, where=None, **options):
    module = jaxacts.linen.GumbelSoftmax(deterministic=key is None, **options)
    return module.apply({}, x, where=where, rngs={} if key is None else {"gumbel": key}, rng=key)


def in_nnx(x, key=None, where=None, **options):
    return jaxacts.nnx.GumbelSoftmax(**options)(x, deterministic=key is None, rngs=key, where=where)


@pytest.fixture(params=[in_linen, in_nnx])
def call(request):
    with jax.numpy_dtype_promotion("strict"):
        yield request.param


@pytest.mark.slow
def test_one_category_is_the_most_probable(call):
    """The first of equals, and none of a row without any: as the function has it."""
    hard = call(ROWS, hard=True, temperature=0.5)
    np.testing.assert_array_equal(hard, [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0]])
    soft = call(ROWS, temperature=0.5)
    np.testing.assert_allclose(soft, jaxacts.softmax(ROWS / 0.5), rtol=1e-6)
    t = jnp.arange(12.0).reshape(4, 3)
    gradients = (jax.grad(lambda x, h=h: (call(x, hard=h) * t).sum())(ROWS) for h in (True, False))
    np.testing.assert_array_equal(*gradients)
    assert call(ROWS.astype(jnp.bfloat16), hard=True).dtype == jnp.bfloat16


@pytest.mark.sampled(2)
@pytest.mark.parametrize("hard", [True, False])
def test_a_mask_reaches_the_function(call, hard):
    where = jnp.array([True, False, True])
    np.testing.assert_array_equal(
        call(ROWS, key=KEY, where=where, hard=hard), jaxacts.gumbel_softmax(ROWS, KEY, where=where, hard=hard)
    )
    y = call(ROWS[3:], where=where, hard=hard)
    np.testing.assert_allclose(y, [[1, 0, 0]] if hard else jaxacts.softmax(ROWS[3:], where=where), rtol=1e-6)


def test_a_module_has_a_stream_of_its_own():
    model = jaxacts.nnx.GumbelSoftmax(hard=True, rngs=nnx.Rngs(0))
    assert model(ROWS[3:], where=jnp.array([False, True, False])).tolist() == [[0, 1, 0]]
