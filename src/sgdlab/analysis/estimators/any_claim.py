"""Estimate what a claim of any kind is about."""

from __future__ import annotations

from collections.abc import Mapping

from sgdlab.analysis.estimators.agreement import estimate_agreement
from sgdlab.analysis.estimators.collapse import estimate_collapse
from sgdlab.analysis.estimators.difference import estimate_difference
from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.estimators.gain import estimate_gain
from sgdlab.analysis.estimators.level import estimate_level
from sgdlab.analysis.estimators.optimum_ratio import estimate_optimum_ratio
from sgdlab.analysis.estimators.order import estimate_order
from sgdlab.analysis.estimators.scaling import estimate_scaling
from sgdlab.analysis.estimators.share import estimate_share
from sgdlab.analysis.estimators.slope import estimate_slope
from sgdlab.analysis.estimators.spread import estimate_spread
from sgdlab.analysis.estimators.trend import estimate_trend
from sgdlab.analysis.points import GridRuns, NoSuchPointError
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.spec import Protocol


def estimate_claim(claim: Claim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the number of a claim on the grids of one panel; an obstacle where a grid lacks a point.

    Raises
    ------
    UsageError
        If the claim can't be made on the grid that it names.
    """
    try:
        return _estimate(claim, grids, protocol)
    except NoSuchPointError as error:
        return Estimate(None, None, 0, f"{claim.kind} of points", obstacle=str(error))


def _estimate(claim: Claim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    match claim.kind:
        case "gain":
            return estimate_gain(claim, grids, protocol)
        case "optimum_ratio":
            return estimate_optimum_ratio(claim, grids, protocol)
        case "trend":
            return estimate_trend(claim, grids, protocol)
        case "difference":
            return estimate_difference(claim, grids, protocol)
        case "collapse":
            return estimate_collapse(claim, grids, protocol)
        case "agreement":
            return estimate_agreement(claim, grids, protocol)
        case "scaling":
            return estimate_scaling(claim, grids, protocol)
        case "order":
            return estimate_order(claim, grids, protocol)
        case "spread":
            return estimate_spread(claim, grids, protocol)
        case "level":
            return estimate_level(claim, grids, protocol)
        case "slope":
            return estimate_slope(claim, grids, protocol)
        case "share":
            return estimate_share(claim, grids, protocol)
