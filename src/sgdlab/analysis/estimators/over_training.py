"""One number of each run, from its curves over training; a seed's is the mean over the points that are meant.

Student's interval is over seeds: the evaluations of one run follow one another, and are no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, t_interval
from sgdlab.analysis.estimators.seed_table import SeedTable, fill_table, order_of
from sgdlab.analysis.observations import Observation
from sgdlab.analysis.points import GridRuns, describe_point
from sgdlab.analysis.protocol import why_unusable
from sgdlab.analysis.windows import Curves, evaluations_in, missing_curve
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.training_claims import TrainingClaim

Read = Callable[[Curves, np.ndarray], float | str]
"""From a run's curves, and which evaluations count, (E,), to a number, or to why there is none."""


def estimate_over_training(
    claim: TrainingClaim, grids: Mapping[str, GridRuns], protocol: Protocol, name: str, read: Read
) -> Estimate:
    """Return the mean over seeds of what `read` gives for each run; `name` is what messages call it."""

    def read_run(run: Observation) -> float | str:
        needed = (*claim.metrics().values(), *claim.during.metrics().values())
        obstacle = why_unusable(run) or missing_curve(run.curves, needed)
        return obstacle or read(run.curves, evaluations_in(claim.during, run.curves))

    grid_runs = grids[claim.grid]
    table = fill_table(grid_runs, protocol, name, read_run).select(_points_meant(claim, grid_runs))
    window = claim.during.describe()
    rule = f"{name} over the evaluations of a run of {claim.grid!r}{' ' * bool(window)}{window}"
    if len(table.points) > 1:
        rule += f", mean over the {len(table.points)} points of the grid"
    elif claim.at != "all":
        rule += f", at its {claim.at} point"
    whole = np.isfinite(table.values).all(axis=0)
    values = table.values[:, whole].mean(axis=0).tolist()
    obstacle = _obstacle(table, max(MIN_SEEDS, protocol.keep))
    if obstacle is None and len(values) < MIN_SEEDS:
        obstacle = f"{len(values)} seeds have a number at each point, {MIN_SEEDS} are needed"
    rule += ", mean over seeds"
    if len(values) < MIN_SEEDS:
        return Estimate(None, None, len(values), rule, table.describe_gaps(), obstacle)
    return Estimate(*t_interval(values), len(values), rule, table.describe_gaps(), obstacle)


def _points_meant(claim: TrainingClaim, grid_runs: GridRuns) -> list[int]:
    if claim.at == "all":
        return list(range(len(grid_runs.points)))
    _, order = order_of(grid_runs)
    return [order[0] if claim.at == "first" else order[-1]]


def _obstacle(table: SeedTable, needed: int) -> str | None:
    """Say why a point has too few numbers: unfinished, diverged, or finished and without what is claimed."""
    for i in np.flatnonzero(~table.valued):
        place = f"grid {table.grid!r} at {describe_point(table.points[i])}"
        if table.standings[i] == "diverged":
            return f"too many runs of {place} diverged"
        if table.gaps[i].keys() & {"missing", "failed"}:
            return table.unfinished([int(i)])
        return f"{np.isfinite(table.values[i]).sum()} runs of {place} have the number, {needed} are needed"
    return None
