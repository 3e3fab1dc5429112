"""What activations, the catalogue and the decorator refuse: the message names function, argument and remedy."""

from __future__ import annotations

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxacts as ja
from jaxacts._core import entry_of

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ja.relu(jnp.ones(2, complex)), TypeError, "relu: x must be real, got dtype complex64"),
        (lambda: ja.relu("a"), TypeError, "relu: x must be an array or a number, got str; convert it"),
        (lambda: ja.elu(1.0, "a"), TypeError, "elu: alpha must be an array or a number, got str"),
        (lambda: ja.relu(1.0, 2.0), TypeError, r"relu: too many positional arguments; the signature is relu\(x\)\."),
        (lambda: ja.relu(), TypeError, "relu: missing a required argument: 'x'"),
        (lambda: ja.elu(1.0, beta=1), TypeError, "elu: got an unexpected keyword argument 'beta'"),
        (lambda: ja.prelu(jnp.ones((2, 3)), jnp.ones(2)), ValueError, r"prelu: .* broadcast together, got x: \(2, 3\)"),
        (
            lambda: ja.softmax(jnp.ones((2, 3)), 2),
            ValueError,
            r"softmax: axis 2 is out of range for an array of 2 axes",
        ),
        (lambda: ja.softmax(1.0), ValueError, "softmax: x needs at least one axis, got a scalar; pass an array"),
        (lambda: jax.vmap(ja.softmax)(jnp.ones(3)), ValueError, "softmax: x needs at least one axis, got a scalar"),
        (lambda: ja.glu(1.0), ValueError, "glu: x needs at least one axis"),
        (
            lambda: ja.softmax(jnp.ones(3), where=jnp.ones(3)),
            TypeError,
            "softmax: where must be boolean, got dtype float32",
        ),
        (
            lambda: ja.softmax(jnp.ones(3), where=jnp.ones(2, bool)),
            ValueError,
            r"softmax: where must broadcast .* \(3,\)",
        ),
        (lambda: ja.glu(jnp.ones((2, 3))), ValueError, r"glu: axis 1 must have an even length, got shape \(2, 3\)"),
        (
            lambda: ja.maxout(jnp.ones(4), 3),
            ValueError,
            "maxout: pieces must be positive and divide the length 4 of axis 0",
        ),
        (lambda: ja.maxout(jnp.ones(4), 0), ValueError, "maxout: pieces must be positive"),
        (
            lambda: ja.maxout(jnp.ones(4), 2.0),
            TypeError,
            "maxout: pieces must be an integer, got 2.0; pass a Python int",
        ),
        (lambda: ja.softmax(jnp.ones(3), [0]), TypeError, "softmax: axis must be a Python constant, got list; pass"),
        (lambda: ja.softmax(jnp.ones(3), "a"), TypeError, "softmax: axis must be an integer, got 'a'"),
        (
            lambda: ja.softmax(jnp.ones(3), (0, -1)),
            ValueError,
            r"softmax: axis must not name an axis twice, got \(0, -1\)",
        ),
        (lambda: ja.softmax(jnp.ones(3), True), TypeError, "softmax: axis must be an integer, got True"),
        (lambda: ja.gelu(1.0, "none"), TypeError, "gelu: approximate must be True or False, got 'none'"),
        (
            lambda: ja.gelu(1.0, jnp.array(True)),
            TypeError,
            "gelu: approximate must be a Python constant, got ArrayImpl",
        ),
        (
            lambda: ja.activation(lambda x: x),
            TypeError,
            r"activation: takes keyword arguments only; write @jaxacts.activation\(",
        ),
        (
            lambda: jax.jit(ja.gelu)(1.0, True),
            TypeError,
            "gelu: approximate must be a Python constant, got a traced value; name it in the static_argnames",
        ),
        (lambda: ja.rrelu(1.0, 0), TypeError, "rrelu: key must be a random key, got dtype int32; make one with"),
        (lambda: ja.rrelu(1.0, "k"), TypeError, "rrelu: key must be an array or a number, got str"),
        (lambda: ja.celu(1.0, 0.0), ValueError, r"celu: needs alpha > 0, got alpha=0.0; pass numbers for which that"),
        (
            lambda: ja.celu(1.0, alpha=np.float32(-1)),
            ValueError,
            r"celu: needs alpha > 0, got alpha=np.float32\(-1.0\);",
        ),
        (lambda: jax.jit(lambda x: ja.squareplus(x, -4))(1.0), ValueError, r"squareplus: needs b >= 0, got b=-4;"),
        (lambda: ja.celu(1.0, np.array([1, -1])), ValueError, r"celu: needs alpha > 0, got alpha=array\(\[ 1, -1\]\);"),
        (lambda: ja.hard_tanh(1.0, 1), ValueError, "hard_tanh: needs min < max, got min=1, max=1.0;"),
        (lambda: ja.rrelu(1.0, KEY, upper=0), ValueError, "rrelu: needs lower <= upper, got lower=0.125, upper=0;"),
        (lambda: ja.catalogue()["celu"].facts(alpha=-1.0), ValueError, "celu: needs alpha > 0, got alpha=-1.0;"),
        (lambda: ja.dice(1.0, 0.2, 0.0, 1.0, -1.0), ValueError, "dice: epsilon must be from 0 to inf, got -1.0"),
        (lambda: ja.dice(1.0, 0.2, 0.0, 1.0, "a"), TypeError, "dice: epsilon must be from 0 to inf, got 'a'"),
        (lambda: ja.rrelu(1.0, jax.random.split(KEY, 3)), ValueError, r"rrelu: key must be a single .* shape \(3,\)"),
        (
            lambda: ja.rrelu(1.0, jax.random.split(jax.random.PRNGKey(0), 3)),
            ValueError,
            r"rrelu: key must be a single .* shape \(3, 2\); pass one of them, or jax.vmap",
        ),
        (lambda: ja.relu(np.array(["a"])), TypeError, "relu: x must be numeric, got ndarray of dtype <U1; convert it"),
        (lambda: ja.relu(np.array([object()])), TypeError, "relu: x must be numeric, got ndarray of dtype object"),
        (lambda: ja.relu(np.array(["2020"], "M8[D]")), TypeError, r"relu: x must be numeric, .* datetime64\[D\]"),
        (lambda: ja.softplus(2**31), OverflowError, "softplus: x is too large for int32, got 2147483648; pass a float"),
        (lambda: ja.elu(1.0, 2**31), OverflowError, "elu: alpha is too large for int32, got 2147483648"),
        (lambda: ja.relu(jax.random.key(0)), TypeError, r"relu: x must be real, got dtype key<\w+>; convert it"),
    ],
)
def test_errors_name_function_argument_and_remedy(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("ask", ["kinks", "facts", "knots", "arguments"])
@pytest.mark.parametrize(("name", "signature"), [("leaky_relu", "x, negative_slope=0.01"), ("relu", "x")])
def test_entries_refuse_unknown_arguments(name: str, signature: str, ask: str) -> None:
    message = f"{name}: got an unexpected keyword argument 'slope'; the signature is {name}({signature})."
    with pytest.raises(TypeError, match=re.escape(message)):
        getattr(ja.catalogue()[name], ask)(slope=0.3)


@pytest.mark.parametrize("ask", ["kinks", "facts"])
def test_entries_refuse_what_is_no_number(ask: str) -> None:
    with pytest.raises(TypeError, match="leaky_relu: negative_slope must be an array or a number, got str"):
        getattr(ja.catalogue()["leaky_relu"], ask)(negative_slope="a")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (3, "activation: expected a function to decorate, got int; write it above a def"),
        (
            functools.partial(jnp.power, 2),
            "activation: expected a function to decorate, got partial; write it above a def",
        ),
        (lambda: 1, r"activation: <lambda> must take an array as its first argument"),
    ],
)
def test_decorates_functions_of_an_array(formula, message) -> None:
    with pytest.raises(TypeError, match=message):
        ja.activation()(formula)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"slope": 1.0}, "slope of gate must be a function, got 1.0; write slope=lambda x: ..."),
        ({"partials": ["a"]}, "partials of gate must be a mapping, got ['a']"),
        ({"partials": {"a": 3}}, "partials['a'] of gate must be a function, got 3"),
        ({"facts": (0, 1)}, "facts of gate must be Facts or a function, got (0, 1); write facts=jaxacts.Facts(...)"),
        ({"static": "a"}, "static of gate must be names of arguments after the first, got 'a'; take them from ('a',)"),
        ({"static": ("x",)}, "static of gate must be names of arguments after the first, got ('x',)"),
        ({"typical": {"b": 1.0}}, "typical of gate must be names of arguments after the first, got {'b': 1.0}"),
        ({"typical": 1.0}, "typical of gate must be a mapping, got 1.0"),
        ({"domain": "a > 0"}, "domain of gate must be a mapping, got 'a > 0'"),
        ({"domain": {"a > 0": 0}}, "domain['a > 0'] of gate must be a function of some of ('a',), got 0"),
        ({"domain": {"a": bool}}, "domain['a'] of gate must be a function of some of ('a',), got <class 'bool'>"),
        (
            {"domain": {"b > 0": lambda b: b > 0}},
            "domain['b > 0'] of gate must be a function of some of ('a',), got <",
        ),
        ({"static": 3}, "static of gate must be names of arguments after the first, got 3"),
        (
            {"slope": lambda x: x, "partials": {"a": lambda x, a: x}},
            "the slope of gate must take what gate(x, a) takes: too many positional arguments",
        ),
        (
            {"slope": lambda x, a: a, "partials": {"a": lambda x: x}},
            "the partial by a of gate must take what gate(x, a) takes: too many positional arguments",
        ),
    ],
)
def test_wrong_declarations(given, message) -> None:
    def gate(x, a):
        return a * x

    with pytest.raises(TypeError, match=re.escape(f"activation: {message}")):
        ja.activation(**given)(gate)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"image": 3.0}, TypeError, "Facts: image must be two numbers, got 3.0; write (-1.0, 1.0)"),
        ({"image": (0, "a")}, TypeError, "Facts: image must be two numbers, got (0, 'a')"),
        ({"image": (float("nan"), 0)}, ValueError, "Facts: image must be (infimum, supremum), got (nan, 0)"),
        ({"image": (1, 0)}, ValueError, "Facts: image must be (infimum, supremum), got (1, 0); swap them"),
        ({"left": 0.0}, TypeError, "Facts: left must be two numbers, got 0.0; write Line(0, -1)"),
        ({"right": (1, 0, 0)}, TypeError, "Facts: right must be two numbers, got (1, 0, 0)"),
        ({"lipschitz": "a"}, TypeError, "Facts: lipschitz must be a number, got 'a'"),
        ({"lipschitz": np.complex64(1)}, TypeError, "Facts: lipschitz must be a number, got np.complex64(1+0j)"),
        ({"left": (np.ones(2), 0)}, TypeError, "Facts: left must be two numbers, got (array([1., 1.]), 0)"),
        ({"lipschitz": float("nan")}, ValueError, "Facts: lipschitz bounds the absolute slope, got nan"),
        ({"lipschitz": -1.0}, ValueError, "Facts: lipschitz bounds the absolute slope, got -1.0"),
    ],
)
def test_wrong_facts(given, error, message) -> None:
    with pytest.raises(error, match=re.escape(message)):
        ja.Facts(**given)


