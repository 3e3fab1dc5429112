"""LSUV on linen and nnx: every layer's outputs get unit variance on the batch."""

from __future__ import annotations

import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxacts
from jaxacts import initializers as ji

KEY = jax.random.key(2)


class Convolutions(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = jaxacts.gelu(linen.Conv(16, (3, 3), feature_group_count=4)(x))
        x = jaxacts.relu(linen.ConvTranspose(12, (4, 4), strides=(2, 2))(x))
        return linen.DenseGeneral((2, 5), axis=(-2, -1))(x.reshape(len(x), -1, 12))


def ones(model: linen.Module, x: jax.Array) -> Any:
    """Variables to start from, which takes no compilation; the kernels are drawn anew."""
    return jax.tree.map(lambda s: np.ones(s.shape, s.dtype), jax.eval_shape(model.init, KEY, x))


class Multilayer(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(24, 24, rngs=rngs) for _ in range(4)])

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = jnp.tanh(layer(x))
        return x


@pytest.mark.slow
def test_linen_through_the_layers_themselves() -> None:
    model = Convolutions()
    x = 3 + 5 * jax.random.normal(KEY, (32, 6, 6, 8))
    variables, report = ji.lsuv(model, x, KEY, variables=ones(model, x))
    _, state = model.apply(variables, x, capture_intermediates=True, mutable=["intermediates"])
    for name in ("Conv_0", "ConvTranspose_0", "DenseGeneral_0"):
        (out,) = state["intermediates"][name]["__call__"]
        assert float(jnp.var(out)) == pytest.approx(1, abs=0.02)
    assert [layer.path for layer in report.layers] == [
        "Conv_0/kernel",
        "ConvTranspose_0/kernel",
        "DenseGeneral_0/kernel",
    ]
    assert all(layer.iterations <= 1 for layer in report.layers)
    assert "variance before" in str(report)


@pytest.mark.slow
def test_kernels_stay_orthogonal() -> None:
    model = Convolutions()
    x = jax.random.normal(KEY, (32, 6, 6, 8))
    variables, report = ji.lsuv(model, x, KEY, variables=ones(model, x))
    factors = {layer.path: layer.factor for layer in report.layers}
    # Four groups of (3·3·2 inputs, 4 outputs).
    conv = variables["params"]["Conv_0"]["kernel"].reshape(18, 4, 4) / factors["Conv_0/kernel"]
    np.testing.assert_allclose(jnp.einsum("igo,igp->gop", conv, conv), np.tile(np.eye(4), (4, 1, 1)), atol=1e-5)
    dense = variables["params"]["DenseGeneral_0"]["kernel"].reshape(-1, 10) / factors["DenseGeneral_0/kernel"]
    np.testing.assert_allclose(dense.T @ dense, np.eye(10), atol=1e-5)


@pytest.mark.slow
def test_nnx_is_pure_and_reproducible() -> None:
    model = Multilayer(nnx.Rngs(0))
    x = 0.01 * jax.random.normal(KEY, (128, 24))
    before = jax.tree.leaves(nnx.state(model, nnx.Param))
    new, report = ji.lsuv(model, x, KEY)
    assert all(a is b for a, b in zip(before, jax.tree.leaves(nnx.state(model, nnx.Param)), strict=True))
    again, _ = ji.lsuv(model, x, KEY)
    jax.tree.map(np.testing.assert_array_equal, nnx.state(new, nnx.Param), nnx.state(again, nnx.Param))
    assert report.layers[0].factor == pytest.approx(100, rel=0.1)
    h = x
    for layer in new.layers:
        z = layer(h)
        assert float(jnp.var(z)) == pytest.approx(1, abs=0.02)
        h = jnp.tanh(z)


def test_each_layer_has_a_key_of_its_own() -> None:
    new, report = ji.lsuv(Multilayer(nnx.Rngs(0)), jax.random.normal(KEY, (128, 24)), KEY)
    first, second = (
        layer.kernel[...] / row.factor for layer, row in zip(new.layers[:2], report.layers[:2], strict=True)
    )
    assert float(abs(first - second).mean()) > 0.1


class Tied(linen.Module):
    hidden: bool

    @linen.compact
    def __call__(self, ids: jax.Array) -> jax.Array:
        table = linen.Embed(50, 16)
        h = table(ids)
        if self.hidden:
            h = h + jnp.tanh(linen.Dense(16)(h))
        return table.attend(h)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_table_that_is_also_the_last_layer(hidden: bool) -> None:
    model, ids = Tied(hidden), jax.random.randint(KEY, (64, 8), 0, 50)
    variables, report = ji.lsuv(model, ids, KEY)
    assert all(row.after == pytest.approx(1, abs=0.02) for row in report.layers)
    assert float(jnp.var(model.apply(variables, ids))) == pytest.approx(1, abs=0.02)
    # The variance goes as the fourth power of the scale: one step to see that, and one to arrive.
    assert hidden or report.layers[0].iterations == 2


