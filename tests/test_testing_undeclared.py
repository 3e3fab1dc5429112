"""What the tester takes a function for that declares nothing, and what it says of shapes and slopes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import mpmath as mp
import pytest
from test_testing import cube, judge

import jaxacts
from jaxacts import activation
from jaxacts.testing import CLAUSES, check_activation


@activation()
def squared_relu(x):
    return jnp.square(jax.nn.relu(x))


@activation()
def shares(x):
    return jnp.square(x) / jnp.square(x).sum()


@activation()
def both_signs(x):
    return jnp.concatenate([x, -x])


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("function", "given", "result"),
    [
        (squared_relu, None, "passed"),
        (squared_relu, False, "not applicable"),
        (shares, None, "not applicable"),
        (shares, True, "failed"),
        (both_signs, None, "not applicable"),
        (jaxacts.glu, None, "not applicable"),
        (jaxacts.rrelu, None, "passed"),
    ],
)
def test_elementwise_where_nothing_says_so(function, given, result) -> None:
    outcome = judge(function, "one_element", elementwise=given)["one_element"]
    assert outcome.result == result, outcome
    assert result != "not applicable" or outcome.detail == "it is not elementwise: its elements depend on each other"


def test_an_undeclared_function_of_one_number_takes_a_reference_of_one_number() -> None:
    report = judge(squared_relu, "value", reference=lambda x: max(x, mp.mpf(0)) ** 2)
    assert report["value"].result == "passed", report
    detail = judge(shares, "value", reference=lambda x: x**2)["value"].detail
    assert detail == (
        "the reference was given a list of mpmath numbers, as elements depend on each other, and raises TypeError: "
        "unsupported operand type(s) for ** or pow(): 'list' and 'int'; pass elementwise=True if it takes one number"
    )
    detail = judge(jnp.tanh, "value", reference=lambda x: [mp.tanh(v) for v in x])["value"].detail
    assert detail.startswith("the reference was given an mpmath number, and raises TypeError: "), detail
    assert detail.endswith("; write it for one"), detail


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: x.sum(), "a result of shape ()"),
        (lambda x: jnp.stack([x, x]), "a result of shape (2, 12)"),
        (lambda x: (x, x), "a tuple"),
    ],
)
def test_another_shape_is_said_once(function, got) -> None:
    report = check_activation(function, without=("docstring", "pickling"))
    (outcome,) = report.failures
    assert outcome.clause == "shape"
    assert outcome.detail == (
        f"x of shape (12,) gives {got}, and an elementwise function would give (12,); "
        f"pass elementwise=False for a function of whole arrays"
    )
    assert {o.detail for o in report if o is not outcome} == {"the clause shape failed"}
    left_out = check_activation(function, without=CLAUSES.keys() - {"value", "docstring"})
    assert [o.clause for o in left_out] == ["shape", "docstring", "value"]


def test_shapes_that_parameters_broadcast_to_are_right() -> None:
    report = judge(jaxacts.elu, "shape", parameters={"alpha": jnp.ones((3, 12))})
    assert report["shape"].result == "passed", report


def test_the_reason_of_declared_slope_is_true_of_a_wrong_slope() -> None:
    wrong = activation(slope=lambda x: 2 * x)(cube.__wrapped__)
    assert judge(wrong, "declared_slope")["declared_slope"].detail == "with_slope did not make it"


def test_functions_without_a_module_are_decorated_and_checked() -> None:
    made = {"jaxacts": jaxacts}
    exec("@jaxacts.activation(slope=lambda x: 2 * x)\ndef square(x):\n    'The square.'\n    return x * x", made)
    assert made["square"].__module__ is None
    assert made["square"](3.0) == 9
    assert judge(made["square"], "docstring")["docstring"].result == "passed"
    assert made["square"].__activation__.family == ""


def test_derivatives_of_activations_are_plain_functions() -> None:
    report = judge(jax.grad(jaxacts.silu), "kinks")
    assert report["kinks"].result == "not applicable"
