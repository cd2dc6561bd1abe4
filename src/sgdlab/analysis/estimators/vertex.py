"""Where a curve is best on a log2 axis: the vertex of a parabola, in each resample of the seeds.

The parabola goes through the best mean and its two neighbours, in log2 of the hyperparameter. Where means
tie, a resample takes one of them at random, so an interval spans the tie. Where several axes are tuned
together, the curve is the profile: at each value of the hyperparameter, the best mean over everything else.

Where the best mean is the first or last of the curve, the true optimum may lie beyond. Where it is at an
end of another tuned axis, the true optimum may lie beyond that, and anywhere on this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sgdlab.analysis.estimators.seed_table import SeedTable, numbers_on, table_of
from sgdlab.analysis.optimum import is_at_an_edge
from sgdlab.analysis.points import GridRuns, Point, axes_followed, describe_point
from sgdlab.config.numbers import format_number
from sgdlab.sweeps.spec import Protocol

_TIE = 1e-12  # means that differ by rounding only
_SAME = 9  # decimals of log2 within which an expression has one value: optimizer.lr / 3 rounds


@dataclass(frozen=True)
class OptimumCurve:
    """A metric at points, and the hyperparameter whose optimum is sought, with log2 ascending."""

    name: str  # of the hyperparameter
    table: SeedTable  # (P,)
    log2_x: np.ndarray  # (V,) distinct; −inf at zero
    position: np.ndarray  # (P,) where on log2_x each point stands
    is_confined: np.ndarray  # (P,) at an end of an axis that is tuned besides

    def on_seeds_of(self, table: SeedTable) -> OptimumCurve:
        """Return the curve over the seeds of a restricted table."""
        return replace(self, table=table)


@dataclass(frozen=True)
class Optima:
    """log2 of the optimum in each resample, and where it may be lower or higher in truth."""

    log2_x: np.ndarray  # (R,)
    could_be_lower: np.ndarray  # (R,)
    could_be_higher: np.ndarray  # (R,)


def optimum_curve(grid_runs: GridRuns, protocol: Protocol, metric: str, optimum: str) -> OptimumCurve:
    """Arrange a grid by an axis or an expression of its axes, whose optimum over all points is sought."""
    x = numbers_on(grid_runs.values_of(optimum), grid_runs.grid_name)
    kept = np.flatnonzero(x >= 0)
    with np.errstate(divide="ignore"):
        log2_x, position = np.unique(np.round(np.log2(x[kept]), _SAME), return_inverse=True)
    points = [grid_runs.points[i] for i in kept]
    table = table_of(grid_runs, protocol, metric).select(kept.tolist())
    return OptimumCurve(optimum, table, log2_x, position, _confined(points, position))


def nothing_on(curve: OptimumCurve) -> str | None:
    """Say that no point has a value, if so."""
    if np.any(curve.table.valued & np.isfinite(curve.log2_x[curve.position])):
        return None
    return f"no point of grid {curve.table.grid!r} that has a log2 has a value"


def optima(curve: OptimumCurve, weights: np.ndarray, generator: np.random.Generator) -> Optima:
    """Return the optimum for each row of weights of the seeds, (R, S)."""
    heights = _heights(curve, weights)
    profile = _profile(curve, heights)
    is_best = _is_best(profile)
    index = np.argmax(is_best * (1 + generator.random(profile.shape)), axis=1)
    first = _first_with_log2(curve)
    is_confined = curve.is_confined[np.argmax(heights, axis=1)]
    at_low_edge, at_high_edge = index <= first, index == len(curve.log2_x) - 1
    index = np.maximum(index, first)
    tied = np.sum(is_best, axis=1) > 1
    log2_x = np.where(tied, curve.log2_x[index], _vertices(curve.log2_x, profile, index))
    return Optima(log2_x, at_low_edge | is_confined, at_high_edge | is_confined)


def best_estimate(curve: OptimumCurve) -> float:
    """Return the vertex over all seeds; the middle of the tied values where several tie."""
    profile = _profile(curve, _heights(curve, np.ones((1, len(curve.table.seeds)))))
    best = np.maximum(np.flatnonzero(_is_best(profile)[0]), _first_with_log2(curve))
    if len(best) > 1:
        return float((curve.log2_x[best[0]] + curve.log2_x[best[-1]]) / 2)
    return float(_vertices(curve.log2_x, profile, best)[0])


def describe_optimum(curve: OptimumCurve, where: str = "") -> list[str]:
    """Say where the best mean touches an edge or ties; `where` tells this curve from others."""
    heights = _heights(curve, np.ones((1, len(curve.table.seeds))))
    best = np.flatnonzero(_is_best(_profile(curve, heights))[0])
    table = curve.table
    name = f"{table.metric} of grid {table.grid!r}{' ' * bool(where)}{where}"
    top = int(np.argmax(heights[0]))
    remarks = []
    if len(best) > 1:
        remarks.append(f"{name} ties at {len(best)} points")
    for is_there, side, position in (
        (best[0] <= _first_with_log2(curve), "low", best[0]),
        (best[-1] == len(curve.log2_x) - 1, "high", best[-1]),
    ):
        if is_there:
            remarks.append(f"{name} is best at the {side} edge, {_value_at(curve, int(position))}")
    if curve.is_confined[top]:
        remarks.append(f"{name} is best at {describe_point(table.points[top])}, at an edge of the grid")
    return remarks


def _value_at(curve: OptimumCurve, position: int) -> str:
    value = float(2.0 ** curve.log2_x[position])
    written = next(
        (
            point[curve.name]
            for point, where in zip(curve.table.points, curve.position, strict=True)
            if where == position and curve.name in point
        ),
        value,
    )
    return f"{curve.name}={format_number(written)}"


def _confined(points: Sequence[Point], position: np.ndarray) -> np.ndarray:
    """Return which points touch an end of an axis that the hyperparameter doesn't follow, (P,)."""
    if not points:
        return np.zeros(0, bool)
    followed = axes_followed(points, position.tolist())
    others = [axis for axis in points[0] if axis not in followed]
    grid = [{axis: point[axis] for axis in others} for point in points]
    return np.array(is_at_an_edge(grid))


