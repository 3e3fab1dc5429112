"""The fans of each layer kind, counted by hand or from the layer itself, and what is refused."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxacts import initializers as ji
from jaxacts.initializers import Conv, Dense, Einsum, Embed, fans

# Shape, what is said of it, fans.
COUNTED: dict[str, tuple[tuple[int, ...], dict[str, Any], tuple[float, float]]] = {
    "dense": ((300, 200), {}, (300, 200)),
    "conv": ((3, 5, 16, 32), {}, (240, 480)),
    "conv 3d": ((2, 3, 5, 16, 32), {}, (480, 960)),
    "conv 1d": ((5, 16, 32), {}, (80, 160)),
    "conv 1d as a layer": ((5, 16, 32), {"layer": Conv()}, (80, 160)),
    "conv 4d": ((1, 2, 3, 5, 16, 32), {}, (480, 960)),
    "conv of torch": ((32, 16, 3, 5), {"in_axis": 1, "out_axis": 0}, (240, 480)),
    "grouped": ((3, 3, 4, 32), {"layer": Conv(groups=8)}, (36, 36)),
    "grouped conv of torch": (
        (32, 4, 3, 3),
        {"in_axis": 1, "out_axis": 0, "layer": Conv(groups=8)},
        (36, 36),
    ),
    "depthwise": ((3, 3, 1, 64), {"layer": Conv(groups=32)}, (9, 18)),
    "strided": ((4, 4, 16, 32), {"layer": Conv(strides=2)}, (256, 128)),
    "strided each": ((4, 3, 16, 32), {"layer": Conv(strides=[2, 3])}, (192, 64)),
    "transposed": ((4, 4, 16, 32), {"layer": Conv(strides=2, transposed=True)}, (64, 512)),
    "transposed 3x3": ((3, 3, 16, 32), {"layer": Conv(strides=(2, 2), transposed=True)}, (36, 288)),
    "not whole": ((3, 3, 1, 32), {"layer": Conv(strides=2, transposed=True)}, (2.25, 288)),
    "query": ((512, 8, 64), {"in_axis": 0, "out_axis": (1, 2)}, (512, 512)),
    "query, inputs alone": ((8, 64, 500), {"in_axis": (0, 1)}, (512, 500)),
    "output": ((8, 64, 500), {"layer": Einsum("bthk, hkd -> btd")}, (512, 500)),
    "query of Gemma": ((8, 500, 64), {"layer": Einsum("BTD,NDH->BTNH")}, (500, 512)),
    "packed": ((500, 3, 8, 64), {"in_axis": 0, "out_axis": (2, 3), "batch_axis": 1}, (500, 512)),
    "packed as one": ((500, 3, 8, 64), {"layer": Einsum("btd,dshk->sbthk")}, (500, 1536)),
    "packed einsum": ((500, 3, 8, 64), {"layer": Einsum("btd,dhk->bthk"), "batch_axis": 1}, (500, 512)),
    "einsum kernel first": ((7, 5), {"layer": Einsum("vd,bd->bv", kernel=0)}, (5, 7)),
    "einsum with batch": ((4, 5, 6), {"layer": Einsum("...ed,edf->...ef")}, (5, 6)),
    "einsum kernel alone": ((5, 6, 7), {"layer": Einsum("bd,dfr->bf")}, (35, 42)),
    "flattened batch": ((4 * 5, 6), {"layer": Dense(batch=4)}, (5, 6)),
    "flattened parts": ((5, 3 * 6), {"layer": Dense(packed=3)}, (5, 6)),
    "stack": ((12, 300, 200), {"batch_axis": 0}, (300, 200)),
    "stack at the end": ((300, 200, 12), {"in_axis": 0, "out_axis": 1, "batch_axis": -1}, (300, 200)),
    "stack at the end of a layer": ((300, 200, 12), {"batch_axis": -1, "layer": Dense()}, (300, 200)),
    "stack between": ((300, 12, 200), {"in_axis": 0, "batch_axis": 1}, (300, 200)),
    "table of Flax": ((1000, 64), {"out_axis": 0}, (64, 64)),
    "vector, outputs by default": ((64,), {"in_axis": 0}, (1, 1)),
    "no inputs": ((0, 4), {}, (0, 4)),
    "no window": ((0, 3, 4), {}, (0, 0)),
    "stack of convs": ((12, 5, 16, 32), {"batch_axis": 0, "layer": Conv()}, (80, 160)),
    "stack of stacks": ((2, 3, 4, 5), {"batch_axis": (0, 1)}, (4, 5)),
    "stack of projections": ((12, 500, 8, 64), {"batch_axis": 0, "layer": Einsum("td,dhk->thk")}, (500, 512)),
    "lookup": ((1000, 64), {"layer": Embed()}, (1, 64)),
    "table as last layer": ((1000, 64), {"in_axis": 1, "out_axis": 0}, (64, 1000)),
    "vector": ((64,), {"in_axis": 0, "out_axis": ()}, (64, 1)),
    "window of ones": ((1, 16, 32), {}, (16, 32)),
}


@pytest.mark.parametrize("row", COUNTED)
def test_fans(row: str) -> None:
    shape, says, expected = COUNTED[row]
    assert fans(shape, **says) == expected
    assert fans(list(shape), **says).fan_in == expected[0]


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in COUNTED if math.prod(COUNTED[row][0]) > 1000])
def test_every_random_member_takes_the_same_descriptions(row: str) -> None:
    shape, says, (fan_in, fan_out) = COUNTED[row]
    w = np.asarray(ji.variance_scaling(3.0, "fan_geo_avg", "uniform", **says)(jax.random.key(0), shape))
    bound = 3 / (fan_in * fan_out) ** 0.25
    assert 0.99 * bound < abs(w).max() <= bound


FAMILIES = [f"{name}_{law}" for name in ("he", "xavier", "lecun") for law in ("normal", "truncated_normal", "uniform")]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", FAMILIES)
def test_named_members_pass_the_layer_on(name: str) -> None:
    make, shape, layer = getattr(ji, name), (512, 8, 64), Einsum("btd,dhk->bthk")
    described = make(layer=layer, mode="fan_out")(jax.random.key(1), shape)
    np.testing.assert_array_equal(described, make(0, (1, 2), mode="fan_out")(jax.random.key(1), shape))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", FAMILIES)
def test_named_members_pass_the_batch_axis_on(name: str) -> None:
    stacked = getattr(ji, name)(batch_axis=0)(jax.random.key(1), (12, 64, 64))
    alone = getattr(ji, name)()(jax.random.key(1), (64, 64))
    assert float(stacked.std()) == pytest.approx(float(alone.std()), rel=0.05)


def taps(shape: tuple[int, ...], strides: tuple[int, ...], groups: int) -> tuple[float, float]:
    """The fans of a convolution, from its matrix on a torus: entries that are not zero in a column, and in a row."""
    window, (inputs, outputs) = shape[:-2], shape[-2:]
    size = (12,) * len(window)
    x = jnp.zeros((1, *size, inputs * groups))
    spatial = "DHW"[-len(window) :]
    layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")

    def convolve(x: jax.Array) -> jax.Array:
        padded = jnp.pad(x, [(0, 0), *((0, w) for w in window), (0, 0)], mode="wrap")
        full = jax.lax.conv_general_dilated(
            padded, jnp.ones(shape), (1,) * len(window), "VALID", dimension_numbers=layout, feature_group_count=groups
        )
        return full[(slice(None), *(slice(0, n, s) for n, s in zip(size, strides, strict=True)))]

    matrix = np.asarray(jax.jacobian(convolve)(x)).reshape(-1, x.size)
    assert outputs % groups == 0
    return (matrix != 0).sum(1).mean(), (matrix != 0).sum(0).mean()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("shape", "strides", "groups"),
    [((5, 2, 3), (1,), 1), ((3, 2, 6), (2,), 3), ((4, 2, 3), (2,), 1), ((2, 3, 1, 4), (2, 3), 2), ((3, 1, 4), (4,), 4)],
)
def test_conv_counts_what_the_matrix_of_the_layer_has(
    shape: tuple[int, ...], strides: tuple[int, ...], groups: int
) -> None:
    forward, backward = taps(shape, strides, groups)
    assert fans(shape, layer=Conv(groups, strides)) == pytest.approx((forward, backward))
    if groups == 1:
        # The transposed layer is the transposed matrix.
        flipped = fans(shape, -1, -2, layer=Conv(strides=strides, transposed=True))
        assert flipped == pytest.approx((backward, forward))


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "one axis": (
        lambda: fans((5,)),
        ValueError,
        "fans: Can't compute input and output sizes of a 1-dimensional weights",
    ),
    "one axis in a stack": (
        lambda: fans((5, 4), batch_axis=0, layer=Dense()),
        ValueError,
        "fans: a kernel must have at least 2 axes besides batch_axis",
    ),
    "axis": (lambda: fans((3, 4), in_axis=2), ValueError, "fans: in_axis 2 is out of range"),
    "role": (
        lambda: fans((3, 4), 0, 0, layer=Dense()),
        ValueError,
        r"fans: every axis of a layer has one role, got in_axis \(0,\), out_axis",
    ),
    "role of a batch axis": (
        lambda: fans((3, 4, 5), 0, batch_axis=-1, layer=Dense()),
        ValueError,
        r"fans: every axis of a layer has one role, got in_axis \(0,\), out_axis \(2,\), .* name each axis once",
    ),
    "shape": (lambda: fans(5.0), TypeError, "fans: shape must be a sequence of ints"),
    "groups": (lambda: Conv(groups=0), ValueError, "Conv: groups must be at least 1, got 0; pass 1 or more"),
    "groups type": (lambda: Conv(groups=1.5), TypeError, "Conv: groups must be an int, got 1.5; pass a whole"),
    "strides": (lambda: Conv(strides=(1, 0)), ValueError, "Conv: strides must be at least 1, got 0"),
    "strides number": (
        lambda: fans((3, 3, 4, 5), layer=Conv(strides=(2,))),
        ValueError,
        r"fans: Conv\(strides\) must be one number or one for each of 2 window axes, got \(2,\)",
    ),
    "groups do not divide": (
        lambda: fans((3, 3, 4, 5), layer=Conv(groups=2)),
        ValueError,
        r"fans: Conv\(groups\) must divide the number of outputs, got 2 and 5",
    ),
    "conv of a matrix": (lambda: fans((3, 4), layer=Conv()), ValueError, r"fans: layer=Conv\(\) needs .* leave layer"),
    "dense window": (lambda: fans((2, 3, 4), layer=Dense()), ValueError, r"fans: layer=Dense\(\) has .* name them"),
    "dense batch": (
        lambda: fans((9, 4), layer=Dense(batch=2)),
        ValueError,
        r"fans: Dense\(batch\) must divide the number of inputs, got 2 and 9",
    ),
    "packed": (lambda: Dense(packed=-3), ValueError, "Dense: packed must be at least 1, got -3"),
    "embed window": (lambda: fans((2, 3, 4), layer=Embed()), ValueError, r"fans: layer=Embed\(\) needs a table"),
    "no output": (lambda: Einsum("btd,dhk"), ValueError, "Einsum: spec must be 'inputs,kernel->output' .* write all"),
    "three operands": (lambda: Einsum("a,ab,b->a"), ValueError, "Einsum: spec must be"),
    "kernel": (lambda: Einsum("a,ab->b", kernel=2), ValueError, "Einsum: spec must be .* kernel 0 or 1"),
    "index twice": (lambda: Einsum("a,aa->a"), ValueError, "Einsum: the kernel must have each index once"),
    "no string": (lambda: Einsum(3), TypeError, "Einsum: spec must be a string, got int; write it as"),
    "output index unknown": (lambda: Einsum("bd,dk->bzk"), ValueError, "Einsum: 'z' of the output must be in inputs"),
    "output index twice": (lambda: Einsum("bd,dk->bkk"), ValueError, "each index of the output must .* got 'bkk'"),
    "two arrows": (lambda: Einsum("bd,dk->bk->k"), ValueError, "Einsum: spec must be 'inputs,kernel->output'"),
    "diagonal": (lambda: Einsum("dd,dk->dk"), ValueError, "each index of the inputs must .* got 'dd'"),
    "digits": (lambda: Einsum("b1,12->b2"), ValueError, "each index of the inputs must be another letter, got 'b1'"),
    "axis of floats": (lambda: fans((3, 4), in_axis=0.0), TypeError, r"fans: in_axis must be an int .* got 0\.0"),
    "strides type": (lambda: Conv(strides=1.5), TypeError, r"Conv: strides must be an int, got 1\.5"),
    "ellipsis": (lambda: Einsum("a,...a->..."), ValueError, "Einsum: the kernel must have .* no ellipsis"),
    "shared weights": (
        lambda: Einsum("btd,dk->bk"),
        ValueError,
        "Einsum: 't' of the inputs is summed over and not in the kernel, .* sum it before the layer",
    ),
    "shared weights, ellipsis": (lambda: Einsum("...d,dk->k"), ValueError, "of the inputs is summed over"),
    "einsum and axes": (
        lambda: fans((3, 4), in_axis=0, layer=Einsum("bd,dk->bk")),
        ValueError,
        "fans: layer=Einsum.* says which axes are inputs and outputs, got in_axis or out_axis too; leave them out",
    ),
    "einsum rank": (
        lambda: fans((3, 4, 5), layer=Einsum("bd,dk->bk")),
        ValueError,
        r"fans: layer=Einsum.* needs a kernel of 2 axes, 'dk', got \(3, 4, 5\); put the axes of a stack in batch_axis",
    ),
    "not a layer": (lambda: fans((3, 4), layer="conv"), TypeError, "fans: layer must be Conv.* got 'conv'"),
    "not a layer, when built": (lambda: ji.he_normal(layer=3), TypeError, "he_normal: layer must be Conv.* got 3"),
    "class of a layer": (lambda: fans((3, 4), layer=Dense), TypeError, "fans: layer must be .* pass an instance"),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    call, kind, message = REFUSED[row]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize(
    "layer", [Conv(2, [1, 2], transposed=True), Dense(batch=4), Einsum("bd,dk->bk"), Embed()], ids=str
)
def test_initializers_with_a_layer_are_equal_hashable_and_pickle(layer: Any) -> None:
    init = ji.he_normal(layer=layer)
    assert init == ji.he_normal(layer=pickle.loads(pickle.dumps(layer)))
    assert hash(init) == hash(pickle.loads(pickle.dumps(init)))
    assert init != ji.he_normal()
    assert ji.he_normal([0], [1]) == ji.he_normal((0,), (1,))
