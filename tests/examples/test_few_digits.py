"""More digits help, in both frameworks, and mistakes are answered in one line."""

from __future__ import annotations

from pathlib import Path

import few_digits
import numpy as np
import pytest
from digits import load_digits


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["linen", "nnx"])
def test_more_digits_help(framework: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--digits", "20", "1000", "--steps", "60", "--seeds", "2", "--hidden", "32", "--out", str(tmp_path)]
    results = few_digits.main([*options, "--activations", "rrelu", "maxout", "--framework", framework])
    for r in results:
        few, many = r.test.mean(1)
        assert 0.2 < few < many
        assert many > 0.6
        assert (r.train >= r.test - 0.05).all()
    assert (tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")
    assert "rrelu" in capsys.readouterr().out


def test_subsets_have_as_many_of_each_digit() -> None:
    labels = load_digits()[0].labels
    assert np.bincount(labels[few_digits.subset(50)]).tolist() == [5] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--digits 15", "--digits: must be a multiple of 10 up to 4000, got '15'"),
        ("--digits 5000", "--digits: must be a multiple of 10 up to 4000, got '5000'"),
        ("--activations softmax", "--activations: invalid choice: 'softmax'"),
        (f"--out {__file__}", f"--out: cannot write to {__file__}"),
    ],
)
def test_a_mistake_is_answered_in_one_line(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        few_digits.main(arguments.split())
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: ")
    assert message in error
