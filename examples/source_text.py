"""The source code of Python's standard library as a text to learn: it comes with Python, nothing is downloaded."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Text", "bigram_bits", "load_text"]


class Text(NamedTuple):
    """Characters by number, to train with and, from other files, to test with."""

    train: np.ndarray
    test: np.ndarray
    characters: str


def load_text(size: int = 2_000_000, folder: Path | None = None) -> Text:
    """About ``size`` characters of ASCII, of which the last tenth, from other files, is for the test."""
    folder = folder or Path(sysconfig.get_path("stdlib"))
    files = [f for f in sorted(folder.glob("*.py")) + sorted(folder.glob("*/*.py")) if "site-packages" not in f.parts]
    chosen, total = [], 0
    for at in np.random.default_rng(0).permutation(len(files)):
        content = files[at].read_text(encoding="utf-8", errors="ignore")
        if content.isascii() and content:
            chosen.append(content)
            total += len(content)
        if total >= size:
            break
    characters = "".join(sorted(set("".join(chosen))))
    number = np.zeros(128, np.int32)
    number[np.frombuffer(characters.encode(), np.uint8)] = np.arange(len(characters))
    ends = np.cumsum([len(c) for c in chosen])
    first_test = int(np.searchsorted(ends, 0.9 * total))
    train, test = ("".join(part).encode() for part in (chosen[:first_test], chosen[first_test:]))
    return Text(number[np.frombuffer(train, np.uint8)], number[np.frombuffer(test, np.uint8)], characters)


def bigram_bits(text: Text) -> float:
    """Bits a character of the test text costs where only the one before it is known."""
    n = len(text.characters)
    times = np.ones((n, n))
    np.add.at(times, (text.train[:-1], text.train[1:]), 1)
    bits = -np.log2(times / times.sum(1, keepdims=True))
    return float(bits[text.test[:-1], text.test[1:]].mean())
