"""Scaling: the exponent with which an optimum follows another axis, by a bootstrap over seeds.

At each value of that axis the optimum is the vertex of a parabola; the exponent is the least-squares slope
of its log2. An optimum at an edge of its grid may lie beyond: it makes that end of the interval infinite
towards which the slope would then move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.estimators.estimate import (
    BOOTSTRAP_SEED,
    MIN_SEEDS,
    Estimate,
    percentile_interval,
    resample,
)
from sgdlab.analysis.estimators.least_squares import slope_of
from sgdlab.analysis.estimators.seed_table import numbers_on, on_shared_seeds
from sgdlab.analysis.estimators.vertex import (
    OptimumCurve,
    best_estimate,
    describe_optimum,
    nothing_on,
    optima,
    optimum_curve,
)
from sgdlab.analysis.points import GridRuns, restrict
from sgdlab.config.numbers import format_number
from sgdlab.sweeps.selection import describe_where
from sgdlab.sweeps.spec import Protocol
from sgdlab.sweeps.tuned_claims import ScalingClaim

_MIN_VALUES = 3  # through two, everything is a line


@dataclass(frozen=True)
class _Found:
    """The optimum curve at each value of the axis that has one."""

    along: tuple[float, ...]  # (K,) ascending
    curves: tuple[OptimumCurve, ...]  # (K,)
    remarks: tuple[str, ...]
    obstacle: str | None


def estimate_scaling(claim: ScalingClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the slope of log2 of the best hyperparameter on log2 of the axis, with a percentile interval."""
    rule = (
        f"slope of log2 of the {claim.optimum} with the best mean {claim.metric} on log2 of {claim.along}, "
        f"of {claim.grid!r}{_at(claim)}, parabola through the best point and its neighbours, bootstrap over "
        "seeds"
    )
    found = _find(claim, restrict(grids[claim.grid], claim.where), protocol)
    tables = on_shared_seeds(*(curve.table for curve in found.curves)) if found.curves else []
    curves = [curve.on_seeds_of(table) for curve, table in zip(found.curves, tables, strict=True)]
    num_seeds = len(tables[0].seeds) if tables else 0
    obstacle = found.obstacle
    if len(curves) < _MIN_VALUES:
        obstacle = (
            obstacle or f"{len(curves)} values of {claim.along} have an optimum, {_MIN_VALUES} are needed"
        )
    elif num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have values on all curves, {MIN_SEEDS} are needed"
    if len(curves) < _MIN_VALUES or num_seeds < MIN_SEEDS:
        return Estimate(None, None, num_seeds, rule, found.remarks, obstacle)
    remarks = [*found.remarks]
    for along, curve in zip(found.along, curves, strict=True):
        remarks += describe_optimum(curve, f"at {claim.along}={format_number(along)}")
    log2_along = np.log2(found.along)
    interval = _interval(log2_along, curves, resample(num_seeds))
    value = slope_of(log2_along, np.array([best_estimate(curve) for curve in curves]))
    return Estimate(value, interval, num_seeds, rule, tuple(dict.fromkeys(remarks)), obstacle)


def _find(claim: ScalingClaim, grid_runs: GridRuns, protocol: Protocol) -> _Found:
    values = grid_runs.grid.axes[claim.along]
    numbers_on(values, claim.grid)
    along, curves, obstacles = [], [], []
    remarks: list[str] = []
    for value in sorted(values):
        curve = optimum_curve(
            restrict(grid_runs, {claim.along: value}), protocol, claim.metric, claim.optimum
        )
        remarks += curve.table.describe_gaps()
        obstacles.append(curve.table.unfinished())
        place = f"{claim.along}={format_number(value)}"
        if value <= 0:
            remarks.append(f"{place} has no log2 and is left out")
        elif reason := nothing_on(curve):
            remarks.append(f"{place} is left out: {reason}")
        else:
            along.append(float(value))
            curves.append(curve)
    first_obstacle = next((obstacle for obstacle in obstacles if obstacle), None)
    return _Found(tuple(along), tuple(curves), tuple(dict.fromkeys(remarks)), first_obstacle)


def _interval(log2_along: np.ndarray, curves: list[OptimumCurve], weights: np.ndarray) -> tuple[float, float]:
    generator = np.random.default_rng(BOOTSTRAP_SEED + 1)
    found = [optima(curve, weights, generator) for curve in curves]
    centred = log2_along - log2_along.mean()
    share = centred / (centred @ centred)  # of each optimum in the slope, (K,)
    slopes = np.column_stack([one.log2_x for one in found]) @ share
    lower = np.column_stack([one.could_be_lower for one in found])
    higher = np.column_stack([one.could_be_higher for one in found])
    flatter = (lower & (share > 0) | higher & (share < 0)).any(axis=1)
    steeper = (higher & (share > 0) | lower & (share < 0)).any(axis=1)
    low, high = np.where(flatter, -np.inf, slopes), np.where(steeper, np.inf, slopes)
    return percentile_interval(low, high, len(curves[0].table.seeds))


def _at(claim: ScalingClaim) -> str:
    return f" at {describe_where(claim.where)}" if claim.where else ""
