"""Ratio of two optima on log2 axes, with a bootstrap over seeds that both curves share.

The optimum is the vertex of the parabola through the best mean and its two neighbours, in log2 of the axis.
Where means tie, a resample takes one of them at random, so the interval spans the tie. Where the best mean is
the first or last of its grid, the true optimum may lie beyond: that end of the interval is then infinite, and
the other end may still decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sgdlab.analysis.estimators.estimate import (
    BOOTSTRAP_SEED,
    MIN_SEEDS,
    Estimate,
    percentile_interval,
    resample,
)
from sgdlab.analysis.estimators.seed_table import SeedTable, curve_table_of, numbers_on, on_shared_seeds
from sgdlab.analysis.points import GridRuns, describe_point
from sgdlab.config.metrics import lower_is_better
from sgdlab.sweeps.claims import OptimumRatioClaim
from sgdlab.sweeps.spec import Protocol

_TIE = 1e-12  # means that differ by rounding only


@dataclass(frozen=True)
class _Curve:
    table: SeedTable
    log2_x: np.ndarray  # (P,) ascending; −inf at zero


@dataclass(frozen=True)
class _Optima:
    """The optimum of each resample."""

    log2_x: np.ndarray  # (R,)
    at_low_edge: np.ndarray  # (R,)
    at_high_edge: np.ndarray  # (R,)


def estimate_optimum_ratio(
    claim: OptimumRatioClaim, grids: Mapping[str, GridRuns], protocol: Protocol
) -> Estimate:
    """Return log2 of the optimum of `of` over that of `over`, with a percentile interval."""
    of = _curve(grids[claim.of.grid], protocol, claim.of.metric)
    over = _curve(grids[claim.over.grid], protocol, claim.over.metric)
    rule = (
        f"log2 of the axis value of {claim.of.grid!r} with the best mean {claim.of.metric} over that of "
        f"{claim.over.grid!r} with the best mean {claim.over.metric}, parabola through the best "
        "point and its neighbours, bootstrap over seeds"
    )
    remarks = list(dict.fromkeys((*of.table.describe_gaps(), *over.table.describe_gaps())))
    obstacle = of.table.unfinished() or over.table.unfinished() or _nothing_on(of) or _nothing_on(over)
    tables = on_shared_seeds(of.table, over.table)
    of, over = (replace(curve, table=table) for curve, table in zip((of, over), tables, strict=True))
    num_seeds = len(of.table.seeds)
    if num_seeds < MIN_SEEDS:
        obstacle = obstacle or f"{num_seeds} seeds have values on both curves, {MIN_SEEDS} are needed"
    if num_seeds < MIN_SEEDS or _nothing_on(of) or _nothing_on(over):
        return Estimate(None, None, num_seeds, rule, tuple(remarks), obstacle)
    remarks += [*_remarks(of), *_remarks(over)]
    weights = resample(num_seeds)
    generator = np.random.default_rng(BOOTSTRAP_SEED + 1)
    top, bottom = _optima(of, weights, generator), _optima(over, weights, generator)
    log2_ratio = top.log2_x - bottom.log2_x
    could_be_lower = top.at_low_edge | bottom.at_high_edge
    could_be_higher = top.at_high_edge | bottom.at_low_edge
    interval = percentile_interval(
        np.where(could_be_lower, -np.inf, log2_ratio), np.where(could_be_higher, np.inf, log2_ratio)
    )
    value = _best_estimate(of) - _best_estimate(over)
    return Estimate(value, interval, num_seeds, rule, tuple(dict.fromkeys(remarks)), obstacle)


def _curve(grid_runs: GridRuns, protocol: Protocol, metric: str) -> _Curve:
    axis_values, table = curve_table_of(grid_runs, protocol, metric)
    x = numbers_on(axis_values, grid_runs.grid_name)
    keep = np.flatnonzero(x >= 0)
    with np.errstate(divide="ignore"):
        return _Curve(table.select(keep.tolist()), np.log2(x[keep]))


def _nothing_on(curve: _Curve) -> str | None:
    if np.any(curve.table.valued & np.isfinite(curve.log2_x)):
        return None
    return f"no point of grid {curve.table.grid!r} that has a log2 has a value"


def _remarks(curve: _Curve) -> list[str]:
    """Say where the best mean touches an edge or ties."""
    best = np.flatnonzero(_is_best(_heights(curve, np.ones((1, len(curve.table.seeds)))))[0])
    table = curve.table
    name = f"{table.metric} of grid {table.grid!r}"
    remarks = []
    if len(best) > 1:
        remarks.append(f"{name} ties at {len(best)} points")
    if best[0] <= _first_with_log2(curve):
        remarks.append(f"{name} is best at the low edge, {describe_point(table.points[best[0]])}")
    if best[-1] == len(table.points) - 1:
        remarks.append(f"{name} is best at the high edge, {describe_point(table.points[best[-1]])}")
    return remarks


def _best_estimate(curve: _Curve) -> float:
    """Return the vertex over all seeds; the middle of the tied points where several tie."""
    heights = _heights(curve, np.ones((1, len(curve.table.seeds))))
    best = np.flatnonzero(_is_best(heights)[0])
    best = np.maximum(best, _first_with_log2(curve))
    if len(best) > 1:
        return float((curve.log2_x[best[0]] + curve.log2_x[best[-1]]) / 2)
    return float(_vertices(curve, heights, best)[0])


def _optima(curve: _Curve, weights: np.ndarray, generator: np.random.Generator) -> _Optima:
    heights = _heights(curve, weights)
    is_best = _is_best(heights)
    index = np.argmax(is_best * (1 + generator.random(heights.shape)), axis=1)
    first = _first_with_log2(curve)
    at_low_edge = index <= first
    index = np.maximum(index, first)
    tied = np.sum(is_best, axis=1) > 1
    log2_x = np.where(tied, curve.log2_x[index], _vertices(curve, heights, index))
    return _Optima(log2_x, at_low_edge, index == len(curve.log2_x) - 1)


def _heights(curve: _Curve, weights: np.ndarray) -> np.ndarray:
    """Return mean over seeds, higher is better, (R, P); −inf where a point has no value."""
    means = curve.table.means(weights)
    if lower_is_better(curve.table.metric):
        means = -means
    return np.where(np.isfinite(means) & curve.table.valued, means, -np.inf)


def _is_best(heights: np.ndarray) -> np.ndarray:
    highest = heights.max(axis=1, keepdims=True)
    return np.asarray(heights >= highest - _TIE * np.abs(highest))


def _first_with_log2(curve: _Curve) -> int:
    return int(np.flatnonzero(np.isfinite(curve.log2_x))[0])


def _vertices(curve: _Curve, heights: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return where the parabola through the best point and its neighbours peaks, (R,).

    It peaks between the midpoints to the neighbours. Without both neighbours it is the best point itself.
    """
    rows = np.arange(len(index))
    middle = np.clip(index, 1, max(1, len(curve.log2_x) - 2))
    peak: np.ndarray = curve.log2_x[index]
    if len(curve.log2_x) < 3:
        return peak
    x0, x1, x2 = (curve.log2_x[middle + shift] for shift in (-1, 0, 1))
    y0, y1, y2 = (heights[rows, middle + shift] for shift in (-1, 0, 1))
    inside = (middle == index) & np.isfinite(x0) & np.isfinite(y0) & np.isfinite(y2)
    x0 = np.where(inside, x0, x1 - 1)
    y0, y2 = np.where(inside, y0, 0.0), np.where(inside, y2, 0.0)
    rise, fall = (y1 - y0) / (x1 - x0), (y1 - y2) / (x2 - x1)  # both ≥ 0 at a maximum
    usable = inside & (rise + fall > 0)
    share = np.divide(rise, rise + fall, out=np.full_like(rise, 0.5), where=usable)
    vertex: np.ndarray = (x0 + x1) / 2 + share * (x2 - x0) / 2
    peak[usable] = vertex[usable]
    return peak
