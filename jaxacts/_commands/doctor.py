"""Look at a model before it is trained: variances and gradients by layer, and which initializer would be right.

The model is a Flax module, another callable pytree with its parameters inside, or a function without arguments that
makes one. It is called with normal random numbers of the given shapes. The exit code is 1 where signals or gradients
vanish or explode, by a factor of 100 in the variance or the gradient over the depth, or are not finite; the last line
says which.

examples:
  python -m jaxacts doctor mymodule:model --sample 32,784
  python -m jaxacts doctor mymodule:make_model --sample 8,32,32,3 --option train=false
  python -m jaxacts doctor mymodule:make_model --sample 8,32,32,3 --rngs dropout
  python -m jaxacts doctor mymodule:language_model --sample 4,128 --dtype int32 --below 1000
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxacts._commands.common import UsageError, loaded
from jaxacts.diagnostics import InitialReport, at_init
from jaxacts.diagnostics._models import kind_of

__all__ = ["add_arguments", "run"]


def _shape(text: str) -> tuple[int, ...]:
    parts = text.replace("x", ",").removesuffix(",").split(",")
    shape = tuple(int(part) for part in parts if part.isdecimal())
    if len(shape) < len(parts) or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"must be sizes such as 32,784, got {text!r}")
    return shape


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"must be name=value, such as train=false, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", help="module:model")
    add("--sample", type=_shape, action="append", required=True, metavar="SHAPE", help="of an input, such as 32,784")
    add("--dtype", default="float32", help="of the inputs (default float32)")
    add("--below", type=int, default=10, help="integers are drawn from 0 up to this (default 10)")
    add("--option", type=_option, action="append", default=[], metavar="NAME=VALUE", help="argument of the call")
    add("--rngs", nargs="+", default=[], metavar="NAME", help="random keys that a linen module asks for, as dropout")
    add("--seed", type=int, default=0, help="of weights and inputs (default 0)")


def run(options: argparse.Namespace) -> tuple[list[Any], Any, int]:
    model = loaded(options.model, "model")
    weights, *keys = jax.random.split(jax.random.key(options.seed), 1 + len(options.sample))
    try:
        dtype = jax.dtypes.canonicalize_dtype(options.dtype)
    except TypeError:
        raise UsageError(f"--dtype: unknown dtype {options.dtype!r}; write float32, bfloat16 or int32.") from None

    if not (jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)):
        raise UsageError(f"--dtype: inputs are floats or integers, got {options.dtype!r}; write float32 or int32.")

    def draw(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        if jnp.issubdtype(dtype, jnp.integer):
            return jax.random.randint(key, shape, 0, options.below, dtype)
        return jax.random.normal(key, shape, dtype)

    sample = tuple(draw(key, shape) for key, shape in zip(keys, options.sample, strict=True))
    call = dict(options.option)
    try:
        if inspect.isfunction(model) and not inspect.signature(model).parameters:
            model = model()
        kind = _kind(model)
        if kind == "linen":
            call = {"mutable": ["batch_stats"], **call}
        if options.rngs:
            call = {**call, "rngs": _rngs(kind, options.rngs, weights)}
        report = at_init(model, sample, weights, **call)
    except UsageError:
        raise
    except Exception as error:  # whatever the user's model raises
        what = str(error) if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: {error}"
        if "InvalidRngError" in what:
            what += " Give the keys that it asks for, as by --rngs dropout, or switch them off by --option."
        shapes = ", ".join(map(str, options.sample))
        raise UsageError(f"model, called with inputs of shape {shapes}: {what}") from error
    problems = _problems(report)
    summary = f"not healthy: {'; '.join(problems)}" if problems else "healthy"
    return [report, summary], {**report.to_dict(), "problems": problems}, int(bool(problems))


def _problems(report: InitialReport) -> list[str]:
    """What keeps the model from learning, by a factor of 100 in the variance or the gradient over the depth."""
    if report.verdict == "not finite":
        return ["variances or gradients are not finite"]
    gradients, change = [row.gradient for row in report.rows], report.drift * (len(report.rows) - 1)
    zero = sum(row.output == 0 for row in report.rows)
    found = {
        f"the results of {zero} of {len(report.rows)} layers are all 0": zero > 0,
        "the signal vanishes over the depth": not zero and change < -math.log(100),
        "the signal explodes over the depth": not zero and change > math.log(100),
        f"no gradient in {gradients.count(0)} of {len(gradients)} layers": 0 in gradients,
        "the gradient vanishes towards the first layer": 0 not in gradients and report.flow.verdict == "vanishing",
        "the gradient explodes towards the first layer": report.flow.verdict == "exploding",
    }
    return [problem for problem, is_found in found.items() if is_found]


def _rngs(kind: str, names: list[str], key: jax.Array) -> dict[str, jax.Array]:
    """The keys of these names for a linen module."""
    if kind != "linen":
        raise UsageError("--rngs: only a linen module takes keys by name; this one has its own, leave it out.")
    return {name: jax.random.fold_in(key, i) for i, name in enumerate(names)}


def _kind(model: Any) -> str:
    """The kind of the model, where the command line can call it."""
    if isinstance(model, type):
        raise UsageError(
            f"model: must be an instance, got the class {model.__name__}; write model = {model.__name__}(...) in the "
            f"module, or a function without arguments that makes one, and name that."
        )
    kind = kind_of("doctor", model)
    if kind == "function":
        raise UsageError(
            "model: must have its parameters inside, got a function of arguments; write "
            "model = jax.tree_util.Partial(function, params) in the module, and name that."
        )
    return kind
