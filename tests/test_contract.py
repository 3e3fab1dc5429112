"""Every clause of the contract, for every activation, at every parameter draw."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from references import REFERENCES

import jaxacts
from jaxacts.testing import CLAUSES, Case, NotApplicableError

ROWS = [(name, i) for name, reference in REFERENCES.items() for i in range(len(reference.draws))]

# (clause, activation, index of the draw) -> why it does not hold
EXCEPTIONS: dict[tuple[str, str, int], str] = {
    ("transformations", "rrelu", 1): "one key draws other slopes for a row than for the batch it stands in",
}


@functools.cache
def case(name: str, index: int) -> Case:
    reference = REFERENCES[name]
    return Case.of(jaxacts.get(name), reference.formula, **reference.draws[index])


def _parameters() -> list[Any]:
    rows: list[Any] = []
    for clause in CLAUSES:
        for name, index in ROWS:
            marks = [pytest.mark.xfail(reason=EXCEPTIONS[row], strict=True)] if (row := (clause, name, index)) in EXCEPTIONS else []
            rows.append(pytest.param(clause, name, index, marks=marks, id=f"{clause}-{name}-{index}"))
    return rows


@pytest.mark.parametrize(("clause", "name", "index"), _parameters())
def test_clause(clause: str, name: str, index: int) -> None:
    try:
        CLAUSES[clause](case(name, index))
    except NotApplicableError as reason:
        pytest.skip(str(reason))
