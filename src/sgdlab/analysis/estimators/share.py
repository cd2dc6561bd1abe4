"""Share: of some evaluations of a run, the part at which a condition holds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import Estimate
from sgdlab.analysis.estimators.over_training import estimate_over_training
from sgdlab.analysis.points import GridRuns
from sgdlab.analysis.windows import Curves, curve_of, holds
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.training_claims import ShareClaim
from sgdlab.sweeps.windows import describe_condition


def estimate_share(claim: ShareClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean share over seeds, with Student's interval; values that aren't finite don't count."""

    def read(curves: Curves, counts: np.ndarray) -> float | str:
        counts = counts & np.isfinite(curve_of(curves, claim.of.metric))
        return float(holds(claim.of, curves)[counts].mean()) if counts.any() else "no evaluation that counts"

    return estimate_over_training(claim, grids, protocol, f"share with {describe_condition(claim.of)}", read)
