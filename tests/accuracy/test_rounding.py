"""Every input of 8 and 16 bits gives the correctly rounded value and derivatives, forward and backward."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rounding
from instructions import OTHERS, assert_passed_with
from rounding import FLOAT8, NARROW, comparable, every_input, rounded, spacing, wrong
from subjects import SUBJECTS, Subject, backward, by, forward
from verified import code_of, digest, recorded

from jaxacts._contract.accuracy import largest_term
from jaxacts._contract.exact import Exact, Reals
from jaxacts._core.rounding import partial_key

pytestmark = pytest.mark.optimized


@functools.cache
def inputs(step: int = 1) -> Reals:
    """Every ``step``-th input of each narrow dtype, together."""
    return np.unique(np.concatenate([every_input(dtype)[::step].astype(np.float64) for dtype in NARROW]))


WIDTHS = {8: FLOAT8, 16: ("bfloat16", "float16")}

NEAR_TIES = {
    "arelu": "on the left it is 9/10 of x, the middle of two numbers for some inputs, and float32 has no 9/10",
    **dict.fromkeys(
        ("acon_c", "dice", "smu"),
        "near 0 it is 5/8 of x, the middle of two numbers for one input in eight, and the rest is lost in float32",
    ),
    **dict.fromkeys(
        ("isrlu", "isru"),
        "by alpha it is -x³/2 near 0, the middle of two numbers for some inputs, and the rest is lost in float32",
    ),
    "xielu": "on the right it has 8/10 and 16/10 of x, the middle of two numbers for some inputs; float32 has no 8/10",
}
"""Where an exact result so near a middle that float32 cannot tell may go to either side, and why.

