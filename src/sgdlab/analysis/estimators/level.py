"""Level: mean or median of a metric over some evaluations of a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.estimators.over_training import estimate_over_training
from sgdlab.analysis.points import GridRuns
from sgdlab.analysis.windows import Curves, curve_of
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.training_claims import LevelClaim


def estimate_level(claim: LevelClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean level over seeds, with Student's interval; values that aren't finite don't count."""
    take = np.mean if claim.take == "mean" else np.median

    def read(curves: Curves, counts: np.ndarray) -> float | str:
        values = curve_of(curves, claim.metric)
        values = values[counts & np.isfinite(values)]
        return float(take(values)) if values.size else "no evaluation that counts"

    return estimate_over_training(claim, grids, protocol, f"{claim.take} of {claim.metric}", read)
