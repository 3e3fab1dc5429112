"""Parameters by the names of their paths, in trees of every kind."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from jaxacts import initializers as ji

KEY = jax.random.key(4)
MODEL = linen.Sequential([linen.Embed(100, 64), linen.Dense(256), linen.Dense(64)])


@pytest.mark.slow
def test_variables_of_linen_from_their_shapes() -> None:
    shapes = jax.eval_shape(MODEL.init, KEY, jnp.ones((1, 8), int))
    rules = {"*embedding": ji.normal(1.0), "params/layers_1/kernel": ji.he_normal(), "*/kernel": ji.zeros, "*": ji.ones}
    new = ji.by_path(rules, shapes, KEY)
    assert jax.tree.structure(new) == jax.tree.structure(shapes)
    params = new["params"]
    assert float(params["layers_0"]["embedding"].std()) == pytest.approx(1, rel=0.05)
    assert float(params["layers_1"]["kernel"].std()) == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    assert not params["layers_2"]["kernel"].any()
    assert params["layers_2"]["bias"].all()
    assert MODEL.apply(new, jnp.ones((1, 8), int)).shape == (1, 8, 64)


def test_what_no_pattern_fits_is_kept() -> None:
    given = {
        "a": {"kernel": jnp.ones((3, 4), jnp.bfloat16)},
        "b": np.ones(3, np.float32),
        "steps": 7,
        "kernel": jnp.ones(2),
    }
    new = ji.by_path({re.compile(r"a/k\w+"): ji.normal(1.0), "b": None}, given, KEY)
    assert new["a"]["kernel"].dtype == jnp.bfloat16
    assert not (new["a"]["kernel"] == 1).any()
    assert new["b"] is given["b"]
    assert new["steps"] == 7
    both = ji.by_path({"*/kernel": ji.zeros}, given, KEY)
    assert not both["kernel"].any()
    assert not both["a"]["kernel"].any()
    # Keys follow the paths, whatever else the tree has.
    alone = ji.by_path({"*/kernel": ji.normal(1.0)}, {"a": {"kernel": given["a"]["kernel"]}}, KEY)
    np.testing.assert_array_equal(alone["a"]["kernel"], new["a"]["kernel"])


def test_nnx_is_not_changed() -> None:
    model = nnx.Sequential(nnx.Linear(4, 5, rngs=nnx.Rngs(0)), nnx.BatchNorm(5, rngs=nnx.Rngs(0)))
    new = ji.by_path({"*/kernel": ji.ones}, model, KEY)
    assert (new.layers[0].kernel[...] == 1).all()
    assert not (model.layers[0].kernel[...] == 1).any()
    assert new(jnp.ones((2, 4))).shape == (2, 5)


def test_errors() -> None:
    tree = {"dense": {"kernel": jnp.ones((3, 4)), "bias": jnp.ones(4)}}
    with pytest.raises(ValueError, match=r"by_path: unknown path in rules 'dense/kernl'; did you mean 'dense/kernel'"):
        ji.by_path({"dense/kernl": ji.ones}, tree, KEY)
    with pytest.raises(
        TypeError, match=r"by_path: rules\['\*'\] must be an initializer, got he_normal, which makes one"
    ):
        ji.by_path({"*": ji.he_normal}, tree, KEY)
    with pytest.raises(TypeError, match="by_path: rules must map patterns to initializers, got list"):
        ji.by_path([ji.ones], tree, KEY)
    with pytest.raises(ValueError, match="by_path: dense/bias: he_normal: Can't compute input and output sizes"):
        ji.by_path({"*": ji.he_normal()}, tree, KEY)
    with pytest.raises(TypeError, match="by_path: key must be a random key, got int"):
        ji.by_path({"*": ji.ones}, tree, 0)
