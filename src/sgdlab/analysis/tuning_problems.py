"""The tuning problems of a sweep: every set of points of which its drawing or a claim takes the best.

A curve of which the optimum is marked, a point of a drawing of optima, an optimum that a claim speaks of. Two
that choose among the same points by the same metric are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgdlab.analysis.points import (
    GridRuns,
    NoSuchPointError,
    Point,
    is_number,
    place_beside,
    point_id,
    restrict,
)
from sgdlab.sweeps.any_claim import Claim
from sgdlab.sweeps.claims import GainClaim, OptimumRatioClaim
from sgdlab.sweeps.grids import Grid
from sgdlab.sweeps.selection import Band, Where
from sgdlab.sweeps.spec import Sweep
from sgdlab.sweeps.tuned_claims import TunedClaim


@dataclass(frozen=True)
class TuningProblem:
    """Points of one grid, of which the best is sought."""

    grid_runs: GridRuns  # these points alone; `grid` is the one they are of, as the sweep has it
    metric: str  # the metric that chooses
    tuned: tuple[str, ...]  # the axes on which the points differ
    bands: Mapping[str, Band]  # tuned axis → what a claim confines it to
    asked_by: tuple[str, ...]  # "drawing", "claims[2]"

    @property
    def at(self) -> Point:
        """What the points have in common: the axes that aren't tuned → value."""
        return {axis: value for axis, value in self.grid_runs.points[0].items() if axis not in self.tuned}

    @property
    def numeric(self) -> tuple[str, ...]:
        """The tuned axes that have ends: those of numbers."""
        points = self.grid_runs.points
        return tuple(axis for axis in self.tuned if all(is_number(point[axis]) for point in points))


@dataclass(frozen=True)
class _Question:
    """The best over some axes, at each value of the others."""

    grid: str
    metric: str
    tuned: Sequence[str] | None  # None: over everything
    where: Where
    asked_by: str


def tuning_problems(sweep: Sweep, arranged: Mapping[tuple[str, str], GridRuns]) -> list[TuningProblem]:
    """Return the tuning problems of a sweep whose observations were arranged, in the order of its file."""
    found: dict[Any, TuningProblem] = {}
    for panel in sweep.panels:
        for question in _questions(sweep, panel):
            whole = arranged[panel, question.grid]
            try:
                asked_of = restrict(whole, question.where)
            except NoSuchPointError:
                continue  # the command line gave the axis other values
            for members in _groups(asked_of, question.tuned):
                problem = _problem(asked_of, members, question, whole.grid)
                if problem is not None:
                    points = frozenset(map(point_id, problem.grid_runs.points))
                    known = found.setdefault((panel, question.grid, question.metric, points), problem)
                    if question.asked_by not in known.asked_by:
                        found[panel, question.grid, question.metric, points] = _asked_too(known, problem)
    return list(found.values())


def _questions(sweep: Sweep, panel: str) -> Iterator[_Question]:
    drawing = sweep.drawing
    for curve in drawing.curves:
        grid = sweep.panels[panel].grids[curve.grid]
        if drawing.kind == "optima":
            yield _Question(curve.grid, curve.tuned_by or curve.metric, drawing.tuned, {}, "drawing")
        elif drawing.kind == "curves" and drawing.mark_optimum:
            tuned = [axis for axis in grid.axes if axis != curve.split_by]
            yield _Question(curve.grid, curve.metric, tuned, {}, "drawing")
    for index, claim in enumerate(sweep.claims):
        if claim.panels is None or panel in claim.panels:
            yield from _questions_of(claim, f"claims[{index}]")


def _questions_of(claim: Claim, name: str) -> Iterator[_Question]:
    if isinstance(claim, GainClaim):
        for point in (claim.start, claim.to):
            if point.at == "optimum":
                yield _Question(point.grid, claim.metric, None, point.where, name)
    elif isinstance(claim, OptimumRatioClaim):
        for curve in (claim.of, claim.over):
            yield _Question(curve.grid, curve.metric, None, curve.where, name)
    elif isinstance(claim, TunedClaim):
        yield _Question(claim.grid, claim.metric, claim.tuned, claim.where, name)


def _groups(grid_runs: GridRuns, tuned: Sequence[str] | None) -> list[list[int]]:
    """Return the places of the points that are tuned together."""
    groups: dict[Any, list[int]] = {}
    for index, point in enumerate(grid_runs.points):
        groups.setdefault(place_beside(point, point if tuned is None else tuned), []).append(index)
    return list(groups.values())


def _problem(
    grid_runs: GridRuns, members: Sequence[int], question: _Question, grid: Grid
) -> TuningProblem | None:
    """Return the problem over some points of a grid; None where they differ in nothing."""
    points = tuple(grid_runs.points[index] for index in members)
    tuned = tuple(axis for axis in points[0] if len({str(point[axis]) for point in points}) > 1)
    if not tuned:
        return None
    runs = tuple(grid_runs.runs[index] for index in members)
    own = GridRuns(grid_runs.panel_name, grid_runs.grid_name, grid_runs.panel, grid, points, runs)
    where = question.where.items()
    bands = {axis: wanted for axis, wanted in where if axis in tuned and isinstance(wanted, Band)}
    return TuningProblem(own, question.metric, tuned, bands, (question.asked_by,))


def _asked_too(known: TuningProblem, other: TuningProblem) -> TuningProblem:
    """Return a problem that two have: confined only where both confine it."""
    bands = {axis: band for axis, band in known.bands.items() if axis in other.bands}
    return TuningProblem(
        known.grid_runs, known.metric, known.tuned, bands, (*known.asked_by, *other.asked_by)
    )
