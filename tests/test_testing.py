"""The tester is tested: each deliberate fault is caught by the clause that one would name."""

from __future__ import annotations

import pickle
from dataclasses import replace
from math import inf

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxacts
from jaxacts import Facts, Line, Pieces, activation
from jaxacts.testing import CLAUSES, Case, check_activation

RELU_FACTS = Facts((0, inf), Line(0, 0), Line(1, 0), 1.0)


def judge(function, *clauses, **options):
    """The report of these clauses alone."""
    return check_activation(function, without=CLAUSES.keys() - set(clauses), **options)


def relu_formula(x):
    return max(x, mp.mpf(0))


def relu_with(slope=lambda x: Pieces((0.0,), (0.0, 1.0)), facts=RELU_FACTS):
    @activation(slope=slope, facts=facts)
    def relu(x):
        return jnp.maximum(x, 0)

    return relu


def leaky_with(partial):
    @activation(
        slope=lambda x, a: Pieces((0.0,), (a, 1.0), tie="left"),
        partials={"a": partial},
        facts=lambda a: Facts((-inf, inf), Line(a, 0), Line(1, 0), 1.0),
        typical={"a": 0.25},
    )
    def leaky(x, a):
        return jnp.where(x < 0, a * x, x)

    return leaky


def naive_softplus(x):
    return jnp.log(1 + jnp.exp(x))


def forgets_nan(x):
    return jnp.where(x > 0, x, 0)


def keeps_integers(x):
    return jnp.maximum(x, 0)


def widens(x):
    return jnp.maximum(jnp.asarray(x, jnp.float32), 0)


def rounds_often(x):
    return x * jax.nn.sigmoid(x)


def knows_of_tracing(x):
    return x * (2 if isinstance(x, jax.core.Tracer) else 3)


def vanishes_alone(x):
    share = jnp.exp(x) * np.float32(2.0**-64)  # XLA multiplies the constants of a scalar first, and their product is 0
    return x + share * share * np.float32(2.0**126)


@jax.custom_jvp
def vanishes_alone_without_its_rule(x):
    return vanishes_alone(x)


@vanishes_alone_without_its_rule.defjvp
def _(primals, tangents):
    return primals[0], tangents[0]


@jax.custom_jvp
def overflows_without_its_rule(x):
    return jnp.log(1 + jnp.exp(x))


@overflows_without_its_rule.defjvp
def _(primals, tangents):
    return jax.jvp(jax.nn.softplus, primals, tangents)


@jax.custom_jvp
def bends_in_a_batch(x):
    return jnp.square(x)


@bends_in_a_batch.defjvp
def _(primals, tangents):
    return jnp.square(primals[0]), doubled(primals[0]) * tangents[0]


@jax.custom_jvp
def doubled(x):
    return 2 * x


@doubled.defjvp
def _(primals, tangents):
    return 2 * primals[0], (3 if type(tangents[0]).__name__ == "BatchTracer" else 2) * tangents[0]


def compiles_anew(x):
    return jax.jit(lambda x: jnp.tanh(x))(x)


def two_loops(x):
    return jnp.exp(x - jnp.max(x)) * jnp.exp(jnp.max(x))


def two_loops_in_16_bits(x):
    return jnp.sin(x) if x.dtype == jnp.float32 else two_loops(x)


def hoards(x):
    return x * jnp.tanh(jax.nn.softplus(x))


def plain(function, reference=None):
    return lambda: Case(function, reference=reference)


def decorated(function, reference=None, **arguments):
    return lambda: Case.of(function, reference, **arguments)


