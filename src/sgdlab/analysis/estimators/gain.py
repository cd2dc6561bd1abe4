"""Gain: the metric at one point minus the metric at another, seed by seed.

An optimum is chosen for each seed on the other seeds. So a flat curve has no gain on average, where best
minus first always has one. An optimum at an edge of its grid may be better beyond: that end of the interval
is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, t_interval
from sgdlab.analysis.estimators.reading import Reading, read_first, read_last, read_optimum
from sgdlab.analysis.estimators.seed_table import curve_table_of, table_of
from sgdlab.analysis.points import GridRuns, restrict
from sgdlab.config.metrics import lower_is_better
from sgdlab.sweeps.claims import GainClaim, Point
from sgdlab.sweeps.selection import describe_where
from sgdlab.sweeps.spec import Protocol


def estimate_gain(claim: GainClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean over seeds of `to` − `start`, with Student's interval."""
    start = _read(grids, protocol, claim.metric, claim.start)
    to = _read(grids, protocol, claim.metric, claim.to)
    seeds = start.value_of.keys() & to.value_of.keys()
    gains = [to.value_of[seed] - start.value_of[seed] for seed in sorted(seeds)]
    gains = [gain for gain in gains if np.isfinite(gain)]
    rule = f"{claim.metric} at {_describe(claim.to)} minus {_describe(claim.start)}, mean over paired seeds"
    if "optimum" in (claim.start.at, claim.to.at):
        rule += ", optimum chosen on the other seeds"
    remarks = tuple(dict.fromkeys((*start.remarks, *to.remarks)))
    obstacle = start.obstacle or to.obstacle
    if obstacle is None and len(gains) < MIN_SEEDS:
        obstacle = f"{len(gains)} seeds have a value at both points, {MIN_SEEDS} are needed"
    if len(gains) < MIN_SEEDS:
        return Estimate(None, None, len(gains), rule, remarks, obstacle)
    mean, interval = t_interval(gains)
    return Estimate(mean, _opened(interval, start, to, claim.metric), len(gains), rule, remarks, obstacle)


def _opened(interval: tuple[float, float], start: Reading, to: Reading, metric: str) -> tuple[float, float]:
    """Return the interval without the ends that an optimum at an edge leaves open."""
    better, worse = (start, to) if lower_is_better(metric) else (to, start)
    low, high = interval
    return (-math.inf if worse.edge else low), (math.inf if better.edge else high)


def _read(grids: Mapping[str, GridRuns], protocol: Protocol, metric: str, point: Point) -> Reading:
    grid_runs = restrict(grids[point.grid], point.where)
    if point.at == "optimum":
        return read_optimum(table_of(grid_runs, protocol, metric))
    _, table = curve_table_of(grid_runs, protocol, metric)
    return read_first(table) if point.at == "first" else read_last(table)


def _describe(point: Point) -> str:
    where = f" at {describe_where(point.where)}" if point.where else ""
    return f"the {point.at} point of {point.grid!r}{where}"
