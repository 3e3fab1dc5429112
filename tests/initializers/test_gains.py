"""Moments, gains and the initializer of an activation."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

import jaxacts
from jaxacts import initializers as ji
from jaxacts.linen import PReLU

KEY = jax.random.key(0)
gelu = functools.partial(jaxacts.gelu, approximate=False)

# E[f²], E[f'²], both to seven digits.
TABLE: dict[str, tuple[Callable[..., Any], float, float]] = {
    "relu": (jaxacts.relu, 0.5, 0.5),
    "prelu": (functools.partial(jaxacts.prelu, negative_slope=0.25), 0.53125, 0.53125),
    "elu": (jaxacts.elu, 0.6449454, 0.6681020),
    "selu": (jaxacts.selu, 1.0, 1.0715750),
    "tanh": (jaxacts.tanh, 0.3942945, 0.4644029),
    "sigmoid": (jaxacts.sigmoid, 0.2933790, 0.0448362),
    "hard_tanh": (jaxacts.hard_tanh, 0.5160586, 0.6826895),
    "softplus": (jaxacts.softplus, 0.9212459, 0.2933790),
    "gelu": (gelu, 0.4252215, 0.4558509),
    "silu": (jaxacts.silu, 0.3557755, 0.3794824),
}
GAINS = {
    "relu": 1.414214,
    "prelu": 1.371989,
    "elu": 1.245198,
    "selu": 1.0,
    "tanh": 1.592537,
    "sigmoid": 1.846229,
    "hard_tanh": 1.392036,
    "softplus": 1.041867,
    "gelu": 1.533530,
    "silu": 1.676532,
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", TABLE)
def test_moments_and_gains(name: str) -> None:
    fn, second, slope = TABLE[name]
    found = ji.moments(fn)
    assert found.second_moment == pytest.approx(second, abs=6e-8)
    assert found.slope == pytest.approx(slope, abs=6e-8)
    assert ji.gain(fn) == pytest.approx(GAINS[name], abs=6e-7)
    assert ji.gain(fn, "backward") == pytest.approx(slope**-0.5, rel=1e-6)
    assert ji.gain(fn, "geometric") == pytest.approx((second * slope) ** -0.25, rel=1e-6)


def test_exact_where_it_can_be() -> None:
    assert ji.gain(jaxacts.relu) == math.sqrt(2)
    assert ji.gain(jaxacts.relu, convention="variance") == pytest.approx(math.sqrt(2 / (1 - 1 / math.pi)), rel=1e-11)


def by_scipy(f: Callable[[float], float], q: float, mean: float) -> float:
    """QUADPACK, which shares nothing with the panels but the definition."""
    density = lambda x: f(x) * math.exp(-((x - mean) ** 2) / (2 * q)) / math.sqrt(2 * math.pi * q)  # noqa: E731
    reach = 10 * math.sqrt(q)
    return integrate.quad(density, mean - reach, mean + reach, points=[0.0, mean], limit=400, epsabs=1e-13)[0]


@pytest.mark.parametrize(("q", "mean"), [(1.0, 0.0), (0.01, 0.3), (6.4, -1.0), (40.0, 2.0)])
def test_moments_of_any_normal(q: float, mean: float) -> None:
    found = ji.moments(gelu, q, mean)
    value = lambda x: x * special.ndtr(x)  # noqa: E731
    slope = lambda x: special.ndtr(x) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    assert found.second_moment == pytest.approx(by_scipy(lambda x: value(x) ** 2, q, mean), rel=1e-9)
    assert found.mean == pytest.approx(by_scipy(value, q, mean), rel=1e-9, abs=1e-12)
    assert found.slope == pytest.approx(by_scipy(lambda x: slope(x) ** 2, q, mean), rel=1e-9)
    step = 1e-4 * q
    difference = ji.moments(gelu, q + step, mean).second_moment - ji.moments(gelu, q - step, mean).second_moment
    assert found.sensitivity == pytest.approx(difference / (2 * step), rel=1e-5)


@pytest.mark.parametrize(
    ("fn", "second", "slope"),
    [
        (lambda x: jnp.maximum(x, 0) ** 2, 1.5, 2.0),
        # A kink that lies on no edge: E[max(x - a, 0)²] = (1 + a²)(1 - Φ(a)) - aφ(a).
        (lambda x: jnp.maximum(x - 0.3, 0), 0.302060217, 0.382088578),
        (lambda x: jnp.sin(3 * x), (1 - math.exp(-18)) / 2, 9 * (1 + math.exp(-18)) / 2),
        (lambda x: jnp.sign(x - 0.2), 1.0, 0.0),
        (jnp.round, 1.0833333, 0.0),
        (lambda x: jnp.tanh(x.astype(jnp.float32)), 0.3942945, 0.4644029),
        (jax.nn.hard_tanh, 0.5160586, 0.6826895),
    ],
    ids=["squared", "shifted", "sine", "step", "rounded", "float32 inside", "of jax.nn"],
)
def test_any_callable(fn: Callable[..., Any], second: float, slope: float) -> None:
    found = ji.moments(fn)
    assert (found.second_moment, found.slope) == pytest.approx((second, slope), abs=1e-6)


def test_a_small_step_beside_a_steep_slope_is_seen() -> None:
    def stepped(x: jax.Array) -> jax.Array:
        y = jnp.tanh(100 * x.astype(jnp.float32))
        return jnp.where(jnp.abs(x) < 1.2345, y, 1.005 * y)

    beyond, around_0 = 2 * special.ndtr(-1.2345), 0.02 / math.sqrt(2 * math.pi)  # the integral of sech²(100x) is 0.02
    assert ji.moments(stepped).second_moment == pytest.approx(1 + (1.005**2 - 1) * beyond - around_0, abs=1e-6)


def test_close_kinks_are_seen() -> None:
    # A hat of width 0.2 that lies on no edge; E[slope²] of x + hat(x) is 1 + 100·P(hat), for the cross terms cancel.
    def hat(x: jax.Array) -> jax.Array:
        return jnp.maximum(0, 1 - jnp.abs(x - 0.7) * 10)

    left, middle, right = special.ndtr([0.6, 0.7, 0.8])
    assert ji.moments(hat).slope == pytest.approx(100 * (right - left), rel=1e-9)
    expected = 1 + 100 * (right - left) + 20 * (2 * middle - left - right)
    assert ji.moments(lambda x: x + hat(x)).slope == pytest.approx(expected, rel=1e-9)


def test_parameters_of_a_channel_are_averaged() -> None:
    slopes = np.array([0.25, 0.0, 0.5])
    found = ji.moments(jaxacts.prelu, negative_slope=jnp.asarray(slopes))
    assert found.second_moment == pytest.approx(np.mean((1 + slopes**2) / 2), rel=1e-10)
    assert found.mean == pytest.approx(np.mean(1 - slopes) / math.sqrt(2 * math.pi), rel=1e-10)
    # Kinks elsewhere in each channel.
    thresholds = np.array([[0.1], [1.3]])
    moved = lambda x, threshold: jnp.maximum(x - threshold, 0)  # noqa: E731
    each = [ji.moments(moved, threshold=float(t)).second_moment for t in thresholds.ravel()]
    assert ji.moments(moved, threshold=thresholds).second_moment == pytest.approx(np.mean(each), rel=1e-9)


def test_under_every_transformation() -> None:
    expected = ji.gain(jaxacts.tanh)

    def scaled(x: jax.Array) -> jax.Array:
        return x * ji.gain(jaxacts.tanh)

    assert float(jax.jit(scaled)(1.0)) == pytest.approx(expected)
    assert float(jax.grad(scaled)(1.0)) == pytest.approx(expected)
    assert jax.vmap(scaled)(jnp.ones(3)).tolist() == pytest.approx([expected] * 3)
    with jax.enable_x64(True):
        assert ji.gain(jaxacts.tanh) == expected


def test_a_program_holds_no_quadrature() -> None:
    program = jax.make_jaxpr(lambda key: ji.for_activation(jaxacts.gelu)(key, (8, 8)))(KEY)
    assert "tanh" not in str(program)


@pytest.mark.parametrize(
    ("fn", "parameters", "like"),
    [
        (jaxacts.relu, {}, ji.he_normal()),
        (jaxacts.selu, {}, ji.lecun_normal()),
        (jaxacts.prelu, {"negative_slope": 0.25}, ji.he_normal(negative_slope=0.25)),
    ],
)
def test_for_activation_is_the_named_one(fn: Callable[..., Any], parameters: Any, like: ji.Initializer) -> None:
    init = ji.for_activation(fn, **parameters)
    np.testing.assert_allclose(init(KEY, (64, 32)), like(KEY, (64, 32)), rtol=1e-6)


def test_for_activation_passes_on_its_arguments() -> None:
    init = ji.for_activation(
        jaxacts.tanh, criterion="backward", mode="fan_out", distribution="uniform", dtype=jnp.bfloat16
    )
    w = init(KEY, (64, 256))
    bound = math.sqrt(3 / 256 / 0.4644029)
    assert w.dtype == jnp.bfloat16
    assert float(abs(w).max()) == pytest.approx(bound, rel=1e-2)


def test_for_activation_passes_on_the_rest() -> None:
    relu, shape = jaxacts.relu, (8, 64, 32)
    centred = ji.variance_scaling(ji.gain(relu, convention="variance") ** 2, "fan_in", "normal")
    np.testing.assert_array_equal(ji.for_activation(relu, convention="variance")(KEY, (64, 32)), centred(KEY, (64, 32)))
    for says in (
        {"in_axis": 1, "out_axis": 0, "batch_axis": 2},
        {"in_axis": (0, 1), "out_axis": 2},
        {"batch_axis": 0},
        {"layer": ji.Einsum("btd,dhk->bthk")},
        {"layer": ji.Conv(strides=2), "mode": "fan_out"},
    ):
        like = ji.variance_scaling(2.0, **{"mode": "fan_in", "distribution": "normal", **says})
        np.testing.assert_array_equal(ji.for_activation(relu, **says)(KEY, shape), like(KEY, shape))


@pytest.mark.slow
def test_what_changes_is_looked_at_anew() -> None:
    from jaxacts.nnx import PReLU

    module = PReLU()
    slope = {"a": 0.25}
    measured: dict[str, Callable[[Callable[..., Any]], float]] = {
        "gain": ji.gain,
        "moments": lambda fn: ji.moments(fn).second_moment,
        "for_activation": lambda fn: float(ji.for_activation(fn)(KEY, (64, 64)).std()),
        "critical": lambda fn: ji.critical(fn).weight_variance,
    }
    functions = (module, lambda x: jnp.where(x > 0, x, slope["a"] * x))
    before = [[measure(fn) for fn in functions] for measure in measured.values()]
    module.negative_slope[...], slope["a"] = jnp.float32(0.9), 0.9
    after = [[measure(fn) for fn in functions] for measure in measured.values()]
    assert all(abs(a - b) > 0.01 for old, new in zip(before, after, strict=True) for a, b in zip(old, new, strict=True))
    assert after[0] == pytest.approx([ji.gain(jaxacts.prelu, negative_slope=0.9)] * 2, rel=1e-6)


def test_the_named_members_take_an_activation() -> None:
    for name in ("he", "xavier", "lecun"):
        for law in ("normal", "truncated_normal", "uniform"):
            make = getattr(ji, f"{name}_{law}")
            assert make(activation=jaxacts.tanh) == make(gain=ji.gain(jaxacts.tanh))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ji.moments("relu"), TypeError, "moments: fn must be a function .* got str; pass jaxacts.tanh"),
        (lambda: ji.moments(jaxacts.relu, 0.0), ValueError, r"moments: q must be positive, got 0\.0"),
        (lambda: ji.moments(jaxacts.relu, mean=math.nan), ValueError, "moments: mean must be finite, got nan"),
        (
            lambda: ji.gain(jaxacts.relu, "foward"),
            ValueError,
            "gain: unknown criterion 'foward'; did you mean 'forward'",
        ),
        (
            lambda: ji.gain(jaxacts.relu, ["forward"]),
            ValueError,
            r"gain: unknown criterion \['forward'\]; did you mean",
        ),
        (lambda: ji.gain(jaxacts.relu, convention="var"), ValueError, "gain: unknown convention 'var'; did you mean"),
        (lambda: ji.gain(jax.nn.softmax), ValueError, "gain: softmax must be elementwise"),
        (
            lambda: ji.gain(jnp.sum),
            TypeError,
            r"gain: sum must map an array to a real array of its shape, got float64\[\]",
        ),
        (lambda: ji.gain(jnp.zeros_like), ValueError, "gain: zeros_like must let something through"),
        (lambda: ji.gain(jnp.sign, "backward"), ValueError, "gain: sign must let something through for its backward"),
        (lambda: ji.gain(jnp.log), ValueError, "gain: log must have finite values and slopes"),
        (
            lambda: ji.gain(lambda x: 1 / x),
            ValueError,
            "gain: <lambda> must have slopes with a second moment.* a pole near",
        ),
        (lambda: ji.gain(lambda x: jnp.exp(x * x)), ValueError, "gain: <lambda> grows too fast"),
        (
            lambda: jax.jit(lambda a: ji.gain(jaxacts.prelu, negative_slope=a))(0.1),
            TypeError,
            "gain: negative_slope must be known when gain is called, got a traced value",
        ),
        (
            lambda: jax.jit(lambda a: ji.gain(lambda x: a * x))(0.1),
            TypeError,
            "gain: <lambda> must be known when gain is called, but it depends on a traced value",
        ),
        (lambda: ji.gain(np.tanh), TypeError, "write it with jax.numpy instead of numpy"),
        (lambda: ji.gain(jaxacts.prelu, negative_slope=["a"]), TypeError, "gain: negative_slope must be a real number"),
        (
            lambda: ji.moments(jaxacts.tanh, q="a"),
            TypeError,
            "moments: q must be a real number, got str; pass a Python",
        ),
        (
            lambda: ji.gain(jaxacts.prelu),
            TypeError,
            r"gain: prelu must need no more .*; pass functools.partial\(prelu, negative_slope=0\.25\)",
        ),
        (
            lambda: ji.he_normal(activation=jaxacts.rrelu),
            TypeError,
            r"he_normal: rrelu must need no more .*; pass functools.partial\(rrelu, deterministic=True\)",
        ),
        (
            lambda: ji.gain(jaxacts.leaky_relu, negative_slope="a"),
            TypeError,
            r"gain: leaky_relu must need .* negative_slope must be an array or a number, got str.*; pass functools",
        ),
        (
            lambda: ji.gain(PReLU()),
            TypeError,
            r"gain: PReLU must need no more .*; pass the module with its variables, module\.bind\(variables\)",
        ),
        (
            lambda: ji.he_normal(activation=jaxacts.leaky_relu, negative_slope=0.2),
            ValueError,
            r"he_normal: .*; pass one of them, or activation=functools\.partial\(f, negative_slope=0\.2\)",
        ),
        (lambda: ji.for_activation(jaxacts.relu, mode="fan"), ValueError, "for_activation: unknown mode 'fan'"),
    ],
)
def test_errors(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
