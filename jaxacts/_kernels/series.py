"""Polynomials where the forms made of exp(-|x|) lose a digit: near 0, and near the root of a slope.

Near 0 those forms add and divide numbers of one size, and each operation rounds; a polynomial about the value at 0 (of
mish: at -1/4) rounds once or twice. About a root its leading term is the distance from the root, so that the slope
keeps its digits however small it is; it reaches from the left of the root to 0 and a little beyond. float64 needs those
of gelu and the roots, float16 only the root of gelu's tanh form, bfloat16 none.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from .precision import significand
from .selection import where
from .tools import polynomial, rounded

__all__ = [
    "GELU_GATE",
    "GELU_TANH_ROOT",
    "MISH_GATE",
    "MISH_ROOT",
    "SILU_ROOT",
    "SOFTPLUS",
    "Series",
    "about_root",
    "near",
]


class Series(NamedTuple):
    """start + d·P with d = x - centre and P a polynomial in d² (odd) or d, highest power first.

    About a value it holds for |d| < limit, about a root, where start is 0, for |d - shift| <= limit. Start and centre
    are sums of two numbers, the second below the precision of float64. Results of fewer ``bits`` than these do without
    it.
    """

    coefficients: tuple[float, ...]
    limit: float
    shift: float = 0.0
    odd: bool = False
    start: tuple[float, float] = (0.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)
    double: tuple[float, ...] | None = None
    bits: int = 24


def about_root(x: Array, series: Series, left: Array, right: Array) -> Array:
    """The series where it holds, which is on both sides of 0, without derivative."""
    coefficients = series.double if x.dtype == jnp.float64 else series.coefficients
    if significand.value < series.bits or coefficients is None:
        return where(x < 0, left, right)
    centre, centre_rest = rounded(series.centre, x.dtype)
    *others, last = coefficients
    d = x - centre
    part = d * polynomial(others, d)
    p = part + last
    # With what the rounding of p lost, and the rest of the centre, which counts near it alone, where P is ``last``.
    total = d * p + (d * ((last - p) + part) - centre_rest * last)
    low, high = (centre + series.shift + side * series.limit for side in (-1, 1))
    return where(x < low, left, where(x > high, right, total))


def near(x: Array, series: Series, otherwise: Array, times: bool = False) -> Array:
    """The series, or x times it, where it holds. Derivatives are those of ``otherwise``: a polynomial that is right to
    the last digit has a derivative that is not."""
    return otherwise if significand.value < series.bits else _near(x, series, otherwise, times)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 3))
def _near(x: Array, series: Series, otherwise: Array, times: bool) -> Array:
    coefficients = series.double if x.dtype == jnp.float64 else series.coefficients
    if coefficients is None:
        return otherwise
    (start, rest), (centre, _) = (rounded(n, x.dtype) for n in (series.start, series.centre))
    d = x - centre if centre else x
    v = d * d if series.odd else d
    total = start + (d * polynomial(coefficients, v) + rest)
    return where(jnp.abs(d) < series.limit, x * total if times else total, otherwise)


@_near.defjvp
def _(series: Series, times: bool, primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    x, otherwise = primals
    return _near(x, series, otherwise, times), tangents[1]


# tests/numerics/make_coefficients.py prints these.
SOFTPLUS = Series(  # error 0.0022 units of 2^-24
    (
        -2.4548427973059006e-05,
        3.655406999314437e-08,
        0.0003467234782874584,
        -1.880640887463869e-08,
        -0.005208290182054043,
        2.1493042900999626e-09,
        0.125,
        0.5,
    ),
    limit=0.625,
    start=(math.log(2), 2.3190468138462996e-17),
)
SILU_ROOT = Series(  # error 0.17 units of 2^-24
    (
        1.2421481187629979e-05,
        -5.474815770867281e-05,
        -2.7600355679169297e-05,
        0.00019038583559449762,
        0.0007919140625745058,
        0.00012735040218103677,
        -0.006605852395296097,
        -0.015222761780023575,
        0.018874812871217728,
        0.14664879441261292,
        0.2178117036819458,
    ),
    limit=0.985,
    shift=0.525,
    centre=(-1.2784645427610737, -1.0946994183093437e-16),
    double=(
        -1.4155868853254942e-11,
        1.3069025137250346e-10,
        -3.729872081942898e-10,
        1.2686521728659213e-10,
        1.0245996801149198e-10,
        2.7475178425845998e-09,
        4.846773139638428e-09,
        -1.8925645112037034e-08,
        -9.27444547782631e-08,
        -3.0464561366392616e-08,
        8.599779879334082e-07,
        2.3460161100716004e-06,
        -2.9426310848857636e-06,
        -2.9733540194373924e-05,
        -4.090534266980626e-05,
        0.00018570724343568504,
        0.0007985218818688312,
        0.00012662741009010739,
        -0.006606589138357878,
        -0.015222655223188265,
        0.01887481422378233,
        0.1466487969969469,
        0.2178117057198001,
    ),
)
GELU_TANH_ROOT = Series(  # error 0.48 units of 2^-24
    (
        7.279797864612192e-05,
        0.00018980159074999392,
        -0.0008240583119913936,
        -0.0024028634652495384,
        0.0052105095237493515,
        0.019683105871081352,
        -0.016609791666269302,
        -0.11394496262073517,
        -0.01578354276716709,
        0.3875184655189514,
        0.4304001033306122,
    ),
    limit=0.725,
    shift=0.225,
    centre=(-0.7524614220710163, 3.635560509207687e-17),
    bits=11,
    double=(
        2.9522322999725076e-09,
        -8.354421157899786e-09,
        -2.2623593867472617e-08,
        7.523500060482541e-08,
        1.4631212088285922e-07,
        -4.331488779937146e-07,
        -9.91483939614021e-07,
        2.434847114968177e-06,
        5.918833580774563e-06,
        -1.5951265698548107e-05,
        -3.495616448926049e-05,
        0.0001242523373718435,
        0.00026392763443660195,
        -0.000927442028650915,
        -0.002422731845120441,
        0.005261059255229406,
        0.019682309459793063,
        -0.01661932834306133,
        -0.11394448308095811,
        -0.015782853521847925,
        0.3875184461357889,
        0.4304000910248585,
    ),
)
GELU_GATE = Series(  # error 0.037 units of 2^-24
    (
        0.00011072576307924464,
        -0.0011891695903614163,
        0.00997502077370882,
        -0.06649063527584076,
        0.3989422917366028,
    ),
    limit=0.67,
    odd=True,
    start=(0.5, 0.0),
    double=(
        4.615728564566838e-12,
        -1.124915498791948e-10,
        2.273219195517929e-09,
        -4.122655854731302e-08,
        6.6596932394559e-07,
        -9.444656255240974e-06,
        0.00011543468761574588,
        -0.0011873282154804315,
        0.009973557010035817,
        -0.06649038006690544,
        0.3989422804014327,
    ),
)
MISH_GATE = Series(  # error 0.017 units of 2^-24
    (
        0.00011221963359275833,
        5.5801468988647684e-05,
        -0.0005015164497308433,
        -0.0004547751450445503,
        0.002388188848271966,
        0.0052039423026144505,
        -0.008748137392103672,
        -0.0410294383764267,
        0.01711226813495159,
        0.31956902146339417,
    ),
    limit=0.5,
    start=(0.5197078547165641, -5.3595734563365405e-17),
    centre=(-0.25, 0.0),
)
MISH_ROOT = Series(  # error 0.69 units of 2^-24
    (
        2.9477909265551716e-05,
        -0.00011954300862271339,
        0.00014128901239018887,
        -0.00022119209461379796,
        0.0002738419861998409,
        0.001073199906386435,
        0.001049891929142177,
        -0.003370102262124419,
        -0.01581220142543316,
        -0.020271670073270798,
        0.04190719500184059,
        0.2047312706708908,
        0.2669479250907898,
    ),
    limit=0.9,
    shift=0.5,
    centre=(-1.1924312145154952, -4.8484829848031044e-17),
    double=(
        -1.1002855849794524e-10,
        1.0463265898663205e-09,
        -3.7096806246215477e-09,
        5.866130838002385e-09,
        -5.075300559930509e-09,
        4.379674217444803e-09,
        9.603269855006674e-09,
        -8.61050869637646e-09,
        -6.132901856758107e-08,
        -1.4010438452079417e-07,
        2.628605378261988e-08,
        1.0715844675441737e-06,
        2.9089828152824288e-06,
        9.427167363496893e-07,
        -1.7299292783339407e-05,
        -5.582891007392156e-05,
        -4.196149438421704e-05,
        0.00025412936326862733,
        0.0009898181020586343,
        0.001092405540976291,
        -0.003360684927021534,
        -0.015821126561734206,
        -0.020271822716684273,
        0.041907821043609884,
        0.20473126408010586,
        0.2669479140495345,
    ),
)
