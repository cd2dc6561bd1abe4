"""Spread: the largest tuned metric along an axis minus the smallest, by a bootstrap over seeds.

A spread is never negative, and noise adds to it: of values that are equal, the estimate is about two standard
errors of a mean. So the claim to make is `below` a bound, and a bound must exceed that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, percentile_interval, resample
from sgdlab.analysis.estimators.tuned_values import describe_tuned, tuned_values
from sgdlab.analysis.points import GridRuns
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.tuned_claims import SpreadClaim


def estimate_spread(claim: SpreadClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the range of the means over seeds, with a percentile interval."""
    tuned = tuned_values(claim, grids, protocol)
    rule = f"largest minus smallest mean {describe_tuned(claim, grids[claim.grid])}, bootstrap over seeds"
    num_seeds, obstacle = len(tuned.values), tuned.obstacle
    if num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have all values, {MIN_SEEDS} are needed"
        return Estimate(None, None, num_seeds, rule, tuned.remarks, obstacle)
    weights = np.vstack([np.ones((1, num_seeds)), resample(num_seeds)]) / num_seeds  # the first is everyone
    means = np.einsum("rs,sfk->rfk", weights, tuned.values)
    spreads = np.ptp(means, axis=2).mean(axis=1)
    interval = percentile_interval(spreads[1:], spreads[1:], num_seeds)
    return Estimate(float(spreads[0]), interval, num_seeds, rule, tuned.remarks, obstacle)
