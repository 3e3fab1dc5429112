"""Gradients by layer are those of jax, and the theory beside them is that of the initializers."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from watched import CASES, KEY, NnxMlp

import jaxacts
from jaxacts import diagnostics
from jaxacts.initializers import he_normal, lecun_normal


def mlp(activation: Any, depth: int, init: Any, width: int = 64) -> nn.Module:
    return nn.Sequential([part for _ in range(depth) for part in (nn.Dense(width, kernel_init=init), activation)])


def test_gradients_are_those_by_the_preactivations() -> None:
    kernels = [jax.random.normal(jax.random.key(i), (4, 4)) for i in range(3)]
    x = jax.random.normal(KEY, (7, 4))

    def model(kernels: Any, x: jax.Array, nudges: Any = (0.0, 0.0, 0.0)) -> jax.Array:
        for kernel, nudge in zip(kernels, nudges, strict=True):
            x = jnp.tanh(x @ kernel + nudge)
        return x

    watch = diagnostics.watch(model, x, variables=kernels)
    flow = diagnostics.gradient_flow(watch, lambda y: (y**2).sum(), kernels, x)
    wanted = jax.grad(lambda n: (model(kernels, x, n) ** 2).sum())([jnp.zeros((7, 4))] * 3)
    np.testing.assert_allclose([r.rms for r in flow.rows], [float(jnp.sqrt((g**2).mean())) for g in wanted], rtol=1e-5)
    assert flow.rows[-1].relative == 1


@pytest.mark.slow
def test_gradients_pass_through_scans_and_nnx_modules() -> None:
    stacked = jnp.stack([jax.random.normal(jax.random.key(i), (4, 4)) for i in range(3)])
    x = jax.random.normal(KEY, (7, 4))

    def scanned(params: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, params)[0]

    def unrolled(params: jax.Array, x: jax.Array) -> jax.Array:
        for i in range(3):
            x = jnp.tanh(x @ params[i])
        return x

    found = [
        diagnostics.gradient_flow(diagnostics.watch(f, x, variables=stacked), lambda y: (y**2).sum(), stacked, x)
        for f in (scanned, unrolled)
    ]
    np.testing.assert_allclose(*([r.rms for r in flow.rows] for flow in found), rtol=1e-5)
    assert found[0].rows[2].layer.endswith("[2]")
    module = NnxMlp(nnx.Rngs(0))
    watch = diagnostics.watch(module, jnp.ones((4, 5)))
    assert len(diagnostics.gradient_flow(watch, lambda y: y.sum(), module, jnp.ones((4, 5))).rows) == 2


def test_gradient_trees_have_a_row_for_each_kernel() -> None:
    flow = diagnostics.gradient_flow(
        {"a": {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.ones(2)}, "b": jnp.zeros((2, 2))}
    )
    assert [(r.layer, r.rms, r.verdict) for r in flow.rows] == [("a/kernel", 3.0, "healthy"), ("b", 0.0, "no gradient")]
    assert flow.verdict == "vanishing"
    deep = {f"Dense_{i}": {"kernel": jnp.full((2, 2), 10.0**i)} for i in range(12)}
    flow = diagnostics.gradient_flow(deep)
    assert [r.layer for r in flow.rows] == [f"Dense_{i}/kernel" for i in range(12)]
    assert flow.slope == pytest.approx(math.log(10))
    with pytest.raises(ValueError, match="gradient_flow: needs layers"):
        diagnostics.gradient_flow({"bias": jnp.ones(3)})


def test_biases_and_scales_of_a_scan_are_no_rows() -> None:
    """Each name of a kernel with arrays beside it that are not kernels, in a scan of three layers."""
    stacked = {
        "LayerNorm_0": {"scale": jnp.ones((3, 4)), "bias": jnp.ones((3, 4))},
        "attention": {"key": {"kernel": jnp.full((3, 4, 2, 2), 2.0), "bias": jnp.ones((3, 2, 2))}},
        "haiku": {"w": jnp.full((3, 4, 5), 2.0), "b": jnp.ones((3, 5))},
        "norm": {name: jnp.ones((3, 4)) for name in ("beta", "gamma", "offset", "shift")},
        "plain": {"a": jnp.full((3, 4, 5), 2.0), "b": jnp.full((5, 2), 2.0), "g": jnp.full((4, 5), 2.0)},
        "weightnorm": {"v": jnp.full((3, 4, 5), 2.0), "g": jnp.ones((3, 5))},
    }
    names = ["attention/key/kernel", "haiku/w", "plain/a", "plain/b", "plain/g", "weightnorm/v"]
    assert [(row.layer, row.rms) for row in diagnostics.gradient_flow(stacked).rows] == [(n, 2.0) for n in names]
    assert [row.layer for row in diagnostics.frozen_units(stacked).rows] == names


class Fields(NamedTuple):
    stem: Any
    mid: Any
    head: Any


class Module(eqx.Module):
    stem: Any
    body: Any
    head: Any


def _grown(count: int) -> list[jax.Array]:
    return [jnp.full((2, 2), 10.0**i) for i in range(count)]


@pytest.mark.parametrize(
    ("tree", "order"),
    [
        (Fields(*_grown(3)), ["stem", "mid", "head"]),
        (Module(*_grown(3)), ["stem", "body", "head"]),
        (
            Module(_grown(1)[0], (_grown(3)[1], _grown(3)[2]), jnp.full((2, 2), 1e3)),
            ["stem", "body/0", "body/1", "head"],
        ),
        ({"b2": Fields(*_grown(3)), "b10": jnp.full((2, 2), 1e3)}, ["b2/stem", "b2/mid", "b2/head", "b10"]),
        (OrderedDict(zip("cab", _grown(3), strict=True)), ["c", "a", "b"]),
        (_grown(11), [str(i) for i in range(11)]),
        (nnx.State({"net": dict(enumerate(_grown(11)))}), [f"net/{i}" for i in range(11)]),
        (nnx.State({f"layer{i}": x for i, x in enumerate(_grown(11))}), [f"layer{i}" for i in range(11)]),
    ],
)
def test_rows_of_a_tree_are_in_the_order_of_the_layers(tree: Any, order: list[str]) -> None:
    flow = diagnostics.gradient_flow(tree)
    assert [row.layer for row in flow.rows] == order
    assert flow.slope == pytest.approx(math.log(10))
    assert [row.layer for row in diagnostics.frozen_units(tree).rows] == order


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("activation", "scale", "verdict", "flow"),
    [
        ("relu", 2.0, "balanced", "healthy"),
        ("relu", 1.0, "contractive", "vanishing"),
        ("relu", 6.0, "expansive", "exploding"),
    ],
)
def test_initial_verdicts_and_predictions(activation: str, scale: float, verdict: str, flow: str) -> None:
    from jaxacts.initializers import variance_scaling

    model = mlp(jaxacts.get(activation), 16, variance_scaling(scale, "fan_in", "normal"), width=128)
    report = diagnostics.at_init(model, jax.random.normal(KEY, (64, 128)), KEY)
    assert (report.verdict, report.flow.verdict) == (verdict, flow)
    assert report.flow.slope == pytest.approx(report.predicted_slope, abs=0.06)
    assert report.predicted_slope == pytest.approx(-0.5 * math.log(scale / 2), abs=0.03)
    assert report.drift == pytest.approx(math.log(scale / 2), abs=0.12)
    assert bool(report.rows[3].advice) == (scale != 2.0)


def _two_relus(kernels: Any, x: jax.Array) -> jax.Array:
    return jaxacts.relu(jaxacts.relu(x @ kernels[0]) @ kernels[1])


@pytest.mark.parametrize(("factor", "verdict"), [(9.0, "balanced"), (11.0, "expansive"), (1 / 11, "contractive")])
def test_the_initial_verdict_is_that_of_squared_gradients(factor: float, verdict: str) -> None:
    kernels = [jnp.eye(3), math.sqrt(factor) * jnp.eye(3)]
    report = diagnostics.at_init(_two_relus, jnp.ones((2, 3)), KEY, variables=kernels)
    assert (report.verdict, report.flow.verdict) == (verdict, "healthy")


@pytest.mark.parametrize(("shift", "gradients"), [(0.0, [0, 0, 0]), (1.0, [0, 0, 1])])
def test_a_model_with_layers_without_a_gradient_is_contractive(shift: float, gradients: list[int]) -> None:
    def model(params: Any, x: jax.Array) -> jax.Array:
        for kernel, bias in params:
            x = jaxacts.relu(x @ kernel + bias)
        return x

    params = [(jnp.eye(3), jnp.full(3, bias)) for bias in (0.0, -1e6, shift)]
    report = diagnostics.at_init(model, jnp.ones((2, 3)), KEY, variables=params)
    assert [row.gradient for row in report.rows] == gradients
    assert (report.verdict, report.flow.verdict) == ("contractive", "vanishing")
    assert "squared gradient" not in report.notes[0]
    said = f"no gradient in {3 - sum(gradients)} of 3 layers"
    assert all(said in notes[0] for notes in (report.notes, report.flow.notes))


@pytest.mark.slow
def test_a_model_with_normalized_branches_is_balanced() -> None:
    resnet = CASES["resnet in training"].model
    report = diagnostics.at_init(resnet, jax.random.normal(KEY, (4, 8, 8, 2)), KEY)
    assert (report.verdict, report.flow.verdict) == ("balanced", "healthy")


def _columns(report: diagnostics.InitialReport, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in report.rows]


def test_variances_that_are_not_finite_are_said_to_be() -> None:
    kernels = [jnp.eye(3), jnp.full((3, 3), jnp.nan)]
    report = diagnostics.at_init(_two_relus, jnp.ones((2, 3)), KEY, variables=kernels)
    assert report.verdict == "not finite"
    assert report.notes[0].startswith("not finite: variance or gradient of")
    json.dumps(report.to_dict(), allow_nan=False)
    assert diagnostics.gradient_flow({"a": jnp.eye(2), "b": kernels[1]}).verdict == "not finite"
    assert diagnostics.gradient_flow({"a": jnp.inf * jnp.ones((2, 2)), "b": jnp.eye(2)}).verdict == "exploding"


def test_the_note_has_the_factors_a_layer_and_over_the_depth() -> None:
    kernels = [jnp.eye(3), 2 * jnp.eye(3), 2 * jnp.eye(3)]
    report = diagnostics.at_init(
        lambda p, x: jaxacts.relu(_two_relus(p[:2], x) @ p[2]), jnp.ones((2, 3)), KEY, variables=kernels
    )
    assert report.notes[0].startswith(
        "expansive: the variance changes by a factor of 4 a layer, the squared gradient by"
    )
    assert " by 4 a layer towards the input (" in report.notes[0]
    assert report.notes[0].endswith(" and by 16 over the depth")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linen", "equinox", "function"])
def test_advice_is_that_of_match_for_every_kind(kind: str) -> None:
    x = jax.random.normal(KEY, (64,))
    net = eqx.nn.MLP(64, 64, 64, 1, activation=jaxacts.relu, final_activation=jnp.tanh, key=KEY)
    params = [0.1 * jax.random.normal(jax.random.key(i), (64, 64)) for i in range(2)]
    given: dict[str, Any] = {"variables": params} if kind == "function" else {}
    model: Any = {
        "linen": nn.Sequential([nn.Dense(64), jaxacts.relu, nn.Dense(64), jnp.tanh]),
        "equinox": net,
        "function": lambda p, x: jnp.tanh(jaxacts.relu(x @ p[0]) @ p[1]),
    }[kind]
    x = x if kind == "equinox" else x[None]
    report = diagnostics.at_init(model, x, KEY, **given)
    # √2 of relu and 1.5925 of tanh over √64
    for (advice,), std in zip(_columns(report, "advice"), ("0.177", "0.199"), strict=True):
        assert advice.startswith(f"std {std} instead of ")
    assert not any(note.startswith("no advice") for note in report.notes)


@pytest.mark.slow
def test_gates_have_their_own_kernels_and_their_advice() -> None:
    cell = nn.RNN(nn.OptimizedLSTMCell(8))
    x = jax.random.normal(KEY, (4, 6, 5))
    variables = cell.init(KEY, x)
    kernels = variables["params"]["cell"]
    for i, gate in enumerate("ifgo"):
        kernels[f"i{gate}"]["kernel"] = (2.0 + i) * jax.random.normal(jax.random.key(i), (5, 8))
    report = diagnostics.at_init(cell, x, KEY, variables=variables)
    wanted = [float(kernels[f"i{gate}"]["kernel"].std()) for gate in "ifgo"]
    stds = {row.std for row in report.rows[:2]} | {row.std for row in report.rows[2:4]}
    assert sorted(stds) == pytest.approx(sorted(wanted), rel=1e-5)
    gates = {i: row for row in report.rows for i, std in enumerate(wanted) if abs(row.std / std - 1) < 1e-5}
    assert [gates[i].activation for i in range(4)] == ["sigmoid", "sigmoid", "tanh", "sigmoid"]
    # The gains over √2, for two kernels are added, and √5: that of the candidate belongs to tanh.
    advised = [gates[i].advice.split()[1] for i in range(4)]
    assert advised == ["0.584", "0.584", "0.504", "0.584"]
    state = report.rows[-1]
    assert (state.activation, state.chi, state.advice) == ("tanh", None, "")
    assert math.isnan(state.fan_in)
    assert math.isnan(state.std)


@pytest.mark.slow
def test_parts_of_a_packed_kernel_have_no_advice() -> None:
    def model(kernel: Any, x: jax.Array) -> jax.Array:
        gate, values = jnp.split(x @ kernel, 2, -1)
        return jaxacts.silu(gate) * values

    kernel = jax.random.normal(KEY, (8, 20))
    report = diagnostics.at_init(model, jnp.ones((4, 8)), KEY, variables=kernel)
    assert _columns(report, "fan_in", "advice") == [(8, "")]
    assert len(report.notes) == 1


@pytest.mark.slow
def test_kernels_that_are_not_known_are_not_those_of_other_layers() -> None:
    def model(p: Any, x: jax.Array) -> jax.Array:
        h = jnp.tanh(jaxacts.relu(x @ p["a"]) @ (2 * p["b"]))
        gate, values = jnp.split(h @ p["c"], 2, -1)
        return jaxacts.silu(gate) * values + jnp.tanh((h @ p["d"]) * (h @ p["e"]))

    shapes = {"a": (8, 64), "b": (64, 16), "c": (16, 20), "d": (16, 10), "e": (16, 10)}
    params = {n: (i + 1.0) * jax.random.normal(jax.random.key(i), s) for i, (n, s) in enumerate(shapes.items())}
    choices = _columns(
        diagnostics.at_init(model, jnp.ones((4, 8)), KEY, variables=params), "activation", "fan_in", "chi"
    )
    known = {activation: fan_in for activation, fan_in, _ in choices if not math.isnan(fan_in)}
    assert (known["relu"], known["silu"]) == (8, 16)
    (first, *_) = [(fan_in, chi) for activation, fan_in, chi in choices if activation == "tanh"]
    assert math.isnan(first[0])
    assert first[1] is None


@jax.custom_vjp
def _custom(p: jax.Array, x: jax.Array) -> jax.Array:
    return jaxacts.relu(x @ p)


_custom.defvjp(lambda p, x: (_custom(p, x), (p, x)), lambda kept, g: (kept[1].T @ g, g @ kept[0].T))


def test_layers_without_a_gradient_are_named() -> None:
    def model(p: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.tanh(diagnostics.tap(_custom(p, x) @ p, "mixed") @ p)

    x, p = jnp.ones((3, 4)), jnp.eye(4)
    flow = diagnostics.gradient_flow(diagnostics.watch(model, x, variables=p), lambda y: y.sum(), p, x)
    missing = ("no gradient: relu (inside a custom derivative)", "no gradient: mixed (the input is not known)")
    assert flow.notes[1:] == missing
    assert diagnostics.at_init(model, x, KEY, variables=p).notes[1:] == missing


@pytest.mark.slow
def test_at_init_of_every_kind() -> None:
    case = CASES["transformer, scanned, remat, bfloat16"]
    report = diagnostics.at_init(case.model, case.sample(), KEY, **case.options)
    assert [row.layer for row in report.rows] == [f"blocks/Dense_0[{i}]" for i in range(3)]
    assert all(row.gradient > 0 and row.variance > 0 for row in report.rows)
    assert len(diagnostics.at_init(NnxMlp(nnx.Rngs(0)), jnp.ones((4, 5)), KEY).rows) == 2
    kernels = [jnp.eye(3), 2 * jnp.eye(3)]
    plain = diagnostics.at_init(
        lambda p, x: jnp.tanh(jnp.tanh(x @ p[0]) @ p[1]), jnp.ones((2, 3)), KEY, variables=kernels
    )
    assert plain.to_dict()["verdict"] == plain.verdict


def test_frozen_units_are_those_without_second_moments() -> None:
    model = nn.Sequential([nn.Dense(8), jaxacts.relu, nn.Dense(2)])
    variables = model.init(KEY, jnp.ones((1, 4)))
    variables["params"]["layers_0"]["bias"] = jnp.where(jnp.arange(8) < 3, -99.0, 0.0)
    optimizer = optax.adam(1e-3)
    x = jax.random.normal(KEY, (64, 4))
    gradient = jax.grad(lambda v: (model.apply(v, x) ** 2).sum())(variables)
    _, state = optimizer.update(gradient, optimizer.init(variables))
    rows = {row.layer: row.frozen for row in diagnostics.frozen_units(state[0].nu).rows}
    assert rows == {"layers_0/kernel": pytest.approx(3 / 8), "layers_2/kernel": 0.0}
    with pytest.raises(ValueError, match="frozen_units: needs kernels"):
        diagnostics.frozen_units({"b": jnp.ones(2)})


ADAM = optax.adam(1e-3)
LABELS = {"k": "one", "j": "none"}


@pytest.mark.parametrize(
    ("optimizer", "rows"),
    [
        (ADAM, ["j", "k"]),
        (optax.chain(optax.clip(1.0), optax.adamw(1e-3)), ["j", "k"]),
        (optax.rmsprop(1e-3, momentum=0.9), ["j", "k"]),
        (optax.inject_hyperparams(optax.adam)(learning_rate=1e-3), ["j", "k"]),
        (optax.multi_transform({"one": ADAM, "none": optax.sgd(1e-3, 0.9)}, LABELS), ["k"]),
    ],
)
def test_of_a_whole_state_the_second_moments_count(optimizer: Any, rows: list[str]) -> None:
    gradients = {name: jnp.array([[-0.1, 0.0], [-0.1, 0.0]]) for name in LABELS}
    _, state = optimizer.update(gradients, optimizer.init(gradients), gradients)
    assert diagnostics.frozen_units(state).rows == tuple((name, 2, 0.5) for name in rows)


def test_states_of_nnx_and_of_optimizers_without_second_moments() -> None:
    module = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(module, ADAM, wrt=nnx.Param)
    gradients = nnx.grad(lambda m: m(jnp.ones((1, 2)))[0, 0] * -1.0)(module)
    optimizer.update(module, gradients)
    assert diagnostics.frozen_units(nnx.state(optimizer)).rows == (("kernel", 2, 0.5),)
    with pytest.raises(ValueError, match=r"second moments, got the state of .* without \(TraceState\); pass the nu"):
        diagnostics.frozen_units(optax.sgd(0.1, 0.9).init({"k": jnp.eye(2)}))


def test_arguments_of_gradient_flow_in_the_places_of_others() -> None:
    model = nn.Sequential([nn.Dense(2), jaxacts.relu])
    x, loss = jnp.ones((2, 3)), jnp.sum
    variables = model.init(KEY, x)
    watch = diagnostics.watch(model, x)
    for given, got in (((variables, x), "dict"), ((), "None"), ((x, loss), r"float32\[2, 3\]")):
        with pytest.raises(TypeError, match=f"gradient_flow: loss must be a function of the output, got {got}; call"):
            diagnostics.gradient_flow(watch, *given)  # pyright: ignore[reportArgumentType]
    said = r"gradient_flow: variables must be .*, got float32\[2, 3\]; call gradient_flow\(watch, loss, variables, x\)"
    with pytest.raises(TypeError, match=said):
        diagnostics.gradient_flow(watch, loss, x, variables)


@pytest.mark.slow
def test_propagation_meets_the_theory() -> None:
    for fn, weight in ((jaxacts.relu, 1.0), (jaxacts.relu, 2.0), (jaxacts.tanh, 1.5)):
        report = diagnostics.propagation(fn, weight, depth=10, width=512)
        for row in report.rows:
            assert row.signal == pytest.approx(row.signal_predicted, rel=0.35)
            assert row.gradient == pytest.approx(row.gradient_predicted, rel=0.35)
    assert report.verdict == "healthy"
    assert diagnostics.propagation(jaxacts.relu, 1.0, depth=40, width=64).verdict == "signal and gradient vanish"
    assert "explode" in diagnostics.propagation(jaxacts.relu, 8.0, depth=40, width=64).verdict


@pytest.mark.slow
def test_healthy_and_advised_agree_with_match() -> None:
    x = jax.random.normal(KEY, (32, 64))
    for init, advised in ((he_normal(), False), (lecun_normal(), True)):
        report = diagnostics.at_init(mlp(jaxacts.relu, 3, init), x, KEY)
        assert any("instead of" in row.advice for row in report.rows) == advised
