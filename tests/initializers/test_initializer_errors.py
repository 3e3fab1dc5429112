"""Every error names the function and the argument, says what came, and what to do."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts
from jaxacts import initializers as ji

KEY = jax.random.key(0)
NAN, INF = float("nan"), float("inf")

# Raised when the initializer is built, before any shape is known.
EAGER: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "scale": (
        lambda: ji.variance_scaling(-2.0, "fan_in", "normal"),
        ValueError,
        r"variance_scaling: scale must not be negative, got -2\.0; pass 0 or a number above",
    ),
    "scale nan": (
        lambda: ji.variance_scaling(NAN, "fan_in", "normal"),
        ValueError,
        "variance_scaling: scale must be finite, got nan; pass a finite number",
    ),
    "mode": (
        lambda: ji.variance_scaling(1.0, "fanin", "normal"),
        ValueError,
        r"variance_scaling: unknown mode 'fanin'; did you mean 'fan_in'",
    ),
    "distribution": (
        lambda: ji.variance_scaling(1.0, "fan_in", "truncated"),
        ValueError,
        "variance_scaling: unknown distribution 'truncated'; did you mean 'truncated_normal'",
    ),
    "he mode": (lambda: ji.he_uniform(mode="fan_inn"), ValueError, "he_uniform: unknown mode 'fan_inn'; did you mean"),
    "he gain": (
        lambda: ji.he_normal(gain=-1.0),
        ValueError,
        r"he_normal: gain must not be negative, got -1\.0; pass 0 or a",
    ),
    "he both": (
        lambda: ji.he_truncated_normal(negative_slope=0.1, gain=2.0),
        ValueError,
        r"he_truncated_normal: negative_slope and gain both .* got 0\.1 and 2\.0; pass one of them",
    ),
    "he slope": (
        lambda: ji.he_normal(negative_slope=INF),
        ValueError,
        "he_normal: negative_slope must be finite, got inf",
    ),
    "he slope type": (
        lambda: ji.he_normal(negative_slope="a"),
        TypeError,
        "he_normal: negative_slope must be a real number, got str; pass a Python float",
    ),
    "xavier gain": (lambda: ji.xavier_uniform(gain=-1), ValueError, "xavier_uniform: gain must not be negative"),
    "lecun gain": (lambda: ji.lecun_normal(gain=NAN), ValueError, "lecun_normal: gain must be finite, got nan"),
    "normal": (
        lambda: ji.normal(None),
        TypeError,
        "normal: stddev must be a number or an array of numbers, got NoneType",
    ),
    "gain traced": (
        lambda: jax.jit(lambda g: ji.he_normal(gain=g)(KEY, (2, 3)))(1.0),
        TypeError,
        "he_normal: gain must be a real number known when he_normal is called, .*; pass a Python float, or call it",
    ),
    "uniform": (lambda: ji.uniform([1.0, NAN]), ValueError, r"uniform: scale must be finite, got \[1\.0, nan\]"),
    "truncated": (lambda: ji.truncated_normal(INF), ValueError, "truncated_normal: stddev must be finite, got inf"),
    "truncated order": (
        lambda: ji.truncated_normal(lower=1.0, upper=1.0),
        ValueError,
        r"truncated_normal: lower must be less than upper, got 1\.0 and 1\.0; exchange or widen",
    ),
    "truncated nan": (
        lambda: ji.truncated_normal(upper=NAN),
        ValueError,
        "truncated_normal: upper must be finite, got nan",
    ),
    "truncated beyond": (lambda: ji.truncated_normal(lower=INF, upper=INF), ValueError, "lower must be less than"),
    "truncated tail": (
        lambda: ji.truncated_normal(lower=8.0, upper=9.0),
        ValueError,
        r"truncated_normal: lower and upper must leave .* got 8\.0 and 9\.0, .* move them towards 0",
    ),
    "truncated thin tail": (
        lambda: ji.truncated_normal(lower=-6.0, upper=-5.0),
        ValueError,
        "truncated_normal: lower and upper must leave",
    ),
    "orthogonal": (lambda: ji.orthogonal(INF), ValueError, "orthogonal: scale must be finite, got inf"),
    "scales": (
        lambda: ji.variance_scaling([1.0, -2.0], "fan_in", "normal"),
        ValueError,
        "variance_scaling: scale must not be negative",
    ),
    "delta": (lambda: ji.delta_orthogonal(NAN), ValueError, "delta_orthogonal: scale must be finite, got nan"),
    "integer": (
        lambda: ji.he_normal(dtype=jnp.int32),
        TypeError,
        "he_normal: dtype must be a signed float or complex dtype, got int32; draw in float32 .* or use zeros",
    ),
    "integer interval": (
        lambda: ji.uniform(dtype=np.int8),
        TypeError,
        "uniform: dtype must be a signed float or complex dtype, got int8; draw in float32",
    ),
    "axis of floats": (lambda: ji.he_normal(in_axis=1.0), TypeError, "he_normal: in_axis must be an int or .* got 1.0"),
    "axes of floats": (lambda: ji.he_normal(in_axis=(0.0,)), TypeError, r"he_normal: in_axis must .* got \(0\.0,\)"),
    "axis name": (lambda: ji.he_normal(batch_axis="a"), TypeError, "he_normal: batch_axis must be an int .* got 'a'"),
    "gain by position": (
        lambda: ji.he_normal(0.5),
        TypeError,
        r"he_normal: in_axis must be an int .* got 0\.5; number the axes .* has a name, such as .* gain=2\.0",
    ),
    "layer by position": (
        lambda: ji.he_normal(ji.Conv()),
        TypeError,
        r"he_normal: in_axis must be .* got Conv.*; .* such as layer=Conv\(\)",
    ),
    "column_axis name": (lambda: ji.orthogonal(column_axis="a"), TypeError, "orthogonal: column_axis must be an int"),
    "column_axis twice": (
        lambda: ji.delta_orthogonal(column_axis=(0, 1)),
        TypeError,
        r"delta_orthogonal: column_axis must be an int, got \(0, 1\); name one axis",
    ),
    "mode in a list": (lambda: ji.he_normal(mode=["fan_in"]), ValueError, r"he_normal: unknown mode \['fan_in'\]"),
    "orthogonal mode": (lambda: ji.orthogonal(mode=["fan_in"]), ValueError, "orthogonal: unknown mode .* did you mean"),
    "layer in a list": (lambda: ji.layer_default(["a"]), ValueError, r"layer_default: unknown layer \['a'\]"),
    "no dtype": (
        lambda: ji.normal(dtype="flaot32"),
        TypeError,
        "normal: dtype must be a dtype, got 'flaot32'; pass jnp.float32",
    ),
    "value of letters": (
        lambda: ji.constant("a"),
        TypeError,
        r"constant: value must be a number .* got 'a'; pass 0\.1",
    ),
    "no value": (lambda: ji.constant(None), TypeError, "constant: value must be a number .* got None"),
    "gain too large": (lambda: ji.he_normal(gain=1e200), ValueError, r"he_normal: gain must have a finite square, got"),
    "slope too large": (
        lambda: ji.lecun_uniform(negative_slope=1e200),
        ValueError,
        r"lecun_uniform: negative_slope must have a finite square, got 1e\+200; pass a smaller number",
    ),
    "digits": (lambda: ji.normal("2"), TypeError, "normal: stddev must be a number .*, got str; pass a Python float"),
    "gain of digits": (lambda: ji.xavier_normal(gain="1"), TypeError, "xavier_normal: gain must be .* got str"),
    "gain and activation": (
        lambda: ji.he_normal(activation=jaxacts.tanh, gain=2.0),
        ValueError,
        r"he_normal: gain and activation both set the variance, got 2\.0 and tanh; pass one",
    ),
    "slope and activation": (
        lambda: ji.xavier_uniform(activation=jaxacts.tanh, negative_slope=0.1),
        ValueError,
        "xavier_uniform: negative_slope and activation both set",
    ),
    "activation by name": (
        lambda: ji.lecun_normal(activation="tanh"),
        TypeError,
        "lecun_normal: activation must be a function .* got str; pass jaxacts.tanh",
    ),
    "unsigned": (
        lambda: ji.normal(dtype=jnp.float8_e8m0fnu),
        TypeError,
        "normal: dtype must be a signed float or complex dtype, got float8_e8m0fnu; draw in float32",
    ),
}

# Raised by the call: initializer, shape, dtype.
CALL: dict[str, tuple[ji.Initializer, object, object, type[Exception], str]] = {
    "rank 1": (
        ji.he_normal(),
        (5,),
        None,
        ValueError,
        r"he_normal: Can't compute input .* Got shape \(5,\); name in_axis and out_axis, or use zeros or normal",
    ),
    "rank 0": (ji.lecun_uniform(), (), None, ValueError, r"lecun_uniform: Can't compute .* Got shape \(\)"),
    "in_axis": (ji.he_normal(in_axis=2), (3, 4), None, ValueError, "he_normal: in_axis 2 is out of range .* name axes"),
    "out_axis": (
        ji.xavier_normal(out_axis=(1, -4)),
        (3, 4),
        None,
        ValueError,
        "xavier_normal: out_axis -4 is out of range .* name axes",
    ),
    "batch_axis": (ji.he_normal(batch_axis=7), (3, 4), None, ValueError, "he_normal: batch_axis 7 is out of range"),
    "two roles": (
        ji.variance_scaling(1.0, "fan_in", "normal", out_axis=0, layer=ji.Dense()),
        (3, 4),
        None,
        ValueError,
        r"variance_scaling: every axis of a layer has one role, got in_axis \(0,\), out_axis \(0,\)",
    ),
    "complex factor": (
        ji.normal(1j),
        (3, 4),
        None,
        TypeError,
        r"normal: the factor of weights of float32 must be real, got a complex one; pass dtype=jnp\.complex64",
    ),
    "complex scale": (ji.orthogonal(1j), (3, 4), None, TypeError, "orthogonal: the factor of weights of float32 must"),
    "orthogonal rank": (
        ji.orthogonal(),
        (5,),
        None,
        ValueError,
        r"orthogonal: orthogonal initializer requires at least a 2D shape, got \(5,\); use zeros or normal",
    ),
    "orthogonal axis": (
        ji.orthogonal(column_axis=2),
        (3, 4),
        None,
        ValueError,
        "orthogonal: column_axis 2 is out of range for shape .* name axes",
    ),
    "delta rank": (
        ji.delta_orthogonal(),
        (3, 4),
        None,
        ValueError,
        r"delta_orthogonal: Delta .* \(\*window, inputs, outputs\), got \(3, 4\); use orthogonal for a matrix",
    ),
    "delta axis": (
        ji.delta_orthogonal(column_axis=2),
        (3, 3, 4),
        None,
        ValueError,
        "delta_orthogonal: column_axis 2 is out of range",
    ),
    "dtype": (ji.normal(), (3,), jnp.uint8, TypeError, "normal: dtype must be a signed float or complex .* got uint8"),
    "shape": (ji.normal(), 5.0, None, TypeError, r"normal: shape must be a sequence of ints, got 5\.0; write \(3, 4\)"),
    "shape of floats": (ji.zeros, (2.0,), None, TypeError, r"zeros: shape must be a sequence of ints, got \(2\.0,\)"),
    "negative size": (
        ji.ones,
        (2, -1),
        None,
        ValueError,
        r"ones: shape must not have negative sizes, got \(2, -1\); give",
    ),
    "value": (
        ji.constant([1.0, 2.0]),
        (2, 3),
        None,
        ValueError,
        r"constant: value must broadcast to the shape \(2, 3\), got shape \(2,\); pass a number",
    ),
    "too large": (
        ji.variance_scaling(1e300, "fan_in", "normal"),
        (3, 4),
        None,
        ValueError,
        "variance_scaling: the weights must be finite in float32, but .* pass a smaller scale or a wider dtype",
    ),
    "too large for the dtype": (
        ji.normal(1e6),
        (3,),
        jnp.float16,
        ValueError,
        "normal: the weights must be .* float16",
    ),
    "too large by a factor": (
        ji.scaled_by(ji.he_normal(), 1e300),
        (3, 4),
        None,
        ValueError,
        "scaled_by: the weights must be finite in float32",
    ),
    "no dtype": (ji.zeros, (3,), "flaot32", TypeError, "zeros: dtype must be a dtype, got 'flaot32'"),
    "value rank": (ji.constant([[1.0]]), (3,), None, ValueError, "constant: value must broadcast .* pass a number"),
}


@pytest.mark.parametrize("row", EAGER)
def test_building(row: str) -> None:
    build, kind, message = EAGER[row]
    with pytest.raises(kind, match=message):
        build()


@pytest.mark.parametrize("row", CALL)
@pytest.mark.parametrize("jitted", [False, True])
def test_calling(row: str, jitted: bool) -> None:
    init, shape, dtype, kind, message = CALL[row]

    def call(key: jax.Array) -> jax.Array:
        return init(key, shape, dtype)

    with pytest.raises(kind, match=message):
        (jax.jit(call) if jitted else call)(KEY)


@pytest.mark.parametrize("key", [0, None, "a", np.zeros(2, np.int32), jnp.float32(0)], ids=str)
def test_keys(key: object) -> None:
    for init in (ji.normal(), ji.orthogonal()):
        with pytest.raises(TypeError, match=r": key must be a random key, got .*; pass jax\.random\.key\(0\)"):
            init(key, (2, 3))


MAKERS: dict[str, tuple[Callable[..., object], str]] = {
    **{
        name: (getattr(ji, name), "")
        for name in ji.__all__
        if name.endswith(("normal", "uniform", "orthogonal")) or name in ("identity", "dirac")
    },
    "constant": (ji.constant, "value"),
    "log_uniform": (ji.log_uniform, "low, high"),
    "ring": (ji.ring, "r_min, r_max"),
    "small_init": (ji.small_init, "width"),
    "wang_init": (ji.wang_init, "width, layers"),
    "spectral": (ji.spectral, ""),
    "variance_scaling": (lambda *args: ji.variance_scaling(*args, "normal"), "scale, mode, distribution"),
    "sparse": (ji.sparse, "sparsity"),
    "layer_default": (ji.layer_default, "layer"),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(0)], ids=["typed", "raw"])
def test_a_key_where_an_initializer_is_made(name: str, key: jax.Array) -> None:
    make, needs = MAKERS[name]
    made = rf"{name.replace('kaiming', 'he').replace('glorot', 'xavier')}\({needs}\)"
    with pytest.raises(TypeError, match=rf": makes an initializer, .* got a random key; call {made}\(key, shape\), or"):
        make(key, (8, 4))


def test_batches_of_keys() -> None:
    keys = jax.random.split(KEY, 2)
    for batch in (keys, jax.random.key_data(keys)):
        with pytest.raises(
            ValueError, match=r"he_normal: key must be one .* of shape \(2,.*; use jax\.vmap over the keys"
        ):
            ji.he_normal()(batch, (8, 4))
    assert jax.vmap(lambda key: ji.he_normal()(key, (8, 4)))(keys).shape == (2, 8, 4)


def test_ints_of_numpy_are_ints() -> None:
    zero, one, two = map(np.int64, range(3))
    assert ji.he_normal(zero, (one,), ()) == ji.he_normal(0, (1,))
    assert ji.orthogonal(column_axis=zero) == ji.orthogonal(column_axis=0)
    assert ji.Conv(two, two) == ji.Conv(2, 2)
    assert ji.Conv(strides=np.array([1, 2])) == ji.Conv(strides=(1, 2))
    assert ji.fans((3, 4, 6), zero, one, (two,), layer=ji.Dense(batch=one)) == ji.fans((3, 4, 6), 0, 1, 2)


def test_float64_without_x64_warns_as_jax_does() -> None:
    with pytest.warns(UserWarning, match="float64.*truncated to dtype float32"):
        assert ji.normal()(KEY, (2,), np.float64).dtype == jnp.float32


def test_zero_is_a_valid_scale() -> None:
    for init in (ji.normal(0.0), ji.truncated_normal(0.0), ji.orthogonal(0.0), ji.he_normal(gain=0.0)):
        assert not init(KEY, (4, 3)).any()
