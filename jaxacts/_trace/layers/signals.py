"""What a value is to the layer whose output is followed: a function of that output, or a statistic of one."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GATES", "INSIDE", "MAXOUT", "Signal", "Statistic"]

MAXOUT = "maxout, whose gain is 1 for 2 pieces, 0.885 for 3, 0.803 for 4"
# What splits its input into a gate and its values, by the function, with the activation of the gate.
GATES = {"glu": "sigmoid", "swiglu": "silu", "geglu": "gelu", "reglu": "relu"}
# What cannot be followed into, by the function that it happens in.
INSIDE = {
    "dice": "meets statistics of the batch in dice: evaluate it, by use_running_average=True or model.eval()",
    "maxout": f"goes into {MAXOUT}",
    "rrelu": "meets the slopes that rrelu draws: evaluate it, by deterministic=True or model.eval()",
}


class Signal(NamedTuple):
    """An elementwise function of z: the value that computes it, and which rearrangement of the elements it has.

    ``base`` is the value that stands for z, -1 for the output of the layer itself, and ``factor`` by what that has been
    multiplied. One that is ``summed`` over windows still lacks the division that makes it a mean; one that is
    ``uneven`` has been multiplied by another signal, and is ``spoiled`` where an activation has met it since. ``terms``
    is how many layers have been added up in it, and ``columns`` which of the outputs of the layer it holds, along which
    ``axis``, counted from the end.

    ``bare`` is the activation before the numbers that it has been multiplied by, and their product, which a residual
    addition takes for the scale of the branch. One that is ``over`` has been scaled or shifted by values that differ
    between units since, and is no longer a function of z; its ``factor`` has the size of the scales. So has one that
    another signal has weighted and summed, as attention does. One that is ``normalized`` does not change with the scale
    of the kernel.

    ``root`` is the base, and the factor there, of which it is a linear part, such as a half or a rotation; ``per_unit``
    says that it has been scaled by values that differ since.
    """

    expr: int
    part: int
    linear: bool = True
    uneven: bool = False
    shifted: bool = False
    summed: bool = False
    base: int = -1
    factor: float = 1.0
    spoiled: str = ""
    terms: int = 1
    columns: tuple[int, int] | None = None
    axis: int = -1
    bare: tuple[int, float] | None = None
    over: bool = False
    normalized: bool = False
    root: tuple[int, float] | None = None
    per_unit: bool = False


class Statistic(NamedTuple):
    """A sum, mean or maximum of a signal, or the ``root`` of one, as in a norm.

    As a value of its own, where it may be one, it is a signal itself.
    """

    of: Signal
    maximum: bool = False
    root: bool = False
    own: Signal | None = None
