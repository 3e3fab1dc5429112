"""What an activation declares about its curve, and what is found at its kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .pieces import is_real

__all__ = ["Facts", "FactsOf", "Kink", "Line"]


class Line(NamedTuple):
    """The line ``slope * x + intercept``."""

    slope: float
    intercept: float


class Kink(NamedTuple):
    """A point where the slope jumps, with the slopes on both sides and the one taken there."""

    at: float
    left: float
    right: float
    taken: float


@dataclass(frozen=True)
class Facts:
    """Claims about a curve that cannot be read off its formula by a program; each is checked by the contract.

    ``image`` is (infimum, supremum) of the values over the real line, ``left`` and ``right`` are the asymptotes at -inf
    and +inf, ``lipschitz`` is the supremum of the absolute slope. None stands for what there is not, or what is not
    known in closed form.

    Raises:
        TypeError: ``image``, ``left`` or ``right`` is not a pair of numbers, or ``lipschitz`` is not a number.
        ValueError: the supremum of the image is below its infimum, or ``lipschitz`` is negative.

    Example:
        >>> from jaxacts import Facts, Line
        >>> Facts(image=(0, 1), left=Line(0, 0), right=Line(0, 1))
        Facts(image=(0, 1), left=Line(slope=0, intercept=0), right=Line(slope=0, intercept=1), lipschitz=None)
    """

    image: tuple[float, float] | None = None
    left: Line | None = None
    right: Line | None = None
    lipschitz: float | None = None

    def __post_init__(self) -> None:
        for name, example in {"image": "(-1.0, 1.0)", "left": "Line(0, -1)", "right": "Line(0, 1)"}.items():
            given = getattr(self, name)
            if given is None:
                continue
            if not isinstance(given, tuple | list) or len(given) != 2 or not all(map(_is_number, given)):
                raise TypeError(f"Facts: {name} must be two numbers, got {given!r}; write {example}.")
            object.__setattr__(self, name, tuple(given) if name == "image" else Line(*given))
        if self.image is not None and not self.image[0] <= self.image[1]:
            raise ValueError(f"Facts: image must be (infimum, supremum), got {self.image}; swap them.")
        if self.lipschitz is not None and not _is_number(self.lipschitz):
            raise TypeError(f"Facts: lipschitz must be a number, got {self.lipschitz!r}; write 1.0.")
        if self.lipschitz is not None and not self.lipschitz >= 0:
            raise ValueError(
                f"Facts: lipschitz bounds the absolute slope, got {self.lipschitz}; give the largest absolute slope."
            )


FactsOf: TypeAlias = Facts | Callable[..., Facts]


def _is_number(value: Any) -> bool:
    """Whether it is one real number, in an array or not."""
    return is_real(value) and np.ndim(value) == 0
