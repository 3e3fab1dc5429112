"""The choice of another slope at the kinks, and how it reaches the function under jit."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from jax import Array
from jax.core import Tracer

from .entry import Activation, Variant, entry_of, variant, variant_of
from .pieces import Choice

__all__ = ["current_choice", "kink_choice", "plain_form", "with_kink_slope"]

F = TypeVar("F", bound=Callable[..., Array])

current_choice: contextvars.ContextVar[Choice] = contextvars.ContextVar("kink choice", default=None)
"""The choice that holds while a function is called."""


def with_kink_slope(function: F, choice: Choice) -> F:
    """The same activation with another slope at its kinks.

    Args:
        function: an activation of this library, a variant of one (its own choice is replaced), or a
            :func:`functools.partial` of these. Only slopes that are given as :class:`jaxacts.Pieces` follow the choice:
            the kinks of ``sparsemax``, ``entmax`` and the like stay as they are.
        choice: ``"left"``, ``"right"``, or the weight in [0, 1] of the right slope in the convex combination of both;
            None restores the default (the least in magnitude).

    Returns:
        A function with the signature and values of ``function``; only its derivative at the kinks differs.

    Raises:
        TypeError: ``function`` is not an activation.
        ValueError: ``choice`` is none of those.

    Example:
        >>> import jax, jaxacts
        >>> [float(jax.grad(jaxacts.with_kink_slope(jaxacts.relu, c))(0.0)) for c in ("left", "right", 0.5)]
        [0.0, 1.0, 0.5]

    References:
        Bertoin et al. 2021, "Numerical influence of ReLU'(0) on backpropagation",
        https://arxiv.org/abs/2106.12915
    """
    if isinstance(function, functools.partial) and variant_of(function) is None:
        partial: Any = functools.partial(with_kink_slope(function.func, choice), *function.args, **function.keywords)
        return partial
    base = entry_of(function, "with_kink_slope").function
    if isinstance(choice, Array | np.ndarray | np.generic) and not isinstance(choice, Tracer) and choice.ndim == 0:
        choice = choice.item()
    weight = isinstance(choice, int | float) and not isinstance(choice, bool) and 0 <= choice <= 1
    if not weight and not (choice is None or (isinstance(choice, str) and choice in ("left", "right"))):
        raise ValueError(
            f"with_kink_slope: choice must be 'left', 'right' or a weight from 0 to 1, got {choice!r}; "
            f"None restores the default."
        )
    settings = {"function": base, "choice": choice}
    return variant(Variant(with_kink_slope, _call_with, settings, entry=base), base)


def kink_choice(function: Callable[..., Array]) -> Choice:
    """What ``with_kink_slope`` chose for this function."""
    made = variant_of(function)
    return made.settings["choice"] if made and made.transform is with_kink_slope else None


def plain_form(function: Callable[..., Array]) -> Callable[..., Array]:
    """The function without refined forms, for inputs of the compute dtype that stand for narrower ones.

    Of an activation, a partial of one and a variant with another slope at its kinks; any other function is unchanged.
    """
    made = variant_of(function)
    if made and made.transform is with_kink_slope:
        return functools.partial(_call_with, plain_form(made.settings["function"]), made.settings["choice"])
    if isinstance(function, functools.partial) and not made:
        return functools.partial(plain_form(function.func), *function.args, **function.keywords)
    entry = getattr(function, "__activation__", None)
    return entry.plain or function if isinstance(entry, Activation) and entry.function is function else function


def _call_with(function: Callable[..., Array], choice: Choice, /, *args: Any, **kwargs: Any) -> Array:
    token = current_choice.set(choice)
    try:
        return function(*args, **kwargs)
    finally:
        current_choice.reset(token)
