"""Curves of a metric against an axis or an expression of axes: every point of the grid is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sgdlab.analysis.labels import curve_label
from sgdlab.analysis.optimum import Optimum, find_optimum
from sgdlab.analysis.points import GridRuns, hashable, is_number
from sgdlab.analysis.protocol import PointSummary, Spread, summarize_curve
from sgdlab.analysis.series import Made, OptimumMark, Series
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Sweep

T = TypeVar("T")


def make_curves(grid_runs: GridRuns, curve: Curve, sweep: Sweep) -> Made:
    """Make one curve, or one for each value of `split_by`, in the order of the axis."""
    summaries = summarize_curve(grid_runs, sweep.protocol, curve.metric)
    xs = grid_runs.values_of(curve.x or sweep.drawing.x)
    families: dict[Any, list[tuple[Any, PointSummary]]] = {}
    for summary, x in zip(summaries, xs, strict=True):
        family = None if curve.split_by is None else hashable(summary.point[curve.split_by])
        families.setdefault(family, []).append((hashable(x), summary))
    axes = [curve.split_by] if curve.split_by else []
    series, warnings = [], []
    for points in families.values():
        label = curve_label(sweep.drawing, curve, grid_runs, points[0][1].point, axes)
        series.append(_series(label, curve, ascending(points), sweep))
        if series[-1].optimum is not None and series[-1].optimum.at_edge:
            warnings.append(f"{label}: the optimum or its error bar touches the edge of the grid")
    return Made(tuple(series), tuple(warnings))


def ascending(points: Sequence[tuple[Any, T]]) -> list[tuple[Any, T]]:
    """Sort points by x where all are numbers; choices keep their order."""
    return sorted(points, key=lambda point: point[0]) if all(is_number(x) for x, _ in points) else [*points]


def unselected_spreads(points: Sequence[PointSummary]) -> tuple[list[Spread | None], str]:
    """Return what stands beside the values, and what it is: "" where nothing was selected.

    It is over every finite run. Of a best over training it is the honest one, where every point has it.
    """
    valued = [point for point in points if point.best is not None]
    if valued and valued[0].metric.endswith(".best") and all(point.honest for point in valued):
        rule = "all finite runs, epoch chosen on one half of the test set and read on the other"
        return [point.honest if point.best else None for point in points], rule
    if all(len(point.kept_seeds) == point.num_asked for point in valued):
        return [None] * len(points), ""
    return [point.unselected if point.best else None for point in points], "all finite runs"


def _series(label: str, curve: Curve, at_x: Sequence[tuple[Any, PointSummary]], sweep: Sweep) -> Series:
    xs, points = [x for x, _ in at_x], [point for _, point in at_x]
    optimum = find_optimum(points) if sweep.drawing.mark_optimum else None
    unselected, unselected_rule = unselected_spreads(points)
    return Series(
        label=label,
        metric=curve.metric,
        x=tuple(xs),
        mean=tuple(point.value for point in points),
        std=tuple(point.std for point in points),
        unselected=tuple(spread.mean if spread else None for spread in unselected),
        unselected_rule=unselected_rule,
        num_done=tuple(point.num_done for point in points),
        diverged_x=tuple(x for x, point in zip(xs, points, strict=True) if point.standing == "diverged"),
        unfinished_x=tuple(x for x, point in zip(xs, points, strict=True) if point.standing == "unfinished"),
        optimum=None if optimum is None else _mark(optimum, xs, points),
        grid=curve.grid,
        points=tuple(point.point for point in points),
    )


def _mark(optimum: Optimum, xs: Sequence[Any], points: Sequence[PointSummary]) -> OptimumMark | None:
    if not all(map(is_number, xs)):
        return None
    best = [x for x, point in zip(xs, points, strict=True) if point in optimum.best]
    bar = [x for x, point in zip(xs, points, strict=True) if point in optimum.bar]
    at_edge = len(xs) > 1 and (bar[-1] == xs[-1] or (bar[0] == xs[0] and xs[0] != 0))
    return OptimumMark(tuple(best), optimum.mean, (bar[0], bar[-1]), at_edge)
