"""The normal distribution as gelu needs it: x·Φ(x), its slope and its curvature, right in the left tail.

With R(a) = Φ(-a)·exp(a²/2) for a = |x|, which is smooth and falls like 1/a, every part of gelu is R or a polynomial
times exp(-a²/2). The exponential is taken of a square split into an exact part and a rest: a rounding of a²/2 near 80
would cost 40 units in the last place of the result. The slope changes its sign where R(a) = a·φ(0); about there
it is computed by its series, so that it keeps its digits.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from .exponential import Decay, bounded, exp_of_minus, magnitude
from .precision import coarse
from .selection import where
from .series import GELU_GATE, GELU_ROOT, near
from .tools import exact_square, horner

__all__ = ["gelu_curve", "gelu_slope"]

# Rows (centre, polynomial in a - centre for a < 2), then (centre, polynomial in 4/a - centre) from each start on,
# highest power first, for a·R(a) from a = 3/8 on; tests/numerics/make_coefficients.py prints them.
_STARTS_32 = (2.0,)
_STARTS_64 = (2.0, 5.0)
_TAIL_32 = (  # error 0.18 units of 2^-24
    (
        1,
        (
            -1.2368722309474833e-05,
            6.643687811447307e-05,
            -0.00022509040718432516,
            0.000708280538674444,
            -0.002148939296603203,
            0.006088824477046728,
            -0.01583052985370159,
            0.03702162206172943,
            -0.0752568244934082,
            0.1242142990231514,
            0.2615782916545868,
        ),
    ),
    (
        1.25,
        (
            -1.2002176845271606e-05,
            1.7671015939413337e-06,
            4.2364052205812186e-05,
            -8.55767575558275e-05,
            0.0001228560577146709,
            7.650940824532881e-05,
            -0.0013035371666774154,
            0.004545201081782579,
            -0.005270649679005146,
            -0.04041673615574837,
            0.3679439425468445,
        ),
    ),
)
_TAIL_64 = (  # error 0.57 units of 2^-53
    (
        1,
        (
            -3.9272813966209105e-12,
            3.4572430550125026e-11,
            -1.813577748687296e-10,
            8.379274614538799e-10,
            -3.798389931362505e-09,
            1.6872833957610804e-08,
            -7.280038567156099e-08,
            3.042421920320996e-07,
            -1.2289369368710437e-06,
            4.7852843854927565e-06,
            -1.7904805150962063e-05,
            6.412994392497285e-05,
            -0.00021886019875803168,
            0.0007075819498888011,
            -0.0021511555970995075,
            0.006089339354005037,
            -0.015830227447191054,
            0.03702153937377294,
            -0.07525683687190227,
            0.12421430332881407,
            0.2615782918651234,
        ),
    ),
    (
        1.375,
        (
            -2.6786358753963844e-10,
            -7.641665718313161e-10,
            5.4317364436258444e-09,
            -1.3026532277001751e-08,
            1.970908345374124e-08,
            -1.1306472258900054e-08,
            -5.582865754112018e-08,
            2.678529516978582e-07,
            -7.096640506172948e-07,
            1.2135001878823655e-06,
            -5.867707042388949e-07,
            -4.946384879338822e-06,
            2.292387804652399e-05,
            -5.791045429638083e-05,
            7.097895012527259e-05,
            0.00015110234700760705,
            -0.0012327131234802634,
            0.00390853470312849,
            -0.003686478520147441,
            -0.041531367694756134,
            0.362818058018587,
        ),
    ),
    (
        0.4375,
        (
            -6.419993776395228e-06,
            1.2350298054089634e-05,
            -3.6032888193474394e-06,
            -1.5463828374234317e-05,
            2.4601513571447312e-05,
            -7.5432661062125425e-06,
            -2.968646615381115e-05,
            5.1722184608552766e-05,
            -1.531562521258686e-05,
            -7.78332147283711e-05,
            0.0001353668248107778,
            -1.2789670191658972e-05,
            -0.00030390183598219946,
            0.0004520883106721532,
            0.0002538782293368661,
            -0.0018591621025290366,
            0.001715435376757198,
            0.006201419240577667,
            -0.02026044948531124,
            -0.020377821253920528,
            0.39433158747102515,
        ),
    ),
)
# P in R(a) = t·P(t), t = 1/(1 + 0.3·a), for results of fewer than 24 bits, from a = 0 on.
_RATIO_COARSE = (  # error 2.8 units of 2^-24
    0.03542391210794449,
    -0.1561591625213623,
    0.20455799996852875,
    -0.052035123109817505,
    0.1276923418045044,
    0.10017578303813934,
    0.12071216106414795,
    0.11963200569152832,
)
_DENSITY_AT_0, _DENSITY_REST = 1 / math.sqrt(2 * math.pi), -2.49232720227773e-17


def _bounded(x: Array) -> Array:
    """|x|, at most where exp(-x²/2) is below the smallest number of the dtype."""
    return bounded(x, 39.0 if x.dtype == jnp.float64 else 14.5)


def _bell(a: Array) -> Decay:
    """exp(-a²/2)."""
    high, low = exact_square(a)
    return exp_of_minus(high / 2, -low / 2)


def _tail(a: Array) -> Array:
    """a·R(a), by one polynomial whose coefficients depend on where a is."""
    starts, table = (_STARTS_64, _TAIL_64) if a.dtype == jnp.float64 else (_STARTS_32, _TAIL_32)

    def here(value: ArrayLike, *others: ArrayLike) -> ArrayLike:
        for start, other in zip(starts, others, strict=True):
            value = where(a >= start, other, value)
        return value

    v = where(a < 2, a, 4 / a) - here(*(centre for centre, _ in table))
    return horner([here(*column) for column in zip(*(row for _, row in table), strict=True)], v)


def _ratio(a: Array) -> Array:
    """R(a) for results of fewer than 24 bits."""
    t = 1 / (1 + 0.3 * a)
    return t * horner(_RATIO_COARSE, t)


@jax.custom_jvp
def gelu_curve(x: Array) -> Array:
    """x·Φ(x)."""
    a = _bounded(x)
    if coarse():
        share = _bell(a).times(where(x < 0, -a, 1) * _ratio(a))
        return where(x < 0, share, x * (1 - share))
    lost = _bell(a).times(_tail(a))
    return near(x, GELU_GATE, where(x < 0, -lost, x - lost), times=True)


@gelu_curve.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return gelu_curve(x), gelu_slope(x) * t


@jax.custom_jvp
def gelu_slope(x: Array) -> Array:
    """Φ(x) + x·φ(x)."""
    a = _bounded(x)
    density = float(np.asarray(_DENSITY_AT_0, a.dtype))
    rest = (density - _DENSITY_AT_0) - _DENSITY_REST
    left = _bell(a).times((_ratio(a) if coarse() else _tail(a) / a) - a * density, a * rest)
    return near(x, GELU_ROOT, where(x < 0, left, 1 - left))


@gelu_slope.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    y = _bounded(x)
    return gelu_slope(x), _DENSITY_AT_0 * _density_ratio(y) * (2 - y * y) * t


@jax.custom_jvp
def _density_ratio(x: Array) -> Array:
    """φ(x)/φ(0) = exp(-x²/2)."""
    return _bell(magnitude(x)).value


@_density_ratio.defjvp
def _(primals: tuple[Array], tangents: tuple[Any]) -> tuple[Array, Array]:
    (x,), (t,) = primals, tangents
    return _density_ratio(x), -x * _density_ratio(x) * t
