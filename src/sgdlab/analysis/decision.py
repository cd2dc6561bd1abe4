"""What an interval says of an expectation."""

from __future__ import annotations

from typing import Literal

from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.sweeps.claims import Expectation

Decision = Literal["supported", "not supported", "inconclusive"]


def decide(interval: tuple[float, float], expect: Expectation) -> Decision:
    """Hold an interval against an expectation; bounds of `within` belong to it."""
    low, high = interval
    if expect.above is not None:
        inside, outside = low > expect.above, high <= expect.above
    elif expect.below is not None:
        inside, outside = high < expect.below, low >= expect.below
    else:
        first, last = expect.within or (low, high)
        inside, outside = first <= low and high <= last, high < first or low > last
    if inside:
        return "supported"
    return "not supported" if outside else "inconclusive"


def decision_of(estimate: Estimate, expect: Expectation) -> Decision:
    """Hold an estimate against an expectation; with an obstacle it decides nothing."""
    if estimate.obstacle is not None or estimate.interval is None:
        return "inconclusive"
    return decide(estimate.interval, expect)
