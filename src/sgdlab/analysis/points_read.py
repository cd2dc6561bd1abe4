"""Which points of which grids a claim's number is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sgdlab.analysis.estimators.seed_table import order_of
from sgdlab.analysis.points import GridRuns, PointId, point_id, restrict
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.claims import GainClaim, OptimumRatioClaim, Point
from sgdlab.sweeps.tuned_claims import TunedClaim


@dataclass(frozen=True)
class PointsRead:
    """Points of one grid that a claim reads."""

    grid: str
    points: frozenset[PointId]
    is_choice: bool  # the best of them is sought: what the others are worth doesn't matter


def points_read(claim: Claim, grids: Mapping[str, GridRuns], num_first: int) -> Iterator[PointsRead]:
    """Yield the points that a claim reads on the grids of one panel; which are diverged, the first seeds say.

    Raises
    ------
    NoSuchPointError
        If a grid has none of those that the claim means.
    """
    if isinstance(claim, GainClaim):
        for point in (claim.start, claim.to):
            yield PointsRead(point.grid, _points_at(point, grids, num_first), point.at == "optimum")
        return
    is_choice = isinstance(claim, OptimumRatioClaim | TunedClaim)
    for reference in claim.references("claim"):
        meant = restrict(grids[reference.grid], reference.where_axes)
        yield PointsRead(reference.grid, frozenset(map(point_id, meant.points)), is_choice)


def _points_at(point: Point, grids: Mapping[str, GridRuns], num_first: int) -> frozenset[PointId]:
    """Return the points that may be read: as the last, the last where nothing diverged, and all beyond."""
    meant = restrict(grids[point.grid], point.where)
    if point.at == "optimum":
        return frozenset(map(point_id, meant.points))
    _, order = order_of(meant)
    if point.at == "first":
        return frozenset([point_id(meant.points[order[0]])])
    first_runs = [[run.state for run in meant.runs[index] if run.seed < num_first] for index in order]
    converging = [place for place, states in enumerate(first_runs) if "diverged" not in states]
    last = converging[-1] if converging else 0
    return frozenset(point_id(meant.points[index]) for index in order[last:])
