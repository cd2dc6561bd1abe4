"""Trend: the slope of log2 metric against log2 axis, one least-squares line a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, t_interval
from sgdlab.analysis.estimators.least_squares import slope_of
from sgdlab.analysis.estimators.seed_table import curve_table_of, numbers_on
from sgdlab.analysis.points import GridRuns
from sgdlab.sweeps.claims import TrendClaim
from sgdlab.sweeps.spec import Protocol

_MIN_POINTS = 3  # through two, every curve is a line


def estimate_trend(claim: TrendClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean slope over seeds, with Student's interval.

    Each seed's line goes through its finite points among those that have a value by the protocol. A metric or
    an axis value that isn't positive has no logarithm; it is left out, and said.
    """
    axis_values, table = curve_table_of(grids[claim.grid], protocol, claim.metric)
    x = numbers_on(axis_values, claim.grid)
    usable = table.valued & (x > 0)
    remarks = list(table.describe_gaps())
    if np.any(x <= 0):
        remarks.append(f"axis values without a log2, left out: {np.sum(x <= 0)}")
    if num_negative := int(np.sum(table.values[usable] <= 0)):
        remarks.append(f"values of {claim.metric} without a log2, left out: {num_negative}")
    slopes = []
    for column in range(len(table.seeds)):
        y = table.values[:, column]
        here = usable & (y > 0)  # NaN is not
        if np.sum(here) >= _MIN_POINTS:
            slopes.append(slope_of(np.log2(x[here]), np.log2(y[here])))
    rule = f"slope of log2 {claim.metric} on log2 of the axis of {claim.grid!r}, mean over seeds"
    obstacle = table.unfinished()
    if len(slopes) < MIN_SEEDS:
        obstacle = obstacle or (
            f"{len(slopes)} seeds have {_MIN_POINTS} points with a logarithm, {MIN_SEEDS} seeds are needed"
        )
        return Estimate(None, None, len(slopes), rule, tuple(remarks), obstacle)
    return Estimate(*t_interval(slopes), len(slopes), rule, tuple(remarks), obstacle)