def scaled_by_default(x, a=-1.0):
    return a * x


def test_domains_look_at_numbers_alone() -> None:
    @ja.activation(slope=lambda x, a: a, partials={"a": lambda x, a: x}, domain={"a > 0": lambda a: a > 0})
    def scaled(x, a=1.0):
        return a * x

    with pytest.raises(ValueError, match=r"scaled: needs a > 0, got a=-2; pass numbers for which that holds\."):
        scaled(1.0, -2)
    assert scaled(3.0) == 3
    assert jnp.isnan(scaled(3.0, float("nan")))
    with pytest.raises(ValueError, match=r"activation: scaled_by_default: needs a > 0, got a=-1\.0; pass"):
        ja.activation(slope=lambda x, a: a, partials={"a": lambda x, a: x}, domain={"a > 0": lambda a: a > 0})(
            scaled_by_default
        )
    assert scaled(3.0, jnp.float32(-2)) == jax.jit(scaled)(3.0, -2.0) == -6


def test_pieces_of_arrays_and_lists() -> None:
    expected = ja.Pieces((0.0, 1.0), (0.0, 1.0, 2.0))
    for given in (np.array, list, lambda v: (float(w) for w in v)):
        pieces = ja.Pieces(given([0.0, 1.0]), given([0.0, 1.0, 2.0]))
        assert (pieces.knots, pieces.slopes) == (expected.knots, expected.slopes)


