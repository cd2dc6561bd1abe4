"""Agreement: the mean distance of a metric from what an expression predicts at each point.

A mean of absolute distances is never negative, and noise adds to it: where the prediction is right, the
estimate is about the standard error of a mean. So the claim to make is `below` a bound.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, percentile_interval, resample
from sgdlab.analysis.estimators.seed_table import numbers_on, on_shared_seeds, table_of
from sgdlab.analysis.points import GridRuns, restrict
from sgdlab.sweeps.claims import AgreementClaim
from sgdlab.sweeps.selection import describe_where
from sgdlab.sweeps.spec import Protocol


def estimate_agreement(claim: AgreementClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return mean |measured − predicted| over the points, with a percentile interval."""
    grid_runs = restrict(grids[claim.grid], claim.where)
    predicted = numbers_on(grid_runs.values_of(claim.predicted), claim.grid)
    table = table_of(grid_runs, protocol, claim.metric)
    obstacle, remarks = table.unfinished(), list(table.describe_gaps())
    valued = table.valued
    (table,) = on_shared_seeds(table)
    num_seeds = len(table.seeds)
    rule = f"{_describe(claim)}, mean over points, bootstrap over seeds"
    if num_seeds < MIN_SEEDS or not valued.any():
        obstacle = obstacle or f"{num_seeds} seeds have values, {MIN_SEEDS} are needed"
        return Estimate(None, None, num_seeds, rule, tuple(remarks), obstacle)
    if not valued.all():
        remarks.append(f"{np.sum(~valued)} of {len(valued)} points have no value and are left out")
    weights = np.vstack([np.ones((1, num_seeds)), resample(num_seeds)])  # the first row is everyone
    measured, predicted = table.means(weights)[:, valued], predicted[valued]
    if claim.scale == "log2":
        if (measured[0] <= 0).any() or (predicted <= 0).any():
            obstacle = obstacle or "a measured or predicted value has no log2"
            return Estimate(None, None, num_seeds, rule, tuple(remarks), obstacle)
        with np.errstate(divide="ignore", invalid="ignore"):
            measured, predicted = np.log2(measured), np.log2(predicted)
    distance = np.nanmean(np.abs(measured - predicted), axis=1)
    interval = percentile_interval(distance[1:], distance[1:], num_seeds)
    return Estimate(float(distance[0]), interval, num_seeds, rule, tuple(remarks), obstacle)


def _describe(claim: AgreementClaim) -> str:
    where = f" at {describe_where(claim.where)}" if claim.where else ""
    distance = f"{claim.metric} of {claim.grid!r}{where} − {claim.predicted}"
    if claim.scale == "log2":
        distance = f"log2 of {claim.metric} of {claim.grid!r}{where} over {claim.predicted}"
    return f"|{distance}|"
