"""Polynomials where the forms made of exp(-|x|) lose a digit: near 0, and near the root of a slope.

Between -1/2 and 1/2 those forms add and divide numbers of one size, and each operation rounds; a polynomial about the
value at 0 rounds once or twice. At a root its leading term is the distance from the root, so that the slope keeps its
digits however small it is. float64 needs only those of gelu, float16 only the roots of gelu, bfloat16 none.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .precision import significand
from .selection import where
from .tools import horner

__all__ = [
    "GELU_GATE",
    "GELU_ROOT",
    "GELU_SLOPE",
    "GELU_TANH_GATE",
    "GELU_TANH_ROOT",
    "GELU_TANH_SLOPE",
    "MISH_GATE",
    "MISH_ROOT",
    "MISH_SLOPE",
    "SILU_GATE",
    "SILU_ROOT",
    "SILU_SLOPE",
    "SOFTPLUS",
    "Series",
    "near",
]


class Series(NamedTuple):
    """start + d·P for |d| < limit, d = x - centre, with P a polynomial in d² (odd) or d, highest power first.

    Start and centre are sums of two numbers, the second below the precision of float64. Results of fewer ``bits`` than
    these do without it.
    """

    coefficients: tuple[float, ...]
    limit: float
    odd: bool = False
    start: tuple[float, float] = (0.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)
    double: tuple[float, ...] | None = None
    bits: int = 24


def _rounded(number: tuple[float, float], dtype: np.dtype[np.floating]) -> tuple[float, float]:
    """The number as one of the dtype, and what is left."""
    high = float(np.asarray(number[0], dtype))
    return high, (number[0] - high) + number[1]


def near(x: Array, series: Series, otherwise: Array, times: bool = False) -> Array:
    """The series, or x times it, where it holds. Derivatives are those of ``otherwise``: a polynomial that is right to
    the last digit has a derivative that is not."""
    return otherwise if significand.value < series.bits else _near(x, series, otherwise, times)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 3))
def _near(x: Array, series: Series, otherwise: Array, times: bool) -> Array:
    coefficients = series.double if x.dtype == jnp.float64 else series.coefficients
    if coefficients is None:
        return otherwise
    (start, start_rest), (centre, centre_rest) = (_rounded(n, x.dtype) for n in (series.start, series.centre))
    d = x - centre if centre else x
    steep = d * horner(coefficients, d * d if series.odd else d)
    # The rest of the centre counts near it alone, where P is its last coefficient.
    rest = start_rest - centre_rest * coefficients[-1]
    total = start + (steep + rest if rest else steep) if start else steep + rest
    return where(jnp.abs(d) < series.limit, x * total if times else total, otherwise)


@_near.defjvp
def _(series: Series, times: bool, primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    x, otherwise = primals
    return _near(x, series, otherwise, times), tangents[1]


# tests/numerics/make_coefficients.py prints these.
SOFTPLUS = Series(  # error 0.0024 units of 2^-24
    (
        -2.4621040211059153e-05,
        -8.015571882722273e-15,
        0.0003467620990704745,
        4.71117522977179e-15,
        -0.005208294838666916,
        -6.670118703040414e-16,
        0.125,
        0.5,
    ),
    limit=0.625,
    start=(math.log(2), 2.3190468138462996e-17),
)
SILU_GATE = Series(  # error 0.0047 units of 2^-24
    (
        1.8454562450642698e-05,
        -0.00020935008069500327,
        0.002083025872707367,
        -0.02083331160247326,
        0.25,
    ),
    limit=0.75,
    odd=True,
    start=(0.5, 0.0),
)
SILU_SLOPE = Series(  # error 0.011 units of 2^-24
    (
        0.00018831076158676296,
        -0.0016773258103057742,
        0.012498604133725166,
        -0.08333326131105423,
        0.5,
    ),
    limit=0.625,
    odd=True,
    start=(0.5, 0.0),
)
SILU_ROOT = Series(  # error 0.16 units of 2^-24
    (
        0.0001738303544698283,
        0.0007871684501878917,
        0.0001279480056837201,
        -0.006606256123632193,
        -0.01522266585379839,
        0.018874885514378548,
        0.14664879441261292,
        0.2178117036819458,
    ),
    limit=0.45,
    centre=(-1.2784645427610737, -1.0946994183093437e-16),
)
GELU_TANH_GATE = Series(  # error 0.019 units of 2^-24
    (
        -0.0008795990725047886,
        0.0007310925284400582,
        -0.0014006588608026505,
        0.010219430550932884,
        -0.06682031601667404,
        0.3989422917366028,
    ),
    limit=0.5,
    odd=True,
    start=(0.5, 0.0),
)
GELU_TANH_SLOPE = Series(  # error 0.039 units of 2^-24
    (
        0.002325168577954173,
        -0.010330993682146072,
        0.06125297397375107,
        -0.2672797739505768,
        0.7978845834732056,
    ),
    limit=0.375,
    odd=True,
    start=(0.5, 0.0),
)
GELU_TANH_ROOT = Series(  # error 0.48 units of 2^-24
    (
        0.0072588264010846615,
        0.00017965228471439332,
        -0.007995826192200184,
        6.628020491916686e-05,
        0.0024947028141468763,
        -0.0023559718392789364,
        0.004589735064655542,
        0.019672421738505363,
        -0.01655885949730873,
        -0.11394388228654861,
        -0.01578490436077118,
        0.38751843571662903,
        0.4304001033306122,
    ),
    limit=0.6,
    centre=(-0.7524614220710163, 3.635560509207687e-17),
    bits=11,
)
GELU_GATE = Series(  # error 0.024 units of 2^-24
    (
        0.0001776624849298969,
        -0.0012253180611878633,
        0.009981065057218075,
        -0.06649093329906464,
        0.3989422917366028,
    ),
    limit=0.5,
    odd=True,
    start=(0.5, 0.0),
    double=(
        4.829250550696589e-12,
        -1.1284523806318514e-10,
        2.2734742395649872e-09,
        -4.122666260165215e-08,
        6.659693500892553e-07,
        -9.444656259371229e-06,
        0.0001154346876161482,
        -0.001187328215480454,
        0.009973557010035817,
        -0.06649038006690544,
        0.3989422804014327,
    ),
)
GELU_SLOPE = Series(  # error 0.039 units of 2^-24
    (
        0.0023323760833591223,
        -0.009894810616970062,
        0.05988577380776405,
        -0.2659634053707123,
        0.7978845834732056,
    ),
    limit=0.375,
    odd=True,
    start=(0.5, 0.0),
    double=(
        1.0860602342098278e-10,
        -2.2589504162786507e-09,
        4.092329524263927e-08,
        -6.596267581153826e-07,
        9.323570920718206e-06,
        -0.00011333587511394073,
        0.0011543468761615499,
        -0.009498625723843634,
        0.0598413420602149,
        -0.26596152026762176,
        0.7978845608028654,
    ),
)
GELU_ROOT = Series(  # error 0.21 units of 2^-24
    (
        0.0031865073833614588,
        2.7204956495552324e-05,
        -0.0034646925050765276,
        0.0001508646528236568,
        0.0007453543948940933,
        -0.002227611606940627,
        0.004248153418302536,
        0.019419929012656212,
        -0.014745418913662434,
        -0.11400812864303589,
        -0.018200557678937912,
        0.38828498125076294,
        0.43149399757385254,
    ),
    limit=0.6,
    centre=(-0.7517915246935645, 1.4956759177009883e-17),
    bits=11,
    double=(
        -2.3466471269321585e-14,
        -1.2789060798948504e-13,
        5.457804807539544e-13,
        3.7154318645244005e-12,
        -9.948877077470188e-12,
        -8.949406867669355e-11,
        1.4506362324284864e-10,
        1.903195962609875e-09,
        -1.3969419383971112e-09,
        -3.545986582274467e-08,
        -1.6044265760125377e-09,
        5.702764978093783e-07,
        4.3284506257719223e-07,
        -7.748461306989594e-06,
        -1.121438018842691e-05,
        8.615947861116455e-05,
        0.00018633974623233514,
        -0.0007448268386746815,
        -0.002239538068073497,
        0.004539228379125415,
        0.019421679838189067,
        -0.014771522148244337,
        -0.1140082332972217,
        -0.018199676398671087,
        0.388284982990552,
        0.4314939923140469,
    ),
)
MISH_GATE = Series(  # error 0.019 units of 2^-24
    (
        7.077407644828781e-05,
        4.780231392942369e-05,
        -0.0004782163305208087,
        -0.0004508311103563756,
        0.002383826533332467,
        0.005203348118811846,
        -0.008747835643589497,
        -0.04102941229939461,
        0.017112262547016144,
        0.31956902146339417,
    ),
    limit=0.5,
    start=(0.5197078547165641, -5.3595734563365405e-17),
    centre=(-0.25, 0.0),
)
MISH_SLOPE = Series(  # error 0.058 units of 2^-24
    (
        0.0007047856925055385,
        -0.00016997852071654052,
        -0.004232509061694145,
        -0.0024510021321475506,
        0.017406759783625603,
        0.027619635686278343,
        -0.05023443326354027,
        -0.15536901354789734,
        0.08210847526788712,
        0.6305819153785706,
    ),
    limit=0.5,
    start=(0.43981560172180517, -2.6906349236402732e-17),
    centre=(-0.25, 0.0),
)
MISH_ROOT = Series(  # error 0.7 units of 2^-24
    (
        -0.004386593122035265,
        2.3122405764297582e-05,
        0.0030289855785667896,
        0.0009534643031656742,
        0.0004662977298721671,
        -0.0033543650060892105,
        -0.01576286181807518,
        -0.02027221955358982,
        0.04190588369965553,
        0.2047312706708908,
        0.2669479250907898,
    ),
    limit=0.5,
    centre=(-1.1924312145154952, -4.8484829848031044e-17),
)
