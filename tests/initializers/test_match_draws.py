"""What the whole-model call draws and says of it: orthogonal kernels, verdicts, and the health that it asserts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from test_match import KEY, Net, X, dense, ones

import jaxacts
from jaxacts import initializers as ji

relu = jax.nn.relu
N = 16


def match(body: Callable[[jax.Array], jax.Array], **options: Any) -> tuple[Any, ji.MatchReport]:
    return ji.match(Net(body), X, KEY, **options)


# Orthogonal kernels --------------------------------------------------------------------------------------------------


def assert_orthogonal(matrices: Any, gain: float) -> None:
    """Square ones, whose weights have the standard deviation gain/√n."""
    product = np.swapaxes(matrices, -1, -2).conj() @ matrices
    np.testing.assert_allclose(product, np.broadcast_to(gain**2 * np.eye(N), product.shape), atol=1e-4)


def assert_different(*matrices: Any) -> None:
    for a, b in itertools.combinations(matrices, 2):
        assert np.abs(a - b).max() > 0.1


@pytest.mark.slow
def test_stacks_of_orthogonal_kernels_stay_orthogonal() -> None:
    class Cell(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array, _: None) -> tuple[jax.Array, None]:
            return jnp.tanh(linen.Dense(N, kernel_init=ji.orthogonal(), name="z")(x)), None

    scanned = linen.scan(Cell, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
    new, report = match(lambda x: scanned(name="cells")(x, None)[0])
    assert report.layers[0].notes == ("orthogonal",)
    drawn = np.asarray(new["params"]["cells"]["z"]["kernel"])
    assert_orthogonal(drawn, ji.gain(jaxacts.tanh))
    assert_different(*drawn)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("packed", [1, 2], ids=["drawn as a whole", "drawn apart"])
def test_packed_gates_stay_orthogonal_each(packed: int) -> None:
    def body(x: jax.Array) -> jax.Array:
        init = ji.orthogonal(layer=ji.Dense(packed=packed))
        z = linen.Dense(2 * N, kernel_init=init, name="z")(x)
        return jax.nn.sigmoid(z[:, :N]) * jnp.tanh(z[:, N:])

    new, report = match(body)
    assert "orthogonal" in report.layers[0].notes
    gates = np.split(np.asarray(new["params"]["z"]["kernel"]), 2, axis=1)
    gains = ji.gain(jaxacts.sigmoid), ji.gain(jaxacts.tanh)
    for gate, gain in zip(gates, gains, strict=True):
        assert_orthogonal(gate, gain)
    assert_different(gates[0] / gains[0], gates[1] / gains[1])


@pytest.mark.slow
def test_packed_layers_of_one_gain_stay_orthogonal_each() -> None:
    def body(x: jax.Array) -> jax.Array:
        z = linen.Dense(3 * N, kernel_init=ji.orthogonal(layer=ji.Dense(packed=3)), name="z")(x)
        query, key, value = jnp.split(z, 3, -1)
        return jax.nn.softmax(query @ key.T) @ value

    kernel = np.asarray(match(body)[0]["params"]["z"]["kernel"])
    layers = kernel.reshape(N, 3, N).swapaxes(0, 1)
    assert_orthogonal(layers, 1.0)
    assert_different(*layers)


def test_convolutions_of_orthogonal_kernels_stay_orthogonal() -> None:
    conv = nnx.Conv(4, 16, (2, 2), kernel_init=ji.orthogonal(), param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    new, report = ji.match(conv, jnp.ones((1, 8, 8, 4)), KEY)
    assert report.layers[0].notes == ("orthogonal",)
    drawn = np.asarray(new.kernel[...], np.float32).reshape(N, N)
    np.testing.assert_allclose(drawn.T @ drawn, np.eye(N), atol=0.02)


def drawn_from(kernel: Any) -> tuple[Any, tuple[str, ...]]:
    """What comes of a kernel, and the notes on it."""
    new, report = ji.match(lambda w, x: x @ w, X, KEY, variables=jnp.asarray(kernel))
    return np.asarray(new), report.layers[0].notes


@pytest.mark.slow
def test_unitary_kernels_stay_unitary() -> None:
    drawn, notes = drawn_from(jax.random.orthogonal(KEY, N, dtype=jnp.complex64))
    assert notes == ("orthogonal",)
    assert_orthogonal(drawn, 1.0)


def test_multiples_of_the_identity_are_left_alone() -> None:
    for factor, dtype in ((3.0, jnp.bfloat16), (0.5, jnp.float8_e4m3fn), (2j, jnp.complex64)):
        kernel = (factor * np.eye(N)).astype(dtype)
        _, report = ji.match(lambda w, x: x @ w.astype(jnp.complex64), X, KEY, variables=kernel)
        assert list(report.left.values()) == ["the identity, which it may have to be; name it in choices to draw it"]


def test_a_column_among_orthogonal_ones_tells() -> None:
    kernel = np.array(jax.random.orthogonal(KEY, N))
    kernel[:, 7] = kernel[:, 6]
    assert drawn_from(kernel)[1] == ()


# Reports -------------------------------------------------------------------------------------------------------------


def test_health_looks_at_standard_deviations() -> None:
    def body(x: jax.Array) -> jax.Array:
        return dense(3, "head")(relu(dense(N, "z")(x)))

    _, report = match(body, variables=ones(body, X), choices={"z/kernel": lambda z: 1e-6 * relu(z)})
    with pytest.raises(AssertionError, match=r"z/kernel has std 3.54e\+05, 1.41e\+06 times 1/√fan_in"):
        report.assert_healthy()
    report.assert_healthy(std_factor=1e7)
    _, report = match(body, variables=ones(body, X), choices={"z/kernel": lambda z: 1e6 * relu(z)})
    with pytest.raises(AssertionError, match=r"z/kernel has std 3.54e-07, 1.41e-06 times 1/√fan_in"):
        report.assert_healthy()
    report.assert_healthy(std_factor=1e7)


def test_kernels_of_zeros_on_purpose_are_healthy() -> None:
    def body(x: jax.Array) -> jax.Array:
        return x + dense(N, "last")(relu(dense(N, "z")(x)))

    _, report = match(body, residual="zero", measure=True)
    assert [row.std for row in report.layers][1] == 0
    report.assert_healthy()


@pytest.mark.parametrize("residual", ["depth_scaled", "layer_scaled", "zero"])
def test_a_residual_that_scales_nothing_is_warned_of(residual: Any) -> None:
    def body(x: jax.Array) -> jax.Array:
        return dense(3, "head")(relu(dense(N, "z")(x)))

    _, report = match(body, variables=ones(body, X), residual=residual)
    (warning,) = report.warnings
    assert warning.startswith(f"no kernel ends a residual branch, so residual={residual!r} scales nothing; leave it")
    assert f"warning: {warning}" in str(report)
    assert not match(body, variables=ones(body, X))[1].warnings


def test_verdicts_of_layers() -> None:
    def body(x: jax.Array) -> jax.Array:
        x = jnp.tanh(dense(N, "a")(relu(dense(N, "b")(x))))
        return dense(3, "head")(jax.nn.sigmoid(dense(N, "c")(x)))

    _, report = match(body, variables=ones(body, X))
    verdicts = {row.path.partition("/")[0]: row.verdict for row in report.layers}
    assert verdicts == {"b": "marginal", "a": "expansive", "c": "contractive", "head": "marginal"}
    assert [layer["verdict"] for layer in report.to_dict()["layers"]] == list(verdicts.values())
    assert report.to_dict()["drift"] == report.drift
    assert str(report).splitlines()[0].split()[-2:] == ["verdict", "notes"]


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.99, "contractive"), (0.996, "marginal"), (1.004, "marginal"), (1.01, "expansive")],
)
def test_a_layer_is_marginal_within_one_percent(gain: float, verdict: str) -> None:
    (row,) = match(lambda x: dense(N, "z")(x), choices={"z/kernel": gain})[1].layers
    assert row.chi_1 == pytest.approx(gain**2)
    assert row.verdict == verdict


# Fans by shape alone -------------------------------------------------------------------------------------------------

RIGHT: dict[str, Callable[[], tuple[Any, Any]]] = {
    "linen's Embed as the last layer": lambda: (
        Net(lambda x: linen.Embed(50, 32, name="table").attend(jnp.ones((1, 32)) + x)),
        jnp.ones((1, 1)),
    ),
    "Equinox's Linear": lambda: (eqx.nn.MLP(16, 4, 64, 1, key=KEY), jnp.ones(16)),
    "Equinox's Conv2d": lambda: (eqx.nn.Conv2d(3, 8, 3, key=KEY), jnp.ones((3, 8, 8))),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", RIGHT)
def test_kernels_drawn_with_the_right_fans_are_not_noted(name: str) -> None:
    _, report = ji.match(*RIGHT[name](), KEY)
    assert not [note for row in report.layers for note in row.notes if "fan_in" in note]


# Variables known by their shapes -------------------------------------------------------------------------------------


class Normalized(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.z = nnx.Linear(N, N, rngs=rngs)
        self.norm = nnx.BatchNorm(N, use_running_average=True, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, deterministic=True, rngs=rngs)
        self.head = nnx.Linear(N, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(self.dropout(relu(self.norm(self.z(x)))))


def all_shapes(tree: Any) -> bool:
    return all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(tree))


def test_abstract_nnx_models_with_statistics() -> None:
    new, report = ji.match(nnx.eval_shape(lambda: Normalized(nnx.Rngs(0))), X, KEY)
    known = ji.match(Normalized(nnx.Rngs(0)), X, KEY)[1]
    assert [(row.activation, row.gain, row.std) for row in report.layers] == [
        (row.activation, row.gain, row.std) for row in known.layers
    ]
    assert all_shapes(nnx.state(new))


def test_abstract_statistics_give_abstract_variables() -> None:
    net = Net(lambda x: dense(3, "head")(relu(linen.BatchNorm(use_running_average=True)(dense(N, "z")(x)))))
    variables = ones(net.body, X)
    variables["batch_stats"] = jax.eval_shape(lambda: variables["batch_stats"])
    new, report = ji.match(net, X, KEY, variables=variables)
    assert all_shapes(new)
    assert [row.activation for row in report.layers] == ["relu", "linear"]
    with pytest.raises(ValueError, match="lsuv: variables must be arrays, got shapes alone"):
        ji.lsuv(net, X, KEY, variables=variables)


def test_abstract_counters_of_a_tree() -> None:
    tree = {"w": jnp.ones((N, 3)), "count": jax.ShapeDtypeStruct((), jnp.int32), "name": 2.0}
    new, report = ji.match(lambda p, x: x @ p["w"] / p["count"], X, KEY, variables=tree)
    assert all_shapes({"w": new["w"], "count": new["count"]})
    assert new["name"] == 2.0
    assert report.layers[0].path == "w"
