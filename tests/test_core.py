"""What the core does beyond the contract: limits, parameters, memory under transformations."""

from __future__ import annotations

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

import jaxacts as ja


def test_glu_far_below_and_at_infinity() -> None:
    for value, gate in ((1e30, -80.0), (1e30, -100.0), (1e38, -120.0), (-3e38, -150.0), (3e38, -170.0)):
        exact = value * math.exp(gate)
        x = jnp.array([value, gate])
        assert float(ja.glu(x)[0]) == pytest.approx(exact, rel=4e-7)
        assert float(jax.grad(lambda x: ja.glu(x)[0])(x)[1]) == pytest.approx(exact, rel=4e-7)
    assert float(ja.glu(jnp.array([jnp.inf, -200.0]))[0]) == jnp.inf
    assert float(ja.glu(jnp.array([1e38, -jnp.inf]))[0]) == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", sorted(n for n, entry in ja.catalogue().items() if entry.slope))
def test_curvature_vanishes_at_infinity(name: str) -> None:
    arguments = ja.catalogue()[name].arguments()
    bend = jax.vmap(jax.grad(jax.grad(lambda x: ja.get(name)(x, **arguments))))
    xs = [jnp.array([-jnp.inf, jnp.inf], dtype) for dtype in (jnp.float32, jnp.bfloat16, jnp.float16)]
    facts = ja.catalogue()[name].facts()
    straight = np.array([facts.left is not None, facts.right is not None])
    assert all((np.asarray(y)[straight] == 0).all() for y in jax.jit(lambda xs: list(map(bend, xs)))(xs))


UNDEFINED_AT_INFINITY = {
    "sine": "it has no limit",
    **dict.fromkeys(("star_relu", "xielu"), "the derivative by the factor of a square is infinite"),
    **dict.fromkeys(("mpelu", "pelu", "smu", "soft_cap", "softplus"), "a product of infinite and vanishing terms"),
}
"""Functions whose second derivatives, by x and a parameter, are NaN at ±inf."""


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[pytest.mark.xfail(reason=UNDEFINED_AT_INFINITY[name], strict=True)]
            if name in UNDEFINED_AT_INFINITY
            else [],
        )
        for name, entry in sorted(ja.catalogue().items())
        if entry.slope and entry.parameters
    ],
)
def test_slopes_by_parameters_are_defined_at_infinity(name: str) -> None:
    """Of every slope by x its derivative by each parameter, and of every derivative by a parameter that by x."""
    entry = ja.catalogue()[name]
    arguments = entry.arguments()
    for parameter in entry.parameters:

        def f(x, p, parameter=parameter):
            return ja.get(name)(x, **{**arguments, parameter: p})

        mixed = [jax.vmap(jax.grad(jax.grad(f, i), 1 - i), (0, None)) for i in (0, 1)]
        for dtype in (jnp.float32, jnp.bfloat16):
            x, p = jnp.array([-jnp.inf, jnp.inf], dtype), jnp.asarray(arguments[parameter], dtype)
            for found in jax.jit(lambda x, p, mixed=mixed: [g(x, p) for g in mixed])(x, p):
                assert not jnp.isnan(found).any(), f"{parameter} at ±inf in {x.dtype}"


def test_slope_formulas_of_others_see_finite_numbers() -> None:
    @ja.activation(slope=lambda x: 1 + x * jnp.exp(-jnp.abs(x)))
    def f(x):
        return x

    assert float(jax.grad(f)(jnp.inf)) == 1.0


def test_partials_must_name_the_parameters() -> None:
    with pytest.raises(TypeError, match=r"activation: partials of f must name the array parameters \('a',\)"):

        @ja.activation(slope=lambda x, a: a, partials={})
        def f(x, a):
            return a * x


