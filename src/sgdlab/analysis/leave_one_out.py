"""What a claim's number would be without each one of the seeds: what a single odd seed can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sgdlab.analysis.estimators.any_claim import estimate_claim
from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate
from sgdlab.analysis.points import GridRuns
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.spec import Protocol


def leave_one_out(claim: Claim, grids: Mapping[str, GridRuns], protocol: Protocol) -> dict[int, Estimate]:
    """Return seed → the estimate over all other seeds; nothing where too few would be left.

    A point then needs one run less for a value: the protocol's `keep` says how many may be lost.
    """
    seeds = {run.seed for grid_runs in grids.values() for runs in grid_runs.runs for run in runs}
    if len(seeds) <= MIN_SEEDS:
        return {}
    fewer = protocol.model_copy(
        update={"num_seeds": protocol.num_seeds - 1, "keep": max(1, protocol.keep - 1)}
    )
    return {seed: estimate_claim(claim, _without(grids, seed), fewer) for seed in sorted(seeds)}


def _without(grids: Mapping[str, GridRuns], seed: int) -> dict[str, GridRuns]:
    return {
        name: replace(
            grid_runs,
            runs=tuple(tuple(run for run in runs if run.seed != seed) for runs in grid_runs.runs),
        )
        for name, grid_runs in grids.items()
    }
