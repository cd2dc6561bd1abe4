"""The optimum over some axes of a grid at each value of the others (smith2020, protocol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sgdlab.analysis.curves import unselected_spreads
from sgdlab.analysis.optimum import Edge, Optimum, find_optimum
from sgdlab.analysis.points import GridRuns, Point, is_number, place_beside, point_id
from sgdlab.analysis.protocol import PointSummary, Standing, summarize_curve
from sgdlab.sweeps.spec import Protocol


@dataclass(frozen=True)
class Bar:
    """A hyperparameter where a metric is best, and its error bar."""

    best: Any  # the middle one where several tie
    low: Any
    high: Any


@dataclass(frozen=True)
class TunedPoint:
    """The best point over the tuned axes, at one place of the others."""

    at: Point  # the axes that aren't tuned → value
    candidates: tuple[PointSummary, ...]  # in the metric that chooses
    optimum: Optimum | None  # None where no candidate has a value
    shown: PointSummary  # the best point in the metric that is drawn; without an optimum, one of them

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Ends of the grid that the optimum or its error bar touches."""
        return () if self.optimum is None else self.optimum.bar_edges

    @property
    def num_unfinished(self) -> int:
        """Candidates that may still get a value, and become the best."""
        return sum(candidate.standing == "unfinished" for candidate in self.candidates)

    @property
    def standing(self) -> Standing:
        """Whether it has a value, can't have one any more, or may still get it."""
        if self.shown.value is not None:
            return "valued"
        return "unfinished" if self.num_unfinished or self.optimum is not None else "diverged"


def tune(
    grid_runs: GridRuns, protocol: Protocol, tuned: Sequence[str], metric: str, tuned_by: str | None = None
) -> list[TunedPoint]:
    """Return the optimum over the tuned axes at each value of the others, in the order of the sweep file.

    Parameters
    ----------
    metric : str
        What is shown at the optimum.
    tuned_by : str, optional
        The metric that chooses it; by default the one that is shown.
    """
    choosing = summarize_curve(grid_runs, protocol, tuned_by or metric)
    shown = choosing if tuned_by is None else summarize_curve(grid_runs, protocol, metric)
    groups: dict[Any, list[int]] = {}
    for index, point in enumerate(grid_runs.points):
        groups.setdefault(place_beside(point, tuned), []).append(index)
    return [_tuned_point(members, choosing, shown, tuned) for members in groups.values()]


def unselected_optima(points: Sequence[TunedPoint]) -> tuple[list[Optimum | None], str]:
    """Return the optima without a choice of runs or epoch, and what that is: "" where nothing was chosen."""
    everyone = [candidate for point in points for candidate in point.candidates]
    spreads, rule = unselected_spreads(everyone)
    of = iter(spreads)
    unselected = [
        find_optimum([replace(candidate, best=next(of)) for candidate in point.candidates])
        for point in points
    ]
    return (unselected, rule) if rule else ([None] * len(points), "")


def bar_of(optimum: Optimum, grid_runs: GridRuns, expression: str) -> Bar:
    """Project an optimum and its error bar onto an axis or an expression of axes."""
    values = grid_runs.values_of(expression)
    value_at = dict(zip(map(point_id, grid_runs.points), values, strict=True))
    best = _sorted([value_at[point_id(summary.point)] for summary in optimum.best])
    bar = _sorted([value_at[point_id(summary.point)] for summary in optimum.bar])
    return Bar(best[(len(best) - 1) // 2], bar[0], bar[-1])


def _tuned_point(
    members: Sequence[int],
    choosing: Sequence[PointSummary],
    shown: Sequence[PointSummary],
    tuned: Sequence[str],
) -> TunedPoint:
    candidates = tuple(choosing[index] for index in members)
    optimum = find_optimum(candidates)
    best = members[0]
    if optimum is not None:
        tied = [index for index in members if any(choosing[index] is one for one in optimum.best)]
        best = tied[(len(tied) - 1) // 2]
    at = {axis: value for axis, value in candidates[0].point.items() if axis not in tuned}
    return TunedPoint(at, candidates, optimum, shown[best])


def _sorted(values: list[Any]) -> list[Any]:
    return sorted(values) if all(map(is_number, values)) else values