def test_domains_hold_at_their_ends() -> None:
    assert float(ja.rrelu(-1.0, KEY, 0.25, 0.25)) == -0.25
    assert float(ja.squareplus(-1.0, 0)) == 0
    assert float(ja.dice(1.0, 0.25, 0.0, 0.0, 0.0)) == 1
    assert float(ja.hard_tanh(3.0, 2.0, jnp.float32(1.0))) >= 1  # what an array of JAX holds is not looked at


def test_facts_may_be_few() -> None:
    assert ja.Facts() == ja.Facts(None, None, None, None)
    assert ja.Facts(left=(0, 1)).left.intercept == 1
    assert hash(ja.Facts(image=[0, 1])) == hash(ja.Facts(image=(0, 1)))


def test_facts_are_those_of_one_curve() -> None:
    for ask in ("facts", "kinks", "knots"):
        with pytest.raises(ValueError, match=r"elu: facts, .* one curve, got alpha of shape \(2,\); ask for each"):
            getattr(ja.catalogue()["elu"], ask)(alpha=jnp.ones(2))
    broken = ja.activation(slope=lambda x: 1.0, facts=lambda: 3)(lambda x: 1 * x)
    with pytest.raises(TypeError, match=r"<lambda>: facts must return Facts, got 3; write jaxacts\.Facts"):
        entry_of(broken).facts()


