"""Residual scaling: which kernels end a branch, and what the report says where none does or the scale is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen
from test_match import KEY, Net, X, dense, ones

from jaxacts import initializers as ji

relu = jax.nn.relu
TOKENS = jax.random.normal(KEY, (2, 5, 16))
ENDS = "ends a residual branch"
UNDONE = "ends a residual branch, whose normalization undoes the factor"


def normed(x: jax.Array) -> jax.Array:
    return linen.LayerNorm(use_scale=False, use_bias=False)(x)


def branch(x: jax.Array, name: str) -> jax.Array:
    return dense(x.shape[-1], name)(relu(dense(16, f"in {name}")(x)))


def matched(body: Callable[[jax.Array], Any], x: jax.Array = X, residual: Any = "depth_scaled", **more: Any) -> Any:
    shapes = jax.eval_shape(Net(body).init, KEY, x)  # nothing has to be drawn
    return ji.match(Net(body), x, KEY, variables=shapes, residual=residual, **more)[1]


def ends(report: ji.MatchReport, note: str = ENDS) -> dict[str, float]:
    """What each kernel that ends a branch has of its standard deviation without residual scaling."""
    scaled = [row for row in report.layers if note in row.notes]
    return {row.path.removesuffix("/kernel"): row.std * row.fan_in**0.5 / row.gain for row in scaled}


def attention(x: jax.Array, name: str, *, project: bool = True) -> jax.Array:
    q, k, v = (dense(16, f"{part} {name}")(x) for part in "qkv")
    mixed = jax.nn.softmax(q @ k.mT / 4) @ v
    return dense(16, name)(mixed) if project else mixed


class Experts(linen.Module):
    """A mixture of experts, whose outputs are combined by einsum or by a product and a sum."""

    einsum: bool

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        w1 = self.param("w1", linen.initializers.lecun_normal(), (3, 16, 24))
        w2 = self.param("w2", linen.initializers.lecun_normal(), (3, 24, 16))
        gates = jax.nn.softmax(dense(3, "router")(x))
        y = jnp.einsum("btef,efd->bted", jax.nn.gelu(jnp.einsum("btd,edf->btef", x, w1)), w2)
        return jnp.einsum("bted,bte->btd", y, gates) if self.einsum else (y * gates[..., None]).sum(2)


@pytest.mark.parametrize("einsum", [True, False])
def test_experts_end_branches(einsum: bool) -> None:
    def body(x: jax.Array) -> jax.Array:
        for i in range(3):
            x = x + attention(normed(x), f"out{i}")
            x = x + Experts(einsum, name=f"moe{i}")(normed(x))
        return x

    report = matched(body, TOKENS)
    assert ends(report) == pytest.approx({f"{n}": 6**-0.5 for i in range(3) for n in (f"out{i}", f"moe{i}/w2")})
    assert not report.warnings


def test_dispatched_experts_end_branches() -> None:
    """With a capacity, as in GShard: tokens are sent to experts and combined again by products with the gates."""

    def body(x: jax.Array) -> jax.Array:
        gates = jax.nn.softmax(dense(3 * 2, "router")(x)).reshape(2, 5, 3, 2)
        w1, w2 = (linen.Einsum((3, 16, 16), "becm,emf->becf", False, name=name) for name in ("w1", "w2"))
        sent = jnp.einsum("btec,btm->becm", (gates > 0.1).astype(x.dtype), normed(x))
        return x + jnp.einsum("becm,btec->btm", w2(jax.nn.gelu(w1(sent))), gates)

    assert ends(matched(body, TOKENS)) == {"w2": 1.0}


def test_attention_without_a_last_layer_ends_in_its_values() -> None:
    report = matched(lambda x: x + attention(normed(x), "a", project=False), TOKENS)
    assert ends(report) == {"v a": 1.0}
    assert not report.warnings


def test_attention_is_followed_by_a_layer_as_before() -> None:
    report = matched(lambda x: relu(attention(x, "a", project=False)), TOKENS, residual="zero")
    assert {row.path: (row.activation, row.gain) for row in report.layers}["v a/kernel"] == ("linear", 1.0)


@pytest.mark.parametrize("training", [True, False])
def test_projection_shortcuts(training: bool) -> None:
    """Blocks 0 and 2 have a projection, block 2 an average pool before it, as ResNet-D has."""

    def norm(x: jax.Array, name: str) -> jax.Array:
        return linen.BatchNorm(use_running_average=not training, name=name)(x)

    def body(x: jax.Array) -> jax.Array:
        for i, (width, stride) in enumerate(((8, 1), (8, 1), (12, 2), (12, 1))):
            h = relu(norm(linen.Conv(width, (3,), stride, name=f"first{i}")(x), f"a{i}"))
            h = norm(linen.Conv(width, (3,), name=f"end{i}")(h), f"b{i}")
            if i % 2 == 0:
                pooled = linen.avg_pool(x, (stride,), (stride,)) if stride > 1 else x
                x = norm(linen.Conv(width, (1,), name=f"shortcut{i}")(pooled), f"c{i}")
            x = relu(x + h)
        return x

    report = matched(body, jnp.ones((2, 8, 4)))
    assert ends(report, UNDONE if training else ENDS) == pytest.approx({f"end{i}": 0.5 for i in range(4)})
    assert len(report.warnings) == training


def test_parallel_layers_are_not_a_branch_and_its_projection() -> None:
    body = lambda x: relu(normed(dense(16, "a")(x)) + normed(dense(16, "b")(x)))  # noqa: E731
    report = matched(body)
    assert not ends(report)
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("no kernel ends a residual branch")


def test_normalized_recurrent_cells_have_no_branch() -> None:
    def body(x: jax.Array) -> jax.Array:
        class Cell(linen.Module):
            @linen.compact
            def __call__(self, h: jax.Array, now: jax.Array) -> tuple[jax.Array, jax.Array]:
                h = jnp.tanh(normed(dense(16, "in")(now)) + normed(dense(16, "h")(h)))
                return h, h

        scan = linen.scan(Cell, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1)
        return scan()(jnp.zeros((2, 16)), x)[1]

    assert not ends(matched(body, TOKENS))


@pytest.mark.parametrize("stem", [True, False])
def test_reversible_blocks(stem: bool) -> None:
    def body(x: jax.Array) -> jax.Array:
        a, b = jnp.split(dense(32, "stem")(x) if stem else x, 2, -1)
        for i in range(2):
            a = a + branch(normed(b), f"f{i}")
            b = b + branch(normed(a), f"g{i}")
        return jnp.concatenate([a, b], -1)

    report = matched(body)
    assert ends(report) == pytest.approx(dict.fromkeys(("f0", "g0", "f1", "g1"), 0.5))
    assert not report.warnings


def test_scaled_streams_of_deepnorm() -> None:
    def body(x: jax.Array) -> jax.Array:
        for i in range(4):
            x = normed(2.5 * x + branch(x, f"f{i}"))
        return x

    report = matched(body)
    assert ends(report) == pytest.approx({f"f{i}": 0.5 for i in range(4)})
    assert not report.warnings


def test_a_branch_that_is_used_elsewhere_too() -> None:
    """Such as one that is returned beside the stream."""

    def body(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = branch(normed(x), "f")
        return x + y, y

    assert ends(matched(body)) == {"f": 1.0}


def test_the_kernel_of_a_choice_is_scaled_too() -> None:
    def body(x: jax.Array) -> jax.Array:
        for i in range(4):
            x = x + branch(normed(x), f"f{i}")
        return x

    assert ends(matched(body, choices={"f?/kernel": 1.0})) == pytest.approx({f"f{i}": 0.5 for i in range(4)})


def test_branches_that_are_not_followed_are_named() -> None:
    """Attention with heads and no layer behind them, beside a branch that is found."""

    def body(x: jax.Array) -> jax.Array:
        q, k, v = (linen.DenseGeneral((4, 4), name=name)(normed(x)) for name in "qkv")
        x = x + linen.dot_product_attention(q, k, v).reshape(x.shape)
        return x + branch(normed(x), "f")

    report = matched(body, TOKENS)
    assert ends(report) == {"f": 1.0}
    (warning,) = report.warnings
    assert warning.startswith("residual='depth_scaled' does not scale the residual branches after v/kernel, ")
    with pytest.raises(AssertionError, match="does not scale the residual branches after v/kernel"):
        report.assert_healthy()
    assert not ji.match(Net(body), TOKENS, KEY, variables=ones(body, TOKENS))[1].warnings


def test_masks_are_not_streams() -> None:
    def body(x: jax.Array) -> jax.Array:
        mask = jnp.where(x[:, None, None, :, 0] > 0, 0.0, -1e9)
        for i in range(2):
            q, k, v = (linen.DenseGeneral((4, 4), name=f"{name}{i}")(normed(x)) for name in "qkv")
            scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) + mask
            mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v)
            x = x + linen.DenseGeneral(16, (-2, -1), name=f"out{i}")(mixed)
        return x

    report = matched(body, TOKENS)
    assert ends(report) == pytest.approx({"out0": 2**-0.5, "out1": 2**-0.5})
    assert not report.warnings


def test_branches_that_end_in_zeros_are_left_alone() -> None:
    def body(x: jax.Array) -> jax.Array:
        for i in range(2):
            x = x + branch(normed(x), f"f{i}")
        return x

    variables = ones(body, X)
    for i in range(2):
        variables["params"][f"f{i}"]["kernel"][:] = 0
    _, report = ji.match(Net(body), X, KEY, variables=variables, residual="depth_scaled")
    (warning,) = report.warnings
    assert warning.startswith("the kernels that end residual branches are left alone, so residual='depth_scaled'")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("residual", ["depth_scaled", "zero"])
def test_what_a_normalization_undoes_is_said(residual: Any) -> None:
    """Outputs with and without the scaling are the same, but for a kernel of zeros."""

    def body(x: jax.Array) -> jax.Array:
        for i in range(4):
            x = x + linen.RMSNorm(name=f"n{i}")(branch(linen.RMSNorm(name=f"m{i}")(x), f"f{i}"))
        return x

    x = jax.random.normal(KEY, (8, 16))
    start = Net(body).init(KEY, x)
    plain, scaled = (ji.match(Net(body), x, KEY, variables=start, residual=how) for how in (None, residual))
    run = jax.jit(Net(body).apply)
    change = float(jnp.abs(run(plain[0], x) - run(scaled[0], x)).max())
    if residual == "zero":
        assert change > 0.1
        assert ends(scaled[1]) == dict.fromkeys([f"f{i}" for i in range(4)], 0.0)
        assert not scaled[1].warnings
    else:
        assert change < 1e-3
        assert ends(scaled[1], UNDONE) == pytest.approx(dict.fromkeys([f"f{i}" for i in range(4)], 0.5))
        assert "has no effect on the output behind f0/kernel, f1/kernel" in scaled[1].warnings[0]


def test_a_model_without_residual_additions() -> None:
    report = matched(lambda x: branch(x, "f"), residual="zero")
    assert report.warnings[0].startswith("no kernel ends a residual branch, so residual='zero' scales nothing")
