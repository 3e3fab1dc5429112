"""The character transformer learns more than the character before tells, in bfloat16, with each feed-forward layer."""

from __future__ import annotations

from pathlib import Path

import characters
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import source_text

SMALL = ["--features", "32", "--depth", "1", "--length", "32", "--batch-size", "8", "--characters", "60000"]


def test_the_text_is_split_by_file_and_always_the_same(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / f"m{i}.py").write_text(f"x{i} = {i}\n" * 30)
    (tmp_path / "other.py").write_text("π = 3\n")
    text = source_text.load_text(10_000, tmp_path)
    assert "π" not in text.characters
    whole = "".join(text.characters[i] for i in np.concatenate([text.train, text.test]))
    assert sorted(set(whole)) == list(text.characters)
    files = {f"m{i}.py": f"x{i} = {i}\n" * 30 for i in range(20)}
    test = "".join(text.characters[i] for i in text.test)
    assert any(test.startswith(content) for content in files.values())
    assert 0.05 < len(text.test) / len(whole) < 0.2
    np.testing.assert_array_equal(text.train, source_text.load_text(10_000, tmp_path).train)


def test_bits_of_the_character_before() -> None:
    always = source_text.Text(np.arange(4000) % 2, np.arange(1000) % 2, "ab")
    assert source_text.bigram_bits(always) < 0.01
    rng = np.random.default_rng(0)
    drawn = source_text.Text(rng.integers(0, 4, 100_000), rng.integers(0, 4, 10_000), "abcd")
    assert source_text.bigram_bits(drawn) == pytest.approx(2, abs=0.01)


@pytest.mark.slow
def test_nothing_after_a_character_reaches_it() -> None:
    network = characters.Transformer(9, "relu", 32, 1, 1, 16)
    text = jnp.arange(16)[None] % 9
    params = jax.jit(network.init)(jax.random.key(0), text)
    apply = jax.jit(network.apply)
    before, after = (apply(params, t) for t in (text, text.at[0, 10:].set(0)))
    np.testing.assert_array_equal(before[0, :10], after[0, :10])
    assert (before[0, 10:] != after[0, 10:]).any()


def test_what_passes_through_is_bfloat16() -> None:
    network = characters.FeedForward("swiglu")
    x = jnp.ones((2, 32), jnp.bfloat16)
    params = jax.eval_shape(network.init, jax.random.key(0), x)
    assert jax.eval_shape(network.apply, params, x).dtype == jnp.bfloat16
    assert {p.dtype for p in jax.tree.leaves(params)} == {jnp.dtype("float32")}


@pytest.mark.slow
def test_a_short_training_learns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = characters.main([*SMALL, "--steps", "60", "--out", str(tmp_path)])
    assert [r.name for r in results] == ["swiglu", "xielu", "relu_squared"]
    counts = [r.parameters for r in results]
    assert max(counts) - min(counts) < 0.02 * min(counts)
    for r in results:
        assert r.train[-1] < r.train[0] - 0.3
        assert r.test < 5
        assert r.sample.startswith("def ")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "bits" in capsys.readouterr().out


def test_a_mistake_is_answered_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        characters.main(["--features", "33"])
    assert "--features: must be a multiple of 32, got 33" in capsys.readouterr().err.splitlines()[1]
