"""Numbers from mean iterates, and findings whose intervals hold the noise of the shuffles."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import Finding
from sgdlab.theory.crossing import first_crossing
from sgdlab.theory.group_statistics import Jackknifed, jackknife
from sgdlab.theory.order_fit import OrderFit, fit_order, order_finding
from sgdlab.theory.smith2021.real_network.mean_iterate import MeanIterate

Statistic = Callable[[MeanIterate, Tensor], float]  # of the groups with these indices


def estimate(iterates: Sequence[MeanIterate], statistic: Statistic) -> Jackknifed:
    """Return the statistic at each learning rate, ``(K,)``, and its standard error over the shuffles."""
    return jackknife(
        lambda groups: np.array([statistic(one, groups) for one in iterates]), _num_groups(iterates)
    )


def order_in_lr(
    says: str, iterates: Sequence[MeanIterate], statistic: Statistic, order: int, remark: str = ""
) -> Finding:
    """Fit the order of a statistic in ε, and hold it against the one that is expected.

    The interval has two parts, added in squares: what is left of the straight line, which is curvature, and
    what the shuffles do to its slope.
    """
    lrs = [one.lr for one in iterates]

    def fit(groups: Tensor) -> OrderFit:
        return fit_order(lrs, [statistic(one, groups) for one in iterates])

    slope = jackknife(lambda groups: np.array([fit(groups).order]), _num_groups(iterates))
    straight = fit_order(lrs, [float(value) for value in estimate(iterates, statistic).values])
    half = math.hypot(straight.interval[1] - straight.order, float(slope.reaches[0]))
    interval = (straight.order - half, straight.order + half)
    return order_finding(says, OrderFit(straight.order, interval, straight.num_points), order, remark)


def value_at(
    says: str, iterate: MeanIterate, statistic: Statistic, expect: Expectation, remark: str = ""
) -> Finding:
    """Hold a statistic at one learning rate against what is expected of it."""
    found = estimate([iterate], statistic)
    return Finding(says, float(found.values[0]), found.interval(0), expect, remark)


def crossing(
    says: str,
    iterates: Mapping[float, MeanIterate],
    statistic: Statistic,
    level: float,
    expect: Expectation,
) -> Finding:
    """Hold the mελ_max at which a statistic first exceeds a level against what is expected of it."""
    times, each = tuple(iterates), tuple(iterates.values())

    def first(groups: Tensor) -> np.ndarray:
        return np.array([first_crossing(times, [statistic(one, groups) for one in each], level)])

    found = jackknife(first, _num_groups(each))
    return Finding(says, float(found.values[0]), found.interval(0), expect)


def _num_groups(iterates: Sequence[MeanIterate]) -> int:
    return len(iterates[0].pairs)
