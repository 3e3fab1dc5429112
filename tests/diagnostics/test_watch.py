"""A watch finds every activation of every kind of model, changes nothing, and counts right."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from watched import CASES, KEY, NnxMlp, equinox_model

import jaxacts
from jaxacts import diagnostics


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(x, np.float32) for x in jax.tree.leaves(tree)]


def names(watch: diagnostics.Watch) -> tuple[tuple[str, str], ...]:
    return tuple((layer.name, layer.activation) for layer in watch.layers)


def close(one: Any, other: Any, tolerance: float = 1e-5) -> None:
    for a, b in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", CASES)
def test_every_activation_is_found_and_nothing_changes(name: str) -> None:
    case = CASES[name]
    variables, x = case.variables(), case.sample()
    watch = diagnostics.watch(case.model, x, **case.options)
    assert names(watch) == case.found
    assert watch.unfollowed == ()

    def plain(variables: Any, x: jax.Array) -> Any:
        return case.model.apply(variables, x, **case.options)

    def loss(variables: Any, watched: bool) -> Any:
        y, state = watch(variables, x, watch.init(), **case.options) if watched else (plain(variables, x), None)
        y = y[0] if "mutable" in case.options else y
        return (y.astype(jnp.float32) ** 2).sum(), (y, state)

    (_, (y, state)), gradient = jax.jit(jax.value_and_grad(lambda v: loss(v, True), has_aux=True))(variables)
    (_, (wanted, _)), wanted_gradient = jax.jit(jax.value_and_grad(lambda v: loss(v, False), has_aux=True))(variables)
    close(y, wanted)
    close(gradient, wanted_gradient, 1e-4)
    assert all((sums.count > 0).all() for sums in state.layers)
    diagnostics.report(state).assert_healthy(max_dead=1, max_dormant=1, max_stuck=1, max_saturated=1)


def test_sums_are_those_of_the_values() -> None:
    model = nn.Sequential([nn.Dense(6), jaxacts.relu, nn.Dense(5), nn.tanh])
    x = 9 * jax.random.normal(KEY, (40, 3))
    variables = model.init(KEY, x)
    watch = diagnostics.watch(model, x, ranks=True, bins=(-1.0, 0.0, 1.0, 50.0))
    _, state = watch(variables, x)
    first, second = state.layers
    p = variables["params"]
    z = np.asarray(x @ p["layers_0"]["kernel"] + p["layers_0"]["bias"])
    h = np.maximum(z, 0)
    np.testing.assert_allclose(first.absolute, h.sum(0), rtol=1e-5)
    np.testing.assert_allclose(first.square, (h**2).sum(0), rtol=1e-5)
    np.testing.assert_array_equal(first.active, (h != 0).sum(0))
    np.testing.assert_array_equal(first.left, (z <= 0).sum(0))
    np.testing.assert_array_equal(first.right, 0)
    np.testing.assert_allclose(first.gram, h.T @ h, rtol=1e-5)
    np.testing.assert_array_equal(first.histogram, np.histogram(h, (-1, 0, 1, 50))[0])
    z = h @ np.asarray(p["layers_2"]["kernel"]) + np.asarray(p["layers_2"]["bias"])
    small = 1 - np.tanh(z.astype(np.float64)) ** 2 < 0.01
    np.testing.assert_array_equal(second.left, (small & (z < 0)).sum(0))
    np.testing.assert_array_equal(second.right, (small & (z >= 0)).sum(0))
    np.testing.assert_allclose(second.total, np.tanh(z).sum(0), rtol=1e-4, atol=1e-4)
    assert (first.layer.left, first.layer.right) == ("hard", "")
    assert (second.layer.left, second.layer.right) == ("soft", "soft")


def test_magnitudes_with_parameters_for_which_the_image_is_another() -> None:
    """threshold is nowhere negative with its own parameters, and is with these."""

    def model(kernel: jax.Array, x: jax.Array) -> jax.Array:
        return jaxacts.threshold(x @ kernel, 0.5, -5.0)

    x = jax.random.normal(KEY, (40, 3))
    watch = diagnostics.watch(model, x, variables=jnp.eye(3))
    _, state = watch(jnp.eye(3), x)
    z = np.asarray(x)
    assert watch.layers[0].activation == "threshold"
    np.testing.assert_allclose(state.layers[0].absolute, np.where(z > 0.5, z, 5).sum(0), rtol=1e-5)


@pytest.mark.slow
def test_nnx_module_keeps_its_statistics_and_keys() -> None:
    model, twin = NnxMlp(nnx.Rngs(0)), NnxMlp(nnx.Rngs(0))
    x = jax.random.normal(KEY, (16, 5))
    watch = diagnostics.watch(model, x)
    assert names(watch) == (("layers/0", "mish"), ("layers/1", "relu"))
    y, state = watch(model, x)
    close(y, twin(x))
    close(nnx.state(model, nnx.BatchStat), nnx.state(twin, nnx.BatchStat))

    @nnx.jit
    def step(model: NnxMlp, state: diagnostics.State) -> Any:
        return nnx.value_and_grad(lambda m: (lambda y, s: ((y**2).sum(), s))(*watch(m, x, state)), has_aux=True)(model)

    (_, state), gradient = step(model, state)
    close(gradient, nnx.grad(lambda m: (m(x) ** 2).sum())(twin), 1e-4)
    assert state.layers[0].count == 32


@pytest.mark.slow
def test_equinox_under_vmap_counts_like_a_batch() -> None:
    model, x = equinox_model(), jax.random.normal(KEY, (20, 5))
    watch = diagnostics.watch(model, x[0])
    assert names(watch) == (("layers/0", "softplus"), ("layers/2", "softplus"))
    y, state = eqx.filter_jit(lambda m, x: jax.vmap(lambda x: watch(m, x, watch.init()))(x))(model, x)
    close(y, jax.vmap(model)(x))
    with pytest.raises(ValueError, match=r"report: the sums of layers/0 must have 0 axes .*merge\(state, axis=0\)"):
        diagnostics.report(state)
    merged = diagnostics.merge(state, axis=0)
    whole = diagnostics.watch(lambda m, x: jax.vmap(m)(x), x, variables=model)
    _, wanted = whole(model, x)
    close(merged.layers, wanted.layers, 1e-4)
    assert merged.layers[0].total.shape == (6,)


def test_batches_merge_to_the_whole() -> None:
    case = CASES["cnn"]
    variables, x = case.variables(), case.sample()
    watch = diagnostics.watch(case.model, x)
    run = jax.jit(watch)
    _, whole = run(variables, x, watch.init())
    _, first = run(variables, x[:2], watch.init())
    _, both = run(variables, x[2:], first)
    _, second = run(variables, x[2:], watch.init())
    close(both.layers, whole.layers, 1e-4)
    close(diagnostics.merge(first, second), both)
    carried, _ = jax.lax.scan(lambda s, x: (watch(variables, x, s)[1], None), watch.init(), x.reshape(2, 2, 8, 8, 2))
    close(carried.layers, whole.layers, 1e-4)


def test_every_so_many_calls() -> None:
    def model(w: jax.Array, x: jax.Array) -> jax.Array:
        return jaxacts.relu(x @ w)

    x, w = jnp.ones((4, 2)), jnp.eye(2)
    watch = diagnostics.watch(model, x, variables=w, every=3)
    run, state = jax.jit(watch), watch.init()
    counts = []
    for _ in range(7):
        _, state = run(w, x, state)
        counts.append(float(state.layers[0].count))
    assert counts == [4, 4, 4, 8, 8, 8, 12]
    assert state.steps == 7


def test_scanned_layers_have_a_row_for_each_step_and_loops_over_time_one_row() -> None:
    def layered(params: Any, x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda h, p: (jaxacts.relu(h @ p["w"] + p["b"]), None), x, params)[0]

    params = {"w": jnp.stack([jnp.eye(3)] * 2), "b": jnp.array([[0.0, 0.0, 0.0], [0.0, 0.0, -99.0]])}
    x = jnp.ones((5, 3))
    watch = diagnostics.watch(layered, x, variables=params)
    _, state = jax.jit(watch)(params, x, watch.init())
    report = diagnostics.report(state)
    assert [(row.layer, row.dead) for row in report.rows] == [("w[0]", 0.0), ("w[1]", pytest.approx(1 / 3))]

    def timed(w: jax.Array, xs: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda h, x: (jnp.tanh(h @ w + x), None), jnp.zeros(3), xs)[0]

    watch = diagnostics.watch(timed, x, variables=jnp.eye(3))
    _, state = watch(jnp.eye(3), x)
    assert state.layers[0].count == 5
    assert state.layers[0].total.shape == (3,)


@pytest.mark.parametrize("activation", [nn.relu, nn.silu, nn.leaky_relu, jaxacts.relu, jaxacts.gelu])
def test_scanned_modules_of_flax_without_remat(activation: Any) -> None:
    """Flax leaves a call of the activation without results before the scan."""

    class Block(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
            return x + nn.Dense(3)(activation(nn.Dense(3)(x))), None

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            scanned = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=2)
            return scanned(name="blocks")(x, None)[0]

    watch = diagnostics.watch(Model(), jnp.ones((4, 3)))
    assert names(watch) == (("blocks/Dense_1", activation.__name__),)
    assert watch.init().layers[0].count.shape == (2,)


def test_custom_derivatives_around_layers_are_kept() -> None:
    @jax.custom_vjp
    def block(w: jax.Array, x: jax.Array) -> jax.Array:
        return jaxacts.relu(x @ w) @ w

    block.defvjp(lambda w, x: (block(w, x), (w, x)), lambda saved, g: (7 * saved[0], g))

    @jax.custom_jvp
    def other(w: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.tanh(x @ w) @ w

    other.defjvp(lambda primals, tangents: (other(*primals), 3 * tangents[1]))

    def model(w: jax.Array, x: jax.Array) -> jax.Array:
        return other(w, block(w, x))

    w, x = jnp.eye(2), jnp.ones((3, 2))
    watch = diagnostics.watch(model, x, variables=w)
    assert [layer.activation for layer in watch.layers] == ["relu", "tanh"]
    gradients = jax.grad(lambda w, x: watch(w, x)[0].sum(), (0, 1))(w, x)
    close(gradients, jax.grad(lambda w, x: model(w, x).sum(), (0, 1))(w, x))
    np.testing.assert_array_equal(gradients[1], 3.0)
    assert watch(w, x)[1].layers[0].count == 3


def test_what_cannot_be_followed_is_named_and_a_tap_helps() -> None:
    def model(w: jax.Array, x: jax.Array) -> jax.Array:
        h = jaxacts.relu(x @ w)
        h = jax.lax.while_loop(lambda h: h.sum() < 99, lambda h: jnp.tanh(h) + h + 1, h)
        h = jax.lax.cond(h.sum() > 0, jnp.tanh, jnp.sin, h)
        return diagnostics.tap(h, "after the loop") @ w

    watch = diagnostics.watch(model, jnp.ones((3, 2)), variables=jnp.eye(2))
    assert set(watch.unfollowed) == {"while", "cond"}
    assert [(layer.name, layer.activation) for layer in watch.layers] == [("relu",) * 2, ("after the loop",) * 2]
    report = diagnostics.report(watch(jnp.eye(2), jnp.ones((3, 2)))[1])
    assert [note for note in report.notes if "while" in note] == ["not followed: while"]
    with pytest.raises(AssertionError, match="not followed: while"):
        report.assert_healthy(max_stuck=1, allow_unfollowed=False)


@jax.custom_batching.custom_vmap
def _own_rule(x: jax.Array) -> jax.Array:
    return jaxacts.relu(x)


@_own_rule.def_vmap
def _(size: int, batched: Any, x: jax.Array) -> Any:
    return jaxacts.relu(x), True


def test_programs_that_are_not_unfolded_and_taps_of_other_arrays_are_named() -> None:
    def model(w: jax.Array, x: jax.Array) -> Any:
        h = jax.lax.custom_linear_solve(lambda v: 2 * v, x @ w, lambda _, b: jaxacts.relu(b))
        return jnp.tanh(_own_rule(h) @ w), diagnostics.tap(x @ w > 0, "mask")

    watch = diagnostics.watch(model, jnp.ones((3, 2)), variables=jnp.eye(2))
    named = ("mask (a tap needs an array of floats)", "custom_linear_solve", "custom_vmap_call")
    assert watch.unfollowed == named


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: diagnostics.watch(3, jnp.ones(2)), TypeError, "watch: model must be a flax.linen or flax.nnx module"),
        (lambda: diagnostics.watch(nn, jnp.ones(2)), TypeError, "got module; pass the module itself"),
        (
            lambda: diagnostics.watch(nn.Dense, jnp.ones(2)),
            TypeError,
            r"got the class Dense; pass an instance, such as Dense\(\.\.\.\)",
        ),
        (lambda: diagnostics.watch(lambda p, x: x, jnp.ones(2)), TypeError, "pass variables=params"),
        (lambda: diagnostics.watch(nn.Dense(2), jnp.ones((1, 2))), ValueError, "must have activations, got none"),
        (lambda: diagnostics.watch(nn.Dense(2), jnp.ones((1, 2)), every=0), ValueError, "every must be at least 1"),
        (lambda: diagnostics.watch(nn.Dense(2), jnp.ones((1, 2)), epsilon=0), ValueError, "epsilon must be positive"),
        (lambda: diagnostics.watch(nn.Dense(2), jnp.ones((1, 2)), bins=[1, 0]), ValueError, "two rising edges"),
        (
            lambda: diagnostics.watch(equinox_model(), jnp.ones(5), variables=1),
            TypeError,
            "leave the argument variables",
        ),
        (lambda: diagnostics.tap(jnp.ones(2), 3), TypeError, "tap: name must be a str, got int"),
        (lambda: diagnostics.merge(), ValueError, "merge: needs at least one state"),
        (lambda: diagnostics.merge(3), TypeError, "merge: states must be those of a watch, got int"),
        (lambda: diagnostics.report(3), TypeError, "report: state must be what a watch returned"),
    ],
)
def test_mistakes_are_explained(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_state_of_another_watch_is_refused() -> None:
    x = jnp.ones((2, 3))
    one = diagnostics.watch(nn.Sequential([nn.Dense(3), nn.relu]), x)
    two = diagnostics.watch(nn.Sequential([nn.Dense(3), nn.tanh]), x)
    variables = nn.Sequential([nn.Dense(3), nn.relu]).init(KEY, x)
    with pytest.raises(ValueError, match="watch: the state must be of this watch"):
        one(variables, x, two.init())
    with pytest.raises(ValueError, match="merge: the states must be of one watch"):
        diagnostics.merge(one.init(), two.init())
    with pytest.raises(ValueError, match="report: the state must have seen examples"):
        diagnostics.report(one.init())
