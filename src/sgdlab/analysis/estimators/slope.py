"""Slope: the least-squares line of one metric on another over some evaluations of a run.

An x that is itself an estimate flattens the line, by the share of its variance that is error.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.estimators.least_squares import slope_of
from sgdlab.analysis.estimators.over_training import estimate_over_training
from sgdlab.analysis.points import GridRuns
from sgdlab.analysis.windows import Curves, curve_of
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.training_claims import SlopeClaim

_MIN_EVALUATIONS = 3  # through two, every cloud is a line


def estimate_slope(claim: SlopeClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean slope over seeds, with Student's interval; evaluations must have both values finite."""

    def read(curves: Curves, counts: np.ndarray) -> float | str:
        x, y = curve_of(curves, claim.x), curve_of(curves, claim.y)
        counts = counts & np.isfinite(x) & np.isfinite(y)
        if len(np.unique(x[counts])) < _MIN_EVALUATIONS:
            return f"fewer than {_MIN_EVALUATIONS} evaluations that count"
        return slope_of(x[counts], y[counts])

    return estimate_over_training(claim, grids, protocol, f"slope of {claim.y} on {claim.x}", read)