def test_identity_is_no_operation() -> None:
    run = jax.make_jaxpr(lambda x: jax.vjp(ja.identity, x)[1](ja.identity(x)))(jnp.ones(3))
    assert not {"convert_element_type", "mul", "copy"} & set(re.findall(r"[a-z_]+", str(run).partition("let")[2]))


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.sampled(2)
@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (2, 3), (1, 1)])
def test_slopes_broadcast_and_keep_their_shape(shape) -> None:
    x = jnp.array([[-1.0, 2.0, -3.0], [4.0, -5.0, -0.0]])
    a = jnp.linspace(0.1, 0.6, int(np.prod(shape))).reshape(shape)
    np.testing.assert_array_equal(ja.prelu(x, a), jnp.where(x > 0, x, x * a))
    g = jax.grad(lambda a: ja.prelu(x, a).sum())(a)
    np.testing.assert_allclose(g, jax.grad(lambda a: jnp.where(x > 0, x, x * a).sum())(a))
    assert g.shape == shape


def test_a_parameter_may_enlarge_the_result() -> None:
    y, back = jax.vjp(ja.leaky_relu, jnp.float32(-2.0), jnp.array([0.25, 0.5]))
    np.testing.assert_array_equal(y, [-0.5, -1.0])
    np.testing.assert_array_equal(back(jnp.ones(2))[0], 0.75)


def test_vmap_over_slopes() -> None:
    x, a = jnp.array([-1.0, 2.0, -4.0]), jnp.array([0.1, 0.2])
    y, g = jax.vmap(lambda a: (ja.prelu(x, a), jax.grad(lambda x: ja.prelu(x, a).sum())(x)))(a)
    np.testing.assert_allclose(y, jnp.where(x > 0, x, x * a[:, None]))
    np.testing.assert_allclose(g, jnp.where(x > 0, 1, a[:, None] * jnp.ones(3)))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (1, 0), (0, 1)])
def test_vmap_over_either_argument_of_the_gradient(axes) -> None:
    def g(x, a):
        return jax.grad(lambda x: (ja.leaky_relu(x, a) ** 2).sum())(x)

    x = jnp.linspace(-2, 2, 6).reshape(2, 3) if axes[0] == 0 else jnp.linspace(-2, 2, 6).reshape(3, 2)
    x = x if axes[0] is not None else jnp.linspace(-2, 2, 3)
    a = {None: jnp.float32(0.3), 0: jnp.array([0.3, 0.6]), 1: jnp.array([[0.3, 0.6]] * 3)}[axes[1]]
    got = jax.vmap(g, in_axes=axes)(x, a)
    for i in range(2):
        row = x if axes[0] is None else jnp.take(x, i, axes[0])
        slope = a if axes[1] is None else jnp.take(a, i, axes[1])
        np.testing.assert_allclose(got[i], g(row, slope), rtol=1e-6)


def test_second_derivative_by_slope_and_input() -> None:
    x = jnp.array([-1.0, 2.0, -0.0])
    mixed = jax.jacfwd(jax.grad(lambda x, a: ja.leaky_relu(x, a).sum()), argnums=1)(x, 0.25)
    np.testing.assert_array_equal(mixed, [1, 0, 1])
    other = jax.jacrev(jax.grad(lambda x, a: ja.leaky_relu(x, a).sum()), argnums=1)(x, 0.25)
    np.testing.assert_array_equal(other, [1, 0, 1])


def test_shared_slope_sums_in_float32() -> None:
    x = jnp.full(4096, -1.0, jnp.bfloat16)
    assert float(jax.grad(lambda a: ja.prelu(x, a).sum(dtype=jnp.float32))(jnp.float32(0.25))) == -4096.0


def test_rrelu_draws_and_differentiates() -> None:
    x, key = -jnp.ones(20_000), jax.random.key(0)
    slopes = -ja.rrelu(x, key)
    assert slopes.min() >= 1 / 8
    assert slopes.max() <= 1 / 3
    np.testing.assert_allclose(slopes.mean(), (1 / 8 + 1 / 3) / 2, atol=1e-3)
    np.testing.assert_array_equal(jax.grad(lambda x: ja.rrelu(x, key).sum())(x), slopes)
    lower, upper = jax.grad(lambda b: ja.rrelu(x, key, b[0], b[1]).sum())((0.125, 0.375))
    np.testing.assert_allclose(lower + upper, -20_000, rtol=1e-4)
    with pytest.raises(ValueError, match=r"rrelu: needs a random key .* deterministic=True"):
        ja.rrelu(x)


