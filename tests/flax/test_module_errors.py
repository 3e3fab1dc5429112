"""Modules of Flax refuse what they cannot take, and say which module it is and what to do."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import pytest
from flax import errors, nnx

import jaxacts
import jaxacts.linen
import jaxacts.nnx

KEY = jax.random.key(11)
X = jax.random.normal(jax.random.key(4), (16, 3))


REFUSED = {
    "PReLU: axis 2 is out of range for an array of 2 axes; pass one of -2 to 1.": [
        lambda: jaxacts.linen.PReLU(axis=2).init(KEY, X),
        lambda: jaxacts.nnx.PReLU(3, axis=2)(X),
    ],
    "Dice: axis -3 is out of range for an array of 2 axes; pass one of -2 to 1.": [
        lambda: jaxacts.linen.Dice(axis=-3, use_running_average=False).init(KEY, X),
        lambda: jaxacts.nnx.Dice(3, axis=-3)(X),
    ],
    "PReLU: negative_slope_init must be a number or an initializer, got str; "
    "for given values pass jaxacts.initializers.constant(values).": [
        lambda: jaxacts.linen.PReLU(negative_slope_init="0.25").init(KEY, X),
        lambda: jaxacts.nnx.PReLU(negative_slope_init="0.25"),
    ],
    "PReLU: the initializer negative_slope_init needs a random key; pass rngs=nnx.Rngs(0), or a number.": [
        lambda: jaxacts.nnx.PReLU(negative_slope_init=jaxacts.initializers.zeros),
    ],
    "PReLU: built for 5 channels on axis -1, got an input of shape (16, 3); "
    "build it with features=3, or with the axis that holds the channels.": [
        lambda: jaxacts.nnx.PReLU(5, axis=-1)(X),
    ],
    "Dice: built for 1 channels on axis -1, got an input of shape (16, 3); "
    "build it with features=3, or with the axis that holds the channels.": [
        lambda: jaxacts.nnx.Dice(1)(X),
        lambda: jaxacts.nnx.Dice(1, use_running_average=True)(X),
    ],
    "PReLU: features and axis belong together, got features=3 and axis=None; "
    "pass both for one value per channel, or None for both for one in all.": [
        lambda: jaxacts.nnx.PReLU(3),
    ],
    "PReLU: features and axis belong together, got features=None and axis=1; "
    "pass both for one value per channel, or None for both for one in all.": [
        lambda: jaxacts.nnx.PReLU(axis=1),
    ],
    "PReLU: features must be at least 1, got 0; pass the length of axis -1 of the input.": [
        lambda: jaxacts.nnx.PReLU(0, axis=-1),
    ],
    "RReLU: there is no rng stream 'rrelu' to draw from; "
    "pass rngs={'rrelu': key} to apply, or deterministic=True to the module.": [
        lambda: jaxacts.linen.RReLU(deterministic=False).apply({}, X),
    ],
    "RReLU: has no random key to draw with; pass rngs=nnx.Rngs(0) to the module or to the call, "
    "or draw nothing with deterministic=True or eval().": [
        lambda: jaxacts.nnx.RReLU()(X),
    ],
    "PReLU: param_dtype must be a floating dtype, got int32; pass jnp.float32.": [
        lambda: jaxacts.linen.PReLU(param_dtype=jnp.int32).init(KEY, X),
        lambda: jaxacts.nnx.PReLU(param_dtype=jnp.int32),
    ],
    "Dice: param_dtype must be a floating dtype, got bool": [
        lambda: jaxacts.linen.Dice(param_dtype=bool, use_running_average=True).init(KEY, X),
        lambda: jaxacts.nnx.Dice(3, param_dtype=bool),
    ],
    "Maxout: param_dtype must be a floating dtype, got complex64": [
        lambda: jaxacts.linen.Maxout(4, param_dtype=jnp.complex64).init(KEY, X),
        lambda: jaxacts.nnx.Maxout(3, 4, param_dtype=jnp.complex64, rngs=nnx.Rngs(0)),
    ],
    "RReLU: needs lower <= upper, got lower=0.5, upper=0.1; pass numbers for which that holds.": [
        lambda: jaxacts.linen.RReLU(0.5, 0.1, deterministic=True).apply({}, X),
        lambda: jaxacts.nnx.RReLU(0.5, 0.1),
    ],
    "RReLU: rngs must be nnx.Rngs, got int; pass nnx.Rngs(0).": [lambda: jaxacts.nnx.RReLU(rngs=3)],
    "RReLU: there is no stream 'rrelu' in rngs; pass nnx.Rngs(rrelu=0).": [
        lambda: jaxacts.nnx.RReLU(rngs=nnx.Rngs(params=0)),
        lambda: jaxacts.nnx.RReLU()(X, rngs=nnx.Rngs(params=0)),
    ],
    "RReLU: deterministic must be True or False, got 'no'; pass a Python bool.": [
        lambda: jaxacts.linen.RReLU(deterministic="no").apply({}, X),
        lambda: jaxacts.nnx.RReLU()(X, deterministic="no"),
    ],
    "Dice: momentum must be from 0 to 1, got 5.0; the usual value is 0.99.": [
        lambda: jaxacts.linen.Dice(momentum=5.0, use_running_average=True).init(KEY, X),
        lambda: jaxacts.nnx.Dice(3, momentum=5.0),
    ],
    "Dice: momentum must be from 0 to 1, got -1": [lambda: jaxacts.nnx.Dice(3, momentum=-1)],
    "Dice: epsilon must be from 0 to inf, got 'a'; the usual value is 1e-08.": [
        lambda: jaxacts.linen.Dice(epsilon="a", use_running_average=True).init(KEY, X),
        lambda: jaxacts.nnx.Dice(3, epsilon="a"),
    ],
    "PReLU: x must be real, got dtype complex64": [
        lambda: jaxacts.linen.PReLU().init(KEY, jnp.ones(3, complex)),
        lambda: jaxacts.nnx.PReLU()(jnp.ones(3, complex)),
    ],
    "RReLU: x must be real, got dtype complex64": [
        lambda: jaxacts.linen.RReLU(deterministic=True).apply({}, jnp.ones(3, complex)),
        lambda: jaxacts.nnx.RReLU(deterministic=True)(jnp.ones(3, complex)),
    ],
    "FReLU: x needs 2 spatial axes and one of channels": [
        lambda: jaxacts.linen.FReLU().init(KEY, X),
        lambda: jaxacts.nnx.FReLU(3, rngs=nnx.Rngs(0))(X),
    ],
    "Dice: x needs at least one axis, got a scalar": [lambda: jaxacts.nnx.Dice(3)(1.0)],
    "PReLU: features must be an integer, got 'a'; pass a Python int.": [lambda: jaxacts.nnx.PReLU("a", axis=-1)],
    "Maxout: the number of output features must be an integer, got 2.5; pass a Python int.": [
        lambda: jaxacts.linen.Maxout(2.5).init(KEY, X),
        lambda: jaxacts.nnx.Maxout(3, 2.5, rngs=nnx.Rngs(0)),
    ],
    "Maxout: kernel_init must be a number or an initializer, got str": [
        lambda: jaxacts.linen.Maxout(4, kernel_init="he").init(KEY, X),
        lambda: jaxacts.nnx.Maxout(3, 4, kernel_init="he", rngs=nnx.Rngs(0)),
    ],
    "Maxout: rngs must be nnx.Rngs, got int; pass nnx.Rngs(0).": [lambda: jaxacts.nnx.Maxout(3, 4, rngs=3)],
    "Maxout: x needs at least one axis, got a scalar": [lambda: jaxacts.linen.Maxout(4).init(KEY, 1.0)],
    "Maxout: the number of pieces must be at least 1, got 0; pass a positive int.": [
        lambda: jaxacts.linen.Maxout(2, pieces=0).init(KEY, X),
        lambda: jaxacts.nnx.Maxout(3, 2, pieces=0, rngs=nnx.Rngs(0)),
    ],
    "Maxout: the number of output features must be at least 1, got -2; pass a positive int.": [
        lambda: jaxacts.linen.Maxout(-2).init(KEY, X),
        lambda: jaxacts.nnx.Maxout(3, -2, rngs=nnx.Rngs(0)),
    ],
    "Maxout: built for 4 input features, got an input of shape (16, 3); build it with the length of the last axis.": [
        lambda: jaxacts.nnx.Maxout(4, 2, rngs=nnx.Rngs(0))(X),
    ],
}


@pytest.mark.parametrize(("message", "call"), [(m, c) for m, calls in REFUSED.items() for c in calls])
def test_errors_say_what_to_do(message, call):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(message)}"):
        call()


@pytest.mark.parametrize("module", [jaxacts.linen.PReLU(axis=-1), jaxacts.linen.Maxout(2)])
def test_linen_refuses_other_shapes_than_it_was_initialized_with(module):
    variables = module.init(KEY, X)
    with pytest.raises(errors.ScopeParamShapeError):
        module.apply(variables, X[:, :2])


@pytest.mark.parametrize("module", [jaxacts.linen.RReLU(), jaxacts.linen.GumbelSoftmax(), jaxacts.linen.Dice()])
def test_linen_wants_to_know_the_mode_once(module):
    mode = "use_running_average" if isinstance(module, jaxacts.linen.Dice) else "deterministic"
    name = type(module).__name__
    message = (
        f"{name}: {mode} must be given to the module or at the call, got {{}}; "
        f"write {name}({mode}=True) in evaluation, or pass {mode}=False at the call in training."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message.format('neither'))}"):
        module.init(KEY, X)
    for of_module, of_call in ((True, True), (False, True), (True, False)):
        with pytest.raises(ValueError, match=f"^{re.escape(message.format('both'))}"):
            module.clone(**{mode: of_module}).init(KEY, X, of_call)


def test_a_subclass_is_named_in_its_errors():
    class Slopes(jaxacts.nnx.PReLU):
        pass

    with pytest.raises(ValueError, match=r"^Slopes: "):
        Slopes(0, axis=-1)
