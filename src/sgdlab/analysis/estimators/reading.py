"""What a metric is at a point that a claim means, for each seed.

An optimum is chosen for each seed on the other seeds, by their mean: a seed's noise can't choose the point at
which that seed is read. Where the best mean of all seeds stands at an edge of the grid, the true one may lie
beyond, and be better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sgdlab.analysis.estimators.seed_table import SeedTable
from sgdlab.analysis.optimum import edges_touched
from sgdlab.analysis.points import describe_point

_TIE = 1e-12  # means that differ by rounding only


@dataclass(frozen=True)
class Reading:
    """The value at the point that is meant for each seed; NaN where there is none."""

    value_of: Mapping[int, float]  # seed → value
    remarks: tuple[str, ...]
    obstacle: str | None
    edge: str | None = None  # where an optimum stands at an edge of its grid


def read_first(table: SeedTable) -> Reading:
    """Read the first point."""
    return _read_at(table, 0, table.unfinished([0]))


def read_last(table: SeedTable) -> Reading:
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
    return Reading(reading.value_of, (*reading.remarks, beyond), reading.obstacle)


def read_optimum(table: SeedTable) -> Reading:
    """Read each seed at the point that is best for the others, over all points of the table."""
    candidates = np.flatnonzero(table.valued)
    obstacle = table.unfinished()
    if candidates.size == 0:
        return Reading({}, table.describe_gaps(), obstacle or _all_diverged(table))
    value_of = {}
    for column, seed in enumerate(table.seeds):
        others = np.delete(table.heights[candidates], column, axis=1)
        chosen = candidates[np.argmax(np.nanmean(others, axis=1))]  # the first where several tie
        value_of[seed] = float(table.values[chosen, column])
    edge = _edge(table, candidates)
    return Reading(value_of, (*table.describe_gaps(), *([edge] if edge else [])), obstacle, edge)


def _read_at(table: SeedTable, index: int, obstacle: str | None) -> Reading:
    value_of = dict(zip(table.seeds, table.values[index].tolist(), strict=True))
    place = describe_point(table.points[index])
    if table.standings[index] == "diverged":
        obstacle = f"too many runs of grid {table.grid!r} diverged at {place}"
    return Reading(value_of, table.describe_gaps(), obstacle)


def _all_diverged(table: SeedTable) -> str:
    common = set.intersection(
        *({(axis, str(value)) for axis, value in point.items()} for point in table.points)
    )
    fixed = {axis: value for axis, value in table.points[0].items() if (axis, str(value)) in common}
    where = f" with {describe_point(fixed)}" if fixed and len(table.points) > 1 else ""
    return f"no point of grid {table.grid!r}{where} has a value"


def _edge(table: SeedTable, candidates: np.ndarray) -> str | None:
    """Say at which edge the best mean of all seeds stands; None where one that ties with it doesn't."""
    heights = np.nanmean(table.heights[candidates], axis=1)
    best = candidates[heights >= heights.max() - _TIE * abs(heights.max())]
    touched = [edges_touched([table.points[i]], table.points) for i in best]
    if not all(touched):
        return None
    edge = touched[0][0]
    return (
        f"{table.metric} of grid {table.grid!r} is best at {describe_point(table.points[best[0]])}, "
        f"the {edge.side} end of {edge.axis}: it may be better beyond"
    )