@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey])
def test_rrelu_under_vmap_takes_a_key_each(make) -> None:
    x, keys = -jnp.ones((3, 4)), jax.random.split(make(0), 3)
    rows = [ja.rrelu(r, k) for r, k in zip(x, keys, strict=True)]
    np.testing.assert_array_equal(jax.vmap(ja.rrelu)(x, keys), jnp.stack(rows))


# Memory under transformations -----------------------------------------------------------------------------------------


def kept(f, *arguments) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(jax.vjp(f, *arguments)[1]))


def test_one_byte_an_element_for_piecewise_linear_slopes() -> None:
    x = jnp.linspace(-2, 2, 1024)

    def masks(f) -> int:
        """The bytes that differ between inputs: zeros are constants, which a compiled program does not store."""
        first, other = (jax.tree.leaves(jax.vjp(f, v)[1]) for v in (x, x[::-1]))
        return sum(a.nbytes for a, b in zip(first, other, strict=True) if not np.array_equal(a, b))

    for name in ("relu", "relu6", "leaky_relu", "hard_tanh", "hard_sigmoid", "sparse_sigmoid"):
        assert masks(ja.get(name)) <= 1024 + 8, name
    assert masks(ja.abs) <= 2048
    assert masks(lambda x: jax.vmap(ja.relu)(x.reshape(4, 256))) <= 1024


def test_a_differentiated_slope_costs_one_array_more() -> None:
    x = jnp.linspace(-2, 2, 1024).astype(jnp.bfloat16)
    assert kept(ja.prelu, x, jnp.float32(0.25)) <= 1024 + 2048 + 8


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_named_checkpoint_policies_work(name) -> None:
    f, width = ja.get(name), 256
    weights = jnp.stack([jnp.eye(width)] * 4)

    def block(x, w):
        return f(checkpoint_name(x @ w, "before")), None

    def loss(policy, x):
        step = block if policy is None else jax.checkpoint(block, policy=policy)
        return jax.lax.scan(step, x, weights)[0].sum()

    x = jnp.linspace(-1, 1, 64 * width).reshape(64, width)
    named = jax.checkpoint_policies.save_only_these_names("before")
    np.testing.assert_array_equal(jax.grad(lambda x: loss(None, x))(x), jax.grad(lambda x: loss(named, x))(x))
    kept_named, kept_nothing = (
        kept(lambda x, p=p: loss(p, x), x) for p in (named, jax.checkpoint_policies.nothing_saveable)
    )
    assert kept_named - kept_nothing <= 4 * x.nbytes + 8, "more than the named array is saved"


@pytest.mark.parametrize("axis", [0, 1])
def test_backward_in_bfloat16_along_any_axis(axis: int) -> None:
    x = jnp.linspace(-3, 3, 12, dtype=jnp.bfloat16).reshape(3, 4)
    back = jax.vjp(ja.silu, x.mT if axis else x)[1]
    rows = jnp.stack([x, 2 * x, 3 * x], axis)
    got = jax.vmap(lambda ct: back(ct.mT if axis else ct)[0], in_axes=axis)(rows)
    for i in range(3):
        ct = (i + 1) * x
        np.testing.assert_array_equal(got[i], back(ct.mT if axis else ct)[0])


def test_slopes_that_are_small_or_numbers() -> None:
    line = ja.activation(slope=lambda x, a: a, partials={"a": lambda x, a: x})(lambda x, a: a * x)
    double = ja.activation(slope=lambda x: 2.0)(lambda x: 2 * x)
    for dtype in (jnp.float32, jnp.bfloat16, jnp.float16):
        x, a = jnp.arange(4, dtype=dtype), jnp.asarray(3, dtype)
        np.testing.assert_array_equal(jax.grad(lambda x, a=a: line(x, a).sum())(x), a)
        np.testing.assert_array_equal(jax.grad(lambda a, x=x: line(x, a).sum())(a), x.sum())
        np.testing.assert_array_equal(jax.grad(lambda x: double(x).sum())(x), 2)


