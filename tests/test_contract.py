"""Every clause of the contract, for every activation, at every parameter draw."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from references import REFERENCES

import jaxacts
from jaxacts._contract import behaviour, curve
from jaxacts.testing import CLAUSES, Case, NotApplicableError

# (clause, activation, index of the draw) -> why it does not hold
_BY_ROW = "one key draws other numbers for a row than for the batch it stands in"
EXCEPTIONS = {
    ("transformations", "gumbel_softmax", 0): _BY_ROW,
    ("transformations", "gumbel_softmax", 1): _BY_ROW,
    **{("one_fusion", n, 0): "a line and a tail share the product of x and its parameters" for n in ("acon_c", "smu")},
    ("one_fusion", "dice", 0): "its slope has a logistic function and an exponential of the standardized input",
    ("transformations", "rrelu", 1): _BY_ROW,
    (
        "parameter_slopes",
        "entmax",
        1,
    ): "alpha = 1 is the end of its domain: tests/test_rows.py has one-sided differences",
    **{
        ("parameter_slopes", name, i): "a parameter is a tuple of coefficients: tests/test_adaptive.py has each of them"
        for name in ("rational", "spline")
        for i in (0, 1)
    },
}


EXACT = ("parameter_slopes", "slope", "value")
PROGRAMS = ("backward_memory", "one_element", "one_fusion")


def _same_program(entry: jaxacts.Activation, first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two draws differ in the numbers of parameters alone."""
    others = {*first, *second} - set(entry.parameters)
    return all(first.get(n) is second.get(n) for n in others)


def _rows(clauses: Iterable[str]) -> list[Any]:
    rows: list[Any] = []
    for name, reference in REFERENCES.items():
        entry = jaxacts.catalogue()[name]
        for clause in clauses:  # those of one function beside each other: they share what is compiled
            if clause in (*curve.__all__, "one_element", "one_fusion", "shape") and not entry.elementwise:
                continue
            if clause == "parameter_slopes" and not entry.parameters:
                continue
            for index, draw in enumerate(reference.draws):
                differences = clause == "numerical_derivatives"
                # One draw of each program: the first, and for differences the last, as tests/accuracy has the defaults.
                others = reference.draws[index + 1 :] if differences and entry.elementwise else reference.draws[:index]
                once = differences or clause in behaviour.__all__
                if once and any(_same_program(entry, draw, d) for d in others):
                    continue
                if clause in EXACT and entry.elementwise and index == 0:  # tests/accuracy has more points
                    continue
                why = EXCEPTIONS.get((clause, name, index))
                marks = [pytest.mark.xfail(reason=why, strict=True)] if why else []
                # Plain tests have the first draw, of values the second too, and differences of elementwise functions.
                if index > (clause == "value") and not (differences and entry.elementwise):
                    marks.append(pytest.mark.slow)
                rows.append(pytest.param(clause, name, index, marks=marks, id=f"{clause}-{name}-{index}"))
    return rows


@functools.cache
def case(name: str, index: int) -> Case:
    reference = REFERENCES[name]
    found = Case.of(jaxacts.get(name), reference.formula, **reference.draws[index])
    return replace(found, terms=reference.terms, floor=reference.floor, shape=reference.shape)


# declared_slope is about functions that with_slope made: test_transforms.py
OTHERS = [clause for clause in CLAUSES if clause not in (*EXACT, *PROGRAMS, "declared_slope")]


def _check(clause: str, name: str, index: int) -> None:
    try:
        CLAUSES[clause](case(name, index))
    except NotApplicableError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize(("clause", "name", "index"), _rows(OTHERS))
def test_clause(clause: str, name: str, index: int) -> None:
    _check(clause, name, index)


@pytest.mark.optimized
@pytest.mark.parametrize(("clause", "name", "index"), _rows((*EXACT, *PROGRAMS)))
def test_clause_about_digits_or_programs(clause: str, name: str, index: int) -> None:
    _check(clause, name, index)


@pytest.mark.optimized
@pytest.mark.slow
@pytest.mark.parametrize("clause", ["value", "slope"])
@pytest.mark.parametrize("name", [n for n, e in jaxacts.catalogue().items() if e.elementwise and e.parameters])
def test_float64(clause: str, name: str, x64: None) -> None:
    for index in range(len(REFERENCES[name].draws)):
        CLAUSES[clause](case(name, index))