def _heights(curve: OptimumCurve, weights: np.ndarray) -> np.ndarray:
    """Return mean over seeds, higher is better, (R, P); −inf where a point has no value."""
    means = curve.table.mean_heights(weights)
    return np.where(np.isfinite(means) & curve.table.valued, means, -np.inf)


def _profile(curve: OptimumCurve, heights: np.ndarray) -> np.ndarray:
    """Return the best height at each value of the hyperparameter, (R, V)."""
    order = np.argsort(curve.position, kind="stable")
    starts = np.searchsorted(curve.position[order], np.arange(len(curve.log2_x)))
    return np.asarray(np.maximum.reduceat(heights[:, order], starts, axis=1))


def _is_best(profile: np.ndarray) -> np.ndarray:
    highest = profile.max(axis=1, keepdims=True)
    return np.asarray(profile >= highest - _TIE * np.abs(highest))


def _first_with_log2(curve: OptimumCurve) -> int:
    return int(np.flatnonzero(np.isfinite(curve.log2_x))[0])


def _vertices(log2_x: np.ndarray, profile: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return where the parabola through the best point and its neighbours peaks, (R,).

    It peaks between the midpoints to the neighbours. Without both neighbours it is the best point itself.
    """
    rows = np.arange(len(index))
    middle = np.clip(index, 1, max(1, len(log2_x) - 2))
    peak: np.ndarray = log2_x[index]
    if len(log2_x) < 3:
        return peak
    x0, x1, x2 = (log2_x[middle + shift] for shift in (-1, 0, 1))
    y0, y1, y2 = (profile[rows, middle + shift] for shift in (-1, 0, 1))
    inside = (middle == index) & np.isfinite(x0) & np.isfinite(y0) & np.isfinite(y2)
    x0 = np.where(inside, x0, x1 - 1)
    y0, y2 = np.where(inside, y0, 0.0), np.where(inside, y2, 0.0)
    rise, fall = (y1 - y0) / (x1 - x0), (y1 - y2) / (x2 - x1)  # both ≥ 0 at a maximum
    usable = inside & (rise + fall > 0)
    share = np.divide(rise, rise + fall, out=np.full_like(rise, 0.5), where=usable)
    vertex: np.ndarray = (x0 + x1) / 2 + share * (x2 - x0) / 2
    peak[usable] = vertex[usable]
    return peak