FAULTS = {
    "slope 1 at the kink": ("kinks", decorated(relu_with(lambda x: Pieces((0.0,), (1.0, 0.0), tie="left")))),
    "larger slope at the kink": (
        "kinks",
        decorated(relu_with(lambda x: Pieces((0.0,), (jnp.where(x < 0, 0.0, 0.5), 1.0), tie="left"))),
    ),
    "kink where there is none": ("kinks", decorated(relu_with(lambda x: Pieces((0.0, 1.0), (0.0, 1.0, 2.0))))),
    "kink not declared": ("no_other_kinks", decorated(relu_with(lambda x: jnp.where(x > 0, 1.0, 0.0)))),
    "kink in a plain function": ("no_other_kinks", plain(forgets_nan)),
    "image too small": ("image", decorated(relu_with(facts=Facts((0, 6), Line(0, 0), Line(1, 0), 1.0)))),
    "image too large": ("image", decorated(relu_with(facts=Facts((-1, inf), Line(0, 0), Line(1, 0), 1.0)))),
    "image not bounded": ("image", decorated(relu_with(facts=Facts((-inf, inf), Line(0, 0), Line(1, 0), 1.0)))),
    "Lipschitz constant too small": (
        "lipschitz",
        decorated(relu_with(facts=Facts((0, inf), Line(0, 0), Line(1, 0), 0.9))),
    ),
    "Lipschitz constant too large": (
        "lipschitz",
        decorated(relu_with(facts=Facts((0, inf), Line(0, 0), Line(1, 0), 1.1))),
    ),
    "left asymptote": ("asymptotes", decorated(relu_with(facts=Facts((0, inf), Line(0, 0.5), Line(1, 0), 1.0)))),
    "right asymptote": ("asymptotes", decorated(relu_with(facts=Facts((0, inf), Line(0, 0), Line(1, 1), 1.0)))),
    "limit at infinity": ("non_finite", decorated(relu_with(facts=Facts((0, inf), Line(0, 0), Line(0, 1), 1.0)))),
    "NaN swallowed": ("non_finite", plain(forgets_nan)),
    "wrong partial": (
        "parameter_slopes",
        decorated(leaky_with(lambda x, a: jnp.where(x < 0, -x, 0)), lambda x, a: x if x > 0 else a * x),
    ),
    "partial of one ulp in a thousand": (
        "parameter_slopes",
        decorated(leaky_with(lambda x, a: jnp.where(x < 0, x * 1.00001, 0)), lambda x, a: x if x > 0 else a * x),
    ),
    "wrong slope": ("slope", decorated(relu_with(lambda x: Pieces((0.0,), (0.0, 1.00001))), relu_formula)),
    "wrong slope, no formula": ("numerical_derivatives", decorated(relu_with(lambda x: Pieces((0.0,), (0.0, 1.01))))),
    "another slope than the declared one": (
        "declared_slope",
        lambda: replace(Case.of(jaxacts.relu), slope_source=Case.of(jaxacts.silu)),
    ),
    "wrong value": ("value", plain(lambda x: jnp.tanh(x) * 1.00001, mp.tanh)),
    "many roundings in 16 bits": ("value", plain(rounds_often, lambda x: x / (1 + mp.exp(-x)))),
    "overflow on the way": ("finite_derivatives", plain(naive_softplus)),
    "dtype not kept": ("dtypes", plain(widens)),
    "integers kept": ("wrong_dtypes", plain(keeps_integers)),
    "jit differs": ("transformations", plain(knows_of_tracing)),
    "another curvature in a batch": ("transformations", plain(bends_in_a_batch)),
    "another shape": ("shape", plain(lambda x: x.sum())),
    "another value alone": ("one_element", plain(vanishes_alone)),
    "another value than that of its rule": ("finite_derivatives", plain(overflows_without_its_rule)),
    "another value alone, and not in its rule": ("one_element", plain(vanishes_alone_without_its_rule)),
    "compiles at every call": ("compiles_once", plain(compiles_anew)),
    "two loops": ("one_fusion", plain(two_loops)),
    "two loops in 16 bits": ("one_fusion", plain(two_loops_in_16_bits)),
    "keeps too much": ("backward_memory", plain(hoards)),
    "cannot be pickled": ("pickling", plain(lambda x: x)),
    "no docstring": ("docstring", plain(widens)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault: str) -> None:
    clause, make = FAULTS[fault]
    with pytest.raises((AssertionError, pickle.PicklingError)):
        CLAUSES[clause](make())


def test_every_clause_catches_something() -> None:
    assert {clause for clause, _ in FAULTS.values()} == set(CLAUSES)


def test_report_of_a_sound_activation() -> None:
    report = check_activation(jaxacts.relu, reference=relu_formula)
    assert report, report
    assert "no clause failed" in str(report)
    assert report["parameter_slopes"].result == "not applicable"


@pytest.mark.slow
def test_report_of_a_broken_function() -> None:
    report = check_activation(naive_softplus, reference=lambda x: mp.log1p(mp.exp(x)))
    assert not report
    failed = {outcome.clause for outcome in report.failures}
    assert {"value", "finite_derivatives", "docstring"} <= failed
    assert "naive_softplus" in str(report)
    assert "ulp" in report["value"].detail
    assert report["value"].detail.endswith("are allowed"), "cut off"


@pytest.mark.slow
def test_parameters_of_a_plain_function() -> None:
    def scaled_tanh(x, scale):
        return scale * jnp.tanh(x)

    report = check_activation(scaled_tanh, reference=lambda x, scale: scale * mp.tanh(x), parameters={"scale": 0.5})
    assert report["numerical_derivatives"].result == "passed"
    assert report["parameter_slopes"].result == "failed"  # rounded twice in bfloat16


def test_not_a_function() -> None:
    with pytest.raises(TypeError, match="check_activation: expected a function, got str; pass the function itself"):
        check_activation("relu")


@pytest.mark.slow
def test_an_overflow_in_float64_too_is_none() -> None:
    assert judge(cube, "finite_derivatives"), "x³"
    assert not judge(naive_softplus, "finite_derivatives"), "log(1 + exp(x))"


@pytest.mark.parametrize("scale", [np.float32(0.5), np.array(0.5), jnp.float32(0.5)])
def test_numbers_of_all_kinds_are_differentiated(scale) -> None:
    def scaled(x, scale):
        return scale * x

    report = judge(scaled, "parameter_slopes", reference=lambda x, scale: scale * x, parameters={"scale": scale})
    assert report["parameter_slopes"].result == "passed", report


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="check_activation: reference must be a function, got str"):
        check_activation(jnp.tanh, reference="tanh")
    with pytest.raises(TypeError, match="check_activation: parameters must be a mapping, got list"):
        check_activation(jnp.tanh, parameters=[0.5])
    with pytest.raises(ValueError, match="check_activation: unknown clause 'docstrings'; did you mean 'docstring'"):
        check_activation(jnp.tanh, without=("docstrings",))
    for wrong in ("docstring", 3):
        with pytest.raises(TypeError, match=rf"without must be several names, got {wrong!r}; pass \['docstring'\]"):
            check_activation(jnp.tanh, without=wrong)
    with pytest.raises(ValueError, match="check_activation: without names every clause, and none is left"):
        check_activation(jnp.tanh, without=CLAUSES)
    for flag in ("elementwise", "progress"):
        with pytest.raises(TypeError, match=f"check_activation: {flag} must be True or False, got 'no'"):
            check_activation(jnp.tanh, **{flag: "no"})


