"""Which layers recycling takes and which it leaves alone: what the model returns stays in either case."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import Array, lax
from watched import KEY

import jaxacts
from jaxacts import diagnostics

relu = jaxacts.relu
X = jax.random.normal(jax.random.key(3), (16, 5))
DEAD = np.arange(5) == 4
SHAPES = {"a": (5, 5), "a1": (5, 1), "a2": (5, 5), "a3": (5, 3), "c": (5, 2), "c2": (5, 2), "wide": (10, 2)}
MORE = {"a4": (5, 4), "c4": (4, 2), "pair": (2, 3), "pairs": (2, 2, 3), "steps": (3, 5, 2), "s": (5,), "b2": (5,)}
LAST = {"rows": (3, 2), "two": (2, 2)}
BIAS = np.where(DEAD, -99, 0.1).astype(np.float32)


def parameters() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drawn = {
        name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in {**SHAPES, **MORE, **LAST}.items()
    }
    biases = {
        "b": BIAS,
        "four": BIAS[1:],
        "three": BIAS[2:],
        "both": np.tile(BIAS, 2),
        "one": 0.7,
        "reversed": BIAS[::-1],
    }
    scales = {"scale": 2.0, "groups": [2.0, 3.0], "root": [-0.2, -0.2, -0.2, -0.2, 5.0]}
    return drawn | {name: jnp.asarray(value, jnp.float32) for name, value in (biases | scales).items()}


def z_of(p: Any, x: Array) -> Array:
    return x @ p["a"] + p["b"]


def h_of(p: Any, x: Array) -> Array:
    return relu(z_of(p, x))


def layer_norm(z: Array) -> Array:
    return (z - z.mean(-1, keepdims=True)) / z.std(-1, keepdims=True)


def batch_norm(z: Array) -> Array:
    return (z - z.mean(0)) / (1 + z.std(0))


def twice(p: Any, x: Array) -> Array:
    return relu(h_of(p, x) @ p["a"] + p["b"] + 99) @ p["c"]


def beside(z: Array) -> Array:
    """What a scan hands from one step to the next."""
    start = (jnp.zeros_like(z), jnp.zeros_like(z))
    (_, last), _ = lax.scan(lambda carry, _: ((z, carry[0]), None), start, None, length=3)
    return last[:, :2]


def table() -> Array:
    """0, 1, 2, 3, 4, by a scan."""
    return lax.scan(lambda i, _: (i + 1, i), jnp.float32(0), None, length=5)[1]


def both(h: Array, other: Array) -> Array:
    return jnp.concatenate([h, other], -1)


ELSEWHERE = "what goes into the activation is used elsewhere too"
MIXED = "its units are mixed before the activation"
NOT_ZERO = "a result of 0 does not stay 0 on its way to the next kernel"
NO_BIAS = "its bias cannot be followed to a parameter"
COMPUTED = "its kernel is not a parameter but computed"
PENALTY = "the model returns what its parameters alone give"
ONE_KERNEL = "its units share weights of their kernel"
SHARED = "its units share weights of the next kernel"
STATISTICS = "the model returns statistics of what goes into the activation"
TWICE = "its parameters are used more than once"


def backward(name: str) -> str:
    return f"its units cannot be followed to a kernel ({name})"


def onward(name: str) -> str:
    return f"its units cannot be followed to the next kernel ({name})"


# Functions of h, after the activation.
AFTER: dict[str, tuple[Any, str]] = {
    "normalized over the units": (lambda p, x, h: layer_norm(h) @ p["c"], onward("reduce_sum")),
    "a residual stream": (lambda p, x, h: (h + x) @ p["c"], "it adds to a residual stream"),
    "shifted": (lambda p, x, h: (h - 0.5) @ p["c"], NOT_ZERO),
    "normalized with a bias": (lambda p, x, h: (batch_norm(h) + p["b2"]) @ p["c"], NOT_ZERO),
    "in another order": (lambda p, x, h: h[:, jnp.array([2, 0, 1, 4, 3])] @ p["c"], onward("gather")),
    "with another unit in a product": (lambda p, x, h: (h * h[:, ::-1]) @ p["c"], onward("mul")),
    "with another unit in a sum": (lambda p, x, h: (h + h[:, ::-1]) @ p["c"], onward("add")),
    "with another unit in a maximum": (lambda p, x, h: jnp.maximum(h, jnp.roll(h, 1, -1)) @ p["c"], onward("max")),
    "shifted in one of two": (lambda p, x, h: both(h, h + 1) @ p["wide"], NOT_ZERO),
    "a cosine in one of two": (lambda p, x, h: both(h, jnp.cos(h)) @ p["wide"], NOT_ZERO),
    "a cosine": (lambda p, x, h: jnp.cos(both(h, h)) @ p["wide"], NOT_ZERO),
    "a hyperbolic cosine": (lambda p, x, h: jnp.cosh(both(h, h)) @ p["wide"], NOT_ZERO),
    "the complementary error function": (lambda p, x, h: lax.erfc(both(h, h)) @ p["wide"], NOT_ZERO),
    "a negative power": (lambda p, x, h: both(h, h) ** -1 @ p["wide"], NOT_ZERO),
    "a quotient": (lambda p, x, h: (x / h) @ p["c"], NOT_ZERO),
    "1 in some places": (lambda p, x, h: jnp.where(x[:, :1] > 0, h, 1) @ p["c"], NOT_ZERO),
    "1 in other places": (lambda p, x, h: jnp.where(x[:, :1] > 0, 1, h) @ p["c"], NOT_ZERO),
    "noise in some places": (
        lambda p, x, h: jnp.where(x[:, :1] > 0, h, jax.random.normal(KEY, h.shape)) @ p["c"],
        NOT_ZERO,
    ),
    "shifted by what a scan gives": (lambda p, x, h: (h + table()[:, None].T) @ p["c"], NOT_ZERO),
    "a kernel for the halves": (lambda p, x, h: h[:, 1:].reshape(-1, 2, 2) @ p["pair"], SHARED),
    "kernels for the halves": (
        lambda p, x, h: jnp.einsum("bgi,gio->bgo", h[:, 1:].reshape(-1, 2, 2), p["pairs"]),
        SHARED,
    ),
    "two kernels in one": (
        lambda p, x, h: h @ jnp.concatenate([p["c"], p["c2"]], 1),
        "it goes into a product with other data",
    ),
    "a kernel a step": (
        lambda p, x, h: lax.scan(lambda y, w: (y + h @ w, None), jnp.zeros((16, 2)), p["steps"])[0],
        "the next kernel is inside of a scan",
    ),
    "around a scan": (lambda p, x, h: h @ p["c"] + beside(h), "it goes from step to step of a scan"),
    "the maximum of units": (
        lambda p, x, h: lax.reduce_window(h, -jnp.inf, lax.max, (1, 2), (1, 1), "SAME") @ p["c"],
        onward("reduce_window_max"),
    ),
    "among the results of a barrier": (
        lambda p, x, h: lax.optimization_barrier((x, h))[1] @ p["c"],
        onward("optimization_barrier"),
    ),
    "returned": (lambda p, x, h: (h @ p["c"], h.mean(0)), "the model returns it"),
    "a penalty on incoming weights": (lambda p, x, h: (h @ p["c"], (p["a"] ** 2).sum()), PENALTY),
    "a penalty on outgoing weights": (lambda p, x, h: (h @ p["c"], (p["c"] ** 2).sum()), PENALTY),
    "a penalty on the bias": (lambda p, x, h: (h @ p["c"], (p["b"] ** 2).sum()), PENALTY),
    "a parameter returned": (lambda p, x, h: (h @ p["c"], p["a"]), PENALTY),
    "its kernel elsewhere": (lambda p, x, h: h @ p["c"] + x @ p["c"], TWICE),
}
# Functions of z, before it.
BEFORE: dict[str, tuple[Any, str]] = {
    "in a skip": (lambda p, x, z: relu(z) @ p["c"] + z @ p["c2"], ELSEWHERE),
    "crelu": (lambda p, x, z: both(relu(z), relu(-z)) @ p["wide"], ELSEWHERE),
    "a gate from the mean": (lambda p, x, z: (relu(z) @ p["c"]) * jnp.tanh(z.mean(0) @ p["c2"]), ELSEWHERE),
    "normalized over the units": (lambda p, x, z: relu(layer_norm(z)) @ p["c"], MIXED),
    "with another unit in a sum": (lambda p, x, z: relu(z + jnp.roll(z, 1, -1)) @ p["c"], backward("add")),
    "with another unit in a difference": (lambda p, x, z: relu(z - 0.1 * z[:, ::-1]) @ p["c"], backward("sub")),
    "with the mean of another unit": (lambda p, x, z: relu(z + jnp.roll(z.mean(0), 1)) @ p["c"], MIXED),
    "around a scan": (
        lambda p, x, z: relu(z) @ p["c"] + beside(z),
        "what goes into the activation goes from step to step of a scan",
    ),
    "returned": (lambda p, x, z: (relu(z) @ p["c"], z), "the model returns what goes into the activation"),
    "its mean returned": (lambda p, x, z: (relu(z) @ p["c"], z.mean(0)), STATISTICS),
    "its padded mean returned": (lambda p, x, z: (relu(z) @ p["c"], 2 * jnp.pad(z.mean(0), (1, 1))), STATISTICS),
    "a running mean returned": (lambda p, x, z: (relu(z) @ p["c"], 0.9 * p["b2"] + 0.1 * z.mean(0)), STATISTICS),
}
# Whole models.
MODELS: dict[str, tuple[Any, str]] = {
    "one kernel for two layers": (twice, TWICE),
    "two kernels take it": (lambda p, x: h_of(p, x) @ p["c"] + relu(x @ p["a2"]) @ p["c"], TWICE),
    "a concatenated bias": (
        lambda p, x: relu(x @ p["a"] + jnp.concatenate([p["groups"], p["three"]])) @ p["c"],
        NO_BIAS,
    ),
    "a padded bias": (lambda p, x: relu(x @ p["a"] + jnp.pad(p["three"], (2, 0))) @ p["c"], NO_BIAS),
    "a bias by indices": (lambda p, x: relu(x @ p["a"] + p["b"][jnp.arange(5)]) @ p["c"], NO_BIAS),
    "a part of a bias by indices": (
        lambda p, x: relu(x @ p["a"] + (p["b"] + p["s"][jnp.arange(5)])) @ p["c"],
        NO_BIAS,
    ),
    "the exponential of a bias": (lambda p, x: relu(x @ p["a"] - jnp.exp(p["root"])) @ p["c"], NO_BIAS),
    "one column for all units": (lambda p, x: relu((x @ p["a1"]) * p["s"] + p["b"]) @ p["c"], ONE_KERNEL),
    "two kernels in one": (
        lambda p, x: relu(x @ jnp.concatenate([p["a3"], p["c2"]], 1) + p["b"]) @ p["c"],
        "its kernel is put together from several",
    ),
    "data beside it": (
        lambda p, x: relu(both(x @ p["a"], x) + p["both"]) @ p["wide"],
        "some of its units have no weights of their own",
    ),
    "a kernel that is computed": (lambda p, x: relu(x @ jnp.exp(p["a"])) @ p["c"], COMPUTED),
    "a layer of a stack": (lambda p, x: relu(x[:, :2] @ p["pairs"][1]) @ p["rows"], COMPUTED),
    "data alone": (lambda p, x: relu(x * p["s"]) @ p["c"], "there is no kernel before it"),
    "positions that are flattened": (
        lambda p, x: relu((jnp.stack([x, x[:, ::-1]], 1) @ p["a"] + p["b"]).reshape(-1, 10)) @ p["wide"],
        ONE_KERNEL,
    ),
}
LEFT = {
    **{f"{name}, after": (lambda p, x, f=f: f(p, x, h_of(p, x)), reason) for name, (f, reason) in AFTER.items()},
    **{f"{name}, before": (lambda p, x, f=f: f(p, x, z_of(p, x)), reason) for name, (f, reason) in BEFORE.items()},
    **MODELS,
}


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", LEFT)
def test_layers_whose_recycling_would_change_more_are_left_alone(name: str) -> None:
    model, reason = LEFT[name]
    p = parameters()
    watch = diagnostics.watch(model, X, variables=p)
    seen = jax.tree.map(jnp.ones_like, watch.init())
    found = diagnostics.recycle(watch, p, None, seen, KEY)
    assert next(iter(found.left.values())) == reason
    assert not found.units
    assert all(found.variables[leaf] is p[leaf] for leaf in p)


def halves(p: Any, x: Array) -> Array:
    z, rest = jnp.split(z_of(p, x), [2], -1)
    return relu(rest) @ p["rows"] + jnp.tanh(z) @ p["two"]


def gated(p: Any, x: Array) -> Array:
    z = z_of(p, x)
    return (relu(z[:, 3:]) * z[:, 1:3]) @ p["two"]


def halves_after(p: Any, x: Array) -> Array:
    h, rest = jnp.split(h_of(p, x), [2], -1)
    return h @ p["two"] + rest @ p["rows"]


DENSE = {"b": np.where(DEAD, 0, BIAS)}
RECYCLED: dict[str, tuple[Any, dict[str, Any]]] = {
    "as it is": (lambda p, x: h_of(p, x) @ p["c"], DENSE),
    "normalized over the batch before": (lambda p, x: relu(batch_norm(x @ p["a"]) + p["b"]) @ p["c"], DENSE),
    "normalized over the batch after": (lambda p, x: batch_norm(h_of(p, x)) @ p["c"], DENSE),
    "dropout after": (lambda p, x: jnp.where(x[:, :1] > 0, 2 * h_of(p, x), 0) @ p["c"], DENSE),
    "a random mask after": (
        lambda p, x: jnp.where(jax.random.bernoulli(KEY, 0.5, x.shape), 2 * h_of(p, x), 0) @ p["c"],
        DENSE,
    ),
    "rolled after": (lambda p, x: jnp.roll(h_of(p, x), 1, -1) @ p["c"], DENSE),
    "gated by another layer": (lambda p, x: (h_of(p, x) * (x @ p["a2"])) @ p["c"], DENSE),
    "data beside it": (lambda p, x: both(h_of(p, x), x) @ p["wide"], DENSE),
    "its input in an unused result": (
        lambda p, x: (lambda z: [relu(z) @ p["c"], jnp.sinh(z) @ p["c2"]][0])(z_of(p, x)),
        DENSE,
    ),
    "its result in an unused one": (lambda p, x: (lambda h: [h @ p["c"], h + x][0])(h_of(p, x)), DENSE),
    "an unused penalty": (lambda p, x: [h_of(p, x) @ p["c"], (p["a"] ** 2).sum(), x @ p["a"]][0], DENSE),
    "a number added to all units": (lambda p, x: relu(x @ p["a"] + p["b"] + p["one"]) @ p["c"], DENSE),
    "a number that scales all units": (lambda p, x: relu((x @ p["a"]) * p["scale"] + p["b"]) @ p["c"], DENSE),
    "a number that scales a group": (
        lambda p, x: (
            relu(((x @ p["a4"]).reshape(-1, 2, 2) * p["groups"][:, None]).reshape(-1, 4) + p["four"]) @ p["c4"]
        ),
        {"four": DENSE["b"][1:]},
    ),
    "a number repeated for a group": (
        lambda p, x: (
            relu((x @ p["a"]) * jnp.repeat(p["groups"], jnp.array([2, 3]), total_repeat_length=5) + p["b"]) @ p["c"]
        ),
        DENSE,
    ),
    "a scale for each": (
        lambda p, x: relu((x @ p["a"]) / (2 * p["root"]) + p["b"]) @ p["c"],
        {**DENSE, "root": [-0.2, -0.2, -0.2, -0.2, 1]},
    ),
    "a scale in one of two terms": (
        lambda p, x: (lambda z: relu(z + z * p["root"] + p["b"]) @ p["c"])(x @ p["a"]),
        {**DENSE, "root": [-0.2, -0.2, -0.2, -0.2, 1]},
    ),
    "a bias in the order of the units reversed": (
        lambda p, x: relu(x @ p["a"] - (p["one"] - p["reversed"][::-1])) @ p["c"],
        {"reversed": DENSE["b"][::-1]},
    ),
    "a bias that two units have": (
        lambda p, x: relu(x @ p["a"] + (p["b"] + p["root"] + p["root"][::-1])) @ p["c"],
        DENSE,
    ),
    "a part of a kernel": (halves, DENSE),
    "gated by a part of its kernel": (gated, DENSE),
    "in two parts after": (halves_after, DENSE),
    "a bias times a number": (lambda p, x: relu(x @ p["a"] + 2 * p["b"] / 3) @ p["c"], DENSE),
    "one bias for two layers": (
        lambda p, x: relu(both(x @ p["a"], x @ p["a2"]) + p["both"]) @ p["wide"],
        {"both": np.tile(DENSE["b"], 2)},
    ),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", RECYCLED)
def test_the_outputs_stay_where_a_unit_is_recycled(name: str) -> None:
    model, expected = RECYCLED[name]
    p = parameters()
    watch = diagnostics.watch(model, X, variables=p)
    y, state = watch(p, X)
    new, _, units, left, kept = diagnostics.recycle(watch, p, None, state, KEY, tau=0.0)
    assert left == kept == {}
    assert sum(map(int, units.values())) == (2 if "both" in expected else 1)
    np.testing.assert_allclose(model(new, X), y, rtol=1e-4, atol=1e-4)
    vectors = {leaf: v for leaf, v in new.items() if v.ndim < 2}
    for leaf, value in vectors.items():
        np.testing.assert_array_equal(value, np.float32(expected.get(leaf, p[leaf])), err_msg=leaf)
    kernels = {leaf for leaf in p if p[leaf].ndim > 1 and not np.array_equal(p[leaf], new[leaf])}
    assert len(kernels) == (3 if "both" in expected else 2)
    assert diagnostics.report(watch(new, X)[1]).rows[0].dead == 0


@pytest.mark.slow
def test_a_bias_that_another_part_of_the_kernel_has_too_stays() -> None:
    def model(p: Any, x: Array) -> Array:
        z = (x[:, :2] @ p["wide"].T).reshape(-1, 2, 5) + p["b"]
        return relu(z[:, 0]) @ p["c"] + jnp.tanh(z[:, 1]) @ p["c2"]

    p = parameters()
    watch = diagnostics.watch(model, X, variables=p)
    y, state = watch(p, X)
    new, _, units, left, _ = diagnostics.recycle(watch, p, None, state, KEY, tau=0.0)
    assert (left, list(map(int, units.values()))) == ({}, [1, 0])
    np.testing.assert_array_equal(new["b"], p["b"])
    changed = np.asarray(new["wide"] != p["wide"]).all(-1)
    np.testing.assert_array_equal(changed, np.arange(10) == 4)
    np.testing.assert_allclose(model(new, X), y, rtol=1e-4, atol=1e-4)


class Normalized(nn.Module):
    """A running mean of what goes into the activation, and what else is done with it."""

    extra: str = ""

    @nn.compact
    def __call__(self, x: Array) -> Any:
        dense = nn.Dense(5)
        z = dense(x)
        y = nn.Dense(2)(relu(nn.BatchNorm(use_running_average=False, bias_init=lambda *_: BIAS)(z)))
        if self.extra == "penalty":
            self.sow("losses", "l2", (dense.variables["params"]["kernel"] ** 2).sum())
        if self.extra == "statistics":
            self.sow("losses", "mean", z.mean(0))
        return y


REASONS = {"": {}, "penalty": {"Dense_0": PENALTY}, "statistics": {"Dense_0": STATISTICS}}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("extra", REASONS)
def test_statistics_may_go_into_the_state_of_a_linen_module_alone(extra: str) -> None:
    module = Normalized(extra)
    variables = module.init(KEY, X)
    options: dict[str, Any] = {"mutable": ["batch_stats", "losses"]}
    watch = diagnostics.watch(module, X, variables=variables, **options)
    (y, _), state = watch(variables, X, **options)
    new, _, units, left, _ = diagnostics.recycle(watch, variables, None, state, KEY, tau=0.0)
    assert left == REASONS[extra]
    assert {layer: int(n) for layer, n in units.items()} == ({} if extra else {"Dense_0": 1})
    np.testing.assert_allclose(module.apply(new, X, **options)[0], y, rtol=1e-4, atol=1e-4)


class Stateful(nnx.Module):
    def __init__(self, inference: bool):
        self.dense, self.out = nnx.Linear(5, 5, rngs=nnx.Rngs(0)), nnx.Linear(5, 2, rngs=nnx.Rngs(1))
        bias = lambda *_: jnp.asarray(BIAS)  # noqa: E731
        self.norm = nnx.BatchNorm(5, use_running_average=inference, bias_init=bias, rngs=nnx.Rngs(0))

    def __call__(self, x: Array) -> Array:
        return self.out(relu(self.norm(self.dense(x))))


@pytest.mark.parametrize("inference", [False, True])
def test_statistics_may_go_into_the_state_of_an_nnx_module(inference: bool) -> None:
    module = Stateful(inference)
    watch = diagnostics.watch(module, X)
    y, state = watch(nnx.clone(module), X)
    new, _, units, left, _ = diagnostics.recycle(watch, module, None, state, KEY, tau=0.0)
    assert (left, int(units["dense"])) == ({}, 1)
    np.testing.assert_allclose(new(X), y, rtol=1e-4, atol=1e-4)
