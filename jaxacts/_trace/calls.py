"""The call of a model that the user passes: what is said where it does not take an option, or fails."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from jaxacts._core.errors import nearest

__all__ = ["check_options", "described", "keywords_of", "running"]


def described(value: Any) -> str:
    """``float32[2, 16]`` for an array."""
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    return "None" if value is None else type(value).__name__


def keywords_of(function: Callable[..., Any]) -> list[str]:
    """The names that a public function takes by keyword alone."""
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]


def check_options(function: Callable[..., Any], model: str, theirs: Iterable[str], options: Mapping[str, Any]) -> None:
    """Refuse an option that the call of the model does not take: most are misspelt ones of the public ``function``."""
    caller, taken = function.__name__, list(theirs)
    for option in options:
        if option not in taken:
            similar = " or ".join(map(repr, nearest(option, [*keywords_of(function), *taken])))
            remedy = f"did you mean {similar}?" if similar else "leave it out."
            raise TypeError(
                f"{caller}: options must be arguments of {caller} or of the call of {model}, got {option!r}; {remedy}"
            )


@contextlib.contextmanager
def running(caller: str, inputs: tuple[Any, ...], remedy: str | Callable[[Exception], str]) -> Generator[None]:
    """What a model raises, with the name of the ``caller``, what the model was called with, and the remedy."""
    try:
        yield
    except Exception as error:
        raise ValueError(
            f"{caller}: the model must run on the sample, got ({', '.join(map(described, inputs))}), but raised "
            f"{type(error).__name__}: {str(error).removesuffix('.')}; "
            f"{remedy if isinstance(remedy, str) else remedy(error)}"
        ) from error