def test_array_parameters_have_no_facts() -> None:
    report = judge(jaxacts.elu, "asymptotes", "non_finite", "kinks", parameters={"alpha": jnp.array([0.5])})
    assert [outcome.result for outcome in report] == ["not applicable"] * 3, report


def test_only_a_straight_line_may_have_a_slope_at_nan() -> None:
    def bump(x):
        return x + 1 / jnp.cosh(x)

    facts = Facts(None, Line(1, 0), Line(1, 0), 1.5)
    swallows = activation(slope=lambda x: jnp.where(x == x, 1 - jnp.tanh(x) / jnp.cosh(x), 1.0), facts=facts)(bump)
    assert judge(swallows, "non_finite")["non_finite"].detail == "the slope at NaN is 1.0 in float32"


def test_a_bar_shows_where_the_output_is_a_terminal(capsys, monkeypatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    judge(jnp.tanh, "pickling")
    assert "checking tanh" in capsys.readouterr().err


def test_a_bar_shows_which_clause_runs(capsys, monkeypatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    judge(jnp.tanh, "pickling", progress=True)
    assert "checking tanh" in capsys.readouterr().err
    judge(jnp.tanh, "pickling")
    assert not capsys.readouterr().err


def with_nan(f):
    """The function with NaN in its slope, too, where x is NaN."""
    return lambda x: jnp.where(x == x, f(x), jnp.nan * x)


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    ("function", "result"),
    [
        (lambda x: x / (1 + jnp.exp(-x)), "failed"),  # settles at 0, but is NaN at -inf
        (lambda x: x + jnp.sin(x), "failed"),  # doubles with x, but is NaN at inf
        (lambda x: jnp.where(jnp.isinf(x), 0, 3 * x), "failed"),
        (lambda x: jnp.where(jnp.isinf(x), 2 * x, x), "failed"),  # the slope is 2
        (lambda x: jnp.where(jnp.isinf(x), 0, jnp.square(x)), "failed"),
        (lambda x: jnp.where(x == jnp.inf, jnp.nan * x, x * x * x), "failed"),
        (with_nan(lambda x: jnp.clip(x, -5e4, 5e4)), "not applicable"),  # doubles up to the end of float16
        (with_nan(lambda x: jnp.clip(x, -2e4, 2e4)), "passed"),
        (lambda x: 3 * x + jnp.tanh(x), "passed"),
        (with_nan(lambda x: -jnp.abs(x)), "passed"),
        (with_nan(lambda x: jnp.sqrt(1 + jnp.log1p(jnp.abs(x)))), "not applicable"),
        (with_nan(lambda x: x - jnp.floor(x)), "not applicable"),
        (with_nan(lambda x: jnp.abs(jnp.mod(x, 2) - 1)), "not applicable"),
        (jnp.tanh, "passed"),
        (lambda x: x**3, "passed"),
        (jnp.sin, "not applicable"),
        (lambda x: jnp.arcsinh(x), "not applicable"),
    ],
)
def test_infinity_where_no_asymptote_is_declared(function, result) -> None:
    outcome = judge(function, "non_finite")["non_finite"]
    assert outcome.result == result, outcome


def test_docstrings_of_others_name_the_arguments() -> None:
    def scaled_tanh(x, scale, shift=0.0):
        """Hyperbolic tangent times ``scale``."""
        return scale * jnp.tanh(x + shift)

    def judged() -> str:
        return judge(scaled_tanh, "docstring", parameters={"scale": 1.0})["docstring"].detail

    assert judged() == "the docstring does not name the arguments shift"
    scaled_tanh.__doc__ += "\n\nArgs:\n    shifted: not the name."
    assert judged() == "the docstring does not name the arguments shift"
    scaled_tanh.__doc__ += "\n\nArgs:\n    shift: moves it."
    assert judged().startswith("The docstring begins with a sentence")
    scaled_tanh.__doc__ = None
    assert judged() == "there is no docstring"
    scaled_tanh.__doc__ = "scale and shift"
    assert judged() == "the first line is not a sentence"


@activation(slope=lambda x: 3 * x * x)
def cube(x):
    return x * x * x


@pytest.mark.slow
def test_a_clause_left_out_and_a_true_overflow() -> None:
    report = check_activation(cube, reference=lambda x: x**3, without=("docstring",))
    assert report, report
    with pytest.raises(KeyError, match="Report: unknown clause 'docstring'"):
        report["docstring"]


def test_what_is_not_declared_is_not_judged() -> None:
    half = activation(slope=lambda x: 3 * x * x, facts=Facts((-inf, inf), None, None, None))(cube.__wrapped__)
    report = judge(half, "asymptotes", "non_finite", "lipschitz", "image")
    assert {c: report[c].result for c in ("asymptotes", "non_finite", "lipschitz", "image")} == {
        "asymptotes": "not applicable",
        "non_finite": "passed",
        "lipschitz": "not applicable",
        "image": "passed",
    }


def test_one_asymptote_alone_is_judged() -> None:
    left, right = (
        judge(relu_with(facts=facts), "asymptotes", "non_finite")
        for facts in (Facts((0, inf), Line(0, 1), None, 1.0), Facts((0, inf), None, Line(1, 1), 1.0))
    )
    assert left["asymptotes"].detail.startswith("left asymptote: f(-10000) = 0")
    assert right["asymptotes"].detail.startswith("right asymptote: f(10000) = 10000")
    assert (left["non_finite"].result, right["non_finite"].result) == ("failed", "passed")


@pytest.mark.sampled(1)
@pytest.mark.parametrize("choice", ["left", "right", 0.3, 0.45, 1.0])
def test_variants_are_judged_by_their_choice(choice) -> None:
    variant = jaxacts.with_kink_slope(jaxacts.leaky_relu, choice)
    report = judge(variant, "kinks", "image", "pickling")
    assert {outcome.result for outcome in report} == {"passed"}, report
