"""Ratio of two optima on log2 axes, with a bootstrap over seeds that both curves share.

Where one of them is at an edge of its grid, that end of the interval is infinite, and the other end may still
decide.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import (
    BOOTSTRAP_SEED,
    MIN_SEEDS,
    Estimate,
    percentile_interval,
    resample,
)
from sgdlab.analysis.estimators.seed_table import on_shared_seeds, order_of
from sgdlab.analysis.estimators.vertex import (
    OptimumCurve,
    best_estimate,
    describe_optimum,
    nothing_on,
    optima,
    optimum_curve,
)
from sgdlab.analysis.points import GridRuns, restrict
from sgdlab.sweeps.claims import OptimumRatioClaim
from sgdlab.sweeps.selection import describe_where
from sgdlab.sweeps.spec import Protocol


def estimate_optimum_ratio(
    claim: OptimumRatioClaim, grids: Mapping[str, GridRuns], protocol: Protocol
) -> Estimate:
    """Return log2 of the optimum of `of` over that of `over`, with a percentile interval."""
    of, over = (_curve(grids, protocol, named) for named in (claim.of, claim.over))
    rule = (
        f"log2 of {_describe(claim.of)} over that of {_describe(claim.over)}, parabola through the best "
        "point and its neighbours, bootstrap over seeds"
    )
    remarks = list(dict.fromkeys((*of.table.describe_gaps(), *over.table.describe_gaps())))
    obstacle = of.table.unfinished() or over.table.unfinished() or nothing_on(of) or nothing_on(over)
    tables = on_shared_seeds(of.table, over.table)
    of, over = (curve.on_seeds_of(table) for curve, table in zip((of, over), tables, strict=True))
    num_seeds = len(of.table.seeds)
    if num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have values on both curves, {MIN_SEEDS} are needed"
    if num_seeds < MIN_SEEDS or nothing_on(of) or nothing_on(over):
        return Estimate(None, None, num_seeds, rule, tuple(remarks), obstacle)
    remarks += [
        *describe_optimum(of, describe_where(claim.of.where)),
        *describe_optimum(over, describe_where(claim.over.where)),
    ]
    weights = resample(num_seeds)
    generator = np.random.default_rng(BOOTSTRAP_SEED + 1)
    top, bottom = optima(of, weights, generator), optima(over, weights, generator)
    log2_ratio = top.log2_x - bottom.log2_x
    interval = percentile_interval(
        np.where(top.could_be_lower | bottom.could_be_higher, -np.inf, log2_ratio),
        np.where(top.could_be_higher | bottom.could_be_lower, np.inf, log2_ratio),
        num_seeds,
    )
    value = best_estimate(of) - best_estimate(over)
    return Estimate(value, interval, num_seeds, rule, tuple(dict.fromkeys(remarks)), obstacle)


def _curve(grids: Mapping[str, GridRuns], protocol: Protocol, named: OptimumRatioClaim.Curve) -> OptimumCurve:
    grid_runs = restrict(grids[named.grid], named.where)
    if named.optimum is None:
        order_of(grid_runs)  # refuses several axes
    return optimum_curve(grid_runs, protocol, named.metric, named.optimum or grid_runs.swept_axes[0])


def _describe(named: OptimumRatioClaim.Curve) -> str:
    hyperparameter = named.optimum or "the axis value"
    where = f" at {describe_where(named.where)}" if named.where else ""
    return f"{hyperparameter} of {named.grid!r}{where} with the best mean {named.metric}"
