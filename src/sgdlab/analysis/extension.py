"""Which curves need points beyond the edge of their grid, and which points those are.

Neither the optimum nor its error bar may touch the edge (smith2020, protocol). A curve is *open* where a
point of the error bar is the last one that was asked for along a tuned axis, all else being equal. What lies
beyond a point is known also where its runs diverged: that is a result, and no value, so next to divergence is
no edge. Where every point diverged, the grid goes on at its low end: steps that are too large diverge. Zero
is no edge. A curve with runs that have no outcome yet is not judged.

Only the points next to the error bar are proposed: of several tuned axes, along each whose end is touched,
and only where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sgdlab.analysis.optimum import Edge, Optimum, edges_touched, find_optimum
from sgdlab.analysis.points import GridRuns, Point, describe_point, is_number, point_id
from sgdlab.analysis.protocol import PointSummary, summarize_curve
from sgdlab.analysis.tuning_problems import TuningProblem
from sgdlab.config.numbers import format_number
from sgdlab.sweeps.continuing import between, beyond
from sgdlab.sweeps.extending import Extending
from sgdlab.sweeps.extension import AddedPoint, covered_by, settings_of, written
from sgdlab.sweeps.selection import values_meant
from sgdlab.sweeps.spec import Protocol

Standing = Literal["interior", "open", "unfinished", "stopped"]
Refusal = Callable[[GridRuns, Point], str | None]
"""Says why a point can't be trained; None where it can."""


@dataclass(frozen=True)
class Addition:
    """Points that are proposed at one end of one axis of a curve, or between two of its points."""

    axis: str
    side: Literal["low", "high", "between"]
    points: tuple[Point, ...]

    @property
    def values(self) -> tuple[Any, ...]:
        """The values on the axis, ascending."""
        return tuple(sorted({point[self.axis] for point in self.points}))


@dataclass(frozen=True)
class Assessment:
    """What is known of one tuning problem, and what is missing."""

    problem: TuningProblem
    optimum: Optimum | None  # None where no point has a value
    standing: Standing  # stopped: open, and not to be extended any further
    edges: tuple[Edge, ...]  # that the optimum or its error bar touches
    additions: tuple[Addition, ...]  # of an open one
    round: int  # in which it got its last points; 0: none
    why: str


def assess(
    problem: TuningProblem,
    protocol: Protocol,
    extending: Extending,
    round_of: Mapping[tuple[str, str, str], int],
    refusal: Refusal,
) -> Assessment:
    """Judge one tuning problem, and propose what is missing."""
    summaries = summarize_curve(problem.grid_runs, protocol, problem.metric)
    optimum, latest = find_optimum(summaries), latest_round(problem, round_of)

    def judged(standing: Standing, why: str, edges: tuple[Edge, ...] = (), *found: Addition) -> Assessment:
        return Assessment(problem, optimum, standing, edges, found, latest, why)

    if waiting := _waiting(summaries):
        return judged("unfinished", waiting)
    points = [summary.point for summary in (optimum.bar if optimum else summaries)]
    edges = edges_touched(points, problem.grid_runs.points)
    if optimum is None:
        edges = tuple(edge for edge in edges if edge.side == "low")
    if not edges:
        return judged("interior", _interior(optimum, summaries)) if optimum else judged("stopped", _NO_VALUE)
    if latest >= extending.rounds:
        rounds = "1 round" if latest == 1 else f"{latest} rounds"
        return judged("stopped", f"still at the edge after {rounds}, the most allowed", edges)
    additions, obstacles = _additions(problem, points, edges, extending, refusal)
    if not additions:
        return judged("stopped", "; ".join(obstacles), edges)
    why = "every point diverged" if optimum is None else "the optimum or its error bar is at the edge"
    return judged("open", "; ".join((why, *obstacles)), edges, *additions)


def refine(
    problem: TuningProblem,
    protocol: Protocol,
    extending: Extending,
    round_of: Mapping[tuple[str, str, str], int],
    refusal: Refusal,
) -> tuple[Addition, ...]:
    """Propose the points half way, in log2, from the optimum to its neighbours along each tuned axis."""
    optimum = find_optimum(summarize_curve(problem.grid_runs, protocol, problem.metric))
    if optimum is None or latest_round(problem, round_of) >= extending.rounds:
        return ()
    additions = []
    for axis in problem.numeric:
        halves: dict[Any, Point] = {}
        for best in (summary.point for summary in optimum.best):
            for neighbour in _neighbours(best, axis, problem.grid_runs.points):
                value = between(best[axis], neighbour[axis])
                half = {**best, axis: value}
                if value is not None and not refusal(problem.grid_runs, half):
                    halves[point_id(half)] = half
        if halves:
            additions.append(Addition(axis, "between", tuple(halves.values())))
    return tuple(additions)


