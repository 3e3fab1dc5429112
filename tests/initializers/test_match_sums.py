"""What the whole-model call finds behind sums, means and maxima of outputs, and behind rotations of them."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from test_match import KEY, Net, dense, ones, rows

import jaxacts
from jaxacts import initializers as ji

ROOT2 = 2**0.5
SETS = jax.random.normal(KEY, (4, 6, 16))
EXACT = functools.partial(jaxacts.gelu, approximate=False)


def rotated(q: jax.Array, how: str) -> jax.Array:
    """Rotary embeddings with halves or with pairs of neighbours."""
    size = q.shape[-1] // 2
    angle = jnp.arange(q.shape[1])[:, None] * 1e4 ** (-jnp.arange(size) / size)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    if how == "rotate_half":
        first, second = jnp.split(q, 2, -1)
        turned = jnp.concatenate([-second, first], -1)
        return q * jnp.concatenate([cos, cos], -1) + turned * jnp.concatenate([sin, sin], -1)
    first, second = jnp.split(q, 2, -1) if how == "halves" else (q[..., ::2], q[..., 1::2])
    parts = first * cos - second * sin, first * sin + second * cos
    return jnp.concatenate(parts, -1) if how == "halves" else jnp.stack(parts, -1).reshape(q.shape)


@jax.jit
def lecun_tanh(z: jax.Array) -> jax.Array:
    return 1.7159 * jnp.tanh(2 / 3 * z)


SUMS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "neighbours": lambda z: jnp.eye(6) @ z,
    "sum": lambda z: z.sum(1),
    "mean": lambda z: z.mean(1),
    "max": lambda z: z.max(1),
    "cumsum": lambda z: jnp.cumsum(z, 1),
    "segments": lambda z: jax.ops.segment_sum(z, jnp.array([0, 0, 1, 1]), 2),
    "scatter": lambda z: jnp.zeros((2, 6, 16)).at[jnp.array([0, 0, 1, 1])].add(z),
}
# As a model computes them, the name, and the function whose gain is expected.
BEHIND: dict[str, tuple[Callable[[jax.Array], jax.Array], str, Callable[..., Any]]] = {
    "leaky_relu": (jax.nn.leaky_relu, "leaky_relu", jaxacts.leaky_relu),
    "gelu": (jax.nn.gelu, "gelu", jaxacts.gelu),
    "exact gelu": (functools.partial(jax.nn.gelu, approximate=False), "gelu (exact)", EXACT),
    "silu": (jax.nn.silu, "silu", jaxacts.silu),
    "mish": (jax.nn.mish, "mish", jaxacts.mish),
    "a constant first": (lecun_tanh, "lecun_tanh", jaxacts.lecun_tanh),
    "gelu of jaxacts": (jaxacts.gelu, "gelu", jaxacts.gelu),
    "written out": (
        lambda z: jnp.where(z > 0, z, 0.2 * z),
        "where(z > 0, z, 0.2·z)",
        lambda z: jnp.maximum(z, 0.2 * z),
    ),
}


def found_in(body: Callable[[jax.Array], Any]) -> dict[str, ji.MatchedLayer]:
    """The rows by layer, where nothing has to be drawn."""
    return rows(body, SETS, variables=jax.eval_shape(Net(body).init, KEY, SETS))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("behind", BEHIND)
def test_activations_of_sums_means_and_maxima(behind: str) -> None:
    """The sums in one model, each with a layer of its own."""
    function, name, same = BEHIND[behind]
    sums = {how: SUMS[how] for how in (SUMS if behind in ("gelu", "leaky_relu") else ("sum", "max"))}

    def body(x: jax.Array) -> list[jax.Array]:
        return [dense(3, f"head {how}")(function(sum_(dense(16, how)(x)))) for how, sum_ in sums.items()]

    found, gain = found_in(body), ji.gain(same)
    for how in sums:
        assert (found[how].activation, found[how].gain) == (name, pytest.approx(gain, rel=1e-4)), how
        assert ("summed" in found[how].notes) == (how not in ("mean", "max"))
        assert "normalized" not in found[how].notes


def test_circular_transposed_convolutions_before_smooth_activations() -> None:
    body = lambda x: dense(3, "head")(jax.nn.gelu(linen.ConvTranspose(8, (3,), padding="CIRCULAR", name="z")(x)))  # noqa: E731
    row = found_in(body)["z"]
    assert (row.activation, row.gain) == ("gelu", pytest.approx(ji.gain(jaxacts.gelu)))


def test_what_divides_a_sum_is_not_a_factor_and_what_scales_a_mean_is() -> None:
    def body(x: jax.Array) -> list[jax.Array]:
        sums = {"root": lambda z: z.sum(1) / 6**0.5, "scaled": lambda z: 0.25 * z.mean(1)}
        return [dense(3, f"head {how}")(jax.nn.gelu(f(dense(16, how)(x)))) for how, f in sums.items()]

    found = found_in(body)
    assert found["root"].activation == "gelu"
    assert found["scaled"].gain == pytest.approx(ji.gain(lambda z: jaxacts.gelu(0.25 * z)), rel=1e-4)


@pytest.mark.slow
def test_a_graph_network_keeps_its_second_moment() -> None:
    """Ten layers of leaky_relu behind sums over neighbours that keep the mean square, as an orthogonal matrix does."""
    mixing = jax.random.orthogonal(KEY, 8)

    def body(x: jax.Array) -> jax.Array:
        for i in range(10):
            x = jax.nn.leaky_relu(mixing @ linen.Dense(256, use_bias=False, name=f"z{i}")(x))
        return x

    x = jax.random.normal(KEY, (8, 8, 256))
    new, report = ji.match(Net(body), x, KEY, variables=ones(body, x))
    assert [row.gain for row in report.layers] == pytest.approx([ji.gain(jaxacts.leaky_relu)] * 10)
    # Weights of width n add a relative variance of about 5/n a layer to the logarithm: a standard error of 0.44 here.
    assert abs(math.log(float(jnp.mean(jnp.square(jnp.asarray(Net(body).apply(new, x))))))) < 4 * math.sqrt(
        10 * 5 / 256
    )


@pytest.mark.slow
def test_zero_kernels_that_are_left_alone_are_not_terms() -> None:
    """As of LoRA, whose second matrix is zero at the start."""
    rng = np.random.default_rng(0)

    def layer() -> dict[str, Any]:
        return {"w": rng.normal(size=(128, 128)), "a": rng.normal(size=(128, 4)), "b": np.zeros((4, 128))}

    def apply(params: Any, x: jax.Array) -> jax.Array:
        for p in params:
            x = jax.nn.relu(x @ p["w"] + x @ p["a"] @ p["b"])
        return x

    x = jax.random.normal(KEY, (64, 128))
    params = jax.tree.map(np.float32, [layer() for _ in range(4)])
    new, report = ji.match(apply, x, KEY, variables=params)
    base = [row for row in report.layers if row.path.endswith("w")]
    assert [(row.gain, row.notes) for row in base] == [(pytest.approx(ROOT2), ())] * 4
    assert sorted(report.left) == [f"{i}/b" for i in range(4)]
    # As above, with a standard error of 0.4; with half the variance in each layer it would be -2.8.
    assert abs(math.log(float((apply(new, x) ** 2).mean()))) < 4 * math.sqrt(4 * 5 / 128)
    _, report = ji.match(apply, x, KEY, variables=params, choices={"*/b": 1.0})
    assert all(row.gain == pytest.approx(1.0) for row in report.layers if row.path.endswith("w"))


def test_a_scaled_adapter_of_zeros_is_not_a_residual_branch() -> None:
    def body(x: jax.Array) -> jax.Array:
        low = dense(16, "b")(dense(4, "a")(x))
        return dense(3, "head")(jax.nn.relu(dense(16, "z")(x) + 2.0 * low))

    variables = ones(body, SETS)
    variables["params"]["b"]["kernel"][:] = 0
    row = rows(body, SETS, variables=variables)["z"]
    assert (row.gain, row.notes) == (pytest.approx(ROOT2), ())


def test_rotations_are_not_factors() -> None:
    ways = ("rotate_half", "halves", "pairs")

    def body(x: jax.Array) -> list[jax.Array]:
        scores = [rotated(dense(16, f"q {how}")(x), how) @ rotated(dense(16, f"k {how}")(x), how).mT for how in ways]
        return [*scores, *(dense(3, f"head {how}")(jax.nn.gelu(rotated(dense(16, how)(x), how))) for how in ways)]

    found = found_in(body)
    for kind, how in itertools.product("qk", ways):
        assert (found[f"{kind} {how}"].gain, found[f"{kind} {how}"].notes) == (1.0, ())
    for how in ways:
        assert (found[how].activation, found[how].notes) == ("gelu", ())


def test_halves_with_different_scales_are_still_noted() -> None:
    scale = jnp.linspace(1.0, 3.0, 8)

    def body(x: jax.Array) -> jax.Array:
        first, second = jnp.split(dense(16, "z")(x), 2, -1)
        return dense(3, "head")(jnp.concatenate([first * scale, second], -1))

    expected = math.sqrt((float(jnp.mean(scale**2)) + 1) / 2)
    assert found_in(body)["z"].notes == ("scaled per unit", f"×{expected:.4g}")


@pytest.mark.slow
def test_constants_of_16_bits_have_the_name_of_the_activation() -> None:
    functions = {"gelu": jax.nn.gelu, "selu": jax.nn.selu, "quick_gelu": lambda z: z * jax.nn.sigmoid(1.702 * z)}
    others = {"silu of 1.68 z": lambda z: z * jax.nn.sigmoid(1.68 * z), "prelu": lambda z: jnp.where(z > 0, z, 0.2 * z)}

    def body(x: jax.Array) -> list[jax.Array]:
        half = functools.partial(linen.Dense, 16, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16)
        return [dense(3, f"head {name}")(f(half(name=name)(x))) for name, f in {**functions, **others}.items()]

    found = found_in(body)
    for name in functions:
        assert (found[name].activation, found[name].gain) == (name, pytest.approx(ji.gain(getattr(jaxacts, name))))
    assert found["silu of 1.68 z"].activation == "z·logistic(1.67969·z)"
    assert found["prelu"].activation == "where(z > 0, z, 0.200195·z)"


# Reports --------------------------------------------------------------------------------------------------------------


def test_outputs_that_are_not_finite_are_not_healthy() -> None:
    def body(x: jax.Array) -> jax.Array:
        h = jax.nn.relu(dense(16, "a")(x)) / (x.sum() * 0)
        return dense(3, "c")(jax.nn.relu(dense(16, "b")(h)))

    _, report = ji.match(Net(body), SETS, KEY, measure=True)
    assert [row.verdict for row in report.layers] == ["marginal", "not finite", "not finite"]
    with pytest.raises(AssertionError, match=r"b/kernel has outputs that are not finite\n  c/kernel has outputs"):
        report.assert_healthy()
    json.dumps(report.to_dict(), allow_nan=False)
    _, report = ji.match(Net(body), SETS, KEY)
    report.assert_healthy()


def test_a_model_that_is_not_finite_behind_its_last_layer_is_not_healthy() -> None:
    _, report = ji.match(Net(lambda x: dense(3, "z")(x) + jnp.log(x[..., :3] * 0 - 1)), SETS, KEY, measure=True)
    assert report.layers[0].finite
    with pytest.raises(AssertionError, match="the outputs of the model on the sample are not finite"):
        report.assert_healthy()


def test_the_weights_before_may_be_anything() -> None:
    body = lambda x: dense(3, "z")(x)  # noqa: E731
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, np.nan, np.float32), ones(body, SETS))
    variables["params"]["z"]["bias"] = np.zeros(3, np.float32)
    _, report = ji.match(Net(body), SETS, KEY, variables=variables, measure=True)
    report.assert_healthy()
    assert report.to_dict()["layers"][0]["before"] is None


def test_reports_are_json() -> None:
    _, report = ji.match(Net(lambda x: dense(3, "z")(x)), SETS, KEY)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["layers"][0]["before"] is None
    assert data["layers"][0]["gain"] == 1.0


def test_mutable_collections_may_be_named_as_for_apply() -> None:
    body = lambda x, train: dense(3, "z")(linen.BatchNorm(not train)(x))  # noqa: E731
    new, report = ji.match(Net(body), SETS, KEY, train=True, mutable=["batch_stats"])
    assert sorted(new) == ["batch_stats", "params"]
    assert len(report.layers) == 1