In a sum that cancels, float32 knows the result no better than its largest term.
"""

OVERFLOWS = {("snake", "slope"), ("snake_beta", "slope"), ("snake_beta", "alpha")}
"""What has the sine of 2x, which is not a number of float32 in the uppermost binade of bfloat16."""


def _exact(subject: Subject, what: str, x: Reals, step: int = 1) -> Exact:
    at, found = np.searchsorted(inputs(step), x), subject.cached(inputs(step), what)
    return Exact.of(found.high[at], found.low[at])


def misrounded(subject: Subject, what: str, dtype: str, got: jax.Array, step: int = 1) -> tuple[np.ndarray, Exact]:
    """The inputs at which ``got`` is wrong, kinks apart in derivatives, and the exact results there."""
    x = every_input(dtype)[::step].astype(np.float64)
    exact = _exact(subject, what, x, step)
    bad = wrong(np.asarray(got)[::step].astype(np.float64), exact, x, dtype)
    if what != "value":
        bad &= ~np.isin(x, [float(jnp.asarray(k, dtype)) for k in subject.kinks])
    if (subject.name, what) in OVERFLOWS:
        bad &= np.abs(x) <= float(np.finfo(np.float32).max) / 2
    if subject.name in NEAR_TIES:
        at = np.flatnonzero(bad)
        size, unit = np.abs(exact.high[at]), spacing(exact.high[at], dtype)
        lost = 2.0**-22 * np.maximum(size, subject.floor(x[at], what))
        bad[at] = np.abs(size / unit - np.floor(size / unit) - 0.5) > lost / unit
    return x[bad], Exact.of(exact.high[bad], exact.low[bad])


@functools.cache
def results(label: str, dtypes: tuple[str, ...]) -> dict[tuple[str, str, str], jax.Array]:
    """By what, way and dtype, from one program."""
    subject = SUBJECTS[label]

    def ways(xs: list[jax.Array]) -> dict[tuple[str, str, str], jax.Array]:
        found: dict[tuple[str, str, str], jax.Array] = {}
        for x in xs:
            dtype = x.dtype.name
            found["value", "", dtype] = subject.ours(x)
            found["slope", "jvp", dtype] = forward(subject.ours, x)
            found["slope", "vjp", dtype] = backward(subject.ours, x)
            for parameter in subject.entry.parameters:
                at = subject.arguments[parameter]
                found[partial_key(parameter), "vjp", dtype] = by(parameter, subject.ours, x, at, True).astype(dtype)
        return found

    return jax.jit(ways)([jnp.asarray(every_input(dtype)) for dtype in dtypes])


JUDGES = (rounding, misrounded, _exact, largest_term, Subject.exact, Subject.floor, Subject._formula)


def digest_of(subject: Subject, found: Mapping[tuple[str, str, str], jax.Array]) -> str:
    """A digest of these results, and of what decides whether they are right."""
    judges = [code_of(*JUDGES), repr((subject.kinks, NEAR_TIES, sorted(OVERFLOWS)))]
    bits = {key: comparable(got, every_input(key[-1]).astype(np.float64)) for key, got in found.items()}
    return digest("\n".join([subject.about, *judges]), bits)


def check(label: str, dtypes: tuple[str, ...], anew: bool) -> None:
    """Accept what is recorded; compare the rest, and with ``anew`` one input in 29 of what is recorded, with mpmath."""
    subject = SUBJECTS[label]
    found = results(label, dtypes)
    known = digest_of(subject, found) in recorded().get(label, ())
    if known and not anew:
        return
    for (what, way, dtype), got in found.items():
        x, exact = misrounded(subject, what, dtype, got, 29 if known else 1)
        assert not x.size, (
            f"{what} {way} of {label} in {dtype} is rounded wrongly at {x.size} inputs, the first {x[0]}, where "
            f"{rounded(exact, dtype)[0]} is right"
        )


@pytest.mark.parametrize("label", SUBJECTS)
def test_every_input_of_16_bits_is_rounded_correctly(label: str) -> None:
    check(label, WIDTHS[16], False)


@pytest.mark.sampled(8)
@pytest.mark.parametrize("label", SUBJECTS)
def test_every_input_of_8_bits_is_rounded_correctly(label: str) -> None:
    check(label, WIDTHS[8], False)


@pytest.mark.slow
@pytest.mark.parametrize("label", SUBJECTS)
def test_what_is_recorded_is_right(label: str) -> None:
    """One input in 29 compared anew."""
    for dtypes in WIDTHS.values():
        check(label, dtypes, True)


@pytest.mark.slow
@pytest.mark.parametrize("isa", OTHERS)
def test_with_other_instructions(isa: str) -> None:
    assert_passed_with(isa, __file__, "test_every_input")


@pytest.mark.slow
def test_eager_has_the_bits_of_jit() -> None:
    numbers = every_input("bfloat16")
    size = np.abs(numbers.astype(np.float64))
    x = jnp.asarray(numbers[(size >= 2.0**-126) | (size == 0)])
    names = [n for n, s in SUBJECTS.items() if s.name not in NEAR_TIES]

    def both(label: str, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return SUBJECTS[label].ours(x), backward(SUBJECTS[label].ours, x)

    def bits(y: jax.Array) -> Reals:
        wide = np.asarray(y, np.float64)
        return np.where(np.abs(wide) < 2.0**-124, 0, wide)  # partial products may be flushed on the way there

    compiled = jax.jit(lambda x: {n: both(n, x) for n in names})(x)
    for name in names:
        for got, expected in zip(both(name, x), compiled[name], strict=True):
            np.testing.assert_array_equal(bits(got), bits(expected), err_msg=name)


def test_a_wrong_rounding_is_seen() -> None:
    x = every_input("bfloat16")[::29]
    with np.errstate(over="ignore"):
        wide = x.astype(np.float64)
    got = np.asarray(jax.nn.selu(x)).astype(np.float64)
    assert wrong(got, _exact(SUBJECTS["selu"], "value", wide, 29), wide, "bfloat16").sum() > 35


def test_the_record_is_of_what_judges_now() -> None:
    """Without a record of these judges, mpmath takes several minutes longer; this function is the same everywhere."""
    found = digest_of(SUBJECTS["hard_tanh"], results("hard_tanh", WIDTHS[16]))
    assert found in recorded().get("hard_tanh", ()), "verified.json was made by other code: run make_verified.py"


def test_another_bit_is_not_recorded() -> None:
    subject = SUBJECTS["hard_tanh"]
    found = results("hard_tanh", ("bfloat16",))
    right = digest_of(subject, found)
    x = every_input("bfloat16")
    for at in (1.5, -0.375, 2.0**-100):
        (place,) = np.flatnonzero(x.astype(np.float64) == at)
        for key, y in found.items():
            bits = np.asarray(y).copy()
            bits.view(np.uint16)[place] ^= 1 if bits[place] else 0x100  # 2⁻¹²⁵ for 0
            assert digest_of(subject, {**found, key: jnp.asarray(bits)}) != right
    value, slope = ("value", "", "bfloat16"), ("slope", "jvp", "bfloat16")
    assert digest_of(subject, {**found, value: found[slope], slope: found[value]}) != right
    assert digest_of(SUBJECTS["hard_sigmoid"], found) != right
    assert digest_of(subject, found) == right


def test_only_what_is_flushed_is_left_out_of_a_comparison() -> None:
    x = np.array([1, 1, 1, 1, 2.0**-127, 0])
    got = comparable(np.array([-0.0, -np.nan, 2.0**-126, 2.0**-125, 1, 1], jnp.bfloat16), x)
    np.testing.assert_array_equal(got.view(np.int32)[:1], 0)
    np.testing.assert_array_equal(got, [0, np.nan, 0, 2.0**-125, 0, 1])


def test_a_tie_is_decided_by_the_low_word() -> None:
    middle = np.full(3, 1 + 2.0**-8)
    got = rounded(Exact.of(middle, np.array([-1e-20, 0.0, 1e-20])), "bfloat16")
    np.testing.assert_array_equal(got, [1, 1, 1 + 2.0**-7])


@pytest.mark.parametrize("dtype", FLOAT8)
def test_rounded_agrees_with_ml_dtypes(dtype: str) -> None:
    values = np.random.default_rng(0).normal(size=10000) * 2
    got = rounded(Exact.of(values, np.zeros(values.shape)), dtype)
    np.testing.assert_array_equal(got, values.astype(np.dtype(dtype)).astype(np.float64))
