"""What the whole-model call does where real models are unlike a chain of layers: factors, sums, gates, trees."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from test_match import IMAGE, KEY, Net, X, dense, ones, rows

import jaxacts
from jaxacts import initializers as ji

ROOT2 = 2**0.5
relu = jax.nn.relu


def head(x: jax.Array) -> jax.Array:
    return dense(3, "head")(x)


@pytest.mark.slow
def test_parts_of_a_kernel_have_gains_of_their_own() -> None:
    def body(x: jax.Array) -> jax.Array:
        z = linen.Dense(3 * 300, name="z")(x)
        return head(relu(z[:, :300]) * z[:, 300:600] + jnp.tanh(z[:, 600:]))

    new, report = ji.match(Net(body), jnp.ones((2, 400)), KEY)
    stds = [float(part.std()) * 20 for part in jnp.split(new["params"]["z"]["kernel"], 3, 1)]
    assert stds == pytest.approx([ROOT2, 1.0, ji.gain(jaxacts.tanh)], rel=0.02)
    assert report.layers[0].std == pytest.approx(float(jnp.sqrt(jnp.mean(new["params"]["z"]["kernel"] ** 2))), rel=0.02)


@pytest.mark.slow
def test_one_gain_for_a_gate_and_its_values() -> None:
    """The packed functions of the catalogue: the second moment of the product is 1."""
    body = lambda x: jaxacts.glu(linen.Dense(4096, name="z")(x))  # noqa: E731
    x = jax.random.normal(KEY, (64, 256))
    new, report = ji.match(Net(body), x, KEY)
    assert report.layers[0].activation == "sigmoid and its values"
    assert float((Net(body).apply(new, x) ** 2).mean()) == pytest.approx(1, rel=0.1)


@pytest.mark.slow
def test_recurrent_cells() -> None:
    x = jnp.ones((2, 8))
    gates = ji.gain(jaxacts.sigmoid) / ROOT2
    for cell in (linen.GRUCell(8), linen.OptimizedLSTMCell(8), linen.LSTMCell(8)):
        carry = cell.initialize_carry(KEY, x.shape)
        _, report = ji.match(cell, (carry, x), KEY)
        assert len(report.layers) == (6 if isinstance(cell, linen.GRUCell) else 8)
        assert not report.left
        sigmoids = [row.gain for row in report.layers if "sigmoid" in row.activation]
        assert sigmoids == pytest.approx([gates] * len(sigmoids), rel=1e-4)
        assert len(sigmoids) >= 4
    for make in (nnx.GRUCell, nnx.OptimizedLSTMCell):
        cell = make(8, 8, rngs=nnx.Rngs(0))
        _, report = ji.match(cell, (cell.initialize_carry(x.shape, nnx.Rngs(0)), x), KEY)
        assert all(" | tanh" in row.activation for row in report.layers)


@pytest.mark.slow
def test_the_candidate_of_gru() -> None:
    """Its two layers are not a plain sum, since a gate closes one of them, so that each has the whole gain."""
    cell = linen.GRUCell(64)
    start, x = jnp.zeros((256, 64)), jax.random.normal(KEY, (20, 256, 64))
    new, report = ji.match(cell, (start, x[0]), KEY)
    assert not ji.match(linen.RNN(cell), jnp.ones((2, 9, 64)), KEY)[1].warnings
    gains = {row.path.partition("/")[0]: row.gain for row in report.layers}
    assert [gains["in"], gains["hn"]] == pytest.approx([ji.gain(jaxacts.tanh)] * 2)

    def step(h: jax.Array, now: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, aside = cell.apply(new, h, now, capture_intermediates=lambda m, _: isinstance(m, linen.Dense))
        kept = {name: out["__call__"][0] for name, out in aside["intermediates"].items()}
        before = kept["in"] + jax.nn.sigmoid(kept["ir"] + kept["hr"]) * kept["hn"]
        return cell.apply(new, h, now)[0], jnp.mean(before**2)

    _, squares = jax.lax.scan(step, start, x)
    np.testing.assert_allclose(squares, ji.gain(jaxacts.tanh) ** 2, rtol=0.15)


@pytest.mark.slow
def test_orthogonal_kernels_stay_orthogonal() -> None:
    cell = linen.SimpleCell(24)
    carry = cell.initialize_carry(KEY, (2, 8))
    new, report = ji.match(cell, (carry, jnp.ones((2, 8))), KEY)
    w = new["params"]["h"]["kernel"]
    gain = ji.gain(jaxacts.tanh) / ROOT2
    np.testing.assert_allclose(w.T @ w, gain**2 * np.eye(24), atol=1e-4)
    notes = {row.path: row.notes for row in report.layers}
    assert "orthogonal" in notes["h/kernel"]
    assert "orthogonal" not in notes["i/kernel"]
    eye = Net(lambda x: head(relu(linen.Dense(16, name="z", kernel_init=ji.identity())(x))))
    _, report = ji.match(eye, X, KEY)
    assert dict(report.left) == {"z/kernel": "the identity, which it may have to be; name it in choices to draw it"}


@pytest.mark.slow
def test_batch_normalization_in_evaluation() -> None:
    def body(x: jax.Array) -> jax.Array:
        scale = linen.initializers.zeros
        h = linen.BatchNorm(use_running_average=True, name="n")(linen.Conv(3, (3, 3), name="a")(x))
        h = linen.BatchNorm(use_running_average=True, scale_init=scale)(linen.Conv(3, (3, 3), name="b")(relu(h)))
        return head(relu(x + h))

    given = Net(body).init(KEY, IMAGE)
    given["batch_stats"]["n"]["var"] = jnp.array([0.1, 2.0, 5.0])
    found = rows(body, IMAGE, variables=given)
    assert (found["a"].activation, found["a"].gain) == ("relu", ROOT2)
    assert "scaled per unit" in found["a"].notes
    assert (found["b"].activation, found["b"].gain) == ("relu", ROOT2)
    assert "×0" in found["b"].notes


def test_circular_transposed_convolutions() -> None:
    body = lambda x: head(relu(linen.ConvTranspose(4, (3, 3), (2, 2), padding="CIRCULAR", name="z")(x)))  # noqa: E731
    assert rows(body, IMAGE)["z"].activation == "relu"


def test_arrays_by_keyword_are_data() -> None:
    class Conditioned(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, cond: jax.Array, mode: str = "a", key: int = 0) -> jax.Array:
            assert mode == "b"
            return head(relu(dense(16, "x")(x) + dense(16, "c")(cond)))

    named = {"mode": "b", "key": 3}
    _, report = ji.match(Conditioned(), X, KEY, cond=X, arguments=named)
    assert [row.path for row in report.layers] == ["x/kernel", "c/kernel", "head/kernel"]
    _, report = ji.lsuv(Conditioned(), jax.random.normal(KEY, (64, 16)), KEY, cond=X[:1], arguments=named)
    assert len(report.layers) == 2 + (not report.left)


def test_abstract_variables_give_abstract_ones() -> None:
    net = Net(lambda x: head(linen.BatchNorm(True)(relu(dense(16, "z")(x)))))
    shapes = jax.eval_shape(net.init, KEY, X)
    new, report = ji.match(net, X, KEY, variables=shapes)
    assert jax.tree.structure(new) == jax.tree.structure(shapes)
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(new))
    assert [row.gain for row in report.layers] == [ROOT2, 1.0]
    assert "was" not in str(report)


@pytest.mark.slow
def test_wrong_fans_are_seen() -> None:
    class Heads(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            w = self.param("w", linen.initializers.lecun_normal(), (3, 64, 8, 16))
            return jnp.einsum("bd,sdhk->sbhk", x, w)

    _, report = ji.match(Heads(), jnp.ones((2, 64)), KEY)
    (row,) = report.layers
    assert (row.fan_in, row.std) == (64, 1 / 8)
    assert row.was**2 * 64 == pytest.approx(64 / (3 * 64 * 8), rel=0.05)
    assert "was drawn with fan_in 1536" in row.notes
    _, report = ji.match(linen.ConvLocal(4, (3, 3)), jnp.ones((1, 6, 6, 5)), KEY)
    assert report.layers[0].fan_in == 45
    assert any(note.startswith("was drawn with fan_in ") for note in report.layers[0].notes)


@pytest.mark.slow
def test_a_fan_that_fits_a_little_better_by_chance_is_not_noted() -> None:
    """A variance 9% below torch's 1/(3·16) is 6% above 2/(7·16) too, He's with seven matrices taken for one."""
    kernel = jax.random.normal(KEY, (7, 16, 8))
    kernel *= (0.909 / (3 * 16)) ** 0.5 / jnp.sqrt(jnp.mean(kernel**2))
    _, report = ji.match(lambda w, x: jnp.einsum("bd,sdk->sbk", x, w), X, KEY, variables=kernel)
    (row,) = report.layers
    assert (row.fan_in, row.was**2 * 48) == (16, pytest.approx(0.909))
    assert not row.notes


# Residual scaling ----------------------------------------------------------------------------------------------------


def blocks(x: jax.Array, depth: int, norm: bool) -> jax.Array:
    for i in range(depth):
        h = linen.LayerNorm(name=f"n{i}")(x) if norm else x
        x = x + dense(64, f"down{i}")(relu(dense(64, f"up{i}")(h)))
    return x


@pytest.mark.slow
@pytest.mark.parametrize("residual", ["depth_scaled", "layer_scaled", "zero"])
def test_the_last_layer_of_each_branch_is_scaled(residual: str) -> None:
    body = lambda x: head(linen.LayerNorm()(blocks(dense(64, "stem")(x), 6, norm=True)))  # noqa: E731
    new, report = ji.match(Net(body), X, KEY, residual=residual)
    row = {r.path: r for r in report.layers}
    factors = {
        "depth_scaled": [6**-0.5] * 6,
        "layer_scaled": [(2 * n) ** -0.5 for n in (1, 1, 2, 2, 3, 3)],
        "zero": [0.0] * 6,
    }[residual]
    for i, factor in enumerate(factors):
        down = row[f"down{i}/kernel"]
        assert down.std == pytest.approx(factor / 8, rel=1e-6)
        assert "ends a residual branch" in down.notes
        assert float(new["params"][f"down{i}"]["kernel"].std()) == pytest.approx(factor / 8, rel=0.05)
        assert row[f"up{i}/kernel"].std == pytest.approx(ROOT2 / 8)
    assert row["stem/kernel"].std == 1 / 4


@pytest.mark.slow
def test_both_branches_of_a_parallel_block_are_zero() -> None:
    """As in GPT-J and PaLM: attention and the dense part have the same input, and each block starts as the identity."""

    def body(x: jax.Array) -> jax.Array:
        h = linen.LayerNorm()(x)
        attention = linen.MultiHeadDotProductAttention(4, name="attention")(h)
        return x + attention.astype(jnp.float32) + dense(16, "down")(relu(dense(32, "up")(h)))

    x = jax.random.normal(KEY, (2, 5, 16))
    new, report = ji.match(Net(body), x, KEY, residual="zero")
    ends = [row.path for row in report.layers if "ends a residual branch" in row.notes]
    assert ends == ["attention/out/kernel", "down/kernel"]
    np.testing.assert_array_equal(Net(body).apply(new, x), x)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("residual", ["depth_scaled", "layer_scaled"])
def test_branches_in_a_scan_are_scaled_by_their_step(residual: str) -> None:
    class Block(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
            x = x + dense(64, "attention")(linen.LayerNorm()(x))
            return x + dense(64, "down")(relu(dense(64, "up")(linen.LayerNorm()(x)))), None

    def body(x: jax.Array) -> jax.Array:
        scanned = linen.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=4)
        return head(scanned(name="blocks")(x, None)[0])

    new, _ = ji.match(Net(body), jnp.ones((2, 64)), KEY, residual=residual)
    for name in ("attention", "down"):
        stds = new["params"]["blocks"][name]["kernel"].std((1, 2))
        expected = [8**-0.5] * 4 if residual == "depth_scaled" else [(2 * n) ** -0.5 for n in (1, 2, 3, 4)]
        np.testing.assert_allclose(stds * 8, expected, rtol=0.05)
    np.testing.assert_allclose(new["params"]["blocks"]["up"]["kernel"].std((1, 2)) * 8, ROOT2, rtol=0.05)


@pytest.mark.slow
def test_residual_networks_without_normalization_are_warned_of() -> None:
    body = lambda x: blocks(x, 10, norm=False)  # noqa: E731
    x = jax.random.normal(KEY, (32, 64))
    _, report = ji.match(Net(body), x, KEY, measure=True)
    assert report.warnings == (
        "10 residual additions without normalization may multiply the second moment by 2^10; "
        "pass residual='depth_scaled', or normalize",
    )
    with pytest.raises(AssertionError, match="10 residual additions without normalization"):
        report.assert_healthy()
    assert max(row.after for row in report.layers) > 100
    new, report = ji.match(Net(body), x, KEY, measure=True, residual="depth_scaled")
    assert not report.warnings
    report.assert_healthy()
    assert float((Net(body).apply(new, x) ** 2).mean()) < 5


@pytest.mark.slow
def test_drift_over_the_depth() -> None:
    def body(x: jax.Array) -> jax.Array:
        for i in range(100):
            x = jaxacts.gelu(dense(16, f"z{i}")(x))
        return x

    _, report = ji.match(Net(body), X, KEY, variables=ones(body, X))
    chi = ji.moments(jaxacts.gelu).slope * ji.gain(jaxacts.gelu) ** 2
    assert report.drift == pytest.approx(chi**100, rel=1e-6)
    with pytest.raises(AssertionError, match="drift over the depth"):
        report.assert_healthy()


# Reports and trees ---------------------------------------------------------------------------------------------------


def test_exports() -> None:
    _, report = ji.match(
        Net(lambda x: head(relu(dense(16, "z")(x)))), X, KEY, choices={"head/kernel": None}, measure=True
    )
    first, rule, *lines = report.to_markdown().splitlines()
    assert first.startswith(
        "| layer | shape | fan_in | fan_out | activation | gain | std | was | χ₁ | before | after |"
    )
    assert set(rule) <= set("| -")
    assert lines[0].startswith("| z/kernel | 16×16 | 16 | 16 | relu | 1.4142 |")
    assert lines[-1] == "- left alone: head/kernel (as chosen)"
    data = report.to_dict()
    assert data["layers"][0]["shape"] == [16, 16]
    assert data["left"] == {"head/kernel": "as chosen"}
    _, scaled = ji.lsuv(Net(lambda x: head(relu(dense(16, "z")(x)))), jax.random.normal(KEY, (32, 16)), KEY)
    assert scaled.to_dict()["layers"][1]["path"] == "head/kernel"
    assert scaled.to_markdown().startswith("| layer | shape | variance before |")


@pytest.mark.slow
def test_equinox() -> None:
    model = eqx.nn.MLP(16, 3, 32, 1, activation=relu, key=KEY)
    new, report = ji.match(model, jnp.ones(16), KEY)
    assert [(row.path, row.fan_in, row.fan_out, row.activation) for row in report.layers] == [
        ("layers/0/weight", 16, 32, "relu"),
        ("layers/1/weight", 32, 3, "linear"),
    ]
    assert isinstance(new, eqx.nn.MLP)
    assert new.activation is model.activation
    assert float(new.layers[0].weight.std()) == pytest.approx((2 / 16) ** 0.5, rel=0.1)
    scaled, _ = ji.lsuv(model, jax.random.normal(KEY, (16,)), KEY)
    assert scaled(jnp.ones(16)).shape == (3,)
    by_path = ji.by_path({"*weight": ji.zeros}, model, KEY)
    assert not jnp.any(by_path.layers[1].weight)


@pytest.mark.slow
def test_convolutions_of_equinox() -> None:
    first, last = jax.random.split(KEY)
    pooled = eqx.nn.Lambda(lambda x: x.mean((1, 2)))
    layers = [eqx.nn.Conv2d(4, 16, 3, key=first), eqx.nn.Lambda(relu), pooled, eqx.nn.Linear(16, 3, key=last)]
    new, report = ji.match(eqx.nn.Sequential(layers), jax.random.normal(KEY, (4, 8, 8)), KEY)
    assert [(row.path, row.fan_in, row.activation) for row in report.layers] == [
        ("layers/0/weight", 36, "relu"),
        ("layers/3/weight", 16, "linear"),
    ]
    assert float(new.layers[0].weight.std()) == pytest.approx((2 / 36) ** 0.5, rel=0.1)


def test_functions_of_plain_trees() -> None:
    params = {"first": {"w": jnp.ones((16, 32)), "b": jnp.zeros(32)}, "last": [jnp.ones((32, 3))], "steps": 3}

    def apply(params: Any, x: jax.Array, *, scale: float = 1.0) -> jax.Array:
        return scale * (jnp.tanh(x @ params["first"]["w"] + params["first"]["b"]) @ params["last"][0])

    new, report = ji.match(apply, X, KEY, variables=params, scale=2.0)
    assert [(row.path, row.activation) for row in report.layers] == [("first/w", "tanh"), ("last/0", "linear")]
    assert new["steps"] == 3
    assert float(new["last"][0].std()) == pytest.approx(32**-0.5, rel=0.15)
