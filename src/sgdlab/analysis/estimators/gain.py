"""Gain: the metric at one point minus the metric at another, seed by seed.

An optimum is chosen for each seed on the other seeds, by their mean: a seed's noise can't choose the point at
which that seed is read. So a flat curve has no gain on average, where best minus first always has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.estimators.estimate import MIN_SEEDS, Estimate, t_interval
from sgdlab.analysis.estimators.seed_table import SeedTable, curve_table_of
from sgdlab.analysis.points import GridRuns, describe_point
from sgdlab.sweeps.claims import GainClaim, Point
from sgdlab.sweeps.spec import Protocol


@dataclass(frozen=True)
class _Reading:
    """The curve's value at the claimed point for each seed; NaN where there is none."""

    value_of: Mapping[int, float]  # seed → value
    remarks: tuple[str, ...]
    obstacle: str | None


def estimate_gain(claim: GainClaim, grids: Mapping[str, GridRuns], protocol: Protocol) -> Estimate:
    """Return the mean over seeds of `to` − `start`, with Student's interval."""
    start = _read(grids, protocol, claim.metric, claim.start)
    to = _read(grids, protocol, claim.metric, claim.to)
    seeds = start.value_of.keys() & to.value_of.keys()
    gains = [to.value_of[seed] - start.value_of[seed] for seed in sorted(seeds)]
    gains = [gain for gain in gains if np.isfinite(gain)]
    rule = (
        f"{claim.metric} at the {claim.to.at} point of {claim.to.grid!r} minus the {claim.start.at} point of "
        f"{claim.start.grid!r}, mean over paired seeds"
    )
    if "optimum" in (claim.start.at, claim.to.at):
        rule += ", optimum chosen on the other seeds"
    remarks = tuple(dict.fromkeys((*start.remarks, *to.remarks)))
    obstacle = start.obstacle or to.obstacle
    if obstacle is None and len(gains) < MIN_SEEDS:
        obstacle = f"{len(gains)} seeds have a value at both points, {MIN_SEEDS} are needed"
    if len(gains) < MIN_SEEDS:
        return Estimate(None, None, len(gains), rule, remarks, obstacle)
    return Estimate(*t_interval(gains), len(gains), rule, remarks, obstacle)


def _read(grids: Mapping[str, GridRuns], protocol: Protocol, metric: str, point: Point) -> _Reading:
    _, table = curve_table_of(grids[point.grid], protocol, metric)
    readers: dict[str, Callable[[SeedTable], _Reading]] = {
        "first": _read_first,
        "last": _read_last,
        "optimum": _read_optimum,
    }
    return readers[point.at](table)


def _read_first(table: SeedTable) -> _Reading:
    return _read_at(table, 0, table.unfinished([0]))


def _read_last(table: SeedTable) -> _Reading:
    """Read the last point that has a value: nothing is made up for diverged runs."""
    valued = np.flatnonzero(table.valued)
    if valued.size == 0:
        return _read_at(table, len(table.points) - 1, table.unfinished())
    last = int(valued[-1])
    reading = _read_at(table, last, table.unfinished(range(last, len(table.points))))
    if last == len(table.points) - 1:
        return reading
    beyond = (
        f"runs of grid {table.grid!r} diverge beyond {describe_point(table.points[last])}, read as its last"
    )
    return _Reading(reading.value_of, (*reading.remarks, beyond), reading.obstacle)


def _read_at(table: SeedTable, index: int, obstacle: str | None) -> _Reading:
    value_of = dict(zip(table.seeds, table.values[index].tolist(), strict=True))
    place = describe_point(table.points[index])
    if table.standings[index] == "diverged":
        obstacle = f"too many runs of grid {table.grid!r} diverged at {place}"
    return _Reading(value_of, table.describe_gaps(), obstacle)


def _read_optimum(table: SeedTable) -> _Reading:
    candidates = np.flatnonzero(table.valued)
    obstacle = table.unfinished()
    if candidates.size == 0:
        return _Reading({}, table.describe_gaps(), obstacle or f"no point of grid {table.grid!r} has a value")
    value_of = {}
    for column, seed in enumerate(table.seeds):
        others = np.delete(table.heights[candidates], column, axis=1)
        chosen = candidates[np.argmax(np.nanmean(others, axis=1))]  # the first where several tie
        value_of[seed] = float(table.values[chosen, column])
    return _Reading(value_of, table.describe_gaps(), obstacle)
