"""Intervals of a number that is looked at again and again, as seeds are added until it is decided.

Whoever looks at a 95 % interval after each round and stops once it decides is wrong more often than one time
in twenty: each look is another chance. So the error of 5 % is split among the looks. The last one, at the
protocol's n, has half of it, and those before share the other half: what is plain is seen early, and what is
not is judged at n by an interval that is little wider than the usual one. By Bonferroni's inequality all
intervals together hold the truth in 95 % of sweeps, if each has its level; they are repeated confidence
intervals (Jennison & Turnbull 1989). Where one was stopped is then no matter.

An interval of another level is the 95 % one stretched about the estimate by the ratio of Student's quantiles.
For a mean that is exact. For a bootstrap it is a scale: the far percentiles of resampled means of five values
don't exist, as no resample lies beyond the smallest and the largest.
"""

from __future__ import annotations

from dataclasses import replace

from sgdlab.analysis.estimators.estimate import LEVEL, Estimate, student_quantile

_LAST = 0.5  # of the error, for the last look


def level_of_look(look: int, num_looks: int) -> float:
    """Return the level of the interval at a look, from 0 on; of a single one, 95 %."""
    error = 1 - LEVEL
    if num_looks == 1:
        return LEVEL
    if look == num_looks - 1:
        return 1 - _LAST * error
    return 1 - (1 - _LAST) * error / (num_looks - 1)


def at_level(estimate: Estimate, level: float) -> Estimate:
    """Return an estimate with the interval of another level than 95 %."""
    if estimate.value is None or estimate.interval is None or estimate.num_seeds < 2:
        return estimate
    seeds, value = estimate.num_seeds, estimate.value
    factor = student_quantile(seeds, level) / student_quantile(seeds)
    low, high = estimate.interval
    return replace(
        estimate,
        interval=(min(low, value - factor * (value - low)), max(high, value + factor * (high - value))),
    )