def added_points(
    problem: TuningProblem,
    additions: Sequence[Addition],
    round_of: Mapping[tuple[str, str, str], int],
) -> list[AddedPoint]:
    """Return what is to be recorded of additions to a problem."""
    own = problem.grid_runs
    extended = [axis for axis in problem.numeric if all(map(is_number, own.grid.axes[axis]))]
    return [
        AddedPoint(
            panel=own.panel_name,
            grid=own.grid_name,
            point=dict(point),
            covered=covered_by(own.grid, extended),
            settings=settings_of(own.panel, own.grid),
            round=latest_round(problem, round_of) + 1,
            reason="between" if addition.side == "between" else "edge",
        )
        for addition in additions
        for point in addition.points
    ]


def latest_round(problem: TuningProblem, round_of: Mapping[tuple[str, str, str], int]) -> int:
    """Return the last round in which a problem got points; 0 where it never did."""
    own = problem.grid_runs
    rounds = (round_of.get((own.panel_name, own.grid_name, written(point)), 0) for point in own.points)
    return max(rounds, default=0)


_NO_VALUE = "every point diverged, and the grid can't go on at its low end"


def _waiting(summaries: Sequence[PointSummary]) -> str | None:
    """Say which runs must come to an end first."""
    num_missing = sum(summary.num_missing for summary in summaries)
    if num_missing:
        runs = "1 run has" if num_missing == 1 else f"{num_missing} runs have"
        return f"{runs} no outcome yet: `sgdlab run`"
    num_failed = sum(summary.num_failed for summary in summaries if summary.standing == "unfinished")
    if num_failed:
        runs = "1 run" if num_failed == 1 else f"{num_failed} runs"
        return f"{runs} failed: `sgdlab retry`"
    unfinished = [summary for summary in summaries if summary.standing == "unfinished"]
    return f"no value at {describe_point(unfinished[0].point)}: {unfinished[0].note}" if unfinished else None


def _interior(optimum: Optimum, summaries: Sequence[PointSummary]) -> str:
    """Say what the error bar lies next to."""
    diverged = [summary.point for summary in summaries if summary.standing == "diverged"]
    bar = [summary.point for summary in optimum.bar]
    grid = [summary.point for summary in summaries if summary.standing != "diverged"]
    return "interior, next to divergence" if diverged and edges_touched(bar, grid) else "interior"


def _additions(
    problem: TuningProblem,
    points: Sequence[Point],
    edges: Sequence[Edge],
    extending: Extending,
    refusal: Refusal,
) -> tuple[list[Addition], list[str]]:
    """Return what is to be added at each end, and why nothing is at others."""
    additions, obstacles = [], []
    for edge in edges:
        found: dict[Any, Point] = {}
        for point in points:
            if edge in edges_touched([point], problem.grid_runs.points):
                further, obstacle = _beyond(problem, point, edge, extending, refusal)
                found |= {point_id(one): one for one in further}
                obstacles += [obstacle] if obstacle else []
        if found:
            additions.append(Addition(edge.axis, edge.side, tuple(found.values())))
    return additions, list(dict.fromkeys(obstacles))


def _beyond(
    problem: TuningProblem, point: Point, edge: Edge, extending: Extending, refusal: Refusal
) -> tuple[list[Point], str | None]:
    """Return the points beyond one at an end of an axis, and what forbids more of them."""
    axis, own = edge.axis, problem.grid_runs
    found: list[Point] = []
    for value in beyond(own.grid.axes[axis], point[axis], edge.side, extending.points):
        further = {**point, axis: value}
        if axis in problem.bands and not values_meant([value], problem.bands[axis]):
            return found, f"{', '.join(problem.asked_by)} confines {axis}"
        if not extending.allows(axis, value):
            return found, f"{axis}={format_number(value)} is beyond extend.limits"
        if refused := refusal(own, further):
            return found, refused
        found.append(further)
    return found, None if found else f"the values of {axis} don't go on"


def _neighbours(point: Point, axis: str, grid: Sequence[Point]) -> Iterator[Point]:
    """Yield the next points on both sides along an axis, all else being equal."""
    line = [one for one in grid if all(one[name] == value for name, value in point.items() if name != axis)]
    below = [one for one in line if one[axis] < point[axis]]
    above = [one for one in line if one[axis] > point[axis]]
    if below:
        yield max(below, key=lambda one: one[axis])
    if above:
        yield min(above, key=lambda one: one[axis])
