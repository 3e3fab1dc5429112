"""Names, configurations, and the way back through JSON."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

import jaxacts as ja
from jaxacts.lookup._configuration import TRANSFORMS

CATALOGUE = ja.catalogue()
partial = functools.partial


def number_of(entry: ja.Activation, name: str) -> Any:
    """A value of this argument that is in its domain and, if there is one, not the default."""
    value = entry.arguments()[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) and name == "axis":
        return -2
    for other in (value * 0.5, value * 1.5) if isinstance(value, float) else ():
        with contextlib.suppress(ValueError):
            entry.arguments(**{name: other})
            return other
    return value


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_activation_comes_back_from_json(name: str) -> None:
    function = ja.get(name)
    assert ja.config_of(function) == {"name": name}
    assert ja.get(json.loads(json.dumps(ja.config_of(function)))) is function


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_activation_comes_back_with_all_its_arguments(name: str) -> None:
    entry = CATALOGUE[name]
    bound = {n: v for n in entry.arguments() if n != "key" and (v := number_of(entry, n)) is not None}
    configured = partial(entry.function, **bound) if bound else entry.function
    config = json.loads(json.dumps(ja.config_of(configured), allow_nan=False))
    again: Any = ja.get(config)
    assert ja.config_of(again) == config
    if bound:
        assert again.func is entry.function
        assert again.keywords.keys() == bound.keys()
        for argument, value in bound.items():
            np.testing.assert_array_equal(again.keywords[argument], value)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_activation_comes_back_from_every_transform(name: str) -> None:
    function = CATALOGUE[name].function
    for transform, (apply, of_functions, _) in TRANSFORMS.items():
        settings: dict[str, Any] = dict.fromkeys(of_functions, function)
        others = set(inspect.signature(apply).parameters) - settings.keys()
        settings |= {n: v for n, v in {"choice": 0.25, "min": -0.5, "max": 0.5}.items() if n in others}
        assert others <= settings.keys(), f"{transform} has arguments that are not tested"
        config = json.loads(json.dumps(ja.config_of(apply(**settings)), allow_nan=False))
        assert ja.config_of(ja.get(config)) == config
        assert config["name"] == transform


CONFIGURED: list[tuple[Callable[..., Array], dict[str, Any]]] = [
    (partial(ja.leaky_relu, negative_slope=0.2), {"name": "leaky_relu", "negative_slope": 0.2}),
    (partial(ja.leaky_relu, negative_slope=jnp.float32(0.25)), {"name": "leaky_relu", "negative_slope": 0.25}),
    (partial(ja.prelu, negative_slope=np.array([0.5, 0.25])), {"name": "prelu", "negative_slope": [0.5, 0.25]}),
    (partial(ja.hard_tanh, min=-math.inf, max=2), {"name": "hard_tanh", "min": "-inf", "max": 2}),
    (partial(ja.gelu, approximate=False), {"name": "gelu", "approximate": False}),
    (partial(partial(ja.hard_tanh, min=-2.0), max=0.5), {"name": "hard_tanh", "min": -2.0, "max": 0.5}),
    (ja.swish, {"name": "silu"}),
    (
        partial(ja.with_kink_slope(ja.leaky_relu, "right"), negative_slope=0.5),
        {
            "name": "with_kink_slope",
            "function": {"name": "leaky_relu"},
            "choice": "right",
            "arguments": {"negative_slope": 0.5},
        },
    ),
    (
        ja.with_slope(ja.relu, partial(ja.leaky_relu, negative_slope=0.5)),
        {"name": "with_slope", "function": {"name": "relu"}, "slope_of": {"name": "leaky_relu", "negative_slope": 0.5}},
    ),
    (
        partial(ja.clipped(ja.hard_tanh, max=3.0), min=-4.0, max=4.0),
        {
            "name": "clipped",
            "function": {"name": "hard_tanh"},
            "min": "-inf",
            "max": 3.0,
            "arguments": {"min": -4.0, "max": 4.0},
        },
    ),
    (
        partial(ja.gated(partial(ja.silu, beta=2.0)), axis=0, interleaved=True),
        {
            "name": "gated",
            "function": {"name": "silu", "beta": 2.0},
            "arguments": {"axis": 0, "interleaved": True},
        },
    ),
    (ja.gated(ja.relu), {"name": "gated", "function": {"name": "relu"}}),
    (
        ja.split_complex(ja.with_slope(ja.with_kink_slope(ja.relu, 0.5), ja.clipped(ja.silu))),
        {
            "name": "split_complex",
            "function": {
                "name": "with_slope",
                "function": {"name": "with_kink_slope", "function": {"name": "relu"}, "choice": 0.5},
                "slope_of": {"name": "clipped", "function": {"name": "silu"}, "min": "-inf", "max": "inf"},
            },
        },
    ),
]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("function", "config"), CONFIGURED, ids=[repr(config) for _, config in CONFIGURED])
def test_configuration_and_function_are_one(function: Callable[..., Array], config: dict[str, Any]) -> None:
    assert ja.config_of(function) == config
    again = ja.get(json.loads(json.dumps(config, allow_nan=False)))
    assert ja.config_of(again) == config
    x = jnp.array([[-6.0, -1.0], [0.0, 6.0]])
    for of in (lambda f: f(x), lambda f: jax.grad(lambda x: f(x).sum())(x)):
        np.testing.assert_array_equal(of(again), of(function))


def test_a_kink_slope_of_a_configured_function() -> None:
    config = {"name": "with_kink_slope", "function": {"name": "leaky_relu", "negative_slope": 0.3}, "choice": "left"}
    f = ja.get(config)
    assert (f(-2.0), jax.grad(f)(0.0)) == pytest.approx((-0.6, 0.3))
    assert ja.config_of(f) == {**config, "function": {"name": "leaky_relu"}, "arguments": {"negative_slope": 0.3}}
    again = ja.get(json.loads(json.dumps(ja.config_of(f))))
    assert ja.config_of(again) == ja.config_of(f)
    assert jax.grad(again)(0.0) == jax.grad(f)(0.0)
    right = ja.with_kink_slope(f, "right")  # replaces the choice
    assert (right(-2.0), jax.grad(right)(0.0)) == pytest.approx((-0.6, 1.0))


def test_a_short_configuration_does() -> None:
    f = ja.get({"name": "with_slope", "function": "relu", "slope_of": {"name": "elu", "alpha": 0.5}})
    assert jax.grad(f)(-1.0) == jax.grad(partial(ja.elu, alpha=0.5))(-1.0)
    assert ja.get({"name": "relu"}) is ja.relu
    assert ja.get("hard_swish") is ja.hard_silu


def own(x: Array) -> Array:
    return x


@ja.activation(slope=lambda x: ja.Pieces((0.0,), (0.0, 1.0)))
def relu(x: Array) -> Array:
    """Not the one of the catalogue."""
    return jnp.maximum(x, 0)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, "config_of: <lambda> is not in the catalogue, so it has no configuration; pass"),
        (jax.nn.relu, "config_of: relu is not in the catalogue"),
        (relu, "config_of: relu is not in the catalogue"),
        (jax.grad(ja.relu), "config_of: relu is not in the catalogue"),
        (3, "config_of: 3 is not in the catalogue"),
        (partial(own), "config_of: own is not in the catalogue"),
        (ja.with_slope(jnp.sign, ja.hard_tanh), "config_of: sign is not in the catalogue"),
        (ja.with_slope(ja.relu, own), "config_of: own is not in the catalogue"),
        (partial(ja.relu, 3.0), "config_of: a partial must bind arguments by keyword, got 1 by position; the first is"),
        (
            partial(ja.rrelu, key=jax.random.key(0)),
            "config_of: key of rrelu is a random key, which has no place in a configuration; pass it in the call",
        ),
        (
            partial(ja.leaky_relu, negative_slope=ja.relu),
            "config_of: negative_slope of leaky_relu must be a number, an",
        ),
    ],
)
def test_what_has_no_configuration(function: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ja.config_of(function)


def test_traced_arguments_have_no_configuration() -> None:
    def f(a: Array) -> Array:
        ja.config_of(partial(ja.leaky_relu, negative_slope=a))
        return a

    with pytest.raises(TypeError, match="config_of: negative_slope of leaky_relu is a traced array"):
        jax.jit(f)(1.0)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"negative_slope": 1.0}, TypeError, r"get: a configuration must have a 'name', got {'negative_slope': 1.0}"),
        ({"name": 3}, TypeError, "get: name must be a str or a configuration, got int"),
        ({"name": "rellu"}, ValueError, "get: unknown activation 'rellu'; did you mean 'relu'"),
        (
            "linear",
            ValueError,
            r"^get: unknown activation 'linear'; did you mean 'identity'\? hf and keras have that name: "
            r"get\('linear', framework='hf'\) or get\('linear', framework='keras'\)\.$",
        ),
        (
            {"name": "GELU", "approximate": "none"},
            ValueError,
            r"^get: unknown activation 'GELU'; did you mean 'gelu'\? torch has that name: "
            r"get\('GELU', framework='torch'\)\.$",
        ),
        (
            "gelu_10",
            ValueError,
            r"^get: unknown activation 'gelu_10'; hf has that name: get\('gelu_10', framework='hf'\)\.$",
        ),
        (
            "exponential",
            ValueError,
            "^get: unknown activation 'exponential'; that of keras has no counterpart in jaxacts: use jnp.exp.$",
        ),
        ({"name": "with_slop"}, ValueError, "get: unknown activation 'with_slop'; did you mean 'with_slope'"),
        (
            {"name": "leaky_relu", "slope": 1.0},
            ValueError,
            r"get: unknown argument of leaky_relu 'slope'; did you mean 'negative_slope'\?",
        ),
        ({"name": "relu", "alpha": 1.0}, ValueError, "get: unknown argument of relu 'alpha'"),
        ({"name": "celu", "alpha": -1.0}, ValueError, "celu: needs alpha > 0, got alpha=-1.0"),
        ({"name": "with_slope", "function": "relu"}, TypeError, "with_slope: missing a required argument: 'slope_of'"),
        (
            {"name": "clipped", "function": "relu", "maximum": 1.0},
            ValueError,
            "get: unknown argument of clipped 'maximum'; did you mean 'max'",
        ),
        ({"name": "clipped", "function": "relu", "min": 2.0, "max": 1.0}, ValueError, "clipped: min must not be"),
        (
            {"name": "clipped", "function": "relu", "arguments": {"alpha": 1.0}},
            ValueError,
            "get: unknown argument of relu 'alpha'",
        ),
    ],
)
def test_wrong_configurations(config: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ja.get(config)


@pytest.mark.parametrize("name", ["__builtins__", "_core", "jnp", "Pieces", "activations", "catalogue", "__all__"])
def test_no_attribute_of_a_module_is_reached(name: str) -> None:
    with pytest.raises(ValueError, match="get: unknown activation"):
        ja.get(name)
