"""Curves of a metric against an axis or an expression of axes.

An axis that neither x nor `split_by` names is tuned: of the points that share an x, the one with the best
mean is drawn, as in "accuracy at the optimal ε against batch size".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sgdlab.analysis.labels import curve_label
from sgdlab.analysis.optimum import Optimum, find_optimum
from sgdlab.analysis.points import GridRuns, hashable, is_number
from sgdlab.analysis.protocol import PointSummary, summarize_curve
from sgdlab.analysis.series import Made, OptimumMark, Series
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Sweep


def make_curves(grid_runs: GridRuns, curve: Curve, sweep: Sweep) -> Made:
    """Make one curve, or one for each value of `split_by`, in the order of the axis."""
    summaries = summarize_curve(grid_runs, sweep.protocol, curve.metric)
    xs = grid_runs.values_of(curve.x or sweep.drawing.x)
    families: dict[Any, dict[Any, list[PointSummary]]] = {}
    for summary, x in zip(summaries, xs, strict=True):
        family = None if curve.split_by is None else hashable(summary.point[curve.split_by])
        families.setdefault(family, {}).setdefault(hashable(x), []).append(summary)
    series, warnings = [], []
    for at_x in families.values():
        point = next(iter(at_x.values()))[0].point
        label = curve_label(
            sweep.drawing, curve, grid_runs, point, [curve.split_by] if curve.split_by else []
        )
        series.append(_series(label, curve.metric, at_x, sweep))
        if num_at_edge := sum(map(_tuned_at_edge, at_x.values())):
            warnings.append(f"{label}: tuned at the edge of the grid at {num_at_edge} of {len(at_x)} points")
        if series[-1].optimum is not None and series[-1].optimum.at_edge:
            warnings.append(f"{label}: the optimum or its error bar touches the edge of the grid")
    return Made(tuple(series), tuple(warnings))


def unselected_means(points: Sequence[PointSummary]) -> tuple[tuple[float | None, ...], str]:
    """Return what stands beside the values, and what it is: "" where nothing was selected.

    The mean is over every finite run. Of a best over training it is the honest one, where every point has it.
    """
    valued = [point for point in points if point.best is not None]
    if valued and valued[0].metric.endswith(".best") and all(point.honest for point in valued):
        rule = "all finite runs, epoch chosen on one half of the test set and read on the other"
        spreads = [point.honest for point in points]
    elif all(len(point.kept_seeds) == point.num_asked for point in valued):
        return (None,) * len(points), ""
    else:
        rule = "all finite runs"
        spreads = [point.unselected for point in points]
    means = (
        spread.mean if spread and point.best else None for spread, point in zip(spreads, points, strict=True)
    )
    return tuple(means), rule


def _series(label: str, metric: str, at_x: Mapping[Any, list[PointSummary]], sweep: Sweep) -> Series:
    xs = sorted(at_x) if all(map(is_number, at_x)) else list(at_x)
    points = [_best_of(at_x[x]) for x in xs]
    optimum = find_optimum(points) if sweep.drawing.mark_optimum else None
    unselected, unselected_rule = unselected_means(points)
    return Series(
        label=label,
        metric=metric,
        x=tuple(xs),
        mean=tuple(point.value for point in points),
        std=tuple(point.std for point in points),
        unselected=unselected,
        unselected_rule=unselected_rule,
        num_done=tuple(point.num_done for point in points),
        diverged_x=tuple(x for x, point in zip(xs, points, strict=True) if point.standing == "diverged"),
        unfinished_x=tuple(x for x, point in zip(xs, points, strict=True) if point.standing == "unfinished"),
        optimum=None if optimum is None else _mark(optimum, xs, points),
    )


def _best_of(candidates: Sequence[PointSummary]) -> PointSummary:
    """Return the best of the points that share an x; where none has a value, one that may still get it."""
    optimum = find_optimum(candidates)
    if optimum is not None:
        return optimum.best[0]
    return next((point for point in candidates if point.standing == "unfinished"), candidates[0])


def _tuned_at_edge(candidates: Sequence[PointSummary]) -> bool:
    optimum = find_optimum(candidates) if len(candidates) > 1 else None
    return optimum is not None and bool(optimum.best_edges)


def _mark(optimum: Optimum, xs: Sequence[Any], points: Sequence[PointSummary]) -> OptimumMark | None:
    if not all(map(is_number, xs)):
        return None
    best = [x for x, point in zip(xs, points, strict=True) if point in optimum.best]
    bar = [x for x, point in zip(xs, points, strict=True) if point in optimum.bar]
    at_edge = len(xs) > 1 and (bar[-1] == xs[-1] or (bar[0] == xs[0] and xs[0] != 0))
    return OptimumMark(tuple(best), optimum.mean, (bar[0], bar[-1]), at_edge)
