"""Where a measured curve first rises above a level."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def first_crossing(x: Sequence[float], y: Sequence[float], level: float) -> float:
    """Return the x at which y first exceeds `level`, both interpolated by their logarithms.

    ``x`` ascends and is positive. Infinity where y stays below, the first x where it starts above.
    """
    above = [value > level for value in y]
    if not any(above):
        return math.inf
    right = above.index(True)
    if right == 0 or y[right - 1] <= 0:
        return float(x[right])
    left = right - 1
    share = np.log(level / y[left]) / np.log(y[right] / y[left])
    return float(x[left] * (x[right] / x[left]) ** share)
