"""Difference of two curves at the axis values that both have, relative to the range that one of them spans.

A mean of absolute differences is never negative, and noise adds to it: of two curves that agree, the estimate
is about the standard error of a mean over the curve's range. So the claim to make is `below` a bound.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, percentile_interval, resample
from sgdlab.analysis.estimators.seed_table import curve_table_of, on_shared_seeds
from sgdlab.analysis.points import GridRuns
from sgdlab.errors import UsageError
from sgdlab.sweeps.claims import DifferenceClaim
from sgdlab.sweeps.spec import Protocol


def estimate_difference(
    claim: DifferenceClaim, grids: Mapping[str, GridRuns], protocol: Protocol
) -> Estimate:
    """Return mean |of − to| / (max to − min to), with a percentile interval of a bootstrap over seeds."""
    x_of, of = curve_table_of(grids[claim.of], protocol, claim.metric)
    x_to, to = curve_table_of(grids[claim.to], protocol, claim.metric)
    matched = [(i, x_to.index(value)) for i, value in enumerate(x_of) if value in x_to]
    if not matched:
        raise UsageError(
            f"a difference needs axis values in common, and {claim.of!r} and {claim.to!r} have none"
        )
    rule = (
        f"mean |{claim.of} − {claim.to}| of {claim.metric} over the axis values in common, over the range "
        f"that {claim.to} spans, bootstrap over seeds"
    )
    obstacle = of.unfinished() or to.unfinished()
    of, to = on_shared_seeds(of, to)
    num_seeds = len(of.seeds)
    both = [(i, j) for i, j in matched if of.valued[i] and to.valued[j]]
    remarks = list(dict.fromkeys((*of.describe_gaps(), *to.describe_gaps())))
    if len(both) < len(matched):
        remarks.append(f"{len(matched) - len(both)} of {len(matched)} axis values lack a value on one curve")
    if num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have values on both curves, {MIN_SEEDS} are needed"
    elif not both:
        obstacle = obstacle or "no axis value has a value on both curves"
    else:
        weights = np.vstack([np.ones((1, num_seeds)), resample(num_seeds)])  # the first row is everyone
        means_of = of.means(weights)[:, [i for i, _ in both]]
        means_to = to.means(weights)
        ratio = _relative_gap(means_of, means_to[:, [j for _, j in both]], means_to[:, to.valued])
        if np.isfinite(ratio[0]):
            interval = percentile_interval(ratio[1:], ratio[1:], num_seeds)
            return Estimate(float(ratio[0]), interval, num_seeds, rule, tuple(remarks), obstacle)
        obstacle = obstacle or f"{claim.to!r} spans no range"
    return Estimate(None, None, num_seeds, rule, tuple(remarks), obstacle)


def _relative_gap(of: np.ndarray, to: np.ndarray, whole_curve: np.ndarray) -> np.ndarray:
    """Return mean |of − to| over the range of the whole curve, (R,); infinite where it spans none."""
    gap: np.ndarray = np.nanmean(np.abs(of - to), axis=1)
    span = np.nanmax(whole_curve, axis=1) - np.nanmin(whole_curve, axis=1)
    ratio: np.ndarray = np.divide(gap, span, out=np.full_like(gap, np.inf), where=span > 0)
    return ratio