@pytest.mark.parametrize(
    ("knots", "slopes", "options", "error", "message"),
    [
        (0.0, (0.0, 1.0), {}, TypeError, "Pieces: knots must be a tuple of numbers or arrays, got 0.0; write (0.0,)"),
        (
            (np.str_("a"),),
            (0.0, 1.0),
            {},
            TypeError,
            "Pieces: knots must be a tuple of numbers or arrays, got (np.str_",
        ),
        (("a",), (0.0, 1.0), {}, TypeError, "Pieces: knots must be a tuple of numbers or arrays, got ('a',)"),
        ((0.0,), (0.0, None), {}, TypeError, "Pieces: slopes must be a tuple of numbers or arrays, got (0.0, None)"),
        ((np.float32(1), 0.0), (0.0, 1.0, 2.0), {}, ValueError, "Pieces: the knots must increase, and be finite, got"),
        ((0.0, float("nan"), 1.0), (0.0,) * 4, {}, ValueError, "Pieces: the knots must increase, and be finite, got"),
        ((float("inf"),), (0.0, 1.0), {}, ValueError, "Pieces: the knots must increase, and be finite, got (inf,)"),
        (
            (0.0,),
            (0.0, 1.0),
            {"limits": "a"},
            TypeError,
            "Pieces: limits must be a pair of slopes for each knot, got 'a'",
        ),
        ((0.0,), (0.0, 1.0), {"limits": ((0,),)}, TypeError, "Pieces: limits must be a pair of slopes for each knot,"),
        ((0.0,), (0.0, 1.0), {"limits": ((0, 1),) * 2}, ValueError, "Pieces: 1 knots need 1 limits, got 2"),
        (
            (0.0,),
            (0.0, 1.0),
            {"tie": "middle"},
            ValueError,
            "Pieces: tie must be 'least', 'left' or 'right', or a tuple of one of them for each knot, got 'middle'",
        ),
        ((0.0,), (0.0, 1.0), {"tie": ("left",) * 2}, ValueError, "for each knot, got ('left', 'left'); leave it out"),
    ],
)
def test_wrong_pieces(knots, slopes, options, error, message) -> None:
    with pytest.raises(error, match=re.escape(message)):
        ja.Pieces(knots, slopes, **options)


def test_parameters_must_be_positional() -> None:
    with pytest.raises(
        TypeError,
        match=r"activation: the array parameters of <lambda> must be positional too, got \['k'\]; leave the \*",
    ):
        ja.activation(slope=lambda x, k: k, partials={"k": lambda x, k: x})(lambda x, *, k: k * x)
    assert ja.activation()(lambda x, *, k=2.0: k * x)(3.0, k=4.0) == 12
    assert ja.activation(slope=lambda x, k: k + 0 * x, static=("k",))(lambda x, *, k=2: k * x)(3.0, k=4) == 12


def test_arguments_must_be_named() -> None:
    with pytest.raises(TypeError, match=r"activation: <lambda> must name all its arguments, got \(\*xs\); write them"):
        ja.activation()(lambda *xs: xs[0])


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (lambda x: jnp.ones(7), r"float32 of shape \(7,\)"),
        (lambda x: x.astype(complex), r"complex64 of shape \(4, 3\)"),
        (lambda x: "a", "str"),
        (lambda x: None, "NoneType"),
    ],
)
def test_results_that_are_no_activations(wrong, got) -> None:
    def power(x, a):
        return jnp.power(x, a)

    right, x = {"slope": lambda x, a: a * x, "partials": {"a": lambda x, a: x}}, jnp.ones((4, 3))
    message = r"{}: the {} must return real numbers of the shape \(4, 3\) of x, got {}; leave slope out"

    def other(x, a):
        return wrong(x)

    with pytest.raises(TypeError, match=message.format("other", "formula", got)):
        ja.activation(**right)(other)(x, 2.0)
    with pytest.raises(TypeError, match=message.format("power", "slope", got)):
        jax.grad(lambda x: ja.activation(**{**right, "slope": other})(power)(x, 2.0).sum())(x)
    with pytest.raises(TypeError, match=message.format("power", "partial by a", got)):
        jax.grad(lambda a: ja.activation(**{**right, "partials": {"a": other}})(power)(x, a).sum())(2.0)


def test_a_slope_may_be_a_number() -> None:
    for slope in (1.0, np.float32(1)):
        identity = ja.activation(slope=lambda x, slope=slope: slope)(lambda x: 1 * x)
        assert (jax.grad(lambda x, f=identity: f(x).sum())(jnp.ones(3)) == 1).all()


def test_sums_are_no_formulas() -> None:
    with pytest.raises(
        TypeError, match=r"the formula must return real numbers of the shape \(2,\) of x, got float32 of"
    ):
        ja.activation(slope=lambda x: jnp.ones_like(x))(lambda x: x.sum())(jnp.ones(2))
