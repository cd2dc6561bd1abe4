"""Order: whether a tuned metric rises or falls along an axis, whatever the amount.

A seed's number is Spearman's rank correlation of the tuned metric with the axis: 1 where it rises at every
step, −1 where it falls at every step. Its sum over seeds is Page's trend statistic L up to scale and shift,
so this is his test with an effect size instead of a p-value. The slope against log2 would weigh the ends of
the axis, and a fall at the last value alone would look like an order.

With three values, three seeds that agree come about by chance with probability (1/6)³ < 0.5 %; two values
have no order beyond their difference: that is a gain.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, t_interval
from sgdlab.analysis.estimators.tuned_values import describe_tuned, tuned_values
from sgdlab.analysis.points import GridRuns
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.tuned_claims import OrderClaim

_MIN_VALUES = 3


def estimate_order(claim: OrderClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean rank correlation over seeds, with Student's interval, cut at −1 and 1."""
    tuned = tuned_values(claim, grids, protocol)
    rule = f"Spearman's rank correlation of {describe_tuned(claim, grids[claim.grid])}, mean over seeds"
    num_seeds, obstacle = len(tuned.values), tuned.obstacle
    if len(tuned.along) < _MIN_VALUES:
        obstacle = f"{len(tuned.along)} values of {claim.along}, {_MIN_VALUES} are needed; claim a gain"
    elif num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have all values, {MIN_SEEDS} are needed"
    if len(tuned.along) < _MIN_VALUES or num_seeds < MIN_SEEDS:
        return Estimate(None, None, num_seeds, rule, tuned.remarks, obstacle)
    per_seed = [
        float(np.mean([_rank_correlation(tuned.along, values) for values in families]))
        for families in tuned.values
    ]
    mean, (low, high) = t_interval(per_seed)
    interval = (max(low, -1.0), min(high, 1.0))
    return Estimate(mean, interval, num_seeds, rule, tuned.remarks, obstacle)


def _rank_correlation(along: np.ndarray, values: np.ndarray) -> float:
    """Return Spearman's correlation, ties at their mean rank; 0 where everything ties."""
    if np.ptp(values) == 0:
        return 0.0
    return float(np.corrcoef(_ranks(along), _ranks(values))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank values from 1 on; `scipy.stats.rankdata` takes half a second to be imported."""
    below = (values[:, None] > values).sum(axis=1)
    not_above = (values[:, None] >= values).sum(axis=1)
    ranks: np.ndarray = (below + not_above + 1) / 2
    return ranks
