"""The optimum of a grid and its error bar (smith2020, protocol).

The optimum is the point with the best mean, a set where several tie. Its error bar is every point whose mean
is within one standard deviation, of the best point's kept runs, of the best mean. Neither may touch the edge
of the grid: where one does, the true optimum may lie beyond, and the grid should be extended there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sgdlab.analysis.points import Point, is_number, place_beside
from sgdlab.analysis.protocol import PointSummary
from sgdlab.config.metrics import lower_is_better


@dataclass(frozen=True)
class Edge:
    """One end of one axis of a grid."""

    axis: str
    side: Literal["low", "high"]


@dataclass(frozen=True)
class Optimum:
    """The best points of a grid, in the grid's order."""

    best: tuple[PointSummary, ...]  # more than one where they tie
    bar: tuple[PointSummary, ...]  # the error bar; contains `best`
    mean: float
    std: float | None  # the largest of the best points'
    best_edges: tuple[Edge, ...]  # ends of the grid that `best` touches
    bar_edges: tuple[Edge, ...]  # ends of the grid that `bar` touches; contains `best_edges`


def find_optimum(points: Sequence[PointSummary]) -> Optimum | None:
    """Return the optimum over all given points, which are the whole grid; None where no point has a value."""
    valued = [point for point in points if point.best is not None]
    if not valued:
        return None
    sign = -1.0 if lower_is_better(valued[0].metric) else 1.0
    heights = [sign * point.best.mean for point in valued if point.best is not None]
    highest = max(heights)
    is_best = [math.isclose(height, highest, rel_tol=1e-12) for height in heights]
    best = tuple(point for point, at_top in zip(valued, is_best, strict=True) if at_top)
    std = max((point.std for point in best if point.std is not None), default=None)
    reach = highest - (std or 0.0)
    bar = tuple(
        point
        for point, height, at_top in zip(valued, heights, is_best, strict=True)
        if at_top or height >= reach
    )
    grid = [point.point for point in points]
    return Optimum(
        best=best,
        bar=bar,
        mean=sign * highest,
        std=std,
        best_edges=edges_touched([point.point for point in best], grid),
        bar_edges=edges_touched([point.point for point in bar], grid),
    )


def edges_touched(points: Sequence[Point], grid: Sequence[Point]) -> tuple[Edge, ...]:
    """Return the ends that points touch: where nothing was asked for beyond them, all else being equal.

    A point of which all runs diverged was asked for: next to it is no edge. Zero is none either, since no
    hyperparameter goes below it.
    """
    edges = []
    for axis, ends in _ends(grid):
        touched = [(point[axis], ends[place_beside(point, [axis])]) for point in points]
        if any(value == low and value != 0 for value, (low, _) in touched):
            edges.append(Edge(axis, "low"))
        if any(value == high for value, (_, high) in touched):
            edges.append(Edge(axis, "high"))
    return tuple(edges)


def is_at_an_edge(grid: Sequence[Point]) -> list[bool]:
    """Return of each point of a grid whether it touches an end, as `edges_touched` does of one."""
    found = [False] * len(grid)
    for axis, ends in _ends(grid):
        for index, point in enumerate(grid):
            low, high = ends[place_beside(point, [axis])]
            found[index] |= point[axis] == high or (point[axis] == low and low != 0)
    return found


def _ends(grid: Sequence[Point]) -> Iterator[tuple[str, dict[Any, tuple[float, float]]]]:
    """Yield each axis that has ends, and where they are: by the place on all other axes."""
    for axis in grid[0]:
        values = [point[axis] for point in grid]
        if not all(map(is_number, values)):
            continue  # a choice such as optimizer.order has no ends
        if min(values) == max(values):
            continue
        ends: dict[Any, tuple[float, float]] = {}
        for point, value in zip(grid, values, strict=True):
            line = place_beside(point, [axis])
            low, high = ends.get(line, (value, value))
            ends[line] = (min(low, value), max(high, value))
        yield axis, ends
