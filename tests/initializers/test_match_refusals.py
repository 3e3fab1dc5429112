"""What the whole-model call refuses or leaves alone, and how one tells it what only one knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx
from test_match import KEY, Net, X, dense, rows

import jaxacts
from jaxacts import initializers as ji
from jaxacts.linen import Dice, Maxout, RReLU

REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "two activations": (
        lambda x: (jnp.tanh(z := dense(8, "z")(x)), jax.nn.relu(z)),
        "z/kernel has an output that goes into tanh and relu",
    ),
    "activation and output": (
        lambda x: (z := dense(8, "z")(x), jax.nn.sigmoid(z)),
        "z/kernel has an output that goes into a layer or the end as it is and sigmoid",
    ),
    "maxout": (
        lambda x: jaxacts.maxout(dense(8, "z")(x), 2),
        r"z/kernel goes into maxout, whose gain is 1 for 2 pieces, 0\.885 for 3, 0\.803 for 4\n",
    ),
    "maxout of a module": (
        lambda x: Maxout(4, pieces=2, name="z")(x),
        r"z/kernel goes into maxout, whose gain is 1 for 2 pieces, 0\.885 for 3, 0\.803 for 4\n",
    ),
    "rrelu in training": (
        lambda x: RReLU(deterministic=False)(dense(8, "z")(x)),
        r"z/kernel meets the slopes that rrelu draws: evaluate it, by deterministic=True or model\.eval\(\)\n",
    ),
    "dice in training": (
        lambda x: Dice(use_running_average=False)(dense(8, "z")(x)),
        r"z/kernel meets statistics of the batch in dice: .*, by use_running_average=True or model\.eval\(\)\n",
    ),
    "two signals in an activation": (
        lambda x: jaxacts.prelu(dense(8, "z")(x), dense(8, "w")(x)),
        r"z/kernel meets another part of itself, or its product with another signal, in prelu\n",
    ),
    "sorted": (
        lambda x: jnp.sort(dense(8, "z")(x)),
        "z/kernel goes into sort, which is neither elementwise nor a layer",
    ),
    "pooled over units": (
        lambda x: dense(8, "z")(x).reshape(2, 4, 2).max(-1),
        r"z/kernel goes into a maximum over an axis \(reduce_max\), which may be pooling or maxout, whose gain is 1",
    ),
    "maximum of two": (
        lambda x: jnp.maximum(dense(8, "z")(x), dense(8, "w")(x)),
        "z/kernel meets another signal in max",
    ),
    "product before tanh": (
        lambda x: jnp.tanh(dense(16, "z")(x) * x),
        r"z/kernel is multiplied by another signal, or by values that differ, before tanh\nSay .*: jaxacts\.tanh}",
    ),
    "packed product before tanh": (
        lambda x: jnp.tanh(jax.nn.sigmoid((z := dense(16, "z")(x))[:, :8]) * z[:, 8:]),
        "z/kernel is multiplied by another signal, or by values that differ, before tanh",
    ),
    "norm": (
        lambda x: jnp.linalg.norm(dense(16, "z")(x), axis=-1),
        r"z/kernel goes into the root of a sum \(sqrt\), as of a norm, which is not elementwise",
    ),
    "weight normalization": (
        lambda x: linen.WeightNorm(dense(8, "z"))(x),
        "z/kernel is transformed before its product; draw it yourself",
    ),
    "dropout": (
        lambda x: linen.Dropout(0.5, deterministic=False)(jax.nn.relu(dense(8, "z")(x))),
        r"z/kernel meets random numbers: switch dropout off, by deterministic=True or model\.eval\(\)\n",
    ),
    "dropout before": (
        lambda x: jax.nn.relu(linen.Dropout(0.5, deterministic=False)(dense(8, "z")(x))),
        "z/kernel meets random numbers: switch dropout off",
    ),
    "loop": (
        lambda x: jax.lax.fori_loop(0, jnp.int32(x[0, 0]), lambda _, y: y, dense(16, "z")(x)),
        "z/kernel goes into while, which is neither",
    ),
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    body, reason = REFUSED[name]
    with pytest.raises(ValueError, match=rf"match: it must be clear .*\n  {reason}") as caught:
        ji.match(Net(body), X, KEY)
    assert "Say it in choices, such as choices={'" in str(caught.value)


def test_dropout_of_nnx_is_refused_until_it_is_switched_off() -> None:
    model = nnx.Sequential(nnx.Linear(16, 8, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1)), jax.nn.relu)
    with pytest.raises(ValueError, match="meets random numbers: switch dropout off"):
        ji.match(model, X, KEY)
    model.eval()
    assert ji.match(model, X, KEY)[1].layers[0].activation == "relu"


def test_choices() -> None:
    body = REFUSED["two activations"][0]
    assert rows(body, X, choices={"z/*": jaxacts.silu})["z"].gain == pytest.approx(ji.gain(jaxacts.silu))
    assert rows(body, X, choices={"z/kernel": 1.25})["z"].std == pytest.approx(1.25 / 4)
    net = Net(body)
    given = net.init(KEY, X)
    new, report = ji.match(net, X, KEY, variables=given, choices={"z/kernel": None})
    assert new["params"]["z"]["kernel"] is given["params"]["z"]["kernel"]
    assert dict(report.left) == {"z/kernel": "as chosen"}
    assert str(report).endswith("left alone: z/kernel (as chosen)")


@pytest.mark.slow
def test_one_gain_for_a_gate_and_its_values_keeps_their_product() -> None:
    body = lambda x: jax.nn.relu((z := linen.Dense(2048, name="z")(x))[:, :1024]) * z[:, 1024:]  # noqa: E731
    x = jax.random.normal(KEY, (64, 256))
    new, _ = ji.match(Net(body), x, KEY, choices={"z/kernel": ji.gain(jaxacts.relu) ** 0.5})
    assert float((Net(body).apply(new, x) ** 2).mean()) == pytest.approx(1, rel=0.1)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("pieces", [2, 3, 4])
def test_the_gains_of_maxout_keep_the_second_moment(pieces: int) -> None:
    gain = {2: 1.0, 3: 0.885, 4: 0.803}[pieces]
    body = lambda x: jaxacts.maxout(dense(512 * pieces, "z")(x), pieces)  # noqa: E731
    x = jax.random.normal(KEY, (64, 256))
    new, _ = ji.match(Net(body), x, KEY, choices={"z/kernel": gain})
    assert float((Net(body).apply(new, x) ** 2).mean()) == pytest.approx(1, rel=0.05)


def test_tables_are_left_alone() -> None:
    net = Net(lambda x: dense(3, "head")(linen.Embed(20, 16, name="e")(x)))
    given = net.init(KEY, jnp.ones((2, 5), int))
    new, report = ji.match(net, jnp.ones((2, 5), int), KEY, variables=given)
    assert new["params"]["e"]["embedding"] is given["params"]["e"]["embedding"]
    assert dict(report.left) == {"e/embedding": "no kernel of a product or convolution"}
    _, report = ji.match(Net(lambda i: jax.nn.relu(dense(8, "e")(jax.nn.one_hot(i, 20)))), jnp.ones((2, 5), int), KEY)
    why = "looked up alone, by a product with one-hot vectors; name it in choices to draw it"
    assert dict(report.left) == {"e/kernel": why}


def test_shared_layers_agree_or_are_refused() -> None:
    class Shared(linen.Module):
        other: Callable[[jax.Array], jax.Array]

        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            layer = linen.Dense(16, name="layer")
            return linen.Dense(2, name="head")(self.other(layer(jnp.tanh(layer(x)))))

    _, report = ji.match(Shared(jnp.tanh), X, KEY)
    assert report.layers[0].activation == "tanh"
    with pytest.raises(ValueError, match="layer/kernel is used in several places with different activations"):
        ji.match(Shared(jax.nn.relu), X, KEY)


class Strict(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        return linen.Dense(2)(x)


def test_errors() -> None:
    net = Net(lambda x: dense(3, "head")(x))
    with pytest.raises(ValueError, match="match: unknown path in choices 'haed/kernel'; did you mean 'head/kernel'"):
        ji.match(net, X, KEY, choices={"haed/kernel": 1.0})
    with pytest.raises(ValueError, match=r"match: choices\['head/kernel'\] must not be negative"):
        ji.match(net, X, KEY, choices={"head/kernel": -1.0})
    with pytest.raises(ValueError, match="head/bias is not the kernel of a product or convolution; leave it out"):
        ji.match(net, X, KEY, choices={"head/bias": 1.0})
    with pytest.raises(ValueError, match="match: unknown mode 'fan'"):
        ji.match(net, X, KEY, mode="fan")
    with pytest.raises(ValueError, match=r"match: unknown mode \['fan_in'\]"):
        ji.match(net, X, KEY, mode=["fan_in"])
    with pytest.raises(ValueError, match="match: unknown distribution 'norml'; did you mean 'normal'"):
        ji.match(net, X, KEY, distribution="norml")
    with pytest.raises(ValueError, match="match: unknown criterion 'fwd'"):
        ji.match(linen.Dense(2), X, KEY, criterion="fwd")
    with pytest.raises(TypeError, match=r"match: choices must map paths of kernels .* got list; pass choices="):
        ji.match(net, X, KEY, choices=[1])
    with pytest.raises(TypeError, match=r"match: choices\['head/kernel'\] must be .* got 'relu'; pass jaxacts.relu"):
        ji.match(net, X, KEY, choices={"head/kernel": "relu"})
    with pytest.raises(TypeError, match=r"match: sample must be an array.* got a list; write \(x,\)"):
        ji.match(net, [X], KEY)
    with pytest.raises(TypeError, match=r"match: sample must be an array, .*, got str; pass arrays"):
        ji.match(net, "a", KEY)
    with pytest.raises(ValueError, match=r"match: the model must run on the sample, got \(None\), but raised "):
        ji.match(net, None, KEY)
    with pytest.raises(ValueError, match=r"match: .* got \(float32\[2, 4\]\), but raised ScopeParamShapeError: .*head"):
        ji.match(net, X[:, :4], KEY, variables=net.init(KEY, X))
    with pytest.raises(
        TypeError, match=r"match: options must be .* of the call of Strict, got 'choice'.*mean 'choices'"
    ):
        ji.match(Strict(), X, KEY, choice={})
    with pytest.raises(TypeError, match=r"match: options must be .* got 'trian'; did you mean 'train'"):
        ji.match(Strict(), X, KEY, trian=True)
    with pytest.raises(TypeError, match=r"match: options must be .* got 'qqq'; leave it out"):
        ji.match(Strict(), X, KEY, qqq=True)
    with pytest.raises(ValueError, match=r"match: key must be one random key, .* of shape \(2,\); use jax\.vmap"):
        ji.match(net, X, jax.random.split(KEY, 2))
    with pytest.raises(TypeError, match=r"match: key must be a random key, got int; pass jax\.random\.key\(0\)"):
        ji.match(net, X, 0)
    with pytest.raises(ValueError, match=r"match: variables must have the collection 'params', got the keys .*'head'"):
        ji.match(net, X, KEY, variables=net.init(KEY, X)["params"])
    for x in (X, KEY):
        with pytest.raises(TypeError, match=r"match: runs on the host, .* call it outside of jit"):
            jax.jit(lambda _: ji.match(net, X, KEY)[0])(x)
    empty, report = ji.match(Net(lambda x: 2 * x), X, KEY)
    assert (empty, report.layers) == ({"params": {}}, ())
    with pytest.raises(
        TypeError, match=r"match: model must be a flax\.linen or flax\.nnx module, a .* got PjitFunction"
    ):
        ji.match(jnp.tanh, X, KEY)
