"""Sines with SIREN's weights learn a real photograph; the same network with other weights does not."""

from __future__ import annotations

from pathlib import Path

import fit_image
import numpy as np
import pytest


def test_the_photograph_is_averaged_down() -> None:
    whole, photo = (fit_image.photograph("flower.jpg", size) for size in (427, 61))
    assert whole.shape == (427, 427)
    assert -1 <= whole.min() < -0.9
    assert 0.5 < whole.max() <= 1
    np.testing.assert_allclose(photo, whole.reshape(61, 7, 61, 7).mean((1, 3)), atol=1e-6)


def test_slope_error_is_that_of_the_picture() -> None:
    where = fit_image.coordinates(32)
    plane = np.asarray(where @ np.array([0.5, -0.25])).reshape(32, 32)
    assert fit_image.slope_error(lambda x: x @ np.array([0.5, -0.25]), plane, where) < 1e-5
    assert fit_image.slope_error(lambda x: 0 * x[:, 0], plane, where) == pytest.approx(1)


@pytest.mark.slow
def test_only_siren_weights_fit_what_lies_between(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--size", "32", "--steps", "160", "--width", "48", "--out", str(tmp_path)]
    results = {(r.rule.name, r.rule.weights): r for r in fit_image.main(options)}
    siren = results.pop(("sine", "siren"))
    assert siren.unseen[-1] > siren.unseen[0]
    assert siren.unseen[-1] > 1 + max(r.unseen[-1] for r in results.values())
    by_heart = results["sine", "lecun_normal"]
    assert siren.slope_error < by_heart.slope_error / 100
    assert by_heart.seen[-1] > by_heart.unseen[-1] + 10, "it learns the pixels, not the picture"
    assert (tmp_path / "pictures.png").read_bytes().startswith(b"\x89PNG")
    assert "PSNR seen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--size 500", "--size: the photographs have 427 lines, got 500"),
        ("--photo cat.jpg", "--photo: invalid choice: 'cat.jpg'"),
        ("--steps 0", "--steps: must be a whole number of at least 1, got '0'"),
    ],
)
def test_a_mistake_is_answered_in_one_line(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fit_image.main(arguments.split())
    assert message in capsys.readouterr().err.splitlines()[1]