class Residual(linen.Module):
    """A low-rank branch that starts as nothing, and a head behind it."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        low = linen.Dense(2, name="low")(x)
        branch = linen.Dense(8, name="zero", kernel_init=linen.initializers.zeros)(low)
        return linen.Dense(3, name="head")(jaxacts.relu(linen.Dense(8, name="full")(x) + branch))


@pytest.mark.slow
def test_kernels_of_zeros_are_left_alone() -> None:
    model, x = Residual(), jax.random.normal(KEY, (64, 16))
    new, report = ji.lsuv(model, x, KEY)
    assert not new["params"]["zero"]["kernel"].any()
    assert sorted(row.path for row in report.layers) == ["full/kernel", "head/kernel", "low/kernel"]
    assert all(row.after == pytest.approx(1, abs=0.02) for row in report.layers)
    assert list(report.left) == ["zero/kernel"]
    assert str(report).endswith(
        "left alone: zero/kernel (all zero, which it may have to be; pass variables in which it is not to draw it)"
    )
    given = {"params": new["params"] | {"zero": {"kernel": jnp.ones((2, 8)), "bias": jnp.zeros(8)}}}
    assert not ji.lsuv(model, x, KEY, variables=given)[1].left
    nothing = jax.tree.map(jnp.zeros_like, new)
    assert ji.lsuv(model, x, KEY, variables=nothing)[1].layers == ()


def test_scalings_are_limited() -> None:
    ids = jax.random.randint(KEY, (64, 8), 0, 50)
    with pytest.raises(ValueError, match=r"lsuv: Embed_0/embedding must reach .* after 1 scalings"):
        ji.lsuv(Tied(False), ids, KEY, max_iterations=1)


@pytest.mark.parametrize("package", ["tqdm", "rich", None])
def test_progress(package: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    seen = list[tuple[int, tuple[int, ...]]]()

    def bar(layers: list[tuple[int, tuple[int, ...]]], **_: object) -> list[tuple[int, tuple[int, ...]]]:
        seen.extend(layers)
        return layers

    tqdm, rich = types.ModuleType("tqdm.auto"), types.ModuleType("rich.progress")
    tqdm.tqdm = rich.track = bar
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm") if package == "tqdm" else None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", tqdm if package == "tqdm" else None)
    monkeypatch.setitem(sys.modules, "rich.progress", rich if package == "rich" else None)
    model, x = Multilayer(nnx.Rngs(0)), jax.random.normal(KEY, (128, 24))
    if package is None:
        with pytest.raises(ImportError, match="lsuv: progress needs tqdm or rich; pip install tqdm"):
            ji.lsuv(model, x, KEY, progress=True)
    else:
        _, report = ji.lsuv(model, x, KEY, progress=True)
        assert len(report.layers) == 4
        assert seen == [(number, ()) for number in range(4)]


@pytest.mark.parametrize("x", [jnp.full((4, 24), jnp.nan), jnp.full((4, 24), jnp.inf), jnp.ones((0, 24))])
def test_batches_that_are_not_finite_or_empty(x: jax.Array) -> None:
    with pytest.raises(
        ValueError, match=r"lsuv: layers/0/kernel must reach .* got nan after 0 .* empty, constant, not"
    ):
        ji.lsuv(Multilayer(nnx.Rngs(0)), x, KEY)


def test_arrays_of_numpy() -> None:
    model, x = Convolutions(), np.random.default_rng(0).standard_normal((32, 6, 6, 8), np.float32)
    new, _ = ji.lsuv(model, x, KEY, variables=ones(model, x))
    assert float(new["params"]["Conv_0"]["kernel"].std()) > 0


def test_it_says_which_layer_fails() -> None:
    with pytest.raises(
        ValueError, match=r"lsuv: Conv_0/kernel must reach a variance of 1 ± 0\.02, got 0 after 0 scalings"
    ):
        ji.lsuv(Convolutions(), jnp.zeros((2, 6, 6, 8)), KEY, variables=ones(Convolutions(), jnp.zeros((2, 6, 6, 8))))


class Scanned(linen.Module):
    blocks: type[linen.Module]

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return self.blocks(name="blocks")(x, None)[0]


class Doubled(linen.Module):
    def __call__(self, x: jax.Array) -> jax.Array:
        return 2 * x


def test_other_errors() -> None:
    model, x = Multilayer(nnx.Rngs(0)), jnp.ones((2, 24))
    with pytest.raises(ValueError, match=r"lsuv: tolerance must be positive, got 0\.0; pass a number above 0"):
        ji.lsuv(model, x, KEY, tolerance=0.0)
    with pytest.raises(ValueError, match="lsuv: max_iterations must be at least 1, got 0"):
        ji.lsuv(model, x, KEY, max_iterations=0)
    with pytest.raises(TypeError, match="lsuv: max_iterations must be an int, got 'a'"):
        ji.lsuv(model, x, KEY, max_iterations="a")
    with pytest.raises(TypeError, match="lsuv: tolerance must be a real number, got str; pass a Python float"):
        ji.lsuv(model, x, KEY, tolerance="a")
    for option, meant in (("tol", "tolerance"), ("progres", "progress")):
        with pytest.raises(TypeError, match=f"lsuv: .* call of Multilayer, got '{option}'; did you mean '{meant}'"):
            ji.lsuv(model, x, KEY, **{option: 1})
    with pytest.raises(
        ValueError, match=r"lsuv: the model must run on the sample, got \(float32\[2, 5\]\), but raised"
    ):
        ji.lsuv(model, jnp.ones((2, 5)), KEY)
    with pytest.raises(TypeError, match=r"lsuv: runs on the host, .* call it outside of jit"):
        jax.jit(lambda x: ji.lsuv(model, x, KEY)[0])(x)
    with pytest.raises(ValueError, match=r"lsuv: the kernels must be used in .* got no kernel"):
        ji.lsuv(Doubled(), x, KEY)
    with pytest.raises(
        TypeError, match=r"lsuv: model must be a flax\.linen or flax\.nnx module, a .* got PjitFunction"
    ):
        ji.lsuv(jnp.tanh, x, KEY)
    with pytest.raises(TypeError, match="lsuv: an nnx module has its variables inside"):
        ji.lsuv(model, x, KEY, variables={})
    with pytest.raises(ValueError, match="lsuv: variables must be arrays, got shapes alone"):
        ji.lsuv(Doubled(), x, KEY, variables={"params": {"a": jax.ShapeDtypeStruct((2, 3), jnp.float32)}})
    with pytest.raises(ValueError, match=r"lsuv: unknown path in leave 'layers/9/\*'"):
        ji.lsuv(model, x, KEY, leave=["layers/9/*"])


class Block(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
        h = jnp.tanh(linen.Dense(48, name="up")(x))
        return x + linen.Dense(24, name="down")(h), None


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1])
def test_each_step_of_a_scan_is_a_layer(axis: int) -> None:
    blocks = linen.scan(Block, variable_axes={"params": axis}, split_rngs={"params": True}, length=3)
    model, x = Scanned(blocks), 2 * jax.random.normal(KEY, (128, 24))
    new, report = ji.lsuv(model, x, KEY)
    assert [row.path for row in report.layers] == ["blocks/up/kernel", "blocks/down/kernel"]
    assert not report.left
    params, h = new["params"]["blocks"], x
    for step in range(3):
        up, down = (jnp.take(params[n]["kernel"], step, axis) for n in ("up", "down"))
        z = h @ up
        assert float(z.var()) == pytest.approx(1, abs=0.03)
        branch = jnp.tanh(z) @ down
        assert float(branch.var()) == pytest.approx(1, abs=0.03)
        assert np.allclose(np.corrcoef(np.asarray(up)), np.eye(24), atol=0.4)
        h = h + branch


@pytest.mark.slow
def test_recurrent_kernels_are_scaled_over_all_steps() -> None:
    model, x = linen.RNN(linen.SimpleCell(24)), jax.random.normal(KEY, (64, 6, 16))
    new, report = ji.lsuv(model, x, KEY)
    assert sorted(row.path for row in report.layers) == ["cell/h/kernel", "cell/i/kernel"]
    assert all(row.after == pytest.approx(1, abs=0.02) for row in report.layers)
    h = model.apply(new, x)
    recurrent = jnp.concatenate([jnp.zeros((64, 1, 24)), h[:, :-1]], 1) @ new["params"]["cell"]["h"]["kernel"]
    assert float(recurrent.var()) == pytest.approx(1, abs=0.02)


def test_every_kernel_is_in_the_report() -> None:
    class Mixed(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, c: jax.Array) -> jax.Array:
            x = linen.WeightNorm(linen.Dense(24, name="normed"))(x) + linen.Dense(24, name="c")(c)
            (_, x) = linen.OptimizedLSTMCell(24, name="cell")((x, x), x)
            return linen.Dense(3, name="head")(x)

    x, c = jax.random.normal(KEY, (64, 16)), jax.random.normal(KEY, (64, 5))
    given = Mixed().init(KEY, x, c)
    new, report = ji.lsuv(Mixed(), x, KEY, variables=given, c=c, leave=["head/*"])
    kernels = {path for path, leaf in _flat(given) if leaf.ndim > 1}
    assert {row.path for row in report.layers} | set(report.left) >= kernels
    assert [row.path for row in report.layers] == ["c/kernel"]
    assert report.left["normed/kernel"] == "is transformed before its product"
    assert report.left["cell/ii/kernel"] == "is concatenated with others before its product"
    assert report.left["head/kernel"] == "as asked for"
    assert new["params"]["head"]["kernel"] is given["params"]["head"]["kernel"]


def _flat(variables: Any) -> list[tuple[str, Any]]:
    named, _ = jax.tree_util.tree_flatten_with_path(variables["params"])
    return [("/".join(k.key for k in path), leaf) for path, leaf in named]


def test_the_forward_pass_runs_once_a_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxacts.initializers._models import lsuv

    passes, run = [], lsuv._host
    monkeypatch.setattr(lsuv, "_host", lambda variances: passes.append(0) or run(variances))
    ji.lsuv(Multilayer(nnx.Rngs(0)), jax.random.normal(KEY, (128, 24)), KEY)
    assert len(passes) <= 4 + 1