@pytest.mark.sampled(15)
@pytest.mark.parametrize(
    "name", ["elu", "gelu", "silu", "squareplus", "softplus", "hard_silu", "tanh", "sigmoid", "mish"]
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float8_e4m3fn"])
def test_no_float64_where_it_is_enabled(name: str, dtype: str, x64: None) -> None:
    with jax.numpy_dtype_promotion("strict"):
        x = jnp.ones(7, dtype)
        for run in (ja.get(name), lambda x: jax.jvp(ja.get(name), (x,), (x,))[1]):
            assert "f64[7" not in str(jax.make_jaxpr(run)(x))
        wide = jnp.ones(7, "float64")
        assert jax.jvp(ja.get(name), (wide,), (wide,))[1].dtype == jnp.float64


@pytest.mark.optimized
@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["elu", "gelu", "silu", "squareplus", "softplus", "tanh", "sigmoid", "mish"])
def test_products_keep_their_size(name: str) -> None:
    """XLA collects the constants of a product: the units of the kernels must neither overflow nor vanish together."""
    x = jnp.linspace(-2.0, 2.5, 20).reshape(4, 5)
    for run in (ja.get(name), lambda x: jax.jvp(ja.get(name), (x,), (jnp.ones_like(x),))[1]):
        for shaped in (x, x[:, :3], x[0, 1]):
            stored = jax.jit(run)(shaped)
            product = jax.jit(lambda x, run=run: jnp.prod(run(x), axis=-1) if x.ndim else run(x) ** 5)(shaped)
            expected = np.prod(stored, axis=-1) if shaped.ndim else float(stored) ** 5
            np.testing.assert_allclose(product, expected, rtol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_without_jit(dtype: str) -> None:
    x = jnp.array([-1.0, 2.0], dtype)
    with jax.disable_jit():
        got = jax.jvp(ja.sigmoid, (x,), (x,))
    for a, b in zip(got, jax.jvp(ja.sigmoid, (x,), (x,)), strict=True):
        np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=1e-6)


@pytest.mark.optimized
def test_a_parameter_at_its_default_costs_nothing() -> None:
    @ja.activation(slope=lambda x: 2 * x)
    def alone(x):
        return x * x

    @ja.activation(
        slope=lambda x, scale: 2 * scale * x,
        partials={"scale": lambda x, scale: x * x},
        at_defaults={"value": lambda x: x * x, "slope": lambda x: 2 * x},
    )
    def scaled(x, scale=1.0):
        return scale * x * x

    x = jnp.linspace(-2, 2, 64)

    def programs(f):
        steps = f, lambda x: jax.vjp(f, x)[1](x)[0]
        texts = [jax.jit(step).lower(x).compile().as_text() for step in steps]
        bodies = [re.findall(r"^(?:%|ENTRY).*?^\}", text, re.MULTILINE | re.DOTALL) for text in texts]
        assert all(bodies)
        return [[re.sub(r", metadata=\{.*?\}|(?<=%)[\w.-]+", "", part) for part in body] for body in bodies]

    assert programs(scaled) == programs(alone)
    for same in (lambda x: scaled(x, 1), lambda x: scaled(x, scale=1.0)):
        assert programs(same) == programs(alone)
    assert programs(lambda x: scaled(x, 2.0)) != programs(alone)
    for scale in (1.0, 3.0):
        value, slopes = jax.value_and_grad(scaled, (0, 1))(3.0, scale)
        assert (value, *slopes) == (9 * scale, 6 * scale, 9)


@pytest.mark.parametrize(
    "forms", [{}, {"value": jnp.square}, {"value": jnp.square, "slope": 2.0}, {"value": abs, "slope": abs, "beta": abs}]
)
def test_forms_at_the_defaults_are_a_value_and_a_slope(forms) -> None:
    with pytest.raises(TypeError, match=r"activation: at_defaults of f must be functions by .* give its value and its"):

        @ja.activation(
            slope=lambda x, beta: 2 * x, partials={"beta": lambda x, beta: x}, at_defaults=forms, facts=ja.Facts()
        )
        def f(x, beta=1.0):
            return x * x
