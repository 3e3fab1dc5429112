"""What parameters may start at, and whether that takes a key."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

import jaxacts.linen
import jaxacts.nnx
from jaxacts.initializers import constant

KEY, X = jax.random.key(0), jnp.ones((2, 3))
REFUSED = {
    "XIELU: alpha_n_init must be greater than beta, got 0.3 with beta=0.5": ("XIELU", {"alpha_n_init": 0.3}),
    "XIELU: needs alpha_p > 0, got alpha_p=-1.0": ("XIELU", {"alpha_p_init": -1.0}),
    "XIELU: alpha_n_init must be greater than beta, got 0.25 with": ("XIELU", {"alpha_n_init": constant(0.25)}),
    "SnakeBeta: alpha_init must be greater than 0, got -1": ("SnakeBeta", {"alpha_init": -1.0}),
    "SnakeBeta: needs beta != 0, got beta=0.0": ("SnakeBeta", {"beta_init": 0.0}),
    "SReLU: right_threshold_init must be greater than left_threshold, got 1 with left_threshold=2": (
        "SReLU",
        {"left_threshold_init": constant(2.0), "right_threshold_init": 1.0},
    ),
    "SReLU: needs left_threshold < right_threshold, got left_threshold=2.0": ("SReLU", {"left_threshold_init": 2.0}),
    "PELU: a_init must be greater than 0, got -0.5": (
        "PELU",
        {"a_init": nn.with_partitioning(constant(-0.5), ("model",)), "axis": -1},
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_parameters_do_not_start_out_of_their_range(message):
    name, given = REFUSED[message]
    with pytest.raises(ValueError, match=f"^{message}"):
        getattr(jaxacts.linen, name)(**given).init(KEY, X)
    channels = {} if name == "XIELU" else {"features": 3, "axis": -1}
    with pytest.raises(ValueError, match=f"^{message}"):
        getattr(jaxacts.nnx, name)(**{**given, **channels}, rngs=nnx.Rngs(0))


def test_ranges_are_those_of_what_is_stored():
    without_logarithm = jaxacts.nnx.SnakeBeta(3, alpha_init=-1.0, log_scale=False)
    np.testing.assert_array_equal(without_logarithm.alpha[...], -1)
    numbers_under_jit = jax.jit(jaxacts.linen.XIELU(alpha_n_init=0.3).init)
    with pytest.raises(ValueError, match="XIELU: alpha_n_init must be greater than beta"):
        numbers_under_jit(KEY, X)


def test_a_start_that_is_not_drawn_takes_no_key():
    for given in ({}, {"rngs": nnx.Rngs(0)}):
        module = jaxacts.nnx.Rational(**given)
        np.testing.assert_allclose(module(X), jaxacts.linen.Rational().init_with_output(KEY, X)[0], rtol=1e-6)
    assert jaxacts.nnx.PReLU(negative_slope_init=constant(0.5)).negative_slope[...] == 0.5
    with pytest.raises(ValueError, match="Rational: the initializer numerator_init needs a random key"):
        jaxacts.nnx.Rational(numerator_init=jaxacts.initializers.normal(1.0))
