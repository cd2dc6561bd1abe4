"""Curves of optima: the best over the tuned axes, or where that best is (smith2020, figures 1 to 3).

A value is that of the best point, with the standard deviation of its kept runs. An optimum is drawn with
its error bar: everything whose mean lies within one standard deviation of the best. Tuned axes are tuned
together, and the error bar of several is projected onto what is drawn. Neither may touch the edge of the
grid; where they do, the point is marked: of an optimum, where it is the edge of what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sgdlab.analysis.curves import ascending, unselected_spreads
from sgdlab.analysis.labels import curve_label
from sgdlab.analysis.optimum import Optimum
from sgdlab.analysis.points import GridRuns, axes_followed, hashable, point_id
from sgdlab.analysis.series import Made, Series
from sgdlab.analysis.tuning import Bar, TunedPoint, bar_of, tune, unselected_optima
from sgdlab.sweeps.drawings import Curve
from sgdlab.sweeps.spec import Sweep


def make_optima(grid_runs: GridRuns, curve: Curve, sweep: Sweep) -> Made:
    """Make one curve of optima, or one for each value of `split_by`, in the order of the axis."""
    tuned = tune(grid_runs, sweep.protocol, sweep.drawing.tuned, curve.metric, curve.tuned_by)
    xs = grid_runs.values_of(curve.x or sweep.drawing.x)
    x_at = dict(zip(map(point_id, grid_runs.points), map(hashable, xs), strict=True))
    families: dict[Any, list[tuple[Any, TunedPoint]]] = {}
    for point in tuned:
        family = None if curve.split_by is None else hashable(point.at[curve.split_by])
        families.setdefault(family, []).append((x_at[point_id(point.shown.point)], point))
    axes = [curve.split_by] if curve.split_by else []
    series, warnings = [], []
    for points in families.values():
        label = curve_label(sweep.drawing, curve, grid_runs, points[0][1].shown.point, axes)
        at_x = ascending(points)
        xs, points_in_order = [x for x, _ in at_x], [point for _, point in at_x]
        series.append(_series(label, curve, grid_runs, xs, points_in_order))
        warnings += [f"{label}: {text}" for text in _warnings(points_in_order)]
    return Made(tuple(series), tuple(warnings))


def _series(
    label: str, curve: Curve, grid_runs: GridRuns, xs: Sequence[Any], points: Sequence[TunedPoint]
) -> Series:
    mean: tuple[float | None, ...]
    unselected: tuple[float | None, ...]
    if curve.optimum is None:
        shown = [point.shown for point in points]
        spreads, rule = unselected_spreads(shown)
        mean = tuple(one.value for one in shown)
        std = tuple(one.std for one in shown)
        unselected = tuple(spread.mean if spread else None for spread in spreads)
        bars: tuple[tuple[float, float] | None, ...] = ()
        drawn = list(grid_runs.grid.axes)
    else:
        optima, rule = unselected_optima(points)
        found = _bars([point.optimum for point in points], grid_runs, curve.optimum)
        mean = tuple(bar.best if bar else None for bar in found)
        std = (None,) * len(points)
        bars = tuple((bar.low, bar.high) if bar else None for bar in found)
        unselected = tuple(bar.best if bar else None for bar in _bars(optima, grid_runs, curve.optimum))
        drawn = axes_followed(grid_runs.points, grid_runs.values_of(curve.optimum))
    return Series(
        label=label,
        metric=curve.metric,
        x=tuple(xs),
        mean=mean,
        std=std,
        unselected=unselected,
        unselected_rule=rule,
        num_done=tuple(sum(one.num_done for one in point.candidates) for point in points),
        diverged_x=tuple(x for x, point in zip(xs, points, strict=True) if point.standing == "diverged"),
        unfinished_x=tuple(x for x, point in zip(xs, points, strict=True) if point.standing == "unfinished"),
        bars=bars,
        at_edge_x=tuple(
            x for x, point in zip(xs, points, strict=True) if any(edge.axis in drawn for edge in point.edges)
        ),
        grid=curve.grid,
        points=tuple(point.shown.point for point in points),
    )


def _bars(optima: Sequence[Optimum | None], grid_runs: GridRuns, expression: str) -> list[Bar | None]:
    return [bar_of(optimum, grid_runs, expression) if optimum else None for optimum in optima]


def _warnings(points: Sequence[TunedPoint]) -> Iterator[str]:
    if num_at_edge := sum(bool(point.edges) for point in points):
        axes = dict.fromkeys(f"{edge.axis} ({edge.side})" for point in points for edge in point.edges)
        yield (
            f"the optimum or its error bar touches the edge of the grid at {num_at_edge} of {len(points)} "
            f"points: {', '.join(axes)}"
        )
    if num_unfinished := sum(point.num_unfinished > 0 for point in points):
        yield f"tuned over an unfinished grid at {num_unfinished} of {len(points)} points"
    if num_tied := sum(len(point.optimum.best) > 1 for point in points if point.optimum):
        yield f"several points tie at {num_tied} of {len(points)} optima, and the middle one is drawn"
