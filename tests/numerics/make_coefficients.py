"""Regenerate the polynomial coefficients of ``jaxacts/_numerics``.

Run ``python tests/numerics/make_coefficients.py``; it prints the tuples as they stand in the kernels, with the relative
error of the polynomial itself (before any rounding of the arithmetic).
"""

from __future__ import annotations

import mpmath

SHIFT = 4


def scaled_tail(a: mpmath.mpf) -> mpmath.mpf:
    """Φ(-a)·exp(a²/2), for a >= 0."""
    with mpmath.workdps(60):
        return mpmath.erfc(a / mpmath.sqrt(2)) * mpmath.exp(a * a / 2) / 2


def tail_coefficients(degree: int, largest: float) -> list[float]:
    """h(u), highest power first, with Φ(-a)·exp(a²/2) = t·h(2t-1), t = SHIFT/(a+SHIFT), on 0 <= a <= largest."""

    def target(u: mpmath.mpf) -> mpmath.mpf:
        t = (u + 1) / 2
        return scaled_tail(SHIFT / t - SHIFT) / t

    with mpmath.workdps(60):
        low = 2 * mpmath.mpf(SHIFT) / (largest + SHIFT) - 1
        return [float(c) for c in reversed(mpmath.chebyfit(target, [low, 1], degree + 1, asc=True))]


def horner(coefficients: list[float], u: mpmath.mpf) -> mpmath.mpf:
    """The polynomial with these coefficients, highest power first."""
    total = mpmath.mpf(0)
    for c in coefficients:
        total = total * u + c
    return total


def tail_error(coefficients: list[float], largest: float) -> float:
    """The largest relative error of the polynomial on a dense grid."""
    with mpmath.workdps(40):
        worst = mpmath.mpf(0)
        for i in range(801):
            a = mpmath.mpf(largest) * (mpmath.mpf(i) / 800) ** 2
            t = SHIFT / (a + SHIFT)
            worst = max(worst, abs(t * horner(coefficients, 2 * t - 1) / scaled_tail(a) - 1))
        return float(worst)


if __name__ == "__main__":
    for name, degree, largest in [("_TAIL_32", 9, 14.5), ("_TAIL_64", 22, 39.0)]:
        coefficients = tail_coefficients(degree, largest)
        print(f"{name} = (  # relative error {tail_error(coefficients, largest):.1e}")
        print("".join(f"    {c!r},\n" for c in coefficients) + ")")
