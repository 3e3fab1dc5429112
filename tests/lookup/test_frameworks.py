"""The tables of other frameworks' names: each target exists, and computes what the name means there.

jax.nn and Flax are called. The formulas of torch, keras and Hugging Face are written down here from their documentation
and sources, with their defaults, in NumPy and float64.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

import jaxacts as ja
from jaxacts.lookup import FRAMEWORKS

X = np.array([[-7.0, -3.5, -1.25, -0.5], [0.25, 1.5, 3.25, 8.0]])
Formula = Callable[..., Any]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x, beta=1.0):
    return np.log1p(np.exp(beta * x)) / beta


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def gelu_tanh(x):
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(x))


def leaky(x, a):
    return np.where(x > 0, x, a * x)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def glu(x):
    a, b = np.split(x, 2, -1)
    return a * sigmoid(b)


def sparsemax(x):
    """The projection onto the simplex (Martins & Astudillo 2016, algorithm 1)."""
    z = np.sort(x, -1)[..., ::-1]
    k = np.arange(1, x.shape[-1] + 1)
    support = (1 + k * z > z.cumsum(-1)).sum(-1, keepdims=True)
    threshold = (np.take_along_axis(z.cumsum(-1), support - 1, -1) - 1) / support
    return np.maximum(x - threshold, 0)


def xielu(x, p=0.8, n=0.8, beta=0.5):
    return np.where(x > 0, p * x * x + beta * x, n * (np.expm1(np.minimum(x, -1e-6)) - x) + beta * x)


SELU = 1.0507009873554805, 1.6732632423543772
COMMON: dict[str, Formula] = {
    "celu": elu,
    "elu": elu,
    "glu": glu,
    "hard_shrink": lambda x: np.where(abs(x) > 0.5, x, 0),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "identity": lambda x: x,
    "log_sigmoid": lambda x: np.log(sigmoid(x)),
    "log_softmax": lambda x: np.log(softmax(x)),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: SELU[0] * elu(x, SELU[1]),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0),
    "soft_sign": lambda x: x / (1 + abs(x)),
    "softmax": softmax,
    "softplus": softplus,
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
}
"""What has one meaning everywhere, by the name here."""


def threshold(x, threshold, value):
    return np.where(x > threshold, x, value)


# name there -> formula there, where the formula or its defaults are not those above
TORCH: dict[str, Formula] = {
    **dict.fromkeys(("GELU", "gelu"), gelu),
    **dict.fromkeys(("LeakyReLU", "leaky_relu"), lambda x: leaky(x, 0.01)),
    **dict.fromkeys(("Softmin", "softmin"), lambda x: softmax(-x)),
    "Softmax2d": lambda x: softmax(x, -3),
    "PReLU": lambda x: leaky(x, 0.25),
    "rrelu": lambda x: leaky(x, (1 / 8 + 1 / 3) / 2),
}
KERAS: dict[str, Formula] = {
    "LeakyReLU": lambda x: leaky(x, 0.3),
    "PReLU": lambda x: leaky(x, 0.0),
    "gelu": gelu,
    "leaky_relu": lambda x: leaky(x, 0.2),
    "sparse_plus": lambda x: np.where(x >= 1, x, (np.maximum(x, -1) + 1) ** 2 / 4),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "sparsemax": sparsemax,
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
}
HUGGING_FACE: dict[str, Formula] = {
    **dict.fromkeys(("gelu", "gelu_python"), gelu),
    **dict.fromkeys(("gelu_accurate", "gelu_new", "gelu_python_tanh", "gelu_pytorch_tanh"), gelu_tanh),
    "gelu_10": lambda x: np.clip(gelu(x), -10, 10),
    "gelu_fast": lambda x: x * (1 + np.tanh(x * 0.7978845608 * (1 + 0.044715 * x * x))) / 2,
    "laplace": lambda x: (1 + erf((x - 0.707107) / (0.282095 * np.sqrt(2)))) / 2,
    "leaky_relu": lambda x: leaky(x, 0.01),
    "prelu": lambda x: leaky(x, 0.25),
    "quick_gelu": lambda x: x * sigmoid(1.702 * x),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
    "sqrtsoftplus": lambda x: np.sqrt(softplus(x)),
    "xielu": xielu,
}
FORMULAS = {"hf": HUGGING_FACE, "keras": KERAS, "torch": TORCH}

# what cannot be called with x alone, and how it is called here and there
CALLS: dict[tuple[str, str], tuple[dict[str, Any], Formula]] = {
    ("torch", "Threshold"): ({"threshold": 1.0, "value": -2.0}, lambda x: threshold(x, 1.0, -2.0)),
    ("torch", "threshold"): ({"threshold": 1.0, "value": -2.0}, lambda x: threshold(x, 1.0, -2.0)),
    ("keras", "threshold"): ({"threshold": 1.0, "default_value": -2.0}, lambda x: threshold(x, 1.0, -2.0)),
    ("torch", "prelu"): ({"weight": 0.5}, lambda x: leaky(x, 0.5)),
}
DRAWN = {("torch", "RReLU"), ("torch", "gumbel_softmax")}
"""Random ones; the tests below draw from them."""

ROWS = [(f, n) for f, table in FRAMEWORKS.items() for n, row in table.items() if row.config is not None]


@pytest.mark.parametrize(("framework", "name"), ROWS)
def test_every_target_exists(framework: str, name: str) -> None:
    function = ja.get(name, framework=framework)
    assert ja.config_of(function)["name"] in {*ja.catalogue(), "clipped"}
    row = FRAMEWORKS[framework][name]
    innermost = row.config
    while isinstance(innermost.get("function"), dict):
        innermost = innermost["function"]
    known = inspect.signature(ja.get(innermost["name"])).parameters
    assert set(row.arguments.values()) <= set(known), f"{name}: arguments are not those of {innermost['name']}"
    assert set(row.values) <= set(row.arguments)


@pytest.mark.parametrize(("framework", "name"), [r for r in ROWS if r[0] in FORMULAS and r not in DRAWN])
def test_every_name_computes_what_it_means_there(framework: str, name: str) -> None:
    arguments, formula = CALLS.get((framework, name), ({}, None))
    config = FRAMEWORKS[framework][name].config
    formula = formula or FORMULAS[framework].get(name) or COMMON[config["name"]]
    function = ja.get({"name": name, **arguments}, framework=framework)
    x = X[None, None] if name == "Softmax2d" else X
    np.testing.assert_allclose(function(jnp.asarray(x, jnp.float32)), formula(x), rtol=3e-6, atol=1e-6)


@pytest.mark.sampled(26)
@pytest.mark.parametrize(("framework", "name"), [r for r in ROWS if r[0] in ("jax", "flax")])
def test_every_name_of_jax_and_flax_computes_what_it_does_there(framework: str, name: str) -> None:
    x = jnp.asarray(X, jnp.float32)
    if name == "PReLU":
        module = nn.PReLU()
        there = module.apply(module.init(jax.random.key(0), x), x)
        np.testing.assert_array_equal(nnx.PReLU()(x), there)
    else:
        there = getattr(jax.nn if framework == "jax" else nnx, name)(x)
    np.testing.assert_allclose(ja.get(name, framework=framework)(x), there, rtol=1e-5, atol=1e-6)


def test_defaults_are_those_of_jax() -> None:
    for name, row in FRAMEWORKS["jax"].items():
        if row.config is not None:
            assert row.config.keys() == {"name"}, f"{name}: the defaults here are those of jax.nn"


def functions_of(module: Any) -> set[str]:
    public = {n for n in dir(module) if not n.startswith("_") and callable(getattr(module, n))}
    return {n for n in public if getattr(module, n).__module__.startswith(("jax.", "jax", "flax"))}


def test_no_name_of_jax_nn_is_missing() -> None:
    assert set(FRAMEWORKS["jax"]) == functions_of(jax.nn)


def test_no_name_of_flax_is_missing() -> None:
    linen = functions_of(__import__("flax.linen.activation", fromlist=["activation"]))
    helpers = {"Array", "Dense", "Dtype", "Module", "compact"}
    in_nnx = set(__import__("flax.nnx.nn.activations", fromlist=["activations"]).__all__)
    assert set(FRAMEWORKS["flax"]) == (linen - helpers) | in_nnx


def test_the_keys_of_hugging_face() -> None:
    keys = (
        "gelu gelu_10 gelu_fast gelu_new gelu_python gelu_pytorch_tanh gelu_python_tanh gelu_accurate hardswish "
        "laplace leaky_relu linear mish quick_gelu relu relu2 relu6 sigmoid silu sqrtsoftplus swish tanh prelu xielu"
    )
    assert set(FRAMEWORKS["hf"]) == set(keys.split())


def test_the_names_of_keras() -> None:
    functions = (
        "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
        "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
        "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold"
    )
    assert set(FRAMEWORKS["keras"]) == {*functions.split(), "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"}


@pytest.mark.parametrize("name", ["relu", "gelu", "softmax", "elu", "softplus"])
def test_a_name_without_a_framework_is_one_of_this_library(name: str) -> None:
    assert ja.get(name) is getattr(ja, name)


def test_arguments_are_those_of_the_other_framework() -> None:
    keywords: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("torch", {"name": "LeakyReLU", "negative_slope": 0.2}, {"negative_slope": 0.2}),
        ("torch", {"name": "GELU", "approximate": "tanh"}, {"approximate": True}),
        ("torch", {"name": "GELU", "approximate": "none"}, {"approximate": False}),
        ("torch", {"name": "Hardtanh", "min_val": -2.0, "max_val": 3.0}, {"min": -2.0, "max": 3.0}),
        ("torch", {"name": "Softmax", "dim": 1}, {"axis": 1}),
        ("torch", {"name": "Hardshrink", "lambd": 1.0}, {"threshold": 1.0}),
        ("torch", {"name": "rrelu", "training": True}, {"deterministic": False}),
        ("torch", {"name": "PReLU", "init": 0.1}, {"negative_slope": 0.1}),
        ("keras", {"name": "gelu", "approximate": True}, {"approximate": True}),
        ("flax", {"name": "PReLU", "negative_slope_init": 0.5}, {"negative_slope": 0.5}),
    ]
    for framework, config, expected in keywords:
        function: Any = ja.get(config, framework=framework)
        assert isinstance(function, functools.partial)
        assert function.keywords == expected, config


def test_arguments_that_change_nothing() -> None:
    for name in ("ReLU", "leaky_relu", "SiLU", "hardtanh"):
        given = ja.get({"name": name, "inplace": True}, framework="torch")
        assert ja.config_of(given) == ja.config_of(ja.get(name, framework="torch"))
    softplus = ja.get({"name": "Softplus", "beta": 2, "threshold": 20}, framework="torch")
    assert ja.config_of(softplus) == {"name": "softplus", "beta": 2}


@pytest.mark.parametrize("name", ["relu", "ReLU"])
@pytest.mark.parametrize(
    "given",
    [
        {"max_value": 3.0},
        {"max_value": None, "negative_slope": 0.1},
        {"negative_slope": 0.1, "max_value": 3.0},
        {"threshold": 1.0},
        {"threshold": 1.0, "max_value": 3.0},
    ],
)
def test_the_arguments_of_relu_in_keras(name: str, given: dict[str, Any]) -> None:
    slope, low = given.get("negative_slope", 0.0), given.get("threshold", 0.0)
    top = given.get("max_value") or np.inf
    there = np.minimum(np.where(low < X, X, slope * (X - low)), top)
    function = ja.get({"name": name, **given}, framework="keras")
    np.testing.assert_allclose(function(jnp.asarray(X, jnp.float32)), there, rtol=1e-6)
    assert ja.config_of(ja.get(ja.config_of(function))) == ja.config_of(function)


def test_random_ones_take_a_key() -> None:
    x = jnp.full(1000, -1.0)
    drawn = ja.get("RReLU", framework="torch")(x, key=jax.random.key(0))
    assert float(drawn.min()) >= -1 / 3
    assert float(drawn.max()) <= -1 / 8
    assert float(drawn.std()) > 0.05
    soft = ja.get({"name": "gumbel_softmax", "tau": 0.5}, framework="torch")(jnp.zeros((5, 3)), key=jax.random.key(0))
    np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("framework", "name", "error"),
    [
        ("torch", "LeakyRelu", "get: unknown activation of torch 'LeakyRelu'; did you mean 'LeakyReLU'"),
        ("hf", "gelu_tanh", "get: unknown activation of hf 'gelu_tanh'; did you mean"),
        ("keras", "exponential", r"get: exponential of keras has no counterpart in jaxacts; use jnp\.exp"),
        ("jax", "one_hot", "get: one_hot of jax has no counterpart in jaxacts; not an activation; use jax.nn.one_hot"),
        ("tensorflow", "relu", "get: unknown framework 'tensorflow'; "),
        (
            "keras",
            {"name": "relu", "negative_slope": 0.1, "threshold": 1.0},
            "get: keras's relu with both negative_slope=0.1 and threshold=1.0 has no counterpart",
        ),
        ("keras", {"name": "relu", "max": 6.0}, "get: keras's relu has no argument 'max' .* it takes max_value, negat"),
        (
            "torch",
            {"name": "Softplus", "threshold": 5},
            "get: torch's Softplus has no argument 'threshold' that is known here .there it is linear",
        ),
        (
            "torch",
            {"name": "GELU", "approximate": "erf"},
            "get: unknown approximate of torch's GELU 'erf'; did you mean",
        ),
        ("torch", {"name": "Tanh", "inplace": True}, "get: torch's Tanh has no argument 'inplace' that is known here"),
        ("torch", {"name": "CELU", "alpha": -1.0}, "celu: needs alpha > 0, got alpha=-1.0"),
    ],
)
def test_what_is_refused(framework: str, name: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        ja.get(name, framework=framework)


def test_the_readme_counts_activations_truly() -> None:
    """The functions of the catalogue, and how many different ones each framework has a name for."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    row = re.search(r"^\| number of activations \|(.*)\|$", readme, re.MULTILINE)
    assert row
    in_table = {f: {row.config["name"] for row in FRAMEWORKS[f].values() if row.config} for f in FRAMEWORKS}
    extra = {"jax": 0, "torch": 0, "keras": 1}  # keras' exponential
    expected = [len(ja.catalogue()), *(len(in_table[f]) + extra[f] for f in ("jax", "torch", "keras"))]
    assert [int(cell) for cell in row[1].split("|")] == expected
